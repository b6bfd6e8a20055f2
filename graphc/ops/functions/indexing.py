"""Indexing: ``x[index]`` read and written, and PyTorch's functions that read or write at computed places.

Source: https://docs.pytorch.org/docs/stable/tensor_indexing.html and the pages of the functions
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.types import DType, bool_, int64
from graphc.ops import arithmetic, comparisons, gathers, scatters, sources, views
from graphc.ops.functions.arithmetic import where as choose
from graphc.ops.functions.shaping import broadcast_to, ravel, scalar_name, slice_dim, type_name, unsqueeze
from graphc.ops.operands import broadcast_shapes, cast, is_value, normalize_dim
from graphc.ops.sources import number_like

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_select",
    "masked_fill",
    "masked_select",
    "scatter",
    "scatter_add",
    "take_along_dim",
    "where",
]
FUNCTIONS_ONLY = ("where",)
IN_PLACE = ("index_add", "index_copy", "masked_fill", "scatter", "scatter_add")


def _constant(reference: Any, values: Any, dtype: DType | None = None) -> Any:
    """An array that is known now, as a tensor or symbol like the reference."""
    return reference.apply(sources.Constant.instance, (), {"literal": sources.Literal(values, dtype)})


# -- x[index] ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lookup:
    """A tensor of integers that looks up places of dim ``dim``, or of truth values over the dims from there on."""

    dim: int
    tensor: Any

    @property
    def is_mask(self) -> bool:
        return self.tensor.dtype == bool_


def getitem(input: Any, index: Any) -> Any:
    """``input[index]`` for ints, slices, None, Ellipsis, bools, and tensors or lists of integers or truth values.

    Without tensors the result is a view. A tensor of truth values selects as many elements as it has true ones, so its
    values must be known: TypeError in a graph. Raises IndexError, with PyTorch's words, for an index out of range.
    """
    viewed, lookups = _view_and_lookups(input, index)
    return _read(viewed, _integer_lookups(lookups))


def setitem(input: Any, index: Any, value: Any) -> None:
    """``input[index] = value`` for a tensor: the value is converted to its dtype and broadcast to the place."""
    if not hasattr(input, "copy_"):
        raise TypeError("a value in a graph cannot be written to; use torch.where, index_add or scatter")
    viewed, lookups = _view_and_lookups(input, index)
    if not is_value(value):
        value = _constant(input, np.asarray(value).astype(input.dtype.numpy))
    value = cast(value, input.dtype)
    if not lookups:
        viewed.copy_(_fitted(value, tuple(viewed.shape)))
        return
    if len(lookups) == 1 and lookups[0].is_mask:
        (mask,) = lookups
        after = viewed.ndim - mask.dim - mask.tensor.ndim
        if value.ndim == 1 and value.shape[0] == 1 and after == 0:
            value = views.Reshape.bind(value, shape=())
        if value.ndim <= after:  # the same for every selected element: how many there are does not matter
            inside = views.Reshape.bind(mask.tensor, shape=(*mask.tensor.shape, *(1,) * after))
            shape = tuple(viewed.shape)
            viewed.copy_(comparisons.Where.bind(broadcast_to(inside, shape), broadcast_to(value, shape), viewed))
            return
    viewed.copy_(_written(viewed, _integer_lookups(lookups), value))


def _view_and_lookups(input: Any, index: Any) -> tuple[Any, list[_Lookup]]:
    """What ints, slices, None and Ellipsis of an index select, and the tensors of the index, left to look up."""
    entries = _entries(input, index)
    shape = tuple(input.shape)
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    result: list[Dimension] = []
    lookups: list[_Lookup] = []
    dim = 0
    for entry in entries:
        if entry is None or entry is True:
            result.append(1)
        elif isinstance(entry, slice):
            starts[dim], stops[dim], steps[dim] = _slice_bounds(entry, shape[dim])
            (extent,) = views.slice_extents((starts[dim],), (stops[dim],), (steps[dim],))
            result.append(extent)
            dim += 1
        elif isinstance(entry, int):
            extent = shape[dim]
            if isinstance(extent, int) and not -extent <= entry < extent:
                raise IndexError(f"index {entry} is out of bounds for dimension {dim} with size {extent}")
            starts[dim] = entry if entry >= 0 else entry + extent
            stops[dim] = starts[dim] + 1
            dim += 1
        elif entry.dtype == bool_ and entry.ndim == 0:  # a new dim, of one place or none
            lookups.append(_Lookup(len(result), views.Reshape.bind(entry, shape=(1,))))
            result.append(1)
        else:
            lookups.append(_Lookup(len(result), entry))
            count = entry.ndim if entry.dtype == bool_ else 1
            for offset in range(count if entry.dtype == bool_ else 0):
                if entry.shape[offset] != shape[dim + offset]:
                    raise IndexError(
                        f"The shape of the mask {list(entry.shape)} at index {offset} does not match the shape of the "
                        f"indexed tensor {list(shape)} at index {dim + offset}"
                    )
            result.extend(shape[dim : dim + count])
            dim += count
    viewed = input
    if any(starts) or tuple(stops) != shape or any(step != 1 for step in steps):
        viewed = views.Slice.bind(viewed, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    if tuple(viewed.shape) != tuple(result):
        viewed = views.Reshape.bind(viewed, shape=tuple(result))
    if viewed is input and not lookups:
        viewed = views.Alias.bind(input)
    return viewed, lookups


def _entries(input: Any, index: Any) -> list[Any]:
    """The parts of an index, one for each dim it consumes and each None, with no Ellipsis left among them."""
    if not isinstance(index, tuple):
        # As in PyTorch, a list that holds more than numbers stands for a tuple.
        several = isinstance(index, list) and any(
            part is None or part is Ellipsis or isinstance(part, (slice, list, tuple)) or is_value(part)
            for part in index
        )
        index = tuple(index) if several else (index,)
    given = [_entry(input, part) for part in index]
    rank = input.ndim
    consumed = sum(
        1 if isinstance(part, slice) or (isinstance(part, int) and not isinstance(part, bool)) else _dims_of(part)
        for part in given
    )
    if rank == 0 and consumed == 1 and any(type(part) is int for part in given):
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number"
        )
    if consumed > rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}")
    dots = [position for position, part in enumerate(given) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    place = dots[0] if dots else len(given)
    return [*given[:place], *[slice(None)] * (rank - consumed), *given[place + 1 :]]


def _dims_of(part: Any) -> int:
    if not is_value(part):
        return 0
    return part.ndim if part.dtype == bool_ else 1


def _entry(input: Any, part: Any) -> Any:
    """One part of an index: arrays and lists as tensors, numpy's ints as Python's, False as an empty mask."""
    if part is None or part is Ellipsis or part is True or isinstance(part, slice):
        return part
    if part is False:
        return _constant(input, np.zeros((), bool))
    if isinstance(part, (list, tuple, range, np.ndarray, np.bool_)):
        if isinstance(part, (list, tuple)) and any(is_value(item) for item in part):
            raise TypeError("a list within an index holds numbers; stack tensors into one first")
        array = np.asarray(part)
        array = array.astype(np.int64) if array.size == 0 and array.dtype.kind == "f" else array
        part = _constant(input, array)
    if is_value(part):
        if part.dtype.name == "uint8" and part.ndim:
            return cast(part, bool_)
        if part.dtype == bool_ or part.dtype.name in ("int64", "int32"):
            return part
        if part.ndim == 0 and part.dtype.category == "int":
            return cast(part, int64)
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if hasattr(part, "__index__"):
        return int(part)
    if isinstance(part, str):
        raise TypeError("new(): invalid data type 'str'")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(part).__name__})"
    )


def _slice_bounds(part: slice, extent: Dimension) -> tuple[Dimension, Dimension, int]:
    step = 1 if part.step is None else int(part.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    if isinstance(extent, int):
        start, stop, _ = part.indices(extent)
        return start, max(start, stop), step
    start = 0 if part.start is None else part.start
    stop = extent if part.stop is None else part.stop
    return (
        start + extent if isinstance(start, int) and start < 0 else start,
        stop + extent if isinstance(stop, int) and stop < 0 else stop,
        step,
    )


def _integer_lookups(lookups: Sequence[_Lookup]) -> list[_Lookup]:
    """Lookups by integers alone: a mask as the indices, dim by dim, of its true elements."""
    found: list[_Lookup] = []
    shift = 0
    for lookup in lookups:
        if not lookup.is_mask:
            found.append(_Lookup(lookup.dim + shift, lookup.tensor))
            continue
        for offset, places in enumerate(_places_of_true(lookup.tensor)):
            found.append(_Lookup(lookup.dim + shift + offset, _constant(lookup.tensor, places, int64)))
    return found


def _places_of_true(mask: Any) -> tuple[np.ndarray, ...]:
    if not hasattr(mask, "_value"):
        raise TypeError(
            "selecting by truth values gives a size that depends on the values, which a graph cannot hold; use "
            "torch.where or masked_fill"
        )
    return np.nonzero(mask._value("selecting by truth values, which gives as many elements as are true,"))


def _wrapped(index: Any, extent: Dimension, dim: int) -> Any:
    """Indices with negative ones counted from the end, checked to lie within the extent."""
    negative = comparisons.Lt.bind(index, number_like(index, 0))
    from_end = arithmetic.Add.bind(index, number_like(index, extent))
    wrapped = comparisons.Where.bind(negative, from_end, index)
    return gathers.CheckIndex.bind(wrapped, extent=extent, dim=dim)


def _scalar_lookup(lookups: Sequence[_Lookup]) -> tuple[_Lookup, list[_Lookup]] | None:
    """The last lookup by a 0-d tensor, which selects as an int does, and the others as they stand without its dim."""
    scalars = [lookup for lookup in lookups if lookup.tensor.ndim == 0]
    if not scalars:
        return None
    scalar = scalars[-1]
    others = [
        _Lookup(lookup.dim - (lookup.dim > scalar.dim), lookup.tensor) for lookup in lookups if lookup is not scalar
    ]
    return scalar, others


def _read(viewed: Any, lookups: Sequence[_Lookup]) -> Any:
    if not lookups:
        return viewed
    found = _scalar_lookup(lookups)
    if found is not None:
        scalar, others = found
        index = _wrapped(scalar.tensor, viewed.shape[scalar.dim], scalar.dim)
        return _read(gathers.IndexSelect.bind(viewed, index, dim=scalar.dim), others)
    order, dim, index, _ = _merged(viewed, lookups)
    return gathers.IndexSelect.bind(_merge_dims(viewed, order, dim, len(lookups)), index, dim=dim)


def _written(viewed: Any, lookups: Sequence[_Lookup], value: Any) -> Any:
    """The view's value with ``value`` at the places looked up."""
    if not lookups:
        return _fitted(value, tuple(viewed.shape))
    found = _scalar_lookup(lookups)
    if found is not None:
        scalar, others = found
        index = _wrapped(scalar.tensor, viewed.shape[scalar.dim], scalar.dim)
        part = _written(gathers.IndexSelect.bind(viewed, index, dim=scalar.dim), others, value)
        return scatters.IndexCopy.bind(viewed, ravel(index), unsqueeze(part, scalar.dim), dim=scalar.dim)
    order, dim, index, shape = _merged(viewed, lookups)
    count = product(index.shape)
    rows = views.Reshape.bind(_fitted(value, shape), shape=(*shape[:dim], count, *shape[dim + index.ndim :]))
    base = _merge_dims(viewed, order, dim, len(lookups))
    updated = scatters.IndexCopy.bind(base, ravel(index), rows, dim=dim)
    apart = views.Reshape.bind(updated, shape=tuple(viewed.shape[position] for position in order))
    return views.Permute.bind(apart, dims=tuple(order.index(position) for position in range(len(order))))


