"""Scaled dot-product attention and attention with several heads, as composites: products and a softmax.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html and, for
several heads, https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ir.types import bool_, int64
from graphc.ops import arithmetic, comparisons, pointwise, reductions, sources, views
from graphc.ops.functions.activation import softmax
from graphc.ops.functions.dropout import dropout
from graphc.ops.functions.linear import linear, matmul
from graphc.ops.functions.padding import pad
from graphc.ops.functions.reduction import mean
from graphc.ops.functions.shaping import (
    broadcast_to,
    cat,
    chunk,
    permute,
    reshape,
    split,
    squeeze,
    transpose,
    unsqueeze,
)
from graphc.ops.half_precision import rounded_once
from graphc.ops.masks import additive_mask
from graphc.ops.operands import broadcast_shapes
from graphc.ops.sources import number_like
from graphc.ops.type_names import scalar_name

__all__ = []


@rounded_once
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


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Projections to heads, attention in each, and a projection of all: the result, and the weights or None.

    Args:
        query, key, value: [l, n, e], [s, n, e or k], [s, n, e or v]; without n for one sequence.
        embed_dim_to_check, num_heads: e and how many heads share it.
        in_proj_weight, in_proj_bias: [3e, e] for query, key, and value, and [3e]; weights apart, [e, e], [e, k], and
            [e, v], with ``use_separate_proj_weight``.
        bias_k, bias_v: [1, 1, e], one more key and value.
        add_zero_attn: one more key and value of zeros.
        dropout_p: the probability with which a weight is dropped in ``training``.
        out_proj_weight, out_proj_bias: [e, e] and [e].
        key_padding_mask: [n, s] or [s]; bool, true where a key takes no part, or floats to be added.
        attn_mask: [l, s] or [n * heads, l, s], likewise.
        static_k, static_v: [n * heads, s, e / heads] in place of the projected ones.
        need_weights: give the weights, [n, l, s] or, unless ``average_attn_weights``, [n, heads, l, s].
        is_causal: says that ``attn_mask`` is the causal one, which need not be looked at then.

    Raises AssertionError or RuntimeError, with PyTorch's words, for operands that do not fit.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (unsqueeze(each, 1) for each in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    places, sequences, size = query.shape
    other = None if attn_mask is None else attn_mask.dtype
    key_padding_mask = additive_mask(key_padding_mask, "key_padding_mask", query.dtype, other, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and key_padding_mask is None and not need_weights
    attn_mask = None if is_causal else additive_mask(attn_mask, "attn_mask", query.dtype)
    if size != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        query, key, value = _projected_apart(query, key, value, weights, in_proj_bias)
    else:
        query, key, value = _projected_together(query, key, value, in_proj_weight, in_proj_bias)
    attn_mask = _mask_for_heads(attn_mask, sequences * num_heads, places, key.shape[0])
    learned = bias_k is not None or bias_v is not None
    if learned:
        for name, static in (("key", static_k), ("value", static_v)):
            if static is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
        key, value = _with_learned(key, value, bias_k, bias_v)
    query = _heads_first(query, num_heads)
    key, value = (
        _heads_first(each, num_heads) if static is None else _checked(static, name, query, size // num_heads)
        for each, static, name in ((key, static_k, "static_k"), (value, static_v, "static_v"))
    )
    if add_zero_attn:
        key, value = (pad(each, (0, 0, 0, 1)) for each in (key, value))
    more_keys = learned + bool(add_zero_attn)
    if more_keys:
        attn_mask, key_padding_mask = (
            None if mask is None else pad(mask, (0, more_keys)) for mask in (attn_mask, key_padding_mask)
        )
    keys = key.shape[1]
    if key_padding_mask is not None:
        padding = _padding_for_heads(key_padding_mask, sequences, num_heads, keys)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    dropout_p = dropout_p if training else 0.0
    shown = None
    if need_weights:
        scaled = query * math.sqrt(1.0 / float(query.shape[2]))
        scores = matmul(scaled, transpose(key, 1, 2))
        shown = softmax(scores if attn_mask is None else attn_mask + scores, -1)
        shown = dropout(shown, dropout_p) if dropout_p > 0.0 else shown
        attended = transpose(matmul(shown, value), 0, 1)
        shown = reshape(shown, (sequences, num_heads, places, keys))
        shown = mean(shown, 1) if average_attn_weights else shown
    else:
        if attn_mask is not None and attn_mask.shape[0] > 1:
            attn_mask = reshape(attn_mask, (sequences, num_heads, attn_mask.shape[1], keys))
        apart = (reshape(each, (sequences, num_heads, *each.shape[1:])) for each in (query, key, value))
        attended = permute(scaled_dot_product_attention(*apart, attn_mask, dropout_p, is_causal), (2, 0, 1, 3))
    result = linear(reshape(attended, (places, sequences, size)), out_proj_weight, out_proj_bias)
    if batched:
        return result, shown
    return squeeze(result, 1), None if shown is None else squeeze(shown, 0)


def _is_batched(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int) -> bool:
    """Whether there is a dimension of sequences. Raises AssertionError for operands of ranks that do not fit."""
    rank = query.ndim
    if rank not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    what = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected"
    if key.ndim != rank or value.ndim != rank:
        raise AssertionError(
            f"{what} `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != rank - 1:
        raise AssertionError(
            f"{what} `key_padding_mask` to be `None` or {rank - 1}-D but found {key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"{what} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if rank == 2 and attn_mask.ndim == 3 and tuple(attn_mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return rank == 3


def _projected_together(query: Any, key: Any, value: Any, weight: Any, bias: Any) -> Any:
    """Query, key, and value projected by one matrix: in one product where they are one tensor.

    Raises AssertionError for key and value of different shapes.
    """
    if tuple(key.shape) != tuple(value.shape):
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    if weight is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    size = query.shape[-1]
    if query is key and key is value:
        return chunk(linear(query, weight, bias), 3, -1)
    if key is value:
        weights = split(weight, [size, 2 * size])
        biases = (None, None) if bias is None else split(bias, [size, 2 * size])
        return linear(query, weights[0], biases[0]), *chunk(linear(key, weights[1], biases[1]), 2, -1)
    biases = (None, None, None) if bias is None else chunk(bias, 3)
    return tuple(linear(*each) for each in zip((query, key, value), chunk(weight, 3), biases, strict=True))


def _projected_apart(query: Any, key: Any, value: Any, weights: Any, bias: Any) -> Any:
    """Query, key, and value projected by a matrix each. Raises AssertionError for one that does not fit."""
    if tuple(key.shape[:2]) != tuple(value.shape[:2]):
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    names, operands, size = ("query", "key", "value"), (query, key, value), query.shape[-1]
    for name, weight in zip("qkv", weights, strict=True):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    for name, operand, weight in zip(names, operands, weights, strict=True):
        expected = (size, operand.shape[-1])
        if tuple(weight.shape) != expected:
            raise AssertionError(f"expecting {name} weights shape of {expected}, but got {weight.shape}")
    biases = (None, None, None) if bias is None else chunk(bias, 3)
    for name, part in zip(names, biases, strict=True):
        if part is not None and tuple(part.shape) != (size,):
            raise AssertionError(f"expecting {name} bias shape of {(size,)}, but got {part.shape}")
    return tuple(linear(*each) for each in zip(operands, weights, biases, strict=True))


def _with_learned(key: Any, value: Any, bias_k: Any, bias_v: Any) -> Any:
    """Keys and values with one more at the end, the same for all sequences."""
    if bias_k is None or bias_v is None:
        given, lacking = ("k", "v") if bias_v is None else ("v", "k")
        raise AssertionError(f"bias_{given} is set but bias_{lacking} is None")
    shape = (1, *key.shape[1:])
    return tuple(cat((each, broadcast_to(more, shape)), 0) for each, more in ((key, bias_k), (value, bias_v)))


def _padding_for_heads(mask: Any, sequences: int, heads: int, keys: int) -> Any:
    """A mask of the keys of each sequence, [sequences, keys], as [sequences * heads, 1, keys].

    Raises AssertionError for one of another shape.
    """
    for dim, expected in enumerate((sequences, keys)):
        if mask.shape[dim] != expected:
            raise AssertionError(f"Expected key_padded_mask.shape[{dim}] to be {expected}, but got {mask.shape[dim]}")
    apart = broadcast_to(reshape(mask, (sequences, 1, 1, keys)), (sequences, heads, 1, keys))
    return reshape(apart, (sequences * heads, 1, keys))


def _mask_for_heads(mask: Any, heads: int, places: int, keys: int) -> Any:
    """A mask with a dimension of heads. Raises RuntimeError for one of another shape."""
    if mask is None:
        return None
    expected = (places, keys) if mask.ndim == 2 else (heads, places, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}.")
    return unsqueeze(mask, 0) if mask.ndim == 2 else mask


def _heads_first(projected: Any, heads: int) -> Any:
    """[places, sequences, size] as [sequences * heads, places, size of one head]."""
    places, sequences, size = projected.shape
    return transpose(reshape(projected, (places, sequences * heads, size // heads)), 0, 1)


def _checked(static: Any, name: str, query: Any, size: int) -> Any:
    """A key or value that is given for each head. Raises AssertionError for one of another shape."""
    for dim, expected in ((0, query.shape[0]), (2, size)):
        if static.shape[dim] != expected:
            raise AssertionError(f"expecting {name}.size({dim}) of {expected}, but got {static.shape[dim]}")
    return static
