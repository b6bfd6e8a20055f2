"""Shapes and views: PyTorch's functions that move, repeat, join, and cut elements without computing on them.

All take tensors and graph symbols alike. Sizes may be given one by one or as one sequence, dims may be negative.
Source: https://docs.pytorch.org/docs/stable/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.types import DType
from graphc.notices import warn_once
from graphc.ops import gathers, pointwise, views
from graphc.ops.argument_kinds import dim_is_no_none, require_tensors
from graphc.ops.bit_views import BitView
from graphc.ops.composites import Composite
from graphc.ops.eager_views import in_shape, permuted, reshaped
from graphc.ops.operands import broadcast_shapes, broadcasts_itself, cast, normalize_dim
from graphc.ops.promotion import promote_types
from graphc.ops.type_names import tensor_type_name
from graphc.ops.view_origins import views_of_one_call
from graphc.sizes import as_int, stretches

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "contiguous",
    "expand",
    "expand_as",
    "flatten",
    "flip",
    "meshgrid",
    "moveaxis",
    "movedim",
    "narrow",
    "permute",
    "ravel",
    "repeat",
    "reshape",
    "reshape_as",
    "roll",
    "select",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "t",
    "tile",
    "transpose",
    "unbind",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]
FUNCTIONS_ONLY = ("broadcast_tensors", "cat", "concat", "concatenate", "meshgrid", "stack")

Sizes = tuple[Dimension, ...]


def wrap_dims(dims: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Dims as distinct non-negative ones, in the order given. Raises RuntimeError for one that comes twice."""
    wrapped = tuple(normalize_dim(dim, rank) for dim in _sequence((dims,)))
    for dim in wrapped:
        if wrapped.count(dim) > 1:
            raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    return wrapped


