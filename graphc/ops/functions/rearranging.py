"""Rearranging: elements repeated and turned around, tensors cut into parts and put together along new dims.

Source: https://docs.pytorch.org/docs/stable/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import int64
from graphc.ops import gathers, pointwise, sources, views
from graphc.ops.argument_kinds import require_tensors
from graphc.ops.conjugation import conjugate
from graphc.ops.cumulative import CumulativeSum
from graphc.ops.functions import shaping
from graphc.ops.functions.loss_reduction import require_values
from graphc.ops.functions.shaping import (
    cat,
    flip,
    narrow,
    ravel,
    slice_dim,
    split,
    transpose,
)
from graphc.ops.operands import broadcast_shapes as common_shape
from graphc.ops.operands import cast, is_value, normalize_dim
from graphc.ops.sorting import SearchSorted
from graphc.ops.type_names import type_name
from graphc.ops.value_sizes import is_counted, total_of, vector_of
from graphc.storage import Size

__all__ = [
    "adjoint",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "column_stack",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "narrow_copy",
    "repeat_interleave",
    "rot90",
    "row_stack",
    "split_with_sizes",
    "swapdims",
    "tensor_split",
    "unravel_index",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
    "vstack",
]
FUNCTIONS_ONLY = (
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "column_stack",
    "dstack",
    "hstack",
    "row_stack",
    "unravel_index",
    "vstack",
)


def _several(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors


# -- repeating and turning -----------------------------------------------------------------------------------------


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each place of a dim so many times in a row; of the flattened input without a dim. ``repeats`` is an int, or a
    tensor with a count for each place (eager only, since the size depends on its values). With one tensor alone: the
    numbers 0, 1, ... each as often as it says."""
    if repeats is None:
        return _places_repeated(input, output_size)
    if not is_value(repeats) and not isinstance(repeats, int):
        raise TypeError(f"repeat_interleave(): argument 'repeats' must be Tensor or int, not {type(repeats).__name__}")
    if dim is None:
        input, dim = ravel(input), 0
    elif not input.ndim:
        input = ravel(input)
    dim = normalize_dim(dim, input.ndim)
    shape = tuple(input.shape)
    if is_value(repeats) and repeats.ndim <= 1 and product(repeats.shape) == 1:
        repeats = int(_counts(repeats)[0])
    if is_value(repeats):
        if repeats.ndim > 1:
            raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
        if repeats.shape[0] != shape[dim]:
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{repeats.shape[0]} and input.size({dim}) = {shape[dim]}"
            )
        return gathers.IndexSelect.bind(input, _places_repeated(repeats, output_size), dim=dim)
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    apart = views.Reshape.bind(input, shape=(*shape[: dim + 1], 1, *shape[dim + 1 :]))
    repeated = views.Expand.bind(apart, shape=(*shape[: dim + 1], repeats, *shape[dim + 1 :]))
    result = views.Reshape.bind(repeated, shape=(*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :]))
    return pointwise.Copy.bind(result) if repeats == 1 else result


def _require_counts(repeats: Any) -> None:
    if repeats.dtype.name not in ("int64", "int32"):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{type_name(repeats.dtype)}'")


def _counts(repeats: Any) -> np.ndarray:
    _require_counts(repeats)
    counts = repeats._value("repeat_interleave()").reshape(-1)
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    return counts


def _places_repeated(repeats: Any, output_size: int | None) -> Any:
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if is_counted(repeats, "repeat_interleave() of counts"):
        return cast(_counted_places(repeats, output_size), repeats.dtype)
    counts = _counts(repeats)
    places = np.repeat(np.arange(counts.size), counts)
    if output_size is not None and places.size != output_size:
        raise RuntimeError("allocated size does not match required size")
    literal = sources.Literal(places, int64)
    return pointwise.Cast.bind(repeats.apply(sources.Constant.instance, (), {"literal": literal}), dtype=repeats.dtype)