def _merged(viewed: Any, lookups: Sequence[_Lookup]) -> tuple[tuple[int, ...], int, Any, tuple[Dimension, ...]]:
    """How lookups of several dims become one of one dim.

    Gives the order of dims that puts those looked up side by side, the place of the dim that they are merged into, the
    row-major index into it, and the shape of the result.
    """
    dims = [lookup.dim for lookup in lookups]
    shapes = [tuple(lookup.tensor.shape) for lookup in lookups]
    try:
        common = broadcast_shapes(*shapes)
    except RuntimeError:
        given = ", ".join(str(list(shape)) for shape in shapes)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {given}"
        ) from None
    rest = [position for position in range(viewed.ndim) if position not in dims]
    # Side by side they stay where they are; apart, they come first, as in numpy.
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    place = dims[0] if adjacent else 0
    order = (*rest[:place], *dims, *rest[place:])
    flat: Any = None
    for lookup in lookups:
        extent = viewed.shape[lookup.dim]
        index = lookup.tensor if len(lookups) == 1 else cast(lookup.tensor, int64)
        index = broadcast_to(_wrapped(index, extent, lookup.dim), common)
        if flat is None:
            flat = index
        else:
            flat = arithmetic.Add.bind(arithmetic.Mul.bind(flat, number_like(flat, extent)), index)
    before, after = ([viewed.shape[position] for position in part] for part in (rest[:place], rest[place:]))
    return order, place, flat, (*before, *common, *after)