def _sequence(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """``(2, 3)`` and ``((2, 3),)`` both as ``(2, 3)``."""
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = tuple(arguments[0])
    for item in arguments:
        if type(item) is not int:
            break
    else:
        return arguments
    return tuple(as_int(item) if isinstance(item, int) or hasattr(item, "__index__") else item for item in arguments)


def slice_dim(input: Any, dim: int, start: Dimension, stop: Dimension, step: int = 1) -> Any:
    """Places ``range(start, stop, step)`` of one dimension; bounds are normalised already."""
    rank = input.ndim
    starts, stops, steps = [0] * rank, list(input.shape), [1] * rank
    starts[dim], stops[dim], steps[dim] = start, stop, step
    return views.Slice.bind(input, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


# -- one shape to another ------------------------------------------------------------------------------------------


def _resolve_size(input: Any, sizes: Sizes) -> Sizes:
    """The sizes with a -1 replaced by what is left. Raises RuntimeError, with PyTorch's words, where that fails."""
    total = product(input.shape)
    if product(sizes) == total and not [size for size in sizes if type(size) is int and size < 0]:
        return sizes
    error = RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {total}")
    unknown = [position for position, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    for position, size in enumerate(sizes):
        if isinstance(size, int) and size < -1:
            raise RuntimeError(f"invalid shape dimension {size} at index {position} of shape {list(sizes)}")
    if not unknown:
        if product(sizes) != total:
            raise error
        return sizes
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = product(size for position, size in enumerate(sizes) if position != unknown[0])
    if known == 0:
        if total != 0:
            raise error
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(sizes)} because the unspecified dimension size -1 "
            "can be any value and is ambiguous"
        )
    rest = total // known
    if rest * known != total:
        raise error
    return tuple(rest if position == unknown[0] else size for position, size in enumerate(sizes))


def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """The elements in another shape; one size may be -1. A view where the memory allows, else a copy."""
    sizes = sizes if shape is None else (shape,)
    result = reshaped(input, sizes)
    return views.Reshape.bind(input, shape=_resolve_size(input, _sequence(sizes))) if result is None else result


def view(input: Any, *sizes: Any, size: Any = None, dtype: DType | None = None) -> Any:
    """As :func:`reshape`, but always sharing memory; of a dtype, the bits of the elements read as that dtype.

    Raises RuntimeError where the strides do not allow it.
    """
    if len(sizes) == 1 and isinstance(sizes[0], DType):
        (dtype,) = sizes
    elif dtype is None and size is None and (result := reshaped(input, sizes)) is not None:
        return result
    if dtype is not None:
        return input if dtype == input.dtype else BitView.bind(input, dtype=dtype)
    result = views.Reshape.bind(input, shape=_resolve_size(input, _sequence(sizes if size is None else (size,))))
    if input.is_eager and (result._memory is None or result._memory is not input._memory):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return result


def view_as(input: Any, other: Any) -> Any:
    """A view in the shape of ``other``."""
    return view(input, tuple(other.shape))


def reshape_as(input: Any, other: Any) -> Any:
    """The elements in the shape of ``other``."""
    return reshape(input, tuple(other.shape))


def ravel(input: Any) -> Any:
    """All elements in one dimension."""
    return reshape(input, -1)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dims ``start_dim`` to ``end_dim`` as one. Raises RuntimeError where the start comes after the end."""
    start, end = normalize_dim(start_dim, input.ndim), normalize_dim(end_dim, input.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if input.ndim == 0:
        return reshape(input, 1)
    if start == end:
        return input
    shape = tuple(input.shape)
    return in_shape(input, (*shape[:start], product(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dim as several; one of the sizes may be -1."""
    dim, sizes = normalize_dim(dim, input.ndim), _sequence((sizes,))
    shape = tuple(input.shape)
    known = product(size for size in sizes if size != -1)
    if -1 in sizes and sizes.count(-1) == 1 and known != 0 and (shape[dim] // known) * known == shape[dim]:
        sizes = tuple(shape[dim] // known if size == -1 else size for size in sizes)
    if product(sizes) != shape[dim]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the "
            "input tensor"
        )
    return views.Reshape.bind(input, shape=(*shape[:dim], *sizes, *shape[dim + 1 :]))


@dim_is_no_none("squeeze() received an invalid combination of arguments - got (Tensor, NoneType)")
def squeeze(input: Any, dim: int | Sequence[int] | None = None) -> Any:
    """Without dims of size 1: all of them, or those given (which stay where their size is another)."""
    dims = range(input.ndim) if dim is None else wrap_dims(dim, input.ndim)
    return in_shape(input, tuple(size for place, size in enumerate(input.shape) if place not in dims or size != 1))


def unsqueeze(input: Any, dim: int) -> Any:
    """With a dim of size 1 put in before ``dim``."""
    dim, shape = normalize_dim(dim, input.ndim + 1), tuple(input.shape)
    return in_shape(input, (*shape[:dim], 1, *shape[dim:]))


def contiguous(input: Any) -> Any:
    """The input where its elements lie in row-major order, else a copy for which they do."""
    if hasattr(input, "is_contiguous") and not input.is_contiguous():
        return pointwise.Copy.bind(input)
    return input


# -- the order of dims ---------------------------------------------------------------------------------------------


def permute(input: Any, *arguments: Any, dims: Any = None) -> Any:
    """Dim ``dims[k]`` becomes dim k."""
    order = _sequence(arguments if dims is None else (dims,))
    if len(order) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(order)}"
        )
    wrapped = tuple(normalize_dim(dim, input.ndim) for dim in order)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return permuted(input, wrapped)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dims exchanged."""
    first, second = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    if input.ndim == 0:
        return views.Alias.bind(input)
    order = list(range(input.ndim))
    order[first], order[second] = second, first
    return permuted(input, tuple(order))


def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """As :func:`transpose`."""
    return transpose(input, axis0, axis1)


def t(input: Any) -> Any:
    """The transpose of a matrix; a vector stays."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return permuted(input, (1, 0)) if input.ndim == 2 else views.Alias.bind(input)