def _counted_places(repeats: Any, output_size: int | None) -> Any:
    """What each place of the result repeats, in a program that is recorded: it rests on the sum of the counts."""
    _require_counts(repeats)
    require_values(repeats, lambda counts: counts >= 0, RuntimeError("repeats can not be negative"))
    ends = CumulativeSum.bind(cast(repeats, int64), dim=0, reverse=False)
    total = total_of(repeats)
    if output_size is not None and total != output_size:
        raise RuntimeError("allocated size does not match required size")
    return SearchSorted.bind(ends, vector_of(repeats, total), right=True)


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """The plane of two dims turned by ``k`` right angles, from the first dim towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    first, second = (normalize_dim(dim, input.ndim) for dim in dims)
    turns = k % 4
    if turns == 0:
        return pointwise.Copy.bind(input)
    if turns == 2:
        return flip(input, (first, second))
    return transpose(flip(input, second if turns == 1 else first), first, second)


def fliplr(input: Any) -> Any:
    """The elements in reverse order along the second dim."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """The elements in reverse order along the first dim."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """Two dims exchanged."""
    return transpose(input, dim0, dim1)


def adjoint(input: Any) -> Any:
    """The conjugate transposes of matrices; a view where the numbers are real."""
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return conjugate(transpose(input, -2, -1))


# -- cutting -------------------------------------------------------------------------------------------------------


def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Views of the sizes listed, one after the other along ``dim``."""
    return split(input, list(split_sizes), dim)


def unsafe_split(input: Any, split_size: int, dim: int = 0) -> tuple[Any, ...]:
    """As ``split``; the views may be written to."""
    return tuple(shaping.parts_of(input, split_size, dim))


def unsafe_split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """As :func:`split_with_sizes`; the views may be written to."""
    return tuple(shaping.parts_of(input, list(split_sizes), dim))


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """As ``chunk``; the views may be written to."""
    return tuple(shaping.parts_of(input, shaping.size_of_chunks(input, chunks, dim), dim))


def tensor_split(input: Any, indices_or_sections: Any = None, dim: int = 0, **named: Any) -> tuple[Any, ...]:
    """So many views of nearly equal sizes, the larger ones first; or views that end before the places listed."""
    for name in ("sections", "indices", "tensor_indices_or_sections"):
        indices_or_sections = named.pop(name, indices_or_sections)
    if named:
        raise TypeError(f"tensor_split() got an unexpected keyword argument '{next(iter(named))}'")
    if input.ndim < 1:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = normalize_dim(dim, input.ndim)
    if is_value(indices_or_sections):
        indices_or_sections = _split_places(indices_or_sections)
    extent = input.shape[dim]
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        least, more = divmod(extent, sections)
        return tuple(shaping.parts_of(input, [least + (part < more) for part in range(sections)], dim))
    bounds = [min(max(place + extent if place < 0 else place, 0), extent) for place in indices_or_sections]
    starts, stops = [0, *bounds], [*bounds, extent]
    return tuple(slice_dim(input, dim, start, max(start, stop)) for start, stop in zip(starts, stops, strict=True))


def _split_places(places: Any) -> Any:
    if places.dtype != int64:
        raise RuntimeError(
            f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {type_name(places.dtype)}"
        )
    if places.ndim > 1:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but "
            f"got a tensor with {places.ndim} dims"
        )
    if not hasattr(places, "tolist"):
        raise TypeError("tensor_split in a graph needs ints: sizes must not depend on values")
    return places.tolist()


def _split_evenly(name: str, input: Any, sections: Any, dim: int, rank: int) -> tuple[Any, ...]:
    if input.ndim < rank:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {rank} dimension, but got a tensor with {input.ndim} "
            "dimensions!"
        )
    if isinstance(sections, str):
        raise TypeError(f"{name}() received an invalid combination of arguments - got (Tensor, str)")
    if isinstance(sections, int) and (sections == 0 or input.shape[dim] % sections):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {input.shape[dim]} "
            f"is not divisible by the split_size {sections}!"
        )
    return tensor_split(input, sections, dim)


