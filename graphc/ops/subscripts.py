"""Subscripts: what ``x[index]`` reads and writes, for all forms of index that PyTorch takes.

Ints, slices, None and Ellipsis make a view. What is left are tensors that look up places of dims of that view; they
are merged into one lookup of one dim. Source: https://docs.pytorch.org/docs/stable/tensor_indexing.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import Gather
from graphc.ir.types import DType, bool_, int64
from graphc.notices import warn, warn_once
from graphc.ops import arithmetic, comparisons, gathers, scatters, sources, views
from graphc.ops.composites import Composite
from graphc.ops.operands import broadcast_shapes, cast, expand, is_value
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name
from graphc.ops.value_sizes import places_of_true
from graphc.recording import state
from graphc.sizes import DynamicSize, as_int, expression_of

Shape = tuple[Dimension, ...]


@dataclass(frozen=True)
class Lookup:
    """A tensor of integers that looks up places of dim ``dim``, or of truth values over the dims from there on."""

    dim: int
    tensor: Any

    @property
    def is_mask(self) -> bool:
        """Whether it selects by truth values."""
        return self.tensor.dtype == bool_


def require_one_dtype(input: Any, value: Any) -> None:
    """Raises RuntimeError, with PyTorch's words, unless a value has the dtype of what it is put into."""
    if input.dtype != value.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{type_name(input.dtype)} for the destination and {type_name(value.dtype)} for the source."
        )


def require_truth_values(parts: Any) -> None:
    """Raises RuntimeError, with PyTorch's words, for a mask of uint8: one value is put where truth values say alone."""
    for part in parts if isinstance(parts, tuple) else (parts,):
        if getattr(getattr(part, "dtype", None), "name", "") == "uint8" and part.ndim:
            raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype unsigned char")


def without_leading_ones(value: Any, rank: int) -> Any:
    """A value without leading dims of size 1 that are too many."""
    shape = tuple(value.shape)
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return value if len(shape) == value.ndim else views.Reshape.bind(value, shape=shape)


def filled_where(viewed: Any, mask: Lookup, value: Any) -> Any | None:
    """The view with a value where a mask is true; None where it matters how many places that are."""
    after = viewed.ndim - mask.dim - mask.tensor.ndim
    if product(value.shape) == 1:
        value = views.Reshape.bind(value, shape=())
    shape = tuple(viewed.shape)
    if value.ndim > after:
        return None
    try:
        if broadcast_shapes(value.shape, shape[viewed.ndim - after :]) != shape[viewed.ndim - after :]:
            return None
    except RuntimeError:
        return None
    inside = views.Reshape.bind(mask.tensor, shape=(*mask.tensor.shape, *(1,) * after))
    return comparisons.Where.bind(expand(inside, shape), expand(value, shape), viewed)


# -- the parts of an index -----------------------------------------------------------------------------------------


def view_and_lookups(input: Any, index: Any) -> tuple[Any, list[Lookup]]:
    """What ints, slices, None and Ellipsis of an index select, and the tensors of the index, left to look up."""
    is_tuple = isinstance(index, tuple) or _stands_for_tuple(index)
    parts = [_part(input, part) for part in (index if is_tuple else (index,))]
    rank = input.ndim
    if rank == 0 and type(index) is int:
        if index:
            raise IndexError(f"index {index} is out of bounds for dimension 0 with size 0")
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number"
        )
    if not is_tuple and rank == 0 and isinstance(parts[0], slice):
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    consumed = sum(map(_dims_of, parts))
    if consumed > rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}")
    walk = _Walk(tuple(input.shape))
    for position, part in enumerate(parts):
        if part is Ellipsis:
            walk.skip(rank - consumed)
        elif part is None:
            walk.insert()
        elif isinstance(part, slice):
            walk.slice(part)
        elif type(part) is int or type(part) is DynamicSize:
            walk.select(part, position)
        elif isinstance(part, bool):  # a new dim, of one place or none
            walk.look_up(constant(input, np.arange(int(part))), inserted=True)
        elif part.dtype == bool_ and part.ndim == 0:
            walk.look_up(views.Reshape.bind(part, shape=(1,)), inserted=True)
        else:
            walk.look_up(part)
    walk.skip(len(walk.shape) - walk.dim)
    return walk.view(input), walk.checked()


def _stands_for_tuple(index: Any) -> bool:
    """Whether a list holds more than numbers: then PyTorch takes it for a tuple, and says that it will not always."""
    if not isinstance(index, list) or len(index) >= 32:
        return False
    found = any(
        part is None or part is Ellipsis or isinstance(part, (slice, list, tuple, range)) or is_value(part)
        for part in index
    )
    if found:
        warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch "
            "2.9; use x[tuple(seq)] instead of x[seq].",
        )
    return found


