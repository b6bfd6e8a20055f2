"""Samples of scaled dot-product attention."""

from __future__ import annotations

from tests.ops.samples.table import booleans, inf, literal, normal, sample

_NAME = "scaled_dot_product_attention"
_HEADS = "multi_head_attention_forward"
_MASK = [[True, False, True, True], [False, False, False, False], [True, True, True, True]]
_BIAS = [[0.0, -inf, 1.0, -2.0], [-inf, -inf, -inf, -inf], [0.5, 0.0, 0.0, -inf]]

SAMPLES = (
    sample(_NAME, normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 6)),
    sample(_NAME, normal(3, 4), normal(5, 4), normal(5, 2), scale=0.3, label="scale"),
    sample(_NAME, normal(2, 2, 4, 3), normal(2, 2, 4, 3), normal(2, 2, 4, 3), is_causal=True, label="causal"),
    sample(_NAME, normal(1, 5, 3), normal(1, 3, 3), normal(1, 3, 3), is_causal=True, label="causal, long query"),
    sample(_NAME, normal(1, 3, 3), normal(1, 5, 3), normal(1, 5, 3), is_causal=True, label="causal, long key"),
    sample(_NAME, normal(2, 3, 4), normal(2, 4, 4), normal(2, 4, 4), literal(_MASK, "bool"), label="mask"),
    sample(_NAME, normal(2, 3, 4), normal(2, 4, 4), normal(2, 4, 4), booleans(2, 1, 4), label="mask broadcast"),
    sample(
        _NAME, normal(2, 3, 4), normal(2, 4, 4), normal(2, 4, 4), literal(_BIAS), differentiable=(0, 1, 2), label="bias"
    ),
    sample(_NAME, normal(2, 3, 4), normal(2, 4, 4), normal(2, 4, 4), normal(3, 4), label="finite bias"),
    sample(_NAME, normal(2, 4, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 4), enable_gqa=True, label="shared heads"),
    sample(
        _HEADS, normal(3, 2, 4), normal(5, 2, 4), normal(5, 2, 4), 4, 2, normal(12, 4), normal(12), None, None, False,
        0.0, normal(4, 4), normal(4),
    ),
    sample(
        _HEADS, normal(3, 2, 4), normal(5, 2, 3), normal(5, 2, 6), 4, 2, None, normal(12), normal(1, 1, 4),
        normal(1, 1, 4), True, 0.0, normal(4, 4), None, need_weights=False, use_separate_proj_weight=True,
        q_proj_weight=normal(4, 4), k_proj_weight=normal(4, 3), v_proj_weight=normal(4, 6), label="apart",
    ),
)  # fmt: skip
