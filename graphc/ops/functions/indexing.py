"""Indexing: ``x[index]`` read and written, and PyTorch's functions that read or write at computed places.

Source: https://docs.pytorch.org/docs/stable/tensor_indexing.html and the pages of the functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import IntegerExpression, product
from graphc.ir.types import bool_, int64
from graphc.notices import warn
from graphc.ops import arithmetic, comparisons, gathers, scatters, sources, views
from graphc.ops.functions.arithmetic import where as choose
from graphc.ops.functions.shaping import broadcast_to, ravel, slice_dim, unsqueeze
from graphc.ops.matrix_rules import no_elements
from graphc.ops.memory_overlap import require_apart
from graphc.ops.operands import broadcast_shapes, cast, is_value, normalize_dim
from graphc.ops.scatter_reductions import ScatterProduct
from graphc.ops.sources import number_like
from graphc.ops.subscript_views import basic_view
from graphc.ops.subscripts import (
    Lookup,
    common_shape,
    filled_where,
    integer_lookups,
    put_directly,
    read,
    require_one_dtype,
    require_truth_values,
    rows_at,
    runs_alone,
    view_and_lookups,
    without_leading_ones,
    written,
)
from graphc.ops.type_names import scalar_name, type_name
from graphc.ops.value_sizes import greatest_of, is_counted, places_of_true
from graphc.recording import state
from graphc.sizes import stretches

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


# -- x[index] ------------------------------------------------------------------------------------------------------


def getitem(input: Any, index: Any) -> Any:
    """``input[index]`` for ints, slices, None, Ellipsis, bools, and tensors or lists of integers or truth values.

    Without tensors the result is a view. A tensor of truth values selects as many elements as it has true ones, so its
    values must be known: TypeError in a graph. Raises IndexError, with PyTorch's words, for an index out of range.
    """
    if is_value(index) and (found := rows_at(input, index)) is not None:
        return found
    viewed, lookups = _view_and_lookups(input, index)
    return read(viewed, integer_lookups(lookups)) if lookups else viewed


def _view_and_lookups(input: Any, index: Any) -> tuple[Any, Sequence[Lookup]]:
    """What an index selects without tensors, and the lookups by its tensors."""
    view = basic_view(input, index) if runs_alone(input) else None
    return view_and_lookups(input, index) if view is None else (view, ())


def setitem(input: Any, index: Any, value: Any) -> None:
    """``input[index] = value`` for a tensor: the value is broadcast to the place, and converted to the dtype but where
    tensors of integers look the place up."""
    if not hasattr(input, "copy_"):
        raise TypeError("a value in a graph cannot be written to; use torch.where, index_add or scatter")
    if index is False:
        return
    viewed, lookups = _view_and_lookups(input, index)
    if not is_value(value):
        if not isinstance(value, (bool, int, float, complex, np.generic, IntegerExpression)):
            kind = type(value).__name__ if type(value).__module__ == "builtins" else f"numpy.{type(value).__name__}"
            raise TypeError(f"can't assign a {kind} to a torch.{type_name(input.dtype)}Tensor")
        number = value.item() if isinstance(value, np.generic) else value
        if (
            not lookups
            and runs_alone(input)
            and viewed._array.flags.writeable
            and not (state.gradients and viewed.requires_grad)
        ):
            viewed.fill_(number)
            return
        value = number_like(input, number, shape=())
    if not lookups:
        fitted = broadcast_to(without_leading_ones(value, viewed.ndim), tuple(viewed.shape))
        viewed.copy_(cast(fitted, input.dtype))
        return
    masks_alone = all(lookup.is_mask for lookup in lookups)
    converts = value.dtype == input.dtype or (masks_alone and product(value.shape) == 1)
    if len(lookups) == 1 and masks_alone and product(value.shape) == 1:
        require_truth_values(index)
    if len(lookups) == 1 and masks_alone and converts:
        filled = filled_where(viewed, lookups[0], cast(value, input.dtype))
        if filled is not None:
            _write_places(viewed, filled)
            return
    if input.is_eager:
        require_apart(viewed, (value,), itself=False)
    lookups = integer_lookups(lookups)
    if not converts:
        common_shape(lookups)
        require_one_dtype(input, value)
    value = cast(value, input.dtype)
    if _may_be_put_to(viewed) and not (state.gradients and (viewed.requires_grad or value.requires_grad)):
        put_directly(viewed, lookups, value)
        return
    _write_places(viewed, written(viewed, lookups, value))


def _write_places(viewed: Any, value: Any) -> None:
    """Overwrite a tensor with a value that differs from it in the places that are written to."""
    (viewed._assign_places if viewed.is_eager else viewed.copy_)(value)


def _may_be_put_to(tensor: Any) -> bool:
    """Whether nothing stands in the way of writing to a tensor's memory but that someone needs its history."""
    return runs_alone(tensor) and tensor._restriction is None and tensor._array.flags.writeable


# -- reading at computed places ------------------------------------------------------------------------------------


def _require_index_dtype(index: Any, message: str) -> None:
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(message)