def _dims_of(part: Any) -> int:
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if is_value(part) and part.dtype == bool_ else 1


def _differ(sizes: Any, others: Any) -> bool:
    """Whether sizes stand for others than these; outside a capture all are plain numbers."""
    return sizes != others if state.recorder is None else expression_of(sizes) != expression_of(others)


@dataclass
class _Walk:
    """The dims of the operand, consumed one after the other by the parts of an index.

    ``dim`` is the next dim of the operand; ``result`` has the extents that the view has so far.
    """

    shape: Shape
    dim: int = 0
    result: list[Dimension] = field(default_factory=list)
    starts: list[Dimension] = field(default_factory=list)
    stops: list[Dimension] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)

    def _take(self, start: Dimension, stop: Dimension, step: int) -> None:
        self.starts.append(start)
        self.stops.append(stop)
        self.steps.append(step)
        self.dim += 1

    def skip(self, count: int) -> None:
        """Whole dims."""
        for extent in self.shape[self.dim : self.dim + count]:
            self._take(0, extent, 1)
            self.result.append(extent)

    def insert(self) -> None:
        """A new dim of size 1."""
        self.result.append(1)

    def _extent(self, position: int, index: int) -> Dimension:
        if self.dim >= len(self.shape):  # a second Ellipsis has left none
            raise IndexError(f"index {index} is out of bounds for dimension {position} with size 0")
        return self.shape[self.dim]

    def select(self, index: int, position: int) -> None:
        """One place, without the dim."""
        extent = self._extent(position, index)
        if isinstance(extent, int) and not -extent <= index < extent:
            raise IndexError(f"index {index} is out of bounds for dimension {position} with size {extent}")
        start = index if index >= 0 else index + extent
        self._take(start, start + 1, 1)

    def slice(self, part: slice) -> None:
        """Every so many places."""
        start, stop, step = _slice_bounds(part, self._extent(0, 0))
        self._take(start, stop, step)
        (extent,) = views.slice_extents((start,), (stop,), (step,))
        self.result.append(extent)

    def look_up(self, tensor: Any, inserted: bool = False) -> None:
        """A tensor, for later: over a new dim, one dim, or as many as a mask has."""
        self.lookups.append(Lookup(len(self.result), tensor))
        if inserted:
            self.insert()
        else:
            self.skip(tensor.ndim if tensor.dtype == bool_ else 1)

    def view(self, input: Any) -> Any:
        """The view that the parts select."""
        starts, stops, steps = tuple(self.starts), tuple(self.stops), tuple(self.steps)
        viewed, none = input, (0,) * len(starts)
        # Sizes that happen to be equal now are told apart by what they stand for.
        if _differ((starts, stops), (none, self.shape)) or any(step != 1 for step in steps):
            viewed = views.Slice.bind(viewed, starts=starts, stops=stops, steps=steps)
        if _differ(tuple(viewed.shape), tuple(self.result)):
            viewed = views.Reshape.bind(viewed, shape=tuple(self.result))
        return views.Alias.bind(input) if viewed is input and not self.lookups else viewed

    def checked(self) -> list[Lookup]:
        """The lookups; raises IndexError for a mask of another shape than that of the dims it stands for."""
        for lookup in self.lookups:
            for offset, extent in enumerate(lookup.tensor.shape if lookup.is_mask else ()):
                if extent != self.result[lookup.dim + offset]:
                    raise IndexError(
                        f"The shape of the mask {list(lookup.tensor.shape)} at index {offset} does not match the shape "
                        f"of the indexed tensor {list(self.result)} at index {lookup.dim + offset}"
                    )
        return self.lookups