def _sections(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if len(arguments) == 1 else arguments


def hsplit(input: Any, *indices_or_sections: Any) -> tuple[Any, ...]:
    """As :func:`tensor_split` along the second dim (of a vector the first), into equal parts."""
    if input.ndim < 1:
        raise RuntimeError(
            "torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!"
        )
    return _split_evenly("hsplit", input, _sections(indices_or_sections), 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Any, *indices_or_sections: Any) -> tuple[Any, ...]:
    """As :func:`tensor_split` along the first dim, into equal parts."""
    return _split_evenly("vsplit", input, _sections(indices_or_sections), 0, 2)


def dsplit(input: Any, *indices_or_sections: Any) -> tuple[Any, ...]:
    """As :func:`tensor_split` along the third dim, into equal parts."""
    return _split_evenly("dsplit", input, _sections(indices_or_sections), 2, 3)


def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """A copy of ``length`` places of one dim from ``start`` on."""
    if input.ndim and dim >= input.ndim:
        raise RuntimeError("Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.")
    return pointwise.Copy.bind(narrow(input, dim, start, length))


# -- putting together ----------------------------------------------------------------------------------------------


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """A function of one tensor, or of each of several."""
    if len(tensors) == 1 and is_value(tensors[0]):
        return function(tensors[0])
    return tuple(function(tensor) for tensor in _several(tensors))


def atleast_1d(*tensors: Any) -> Any:
    """Numbers as vectors of one element; others as they are."""
    return _each(lambda tensor: tensor if tensor.ndim else shaping.reshape(tensor, (1,)), tensors)


def _matrix(tensor: Any) -> Any:
    if tensor.ndim >= 2:
        return tensor
    return shaping.unsqueeze(tensor, 0) if tensor.ndim else shaping.reshape(tensor, (1, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Numbers and vectors as matrices of one row; others as they are."""
    return _each(_matrix, tensors)


def _solid(tensor: Any) -> Any:
    return tensor if tensor.ndim >= 3 else shaping.unsqueeze(_matrix(tensor), -1)


def atleast_3d(*tensors: Any) -> Any:
    """Numbers as ``[1, 1, 1]``, vectors as ``[1, n, 1]``, matrices as ``[m, n, 1]``; others as they are."""
    return _each(_solid, tensors)


def _stacked(name: str, tensors: Any, shape: Any, dim: int) -> Any:
    require_tensors(name, tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return cat([shape(tensor) for tensor in tensors], dim)


def hstack(tensors: Sequence[Any]) -> Any:
    """Tensors one after the other along the second dim; vectors along their only one."""
    require_tensors("hstack", tensors)
    tensors = [atleast_1d(tensor) for tensor in tensors]
    return _stacked("hstack", tensors, lambda tensor: tensor, 0 if tensors and tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Tensors one after the other along the first dim; vectors are rows."""
    return _stacked("vstack", tensors, _matrix, 0)


def row_stack(tensors: Sequence[Any]) -> Any:
    """As :func:`vstack`."""
    return vstack(tensors)


def dstack(tensors: Sequence[Any]) -> Any:
    """Tensors one after the other along the third dim; see :func:`atleast_3d`."""
    return _stacked("dstack", tensors, _solid, 2)


def _columns(tensor: Any) -> Any:
    return tensor if tensor.ndim >= 2 else shaping.reshape(tensor, (product(tensor.shape), 1))


def column_stack(tensors: Sequence[Any]) -> Any:
    """Tensors one after the other along the second dim; vectors are columns."""
    return _stacked("column_stack", tensors, _columns, 1)


# -- shapes and places ---------------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> Any:
    """The size that shapes (sequences, or ints) broadcast to."""
    known: tuple[Any, ...] = ()
    for place, shape in enumerate(shapes):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if any(extent < 0 for extent in shape):
            raise ValueError("Attempting to broadcast a dimension with negative length!")
        try:
            known = common_shape(known, shape)
        except RuntimeError:
            pairs = zip(range(-1, -len(shape) - 1, -1), reversed(shape), strict=True)
            dim, extent = next(
                (dim, extent) for dim, extent in pairs if extent not in (1, known[dim]) and known[dim] != 1
            )
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {extent} at {dim}! Mismatching argument at index "
                f"{place} had {shape}; but expected shape should be broadcastable to {list(known)}"
            ) from None
    return Size(known)


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Places in the flattened tensor of a shape as one index for each dim."""
    if not indices.dtype.is_integer:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if is_value(shape):
        shape = shape.tolist()
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    indices = cast(indices, int64)
    found = []
    for extent in reversed(sizes):
        found.append(indices % extent)
        indices = indices // extent
    return tuple(reversed(found))
