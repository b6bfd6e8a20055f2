"""Mixed precision: which public functions convert their operands while autocast is on, and how.

The three lists are PyTorch's for the CPU; they were checked against PyTorch 2.13 by running its table of operators.
Source: https://docs.pytorch.org/docs/stable/amp.html#cpu-op-specific-behavior
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.types import DType, float32, float64
from graphc.ops.operands import cast
from graphc.ops.promotion import promote_types
from graphc.recording import state

# Fast and accurate enough in the lower precision.
_LOWER = frozenset(
    [
        "addbmm",
        "addmm",
        "baddbmm",
        "bmm",
        "chain_matmul",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "einsum",
        "inner",
        "linalg.matmul",
        "linalg.multi_dot",
        "linalg.vecdot",
        "linear",
        "matmul",
        "mm",
        "multi_head_attention_forward",
        "prelu",
        "scaled_dot_product_attention",
        "tensordot",
    ]
)
# They need float32.
_FULL = frozenset(
    [
        "adaptive_avg_pool3d",
        "adaptive_max_pool3d",
        "avg_pool3d",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cdist",
        "cholesky",
        "cholesky_inverse",
        "cholesky_solve",
        "cosine_embedding_loss",
        "cross_entropy",
        "ctc_loss",
        "fractional_max_pool2d",
        "fractional_max_pool3d",
        "geqrf",
        "grid_sample",
        "hinge_embedding_loss",
        "huber_loss",
        "inverse",
        "kl_div",
        "l1_loss",
        "linalg.cholesky",
        "linalg.cholesky_ex",
        "linalg.cond",
        "linalg.eigh",
        "linalg.eigvalsh",
        "linalg.householder_product",
        "linalg.inv",
        "linalg.inv_ex",
        "linalg.lstsq",
        "linalg.matrix_rank",
        "linalg.qr",
        "linalg.solve",
        "linalg.svd",
        "linalg.svdvals",
        "linalg.tensorinv",
        "linalg.tensorsolve",
        "lu_solve",
        "margin_ranking_loss",
        "max_unpool2d",
        "max_unpool3d",
        "mse_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "nanquantile",
        "nll_loss",
        "orgqr",
        "ormqr",
        "pinverse",
        "poisson_nll_loss",
        "polar",
        "prod",
        "qr",
        "quantile",
        "smooth_l1_loss",
        "soft_margin_loss",
        "stft",
        "svd",
        "trace",
        "triangular_solve",
        "triplet_margin_loss",
        "view_as_complex",
    ]
)
# They need one dtype for all operands, and take the widest.
_WIDEST = frozenset(["cat", "concat", "concatenate", "index_copy", "stack"])


def _is_converted(value: Any) -> bool:
    return hasattr(value, "apply") and value.dtype.is_floating_point and value.dtype != float64


def _mapped(values: Any, dtype: DType) -> Any:
    """Arguments with every floating tensor but those of float64 in a dtype."""
    if _is_converted(values):
        return cast(values, dtype)
    if type(values) in (list, tuple):
        return type(values)(_mapped(value, dtype) for value in values)
    return values


def _widest(values: Sequence[Any]) -> DType | None:
    """The dtype that the floating tensors among arguments promote to."""
    found: DType | None = None
    for value in values:
        dtype = _widest(value) if type(value) in (list, tuple) else value.dtype if _is_converted(value) else None
        if dtype is not None:
            found = dtype if found is None else promote_types(found, dtype)
    return found


# Gives the dtype in which a function runs of its arguments; None where they stay as they are.
Precision = Callable[[Sequence[Any]], DType | None]


def precision_of(name: str) -> Precision | None:
    """In which precision a public function runs while autocast is on; None for one that is in no list.

    Args:
        name: its name, that of a namespace before it: "linalg.inv".
    """
    if name in _LOWER:
        return _lower
    if name in _FULL:
        return _full
    return _widest if name in _WIDEST else None


def in_precision(
    choose: Precision, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """What a public function gives of its operands in the precision that autocast has for it. The rules of the backward
    pass are not asked: they work in the precision of the forward pass."""
    dtype = choose([*arguments, *keywords.values()])
    if dtype is not None:
        arguments = _mapped(arguments, dtype)
        keywords = {key: _mapped(value, dtype) for key, value in keywords.items()}
    # What the function is made of works in the precision that was chosen for it.
    mode, state.autocast = state.autocast, None
    try:
        return function(*arguments, **keywords)
    finally:
        state.autocast = mode


def _lower(values: Sequence[Any]) -> DType | None:
    return state.autocast


def _full(values: Sequence[Any]) -> DType:
    return float32