def _part(input: Any, part: Any) -> Any:
    """One part of an index: None, Ellipsis, a slice, an int, or a tensor of int32, int64, or bool."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, bool):
        return part
    if isinstance(part, (list, tuple, range, np.ndarray)):
        array = np.asarray(
            [item.tolist() if is_value(item) else item for item in part] if isinstance(part, list) else part
        )
        part = constant(input, array if array.dtype.kind == "b" or array.dtype == np.uint8 else array.astype(np.int64))
    if is_value(part):
        return _index_tensor(part)
    if isinstance(part, str):
        raise TypeError("new(): invalid data type 'str'")
    if hasattr(part, "__index__") and not isinstance(part, np.bool_):
        return as_int(part)
    kind = "numpy.bool" if isinstance(part, np.bool_) else type(part).__name__
    raise IndexError(
        f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {kind})"
    )


def _index_tensor(part: Any) -> Any:
    if part.dtype.name == "uint8":
        warn_once("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")
        return cast(part, bool_)
    if part.ndim == 0 and part.dtype.is_integer:
        # It selects as an int does, and gives a view. What is recorded must not depend on its value, so that it looks
        # the place up.
        if part.is_eager and state.recorder is None:
            return int(part.item())
        return part if part.dtype.name in ("int64", "int32") else cast(part, int64)
    if part.dtype == bool_ or part.dtype.name in ("int64", "int32"):
        return part
    raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def constant(reference: Any, values: Any, dtype: DType | None = None) -> Any:
    """An array that is known now, as a tensor or symbol like the reference."""
    return reference.apply(sources.Constant.instance, (), {"literal": sources.Literal(values, dtype)})


def _bound(value: Any) -> int:
    if hasattr(value, "__index__"):
        return as_int(value)
    raise TypeError("slice indices must be integers or None or have an __index__ method")


def _within(bound: int, extent: int) -> int:
    """A bound of a slice, counted from the front, as a place within the extent."""
    place = bound + extent if bound < 0 else bound
    return min(max(place, 0), extent)


def _slice_bounds(part: slice, extent: Dimension) -> tuple[Dimension, Dimension, int]:
    step = 1 if part.step is None else _bound(part.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    if isinstance(extent, int):
        start = 0 if part.start is None else _within(_bound(part.start), extent)
        stop = extent if part.stop is None else _within(_bound(part.stop), extent)
        return start, stop if stop >= start else start, step
    start = 0 if part.start is None else part.start
    stop = extent if part.stop is None else part.stop
    return (
        start + extent if isinstance(start, int) and start < 0 else start,
        stop + extent if isinstance(stop, int) and stop < 0 else stop,
        step,
    )


# -- looking up ----------------------------------------------------------------------------------------------------


def integer_lookups(lookups: Sequence[Lookup]) -> list[Lookup]:
    """Lookups by integers alone: a mask as the indices, dim by dim, of its true elements."""
    found: list[Lookup] = []
    for lookup in lookups:
        if not lookup.is_mask:
            found.append(lookup)
            continue
        for offset, places in enumerate(places_of_true(lookup.tensor)):
            found.append(Lookup(lookup.dim + offset, places))
    return found


def wrapped(index: Any, extent: Dimension, dim: int) -> Any:
    """Indices with negative ones counted from the end, checked to lie within the extent."""
    if runs_alone(index):
        places = index._settled
        if gathers.first_outside(places, extent) is None:
            return index
        inside = np.where(places < 0, places + extent, places).astype(places.dtype, copy=False)
        gathers.require_inside(gathers.CheckIndex.instance, inside, extent, dim=dim)
        return constant(index, inside)
    negative = comparisons.Lt.bind(index, number_like(index, 0))
    from_end = arithmetic.Add.bind(index, number_like(index, extent))
    inside = comparisons.Where.bind(negative, from_end, index)
    return gathers.CheckIndex.bind(inside, extent=extent, dim=dim)


def _scalar_lookup(lookups: Sequence[Lookup]) -> tuple[Lookup, list[Lookup]] | None:
    """The last lookup by a 0-d tensor, which selects as an int does, and the others as they stand without its dim."""
    scalars = [lookup for lookup in lookups if lookup.tensor.ndim == 0]
    if not scalars:
        return None
    scalar = scalars[-1]
    others = [
        Lookup(lookup.dim - (lookup.dim > scalar.dim), lookup.tensor) for lookup in lookups if lookup is not scalar
    ]
    return scalar, others


def read(viewed: Any, lookups: Sequence[Lookup]) -> Any:
    """The elements of a view at the places that lookups by integers name."""
    if not lookups:
        return viewed
    found = _scalar_lookup(lookups)
    if found is not None:
        scalar, others = found
        index = wrapped(scalar.tensor, viewed.shape[scalar.dim], scalar.dim)
        return read(gathers.IndexSelect.bind(viewed, index, dim=scalar.dim), others)
    if runs_alone(viewed):
        dims, indices = _dims_and_indices(viewed, lookups)
        return LookUp.bind(viewed, *indices, dims=dims)
    order, dim, index, _ = _merged(viewed, lookups)
    return gathers.IndexSelect.bind(_merge_dims(viewed, order, dim, len(lookups)), index, dim=dim)


def rows_at(input: Any, index: Any) -> Any | None:
    """``input[index]`` of one tensor of integers within bounds, none of them negative; None for all else, and where
    anything is recorded."""
    if not (runs_alone(input) and index.is_eager) or index.dtype is not int64:
        return None
    array, places = input._settled, index._settled
    if (
        not (places.ndim and places.size and array.ndim and array.size)
        or gathers.first_outside(places, array.shape[0]) is not None
    ):
        return None
    return LookUp.bind(input, index, dims=(0,))


def runs_alone(value: Any) -> bool:
    """Whether a value is a tensor that runs without being recorded: numpy may take it at one go."""
    return value.is_eager and state.recorder is None


def _dims_and_indices(viewed: Any, lookups: Sequence[Lookup]) -> tuple[tuple[int, ...], list[Any]]:
    """The dims looked up, and the indices, not negative and checked."""
    dims = tuple(lookup.dim for lookup in lookups)
    common = common_shape(lookups)
    if 0 in common:  # there is nothing to look up: no index can be wrong
        return dims, [expand(lookup.tensor, common) for lookup in lookups]
    if 0 in viewed.shape and all(viewed.shape[dim] for dim in dims):  # nor here
        return dims, [number_like(lookup.tensor, 0) for lookup in lookups]
    indices = [wrapped(lookup.tensor, viewed.shape[lookup.dim], position) for position, lookup in enumerate(lookups)]
    return dims, indices


class LookUp(Gather):
    """The elements of operand 0 at the places of dims that the other operands name, broadcast to one shape. Where all
    dims are neighbours the shape stands in their place, else first. It never enters a graph, where places of several
    dims are merged into places of one, so that no table lists it."""

    name = "look_up"
    # The rule reads the indices alone, however many there are.
    saves_inputs = range(1, 64)

    def evaluate(self, x: np.ndarray, *indices: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
        if len(dims) == 1:
            return x.take(indices[0], dims[0])
        found = x[numpy_key(x.ndim, dims, indices)]
        return found if found.flags.c_contiguous else found.copy(order="C")

    def vjp(self, cotangent: Any, output: Any, x: Any, *indices: Any, dims: tuple[int, ...]) -> tuple[Any, ...]:
        shape = tuple(x.shape)
        if len(dims) == 1:
            return LookUpGradient.bind(cotangent, indices[0], shape=shape, dim=dims[0]), None
        lookups = [Lookup(dim, index) for dim, index in zip(dims, indices, strict=True)]
        zeros = number_like(cotangent, 0, shape=shape)
        return (written(zeros, lookups, cotangent, accumulate=True), *(None for _ in indices))


LookUp.instance = LookUp()


class LookUpGradient(Composite):
    """The cotangent of what was looked up along one dim."""

    name, differentiable = "look_up_gradient", False

    def decompose(self, cotangent: Any, index: Any, *, shape: tuple[int, ...], dim: int) -> Any:
        return written(number_like(cotangent, 0, shape=shape), [Lookup(dim, index)], cotangent, accumulate=True)

    def evaluate(self, cotangent: np.ndarray, index: np.ndarray, *, shape: tuple[int, ...], dim: int) -> np.ndarray:
        rows = cotangent.reshape(*shape[:dim], index.size, *shape[dim + 1 :])
        return scatters.IndexAdd.instance.evaluate(np.zeros(shape, rows.dtype), index.reshape(-1), rows, dim=dim)


def numpy_key(rank: int, dims: Sequence[int], indices: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """numpy's subscript for looking up dims of an array."""
    key: list[Any] = [slice(None)] * rank
    for dim, index in zip(dims, indices, strict=True):
        key[dim] = index
    return tuple(key)


