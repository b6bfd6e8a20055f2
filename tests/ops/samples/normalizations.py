"""Samples of normalizations."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import OpSample, literal, normal, primitive_sample, sample, uniform


def _wide_sum(torch: Any, x: Any, *, dims: Any) -> Any:
    return x.sum(dims, dtype=torch.float64)


_MEAN, _VARIANCE = normal(3), uniform(3, low=0.5, high=2.0)
_WEIGHT, _BIAS = normal(3), normal(3)
# The second derivative of a normalization cancels to little: its absolute error is that of its parts.
_LOOSE = (2e-5, 1e-10)

_OPTIONS = {"tolerance": _LOOSE}

SAMPLES: tuple[OpSample, ...] = (
    sample("layer_norm", normal(4, 5), (5,), **_OPTIONS),
    sample("layer_norm", normal(2, 4, 5), (4, 5), normal(4, 5), normal(4, 5), label="two-dims", **_OPTIONS),
    sample("layer_norm", normal(4, 5), (5,), normal(5), normal(5), 1e-3, label="affine", **_OPTIONS),
    sample("layer_norm", normal(0, 5), (5,), normal(5), label="empty"),
    sample("rms_norm", normal(4, 5), (5,), normal(5), **_OPTIONS),
    sample("rms_norm", normal(2, 3, 5), (3, 5), None, 0.1, label="eps", **_OPTIONS),
    sample("group_norm", normal(2, 6, 3), 3, normal(6), normal(6), **_OPTIONS),
    sample("group_norm", normal(3, 8), 2, label="rows", **_OPTIONS),
    sample("group_norm", normal(0, 8), 2, normal(8), normal(8), label="no rows", **_OPTIONS),
    sample("group_norm", normal(2, 4, 2, 3), 4, normal(4), None, 1e-3, label="each channel", **_OPTIONS),
    sample("batch_norm", normal(4, 3), None, None, training=True, label="training", **_OPTIONS),
    sample("batch_norm", normal(4, 3, 2, 2), None, None, _WEIGHT, _BIAS, training=True, label="images", **_OPTIONS),
    sample("batch_norm", normal(4, 3, 2, 2), None, None, _WEIGHT, None, True, 0.1, 0.5, label="eps", **_OPTIONS),
    sample(
        "batch_norm",
        normal(4, 3, 2, 2),
        _MEAN,
        _VARIANCE,
        _WEIGHT,
        _BIAS,
        label="evaluation",
        differentiable=(0, 3, 4),
        **_OPTIONS,
    ),
    sample("batch_norm", normal(0, 3, 2), None, None, training=True, label="empty", differentiable=()),
    sample("instance_norm", normal(2, 3, 4), weight=_WEIGHT, bias=_BIAS, **_OPTIONS),
    sample("instance_norm", normal(2, 3, 2, 3), eps=0.1, label="images", **_OPTIONS),
    sample(
        "instance_norm",
        normal(2, 3, 4),
        _MEAN,
        _VARIANCE,
        _WEIGHT,
        use_input_stats=False,
        differentiable=(0, 3),
        label="evaluation",
        **_OPTIONS,
    ),
    sample("local_response_norm", normal(2, 5, 4), 3, **_OPTIONS),
    sample("local_response_norm", normal(2, 5, 3, 2), 2, 0.5, 0.6, 2.0, label="images", **_OPTIONS),
    sample("local_response_norm", normal(1, 4, 2, 2, 2), 4, 0.1, label="volumes", **_OPTIONS),
    sample("normalize", normal(4, 5), **_OPTIONS),
    sample("normalize", normal(4, 5), p=1.0, dim=0, label="p-1", **_OPTIONS),
    sample("normalize", literal([[0.0, 0.0], [3.0, 4.0]]), label="zero", smooth=False),
    primitive_sample("wide_sum", normal(4, 3, 2), dims=(0, 2), oracle=_wide_sum),
    primitive_sample("wide_sum", normal(4, 3, dtype="float64"), dims=(1,), oracle=_wide_sum, label="double"),
)
