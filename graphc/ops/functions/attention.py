"""Scaled dot-product attention, as a composite: products and a softmax.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ir.types import bool_, int64
from graphc.ops import arithmetic, comparisons, pointwise, reductions, sources, views
from graphc.ops.functions.activation import dropout, softmax
from graphc.ops.functions.linear import matmul
from graphc.ops.functions.shaping import broadcast_to, scalar_name, transpose
from graphc.ops.operands import broadcast_shapes
from graphc.ops.sources import number_like

__all__ = []


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``softmax(query @ key.T * scale + mask) @ value`` over the last two dims; the dims before broadcast.

    Shapes: query ``[..., l, e]``, key ``[..., s, e]``, value ``[..., s, v]`` give ``[..., l, v]``. The scale is
    ``1 / sqrt(e)`` by default. A bool mask says which keys take part, a float one is added; where none takes part the
    result is zero. ``is_causal`` lets position i see positions up to i. ``enable_gqa`` lets groups of query heads
    share heads of key and value.

    Raises RuntimeError, with PyTorch's words, for operands that do not fit.
    """
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{scalar_name(query.dtype)} key.dtype: {scalar_name(key.dtype)} and value.dtype: "
            f"{scalar_name(value.dtype)} instead."
        )
    if enable_gqa:
        key, value = (_shared_heads(query, shared) for shared in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(arithmetic.Mul.bind(query, number_like(query, factor)), transpose(key, -1, -2))
    if is_causal:
        rows, columns = (
            scores.apply(sources.Iota.instance, (), {"shape": tuple(scores.shape[-2:]), "dim": dim, "dtype": int64})
            for dim in (0, 1)
        )
        scores = _masked(scores, comparisons.Le.bind(columns, rows))
    elif attn_mask is not None:
        scores = _with_mask(scores, attn_mask)
    # Only a mask of the caller's can leave a row with nothing to attend to.
    weights = softmax(scores, -1) if attn_mask is None else _softmax_or_zero(scores)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _masked(scores: Any, takes_part: Any) -> Any:
    shape = tuple(scores.shape)
    return comparisons.Where.bind(broadcast_to(takes_part, shape), scores, number_like(scores, -math.inf))


def _with_mask(scores: Any, mask: Any) -> Any:
    shape = broadcast_shapes(scores.shape, mask.shape)
    scores = broadcast_to(scores, shape)
    if mask.dtype == bool_:
        return _masked(scores, mask)
    if mask.dtype != scores.dtype and mask.dtype.name != "float32":
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{scalar_name(mask.dtype)} and  query.dtype: {scalar_name(scores.dtype)} instead."
        )
    if mask.dtype != scores.dtype:
        mask = pointwise.Cast.bind(mask, dtype=scores.dtype)
    return arithmetic.Add.bind(scores, broadcast_to(mask, shape))


def _softmax_or_zero(scores: Any) -> Any:
    """The softmax over the last dim; zeros for a row of nothing but -inf, with no NaN on the way or in gradients."""
    last, shape = scores.ndim - 1, tuple(scores.shape)
    if shape[last] == 0:
        return scores
    # The shift is a constant to the gradient, which does not depend on it.
    greatest = reductions.Amax.bind(views.Detach.bind(scores), dims=(last,))
    nothing = comparisons.Eq.bind(greatest, number_like(greatest, -math.inf))
    shift = comparisons.Where.bind(nothing, number_like(greatest, 0), greatest)
    weights = pointwise.Exp.bind(arithmetic.Sub.bind(scores, reductions.restored(shift, shape, (last,))))
    total = reductions.Sum.bind(weights, dims=(last,))
    total = comparisons.Where.bind(nothing, number_like(total, 1), total)
    return arithmetic.Div.bind(weights, reductions.restored(total, shape, (last,)))


def _shared_heads(query: Any, shared: Any) -> Any:
    """Heads of key or value repeated so that there is one for each query head."""
    wanted, given = query.shape[-3], shared.shape[-3]
    if wanted % given:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, got {given} and {wanted}"
        )
    *leading, _, places, size = shared.shape
    apart = views.Reshape.bind(shared, shape=(*leading, given, 1, places, size))
    repeated = views.Expand.bind(apart, shape=(*leading, given, wanted // given, places, size))
    return views.Reshape.bind(repeated, shape=(*leading, wanted, places, size))