def put_directly(viewed: Any, lookups: Sequence[Lookup], value: Any) -> None:
    """Write a value (a tensor of the dtype) to the places that lookups by integers name, of a tensor that may be
    written to and needs no history."""
    dims, indices = _dims_and_indices(viewed, lookups)
    key = numpy_key(viewed.ndim, dims, [index._settled for index in indices])
    if value.ndim:
        value = _fitting(value, _looked_up_shape(viewed, lookups, common_shape(lookups)))
    viewed._settled[key] = value._settled
    viewed._storage.version += not viewed._unseen


def written(viewed: Any, lookups: Sequence[Lookup], value: Any, accumulate: bool = False) -> Any:
    """The view's value with ``value`` put at (or added to) the places that lookups by integers name."""
    if not lookups:
        value = _fitted(value, tuple(viewed.shape))
        return arithmetic.Add.bind(viewed, value) if accumulate else value
    found = _scalar_lookup(lookups)
    if found is not None:
        scalar, others = found
        index = wrapped(scalar.tensor, viewed.shape[scalar.dim], scalar.dim)
        part = written(gathers.IndexSelect.bind(viewed, index, dim=scalar.dim), others, value, accumulate)
        return scatters.IndexCopy.bind(viewed, _flat(index), _with_dim(part, scalar.dim), dim=scalar.dim)
    order, dim, index, shape = _merged(viewed, lookups)
    count = product(index.shape)
    rows = views.Reshape.bind(_fitted(value, shape), shape=(*shape[:dim], count, *shape[dim + index.ndim :]))
    base = _merge_dims(viewed, order, dim, len(lookups))
    put = scatters.IndexAdd if accumulate else scatters.IndexCopy
    updated = put.bind(base, _flat(index), rows, dim=dim)
    apart = views.Reshape.bind(updated, shape=tuple(viewed.shape[position] for position in order))
    return views.Permute.bind(apart, dims=tuple(order.index(position) for position in range(len(order))))