def movedim(input: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Dims ``source`` moved to the places ``destination``; the others keep their order."""
    given, wanted = _sequence((source,)), _sequence((destination,))
    if len(given) != len(wanted):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(given)} dims) should contain the same number "
            f"of dims as destination ({list(wanted)} dims)"
        )
    sources_, targets = (tuple(normalize_dim(dim, input.ndim) for dim in dims) for dims in (given, wanted))
    for what, dims, original in (("source", sources_, given), ("destination", targets, wanted)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list(original)})")
    if not input.ndim:
        return views.Alias.bind(input)
    order = [-1] * input.ndim
    for old, new in zip(sources_, targets, strict=True):
        order[new] = old
    rest = iter(dim for dim in range(input.ndim) if dim not in sources_)
    return views.Permute.bind(input, dims=tuple(next(rest) if dim < 0 else dim for dim in order))


def moveaxis(input: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """As :func:`movedim`."""
    return movedim(input, source, destination)


def flip(input: Any, *arguments: Any, dims: Any = None) -> Any:
    """The elements in reverse order along dims."""
    turned = wrap_dims(_sequence(arguments if dims is None else (dims,)), max(input.ndim, 1))
    return views.Flip.bind(input, dims=tuple(sorted(turned)) if input.ndim else ())


def roll(input: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Any:
    """The elements moved along dims, coming in again on the other side; of the flattened input without dims."""
    moves = _sequence((shifts,))
    if not moves:
        raise RuntimeError("`shifts` required")
    if dims is None:
        if len(moves) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:0")
        return reshape(roll(ravel(input), moves, 0), tuple(input.shape))
    along = _sequence((dims,))
    if len(moves) != len(along):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:{len(along)}")
    result = input
    for move, dim in zip(moves, along, strict=True):
        if not input.ndim:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        dim = normalize_dim(dim, input.ndim)
        extent = result.shape[dim]
        if not isinstance(extent, int):
            raise TypeError(f"roll along dim {dim} needs to know its size, which is {extent}")
        if extent == 0:
            continue
        split_at = extent - move % extent
        head, tail = slice_dim(result, dim, 0, split_at), slice_dim(result, dim, split_at, extent)
        result = gathers.Cat.bind(tail, head, dim=dim)
    return pointwise.Copy.bind(result) if result is input else result


# -- broadcasting --------------------------------------------------------------------------------------------------


@stretches
def _expanded(input: Any, wanted: Sizes) -> Any:
    """Raises RuntimeError, with PyTorch's words, for sizes that do not fit."""
    shape = tuple(input.shape)
    new = len(wanted) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand({tensor_type_name(input.dtype)}{{{list(shape)}}}, size={list(wanted)}): the number of sizes "
            f"provided ({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    target: list[Dimension] = []
    for position, extent in enumerate(wanted):
        old = shape[position - new] if position >= new else None
        if isinstance(extent, int) and extent == -1:
            if old is None:
                raise RuntimeError(
                    "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension "
                    f"{position}"
                )
            extent = old
        if old not in (None, 1, extent):
            raise RuntimeError(
                f"The expanded size of the tensor ({extent}) must match the existing size ({old}) at non-singleton "
                f"dimension {position}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
            )
        target.append(extent)
    if new:
        input = views.Reshape.bind(input, shape=(*(1,) * new, *shape))
    return views.Expand.bind(input, shape=tuple(target))


def expand(input: Any, *sizes: Any, size: Any = None) -> Any:
    """Dims of size 1 repeated, and new ones before; -1 keeps a size. Shares memory.

    Raises RuntimeError, with PyTorch's words, for sizes that do not fit.
    """
    return _expanded(input, _sequence(sizes if size is None else (size,)))


def expand_as(input: Any, other: Any) -> Any:
    """The input expanded to the shape of ``other``."""
    return _expanded(input, tuple(other.shape))


@stretches
def broadcast_to(input: Any, *sizes: Any, size: Any = None) -> Any:
    """As :func:`expand`; the input itself where it has the size."""
    wanted = _sequence(sizes if size is None else (size,))
    return input if tuple(input.shape) == wanted else _expanded(input, wanted)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The tensors expanded to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*(tensor.shape for tensor in tensors))
    return tuple(broadcast_to(tensor, shape) for tensor in tensors)