@stretches
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """``result[i][j] = input[i][index[i][j]]`` for dim 1 of a matrix. Indices are not negative.

    ``sparse_grad`` is accepted and changes nothing: gradients are dense.
    """
    dim = normalize_dim(dim, input.ndim)
    if 0 in index.shape:  # there is nothing to look up: no dtype and no dims are wrong
        return views.Reshape.bind(no_elements(input), shape=tuple(index.shape))
    _require_index_dtype(index, "gather(): Expected dtype int32/int64 for index")
    if tuple(index.shape) == (0,) and input.ndim != 1:
        return number_like(input, 0, shape=(0,))
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
        if product(index.shape) != 1:
            raise RuntimeError(
                f"index_select(): Index to scalar can have only 1 value, got {product(index.shape)} value(s)"
            )
        return views.Reshape.bind(gathers.IndexSelect.bind(ravel(input), ravel(index), dim=0), shape=())
    return gathers.IndexSelect.bind(input, ravel(index), dim=dim)


# -- writing at computed places ------------------------------------------------------------------------------------


@stretches
def _scattered(primitive: Any, name: str, input: Any, dim: int, index: Any, src: Any) -> Any:
    dim = normalize_dim(dim, input.ndim)
    _require_index_dtype(index, f"{name}(): Expected dtype int32/int64 for index")
    if tuple(index.shape) == (0,):
        return views.Alias.bind(input)
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


def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: float | None = None, reduce: str | None = None
) -> Any:
    """The input with ``src[i][j]`` (or a number) put at ``[i][index[i][j]]`` for dim 1 of a matrix.

    ``reduce``: "add" or "multiply" combine it with what stands there.
    """
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if is_value(src) and reduce is not None:
        warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch release. Use torch.scatter_reduce instead for more reduction options.",
        )
    if not is_value(src):
        src = number_like(input, value if src is None else src, shape=tuple(index.shape))
    if reduce == "multiply":
        return _scattered(_ScatterProduct, "scatter", input, dim, index, src)
    return _scattered(scatters.ScatterAdd if reduce else scatters.ScatterPut, "scatter", input, dim, index, src)


class _ScatterProduct:
    """The scatter that multiplies, as ``scatter`` binds its primitives."""

    @staticmethod
    def bind(base: Any, index: Any, source: Any, *, dim: int) -> Any:
        return ScatterProduct.bind(base, index, source, dim=dim, include_self=True)


def _rows(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, int, Any, Any]:
    """The operands of a primitive that takes slices of the source to the places of a dim that a vector names."""
    dim = normalize_dim(dim, input.ndim)
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}_(): self ({type_name(input.dtype)}) and source ({type_name(source.dtype)}) must have the same "
            "scalar type"
        )
    shape, given = list(input.shape), list(source.shape)
    base, index, source = (ravel(value) if value.ndim == 0 else value for value in (input, index, source))
    count = index.shape[0]
    if source.ndim == base.ndim and source.shape[dim] != count:
        raise RuntimeError(
            f"{name}_(): Number of indices ({count}) should be equal to source.size(dim): ({source.shape[dim]}), for "
            f"dim: {dim}"
        )
    if len(given) != len(shape) or tuple(source.shape) != (*base.shape[:dim], count, *base.shape[dim + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{shape} source.shape = {given}"
        )
    return base, dim, index, source


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """The input with slices of ``alpha * source`` added at the places of a dim that a vector of indices names."""
    if index.ndim > 1:
        raise IndexError(
            f"index_add_(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{type_name(index.dtype)}"
        )
    _require_index_dtype(index, f"index_add_(): Expected dtype int32/int64 for index but got: {type_name(index.dtype)}")
    base, dim, index, source = _rows("index_add", input, dim, index, source)
    if alpha != 1:
        source = arithmetic.Mul.bind(source, number_like(source, alpha))
    try:
        return views.Reshape.bind(scatters.IndexAdd.bind(base, index, source, dim=dim), shape=tuple(input.shape))
    except RuntimeError:
        # The places of a vector are checked by another of PyTorch's kernels, in other words.
        if base.ndim == 1:
            raise IndexError("index out of range in self") from None
        raise


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input with slices of the source put at the places of a dim that a vector of indices names."""
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if index.dtype != int64:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {type_name(index.dtype)}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {type_name(input.dtype)} "
            f"and (source) {type_name(source.dtype)}"
        )
    base, index, source = (ravel(value) if value.ndim == 0 else value for value in (input, index, source))
    count = index.shape[0]
    ours, theirs = ([*value.shape[:dim], *value.shape[dim + 1 :]] for value in (base, source))
    if ours != theirs:
        words = [" ".join(map(str, shape)) for shape in (ours, theirs)]
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{words[0]} at dimension {dim} and source slice shape: {words[1]} at dimension 0."
        )
    if source.shape[dim] != count:
        raise IndexError(
            f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) ({source.shape[dim]})"
        )
    return views.Reshape.bind(scatters.IndexCopy.bind(base, index, source, dim=dim), shape=tuple(input.shape))


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Ones at the places that the indices name along a new last dim, zeros elsewhere; int64.

    Without ``num_classes`` it is one more than the greatest index, on which a compiled function rests: TypeError in a
    graph without tensors.
    """
    if tensor.dtype != int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        is_counted(tensor, "one_hot() without num_classes")
        if not product(tensor.shape):
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = max(greatest_of(tensor) + 1, 1)
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

    With the condition alone: the indices of its true elements, a vector for each dim.
    """
    if input is None and other is None:
        return places_of_true(condition)
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
        if value.dtype.is_complex and not input.dtype.is_complex:
            raise RuntimeError(f"value cannot be converted to type {scalar_name(input.dtype)} without overflow")
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