def _merge_dims(viewed: Any, order: tuple[int, ...], dim: int, count: int) -> Any:
    if order != tuple(range(len(order))):
        viewed = views.Permute.bind(viewed, dims=order)
    if count == 1:
        return viewed
    shape = tuple(viewed.shape)
    return views.Reshape.bind(viewed, shape=(*shape[:dim], product(shape[dim : dim + count]), *shape[dim + count :]))


def _fitted(value: Any, shape: tuple[Dimension, ...]) -> Any:
    """A value broadcast to the place it is assigned to; leading dims of size 1 that are too many are dropped."""
    given = tuple(value.shape)
    while len(given) > len(shape) and given[0] == 1:
        given = given[1:]
    try:
        fits = broadcast_shapes(given, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
            f"shape {list(shape)}"
        )
    value = value if given == tuple(value.shape) else views.Reshape.bind(value, shape=given)
    return broadcast_to(value, shape)


# -- reading at computed places ------------------------------------------------------------------------------------


def _require_index_dtype(index: Any, message: str) -> None:
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(message)


def gather(input: Any, dim: int, index: Any) -> Any:
    """``result[i][j] = input[i][index[i][j]]`` for dim 1 of a matrix. Indices are not negative."""
    dim = normalize_dim(dim, input.ndim)
    _require_index_dtype(index, "gather(): Expected dtype int32/int64 for index")
    if input.ndim == 0 or index.ndim == 0:
        found = gathers.GatherAlong.bind(ravel(input), ravel(index), dim=0)
        return views.Reshape.bind(found, shape=tuple(index.shape))
    if input.ndim != index.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for position, (extent, size) in enumerate(zip(index.shape, input.shape, strict=True)):
        if position != dim and isinstance(extent, int) and isinstance(size, int) and extent > size:
            raise RuntimeError(
                f"Size does not match at dimension {position} expected index {list(index.shape)} to be no larger than "
                f"self {list(input.shape)} apart from dimension {dim}"
            )
    return gathers.GatherAlong.bind(input, index, dim=dim)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """As gather, with the other dims broadcast; of the flattened input without a dim. Indices wrap around."""
    if dim is None:
        return take_along_dim(ravel(input), ravel(indices), 0)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    if indices.dtype != int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got " + type_name(indices.dtype)
        )
    dim = normalize_dim(dim, input.ndim)
    extents, places = list(input.shape), list(indices.shape)
    extent, count = extents[dim], places[dim]
    extents[dim] = places[dim] = 1
    common = list(broadcast_shapes(extents, places))
    widened = broadcast_to(input, (*common[:dim], extent, *common[dim + 1 :]))
    index = broadcast_to(indices, (*common[:dim], count, *common[dim + 1 :]))
    index = arithmetic.Remainder.bind(index, number_like(index, extent))
    return gathers.GatherAlong.bind(widened, index, dim=dim)


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The places of one dim that a vector of indices names. Indices are not negative."""
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    _require_index_dtype(index, "index_select(): Expected dtype int32 or int64 for index")
    if input.ndim == 0:
        return views.Reshape.bind(gathers.IndexSelect.bind(ravel(input), ravel(index), dim=0), shape=())
    return gathers.IndexSelect.bind(input, ravel(index), dim=dim)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of ``weight`` that ``input`` (of any shape) names; the row ``padding_idx`` gets no gradient.

    Raises IndexError for an index out of range, NotImplementedError for ``max_norm``, ``scale_grad_by_freq``, and
    ``sparse``.
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse gradients are not supported")
    if input.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{type_name(input.dtype)}Tensor instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = gathers.IndexSelect.bind(weight, input, dim=0)
    if padding_idx is None:
        return rows
    count = weight.shape[0]
    if not -count <= padding_idx < count:
        raise AssertionError("Padding_idx must be within num_embeddings")
    at_padding = comparisons.Eq.bind(input, number_like(input, padding_idx % count))
    # The padding row as a constant: the same value, without a gradient.
    return comparisons.Where.bind(
        broadcast_to(unsqueeze(at_padding, -1), tuple(rows.shape)), views.Detach.bind(rows), rows
    )


# -- writing at computed places ------------------------------------------------------------------------------------


def _scattered(primitive: Any, name: str, input: Any, dim: int, index: Any, src: Any) -> Any:
    dim = normalize_dim(dim, input.ndim)
    _require_index_dtype(index, f"{name}(): Expected dtype int32/int64 for index")
    if src.dtype != input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    base, index, src = (ravel(value) if value.ndim == 0 else value for value in (input, index, src))
    if index.ndim != base.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if index.ndim != src.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    for position in range(index.ndim):
        extent, room, given = index.shape[position], base.shape[position], src.shape[position]
        if extent > given or (position != dim and extent > room):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(base.shape)} apart from dimension "
                f"{dim} and to be no larger size than src {list(src.shape)}"
            )
        if extent != given:
            src = slice_dim(src, position, 0, extent)
    return views.Reshape.bind(primitive.bind(base, index, src, dim=dim), shape=tuple(input.shape))


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """The input with ``src[i][j]`` added at ``[i][index[i][j]]`` for dim 1 of a matrix."""
    return _scattered(scatters.ScatterAdd, "scatter", input, dim, index, src)


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: float | None = None) -> Any:
    """The input with ``src[i][j]`` (or a number) put at ``[i][index[i][j]]`` for dim 1 of a matrix."""
    if not is_value(src):
        src = number_like(input, value if src is None else src, shape=tuple(index.shape))
    return _scattered(scatters.ScatterPut, "scatter", input, dim, index, src)


def _rows(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, int, Any, Any]:
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: {index.ndim}")
    _require_index_dtype(index, f"{name}(): Expected dtype int32/int64 for index")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}(): self ({type_name(input.dtype)}) and source ({type_name(source.dtype)}) must have the same "
            "scalar type"
        )
    base, index, source = (ravel(value) if value.ndim == 0 else value for value in (input, index, source))
    count = index.shape[0]
    if source.ndim == base.ndim and source.shape[dim] != count:
        raise RuntimeError(
            f"{name}_(): Number of indices ({count}) should be equal to source.size(dim): ({source.shape[dim]}), for "
            f"dim: {dim}"
        )
    if tuple(source.shape) != (*base.shape[:dim], count, *base.shape[dim + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
    return base, dim, index, source


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """The input with slices of ``alpha * source`` added at the places of a dim that a vector of indices names."""
    base, dim, index, source = _rows("index_add", input, dim, index, source)
    if alpha != 1:
        source = arithmetic.Mul.bind(source, number_like(source, alpha))
    return views.Reshape.bind(scatters.IndexAdd.bind(base, index, source, dim=dim), shape=tuple(input.shape))


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input with slices of the source put at the places of a dim that a vector of indices names."""
    base, dim, index, source = _rows("index_copy", input, dim, index, source)
    return views.Reshape.bind(scatters.IndexCopy.bind(base, index, source, dim=dim), shape=tuple(input.shape))


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Ones at the places that the indices name along a new last dim, zeros elsewhere; int64.

    Without ``num_classes`` it is one more than the greatest index, which must be known: TypeError in a graph.
    """
    if tensor.dtype != int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if not hasattr(tensor, "numpy"):
            raise TypeError("one_hot in a graph needs num_classes: the size must not depend on values")
        if not product(tensor.shape):
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(tensor.numpy().max()) + 1
    shape = (*tensor.shape, num_classes)
    try:
        index = gathers.CheckIndex.bind(tensor, extent=num_classes, dim=tensor.ndim)
    except IndexError as error:
        below = str(error).startswith("index -")
        what = "non-negative" if below else "smaller than num_classes"
        raise RuntimeError(f"Class values must be {what}.") from None
    classes = tensor.apply(sources.Iota.instance, (), {"shape": shape, "dim": tensor.ndim, "dtype": int64})
    return cast(comparisons.Eq.bind(broadcast_to(unsqueeze(index, -1), shape), classes), int64)


# -- choosing ------------------------------------------------------------------------------------------------------


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where the condition holds, else ``other``; broadcast and promoted. Either may be a number.

    With the condition alone: the indices of its true elements, a vector for each dim (eager only).
    """
    if input is None and other is None:
        return tuple(_constant(condition, places, int64) for places in _places_of_true(condition))
    return choose(condition, input, other)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """A number (or 0-d tensor), converted to the input's dtype, where the mask is true, else the input."""
    if mask.dtype != bool_:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype " + scalar_name(mask.dtype)
        )
    shape = broadcast_shapes(mask.shape, input.shape)
    if is_value(value):
        if value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        filling = broadcast_to(cast(value, input.dtype), shape)
    else:
        filling = number_like(input, value, shape=shape)
    return comparisons.Where.bind(broadcast_to(mask, shape), filling, broadcast_to(input, shape))


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask is true, as a vector. Its size depends on values: TypeError in a graph."""
    if mask.dtype != bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(mask.shape, input.shape)
    return getitem(broadcast_to(input, shape), broadcast_to(mask, shape))