@stretches
def repeat(input: Any, *arguments: Any, repeats: Any = None) -> Any:
    """The input side by side with itself so many times along each dim; new dims come before. Always a copy."""
    counts = _sequence(arguments if repeats is None else (repeats,))
    shape = tuple(input.shape)
    if len(counts) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (*(1,) * (len(counts) - len(shape)), *shape)
    result = tuple(count * extent for count, extent in zip(counts, shape, strict=True))
    if all(count == 1 for count in counts):
        return pointwise.Copy.bind(views.Reshape.bind(input, shape=result))
    if all(count == 1 or extent == 1 for count, extent in zip(counts, shape, strict=True)):
        # Stretched dims alone would be a view.
        return pointwise.Copy.bind(views.Expand.bind(views.Reshape.bind(input, shape=shape), shape=result))
    apart = tuple(item for extent in shape for item in (1, extent))
    repeated = tuple(item for count, extent in zip(counts, shape, strict=True) for item in (count, extent))
    return views.Reshape.bind(views.Expand.bind(views.Reshape.bind(input, shape=apart), shape=repeated), shape=result)


def tile(input: Any, *arguments: Any, dims: Any = None) -> Any:
    """As :func:`repeat`, with ones before dims that are too few."""
    counts = _sequence(arguments if dims is None else (dims,))
    return repeat(input, (*(1,) * (input.ndim - len(counts)), *counts))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Vectors as the coordinates of a grid, each along its own dim (``"ij"``, the default); ``"xy"`` exchanges the
    first two."""
    if indexing is None:
        warn_once("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.")
        indexing = "ij"
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for tensor in tensors:
        if tensor.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(tensor.shape)}"
            )
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    lines = [ravel(tensors[position]) for position in order]
    shape = tuple(line.shape[0] for line in lines)
    grids = [
        views.Expand.bind(
            views.Reshape.bind(line, shape=tuple(n if d == position else 1 for d, n in enumerate(shape))), shape=shape
        )
        for position, line in enumerate(lines)
    ]
    if order[:2] == [1, 0]:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


# -- joining and cutting -------------------------------------------------------------------------------------------


_WITHOUT_EXTENT = ((), (0,))


def _alike(tensors: Sequence[Any]) -> bool:
    """Whether tensors have one dtype and one shape, which is neither that of a number nor of nothing."""
    dtypes, shapes = {tensor.dtype for tensor in tensors}, {tensor.shape for tensor in tensors}
    return len(dtypes) == len(shapes) == 1 and shapes.isdisjoint(_WITHOUT_EXTENT)


@stretches
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one after the other along ``dim``; dtypes are promoted, vectors of no elements are passed over."""
    require_tensors("cat", tensors)
    tensors = list(tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if broadcasts_itself(tensors[0]) and _alike(tensors):
        return gathers.Cat.bind(*tensors, dim=normalize_dim(dim, tensors[0].ndim))
    for position, tensor in enumerate(tensors):
        if tensor.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {position}) cannot be concatenated")
    filled = [tensor for tensor in tensors if tensor.ndim != 1 or tensor.shape[0] != 0] or tensors
    rank = filled[0].ndim
    dim = normalize_dim(dim, rank)
    dtype, first = tensors[0].dtype, filled[0].shape
    for tensor in tensors[1:]:
        if tensor.dtype is not dtype:
            dtype = promote_types(dtype, tensor.dtype)
    for position, tensor in enumerate(filled[1:], 1):
        if tensor.ndim != rank:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {rank} and {tensor.ndim}")
        for along, (expected, extent) in enumerate(zip(first, tensor.shape, strict=True)):
            if along != dim and extent != expected:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {expected} but got size "
                    f"{extent} for tensor number {position} in the list."
                )
    parts = [cast(tensor, dtype) for tensor in filled]
    return gathers.Cat.bind(*parts, dim=dim)


