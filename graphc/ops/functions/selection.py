"""Selecting and replacing: elements by flat places, by masks, by views, and with values that are combined.

Source: https://docs.pytorch.org/docs/stable/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import bool_, int64
from graphc.ops import comparisons, gathers, scatters, strided_views, views
from graphc.ops.functions.indexing import scatter_add
from graphc.ops.functions.shaping import broadcast_to, ravel, slice_dim, unsqueeze
from graphc.ops.operands import broadcast_shapes, cast, is_value, normalize_dim
from graphc.ops.scatter_reductions import scatter_reduced
from graphc.ops.sources import number_like
from graphc.ops.subscripts import (
    constant,
    integer_lookups,
    require_one_dtype,
    require_truth_values,
    view_and_lookups,
    wrapped,
    written,
)
from graphc.ops.type_names import type_name
from graphc.ops.value_sizes import first_places_of_true, places_of_true

__all__ = [
    "argwhere",
    "diagonal_scatter",
    "index_fill",
    "index_put",
    "index_reduce",
    "masked_scatter",
    "nonzero",
    "nonzero_static",
    "put",
    "scatter_reduce",
    "select_scatter",
    "slice_scatter",
    "take",
]
IN_PLACE = ("index_fill", "index_put", "index_reduce", "masked_scatter", "put", "scatter_reduce")


# -- places in the flattened tensor --------------------------------------------------------------------------------


def _flat_places(name: str, input: Any, index: Any) -> Any:
    """Places in the flattened input, from its end where negative, as a vector."""
    if index.dtype != int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {type_name(index.dtype)}")
    size, flat = product(input.shape), ravel(index)
    if isinstance(size, int) and index.is_eager:
        places = flat._settled
        outside = places[(places < -size) | (places >= size)]
        if outside.size:
            raise IndexError(f"out of range: tried to access index {outside[0]} on a tensor of {size} elements.")
    return wrapped(flat, size, 0)


def take(input: Any, index: Any) -> Any:
    """The elements of the flattened input at places of any shape; negative ones count from the end."""
    if product(input.shape) == 0 and product(index.shape) != 0:
        raise IndexError("take(): tried to take from an empty tensor")
    places = _flat_places("take", input, index)
    return views.Reshape.bind(gathers.IndexSelect.bind(ravel(input), places, dim=0), shape=tuple(index.shape))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """The input with elements put at (or added to) places of the flattened input."""
    if source.dtype != input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{type_name(input.dtype)} and source.dtype = {type_name(source.dtype)}"
        )
    if product(index.shape) != product(source.shape):
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{product(source.shape)}, index.numel() = {product(index.shape)}"
        )
    places = _flat_places("put_", input, index)
    primitive = scatters.IndexAdd if accumulate else scatters.IndexCopy
    return views.Reshape.bind(primitive.bind(ravel(input), places, ravel(source), dim=0), shape=tuple(input.shape))


# -- places of a dim -----------------------------------------------------------------------------------------------


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """The input with a number at the places of a dim that a vector of indices names; negative ones from the end."""
    dim = normalize_dim(dim, input.ndim)
    if index.dtype.name not in ("int64", "int32"):
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if is_value(value) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    base, index = ravel(input) if input.ndim == 0 else input, ravel(index)
    shape = (*base.shape[:dim], index.shape[0], *base.shape[dim + 1 :])
    places = wrapped(index, base.shape[dim], dim)
    if is_value(value):
        # A place that is named twice takes the value once, and its gradient counts once.
        never = number_like(input, 0, shape=tuple(base.shape), dtype=bool_)
        named = scatters.IndexCopy.bind(never, places, number_like(input, 1, shape=shape, dtype=bool_), dim=dim)
        filled = comparisons.Where.bind(named, broadcast_to(cast(value, input.dtype), tuple(base.shape)), base)
    else:
        filled = scatters.IndexCopy.bind(base, places, number_like(input, value, shape=shape), dim=dim)
    return views.Reshape.bind(filled, shape=tuple(input.shape))


def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """The input with values put at (or added to) the places ``input[indices]``."""
    if is_value(indices):
        raise TypeError("index_put(): argument 'indices' (position 2) must be tuple of Tensors, not Tensor")
    indices = tuple(indices)
    if len(indices) > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})")
    viewed, lookups = view_and_lookups(input, tuple(map(_as_lookup, indices)))
    if not (all(lookup.is_mask for lookup in lookups) and product(values.shape) == 1 and not accumulate):
        require_one_dtype(input, values)
    elif len(lookups) == 1:
        require_truth_values(indices)
    result = written(viewed, integer_lookups(lookups), cast(values, input.dtype), accumulate)
    return views.Reshape.bind(result, shape=tuple(input.shape))


def _as_lookup(index: Any) -> Any:
    """A part of a subscript that selects a whole dim for None, and looks it up where the index is a single number."""
    if index is None:
        return slice(None)
    return ravel(index) if not index.ndim and index.dtype.is_integer and index.dtype.name != "uint8" else index


def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """The input with slices of the source combined into the places of a dim that a vector of indices names, by "prod",
    "mean", "amax" or "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = normalize_dim(dim, input.ndim)
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError("index_reduce(): Expected dtype int32/int64 for index")
    if source.dtype != input.dtype:
        raise RuntimeError("index_reduce(): self and source must have the same scalar type")
    base, index, rows = (ravel(value) if value.ndim == 0 else value for value in (input, index, source))
    count = index.shape[0]
    if tuple(rows.shape) != (*base.shape[:dim], count, *base.shape[dim + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
    shape = tuple(count if place == dim else 1 for place in range(base.ndim))
    places = broadcast_to(views.Reshape.bind(index, shape=shape), tuple(rows.shape))
    try:
        result = _reduced(base, dim, places, rows, reduce, include_self)
    except RuntimeError as error:
        if "out of bounds" in str(error):
            raise IndexError("index out of range in self") from None
        raise
    return views.Reshape.bind(result, shape=tuple(input.shape))


# -- combining at computed places ----------------------------------------------------------------------------------


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """The input with ``src[i][j]`` combined into ``[i][index[i][j]]`` for dim 1 of a matrix, by "sum", "prod", "mean",
    "amax" or "amin". ``include_self=False``: what the input has at such places is left out."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim = normalize_dim(dim, input.ndim)
    # The checks of operands are those of a scatter that adds.
    summed = scatter_add(input, dim, index, src)
    if reduce == "sum" and include_self:
        return summed
    base, index, src = (ravel(value) if value.ndim == 0 else value for value in (input, index, src))
    for place in range(index.ndim):
        src = slice_dim(src, place, 0, index.shape[place]) if index.shape[place] != src.shape[place] else src
    result = _reduced(base, dim, index, src, reduce, include_self)
    return views.Reshape.bind(result, shape=tuple(input.shape))


def _reduced(base: Any, dim: int, index: Any, source: Any, reduce: str, include_self: bool) -> Any:
    if reduce in ("prod", "amax", "amin"):
        return scatter_reduced(base, index, source, dim=dim, reduce=reduce, include_self=bool(include_self))
    start, counts = base, number_like(base, 1, shape=tuple(base.shape))
    if not include_self:
        nothing = number_like(base, 0, shape=tuple(index.shape))
        start = scatters.ScatterPut.bind(base, index, nothing, dim=dim)
        counts = scatters.ScatterPut.bind(counts, index, nothing, dim=dim)
    total = scatters.ScatterAdd.bind(start, index, source, dim=dim)
    if reduce == "sum":
        return total
    one = number_like(source, 1, shape=tuple(index.shape))
    counts = scatters.ScatterAdd.bind(counts, index, one, dim=dim)
    return total / counts if base.dtype.is_differentiable else total // counts


# -- masks ---------------------------------------------------------------------------------------------------------


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """The input with the elements of the source, in order, at the places where the mask is true."""
    if mask.dtype != bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {type_name(mask.dtype)}"
        )
    if input.dtype != source.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{type_name(input.dtype)} and {type_name(source.dtype)}"
        )
    shape = broadcast_shapes(input.shape, mask.shape)
    input, inside = broadcast_to(input, shape), ravel(broadcast_to(mask, shape))
    numbers = cast(inside, int64).cumsum(0)
    extent = product(source.shape)
    if extent == 0 and product(shape) and not (inside.is_eager and not inside._settled.any()):
        raise RuntimeError("Number of elements of source < number of ones in mask")
    if extent == 0:
        return views.Alias.bind(input)
    try:
        # The element for a place is that of the number of true ones before it.
        places = gathers.CheckIndex.bind((numbers - 1).masked_fill(inside.logical_not(), 0), extent=extent, dim=0)
    except IndexError:
        raise RuntimeError("Number of elements of source < number of ones in mask") from None
    taken = gathers.IndexSelect.bind(ravel(source), places, dim=0)
    found = views.Reshape.bind(taken, shape=shape)
    return comparisons.Where.bind(views.Reshape.bind(inside, shape=shape), found, input)


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that differ from zero: a row for each, or with ``as_tuple`` a vector for each dim.

    A compiled function rests on their number.
    """
    places = places_of_true(input if input.ndim else ravel(input))
    if as_tuple:
        return places
    count = int(places[0].shape[0])
    if not input.ndim:
        return constant(input, np.empty((count, 0)), int64)
    return gathers.Cat.bind(*(views.Reshape.bind(each, shape=(count, 1)) for each in places), dim=1)


def argwhere(input: Any) -> Any:
    """As :func:`nonzero`: a row of indices for each element that differs from zero."""
    return nonzero(input)


def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """As :func:`nonzero`, cut or filled up to ``size`` rows."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if not input.ndim:
        return constant(input, np.full((size, 0), fill_value), int64)
    return first_places_of_true(input, int(size), int(fill_value))


# -- views replaced ------------------------------------------------------------------------------------------------


def _require_size(src: Any, shape: Sequence[Any]) -> None:
    if tuple(src.shape) != tuple(shape):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(shape)}"
        )


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """The input with one place of a dim replaced."""
    dim = normalize_dim(dim, input.ndim)
    shape = tuple(input.shape)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    _require_size(src, shape[:dim] + shape[dim + 1 :])
    start = index % shape[dim]
    return _slice_replaced(input, unsqueeze(cast(src, input.dtype), dim), dim, start, start + 1, 1)


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """The input with the places ``start:end:step`` of a dim replaced."""
    dim = normalize_dim(dim, input.ndim)
    if step < 1:
        raise RuntimeError("slice step must be positive")
    extent = input.shape[dim]
    first, stop, _ = slice(start, end, step).indices(extent)
    stop = max(first, stop)
    shape = list(input.shape)
    (shape[dim],) = views.slice_extents((first,), (stop,), (step,))
    _require_size(src, shape)
    return _slice_replaced(input, cast(src, input.dtype), dim, first, stop, step)


def _slice_replaced(input: Any, update: Any, dim: int, start: int, stop: int, step: int) -> Any:
    starts, stops, steps = [0] * input.ndim, list(input.shape), [1] * input.ndim
    starts[dim], stops[dim], steps[dim] = start, stop, step
    return views.SliceUpdate.bind(input, update, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The input with a diagonal replaced."""
    first, second = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest = [extent for dim, extent in enumerate(input.shape) if dim not in (first, second)]
    count = strided_views.diagonal_extent(input.shape[first], input.shape[second], offset)
    _require_size(src, [*rest, count])
    return strided_views.DiagonalUpdate.bind(input, cast(src, input.dtype), offset=int(offset), dim1=first, dim2=second)