def _merged(viewed: Any, lookups: Sequence[Lookup]) -> tuple[tuple[int, ...], int, Any, Shape]:
    """How lookups of several dims become one of one dim.

    Gives the order of dims that puts those looked up side by side, the place of the dim that they are merged into, the
    row-major index into it, and the shape of the result.
    """
    common = common_shape(lookups)
    rest, place = _rest_and_place(viewed, lookups)
    order = (*rest[:place], *(lookup.dim for lookup in lookups), *rest[place:])
    flat: Any = None
    for position, lookup in enumerate(lookups):
        extent = viewed.shape[lookup.dim]
        index = lookup.tensor if len(lookups) == 1 else cast(lookup.tensor, int64)
        if 0 in common:  # there is nothing to look up: no index can be wrong
            index = expand(index, common)
        index = expand(wrapped(index, extent, position), common)
        if flat is None:
            flat = index
        else:
            flat = arithmetic.Add.bind(arithmetic.Mul.bind(flat, number_like(flat, extent)), index)
    return order, place, flat, _looked_up_shape(viewed, lookups, common)


def common_shape(lookups: Sequence[Lookup]) -> Shape:
    """What the indices broadcast to. Raises IndexError, with PyTorch's words, where they do not."""
    shapes = [tuple(lookup.tensor.shape) for lookup in lookups]
    if len(shapes) == 1:
        return shapes[0]
    try:
        return broadcast_shapes(*shapes)
    except RuntimeError:
        given = ", ".join(str(list(shape)) for shape in shapes)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {given}"
        ) from None


def _rest_and_place(viewed: Any, lookups: Sequence[Lookup]) -> tuple[list[int], int]:
    """The dims that are not looked up, and how many of them come before what is."""
    dims = [lookup.dim for lookup in lookups]
    # Side by side they stay where they are; apart, they come first, as in numpy.
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    return [position for position in range(viewed.ndim) if position not in dims], dims[0] if adjacent else 0


def _looked_up_shape(viewed: Any, lookups: Sequence[Lookup], common: Shape) -> Shape:
    """The shape of the elements at the places that lookups name."""
    rest, place = _rest_and_place(viewed, lookups)
    before, after = ([viewed.shape[position] for position in part] for part in (rest[:place], rest[place:]))
    return (*before, *common, *after)


def _merge_dims(viewed: Any, order: tuple[int, ...], dim: int, count: int) -> Any:
    if order != tuple(range(len(order))):
        viewed = views.Permute.bind(viewed, dims=order)
    if count == 1:
        return viewed
    shape = tuple(viewed.shape)
    return views.Reshape.bind(viewed, shape=(*shape[:dim], product(shape[dim : dim + count]), *shape[dim + count :]))


def _flat(index: Any) -> Any:
    return views.Reshape.bind(index, shape=(product(index.shape),))


def _with_dim(value: Any, dim: int) -> Any:
    shape = tuple(value.shape)
    return views.Reshape.bind(value, shape=(*shape[:dim], 1, *shape[dim:]))


def _fitted(value: Any, shape: Shape) -> Any:
    """A value broadcast to the places that it is put to."""
    return expand(_fitting(value, shape), shape)


def _fitting(value: Any, shape: Shape) -> Any:
    """A value that broadcasts to a shape. Raises RuntimeError, with PyTorch's words, where it does not."""
    fitting = without_leading_ones(value, len(shape))
    try:
        fits = broadcast_shapes(fitting.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
            f"shape {list(shape)}"
        )
    return fitting