concat = concatenate = cat


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape side by side along a new dim."""
    require_tensors("stack", tensors)
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for position, tensor in enumerate(tensors):
        if tuple(tensor.shape) != tuple(tensors[0].shape):
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(tensor.shape)} at entry {position}"
            )
    dim = normalize_dim(dim, tensors[0].ndim + 1)
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        if tensor.dtype is not dtype:
            dtype = promote_types(dtype, tensor.dtype)
    return Stack.bind(*(cast(tensor, dtype) for tensor in tensors), dim=dim)


class Stack(Composite):
    """Values of one type side by side along a new ``dim``."""

    name, saves_inputs = "stack", ()

    def decompose(self, *values: Any, dim: int) -> Any:
        # The last first: a sweep then adds the cotangents of a value that stands here twice in the order of places.
        return cat([unsqueeze(value, dim) for value in reversed(values)][::-1], dim)

    def evaluate(self, *arrays: np.ndarray, dim: int) -> np.ndarray:
        shape = arrays[0].shape
        return np.concatenate([array.reshape(*shape[:dim], 1, *shape[dim:]) for array in arrays], dim)

    def vjp(self, cotangent: Any, output: Any, *values: Any, dim: int) -> tuple[Any, ...]:
        return tuple(partial(select, cotangent, dim, place) for place in range(len(values)))


def split(tensor: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Views of so many places each (the last may be smaller), or of the sizes listed."""
    return views_of_one_call(parts_of(tensor, split_size_or_sections, dim))


def parts_of(tensor: Any, split_size_or_sections: int | Sequence[int], dim: int) -> list[Any]:
    """What :func:`split` gives, as views that may be written to."""
    dim = normalize_dim(dim, tensor.ndim)
    extent = tensor.shape[dim]
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = _sequence((split_size_or_sections,))
        if any(size < 0 for size in sizes) or sum(sizes) != extent:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at dimension "
                f"{dim}), but got split_sizes={list(sizes)}"
            )
    else:
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        if size == 0 and extent != 0:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}")
        count = max(-(-extent // size), 1) if size else 1
        sizes = tuple(min(size, extent - size * part) for part in range(count))
    ends = [sum(sizes[: part + 1]) for part in range(len(sizes))]
    return [slice_dim(tensor, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most so many views of equal size; the last may be smaller."""
    return split(input, size_of_chunks(input, chunks, dim), dim)


def size_of_chunks(input: Any, chunks: int, dim: int) -> int | list[int]:
    """What :func:`split` is given for as many parts."""
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = input.shape[normalize_dim(dim, input.ndim)]
    if extent == 0:
        return [0] * chunks
    return -(-extent // chunks)


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """``length`` places of one dim from ``start`` (an int or a 0-d tensor of integers) on, as a view."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = normalize_dim(dim, input.ndim)
    extent = input.shape[dim]
    if hasattr(start, "apply"):
        if start.ndim or not start.dtype.is_integer:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -extent <= start <= extent:
        raise IndexError(f"start out of range (expected to be in range of [{-extent}, {extent}], but got {start})")
    start = start + extent if start < 0 else start
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return slice_dim(input, dim, start, start + length)


def select(input: Any, dim: int, index: int) -> Any:
    """One place of a dim, without the dim, as a view."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, shape = normalize_dim(dim, input.ndim), tuple(input.shape)
    if isinstance(shape[dim], int) and not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    start = index + shape[dim] if index < 0 else index
    return views.Reshape.bind(slice_dim(input, dim, start, start + 1), shape=shape[:dim] + shape[dim + 1 :])


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Every place of a dim, without the dim, as views."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = normalize_dim(dim, input.ndim)
    return views_of_one_call([select(input, dim, index) for index in range(input.shape[dim])])
