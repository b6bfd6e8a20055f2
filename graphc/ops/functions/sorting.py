"""Sorting, selecting, and searching with PyTorch's names and arguments. NaN is the greatest.

Values are gathered at positions, so that gradients go to the elements that were taken.
Source: https://docs.pytorch.org/docs/stable/torch.html#comparison-ops
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.types import bool_, int32, int64
from graphc.ops import sorting
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import clamp, eq, logical_not
from graphc.ops.functions.indexing import gather
from graphc.ops.functions.reduction import any
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import movedim, reshape, unsqueeze
from graphc.ops.gathers import IndexSelect
from graphc.ops.operands import cast, is_value, normalize_dim, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import result_type
from graphc.ops.sorting import ArgSort
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name
from graphc.ops.value_sizes import is_counted, order_of_rows, put_back, runs_of

__all__ = [
    "argsort",
    "bucketize",
    "isin",
    "kthvalue",
    "mode",
    "msort",
    "searchsorted",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]
FUNCTIONS_ONLY = ("bucketize", "isin", "searchsorted")
OUT_MAY_OVERLAP = True

Value = Any
Operand = Any  # a Value or a Python number

Sorted = return_type("sort", "values indices")
Top = return_type("topk", "values indices")
KthValue = return_type("kthvalue", "values indices")
Mode = return_type("mode", "values indices")

# More elements to test for than this are searched for in sorted order.
_FEW = 16


def _require_order(name: str, input: Value) -> None:
    """Raises RuntimeError for complex numbers; ``name`` is what PyTorch's message calls the function."""
    require_value(name.lower(), input)
    if input.dtype.is_complex:
        raise RuntimeError(f" {name} does not support complex dtypes on CPU")


def _require_kernel(name: str, kernel: str, input: Value, truths: bool = True) -> None:
    """Raises NotImplementedError for complex numbers, and for truth values unless ``truths``."""
    require_value(name, input)
    if input.dtype.is_complex or (input.dtype == bool_ and not truths):
        raise factories.not_implemented(kernel, input.dtype)


def argsort(input: Value, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Value:
    """The positions (int64) of the elements along ``dim`` in ascending or descending order.

    Equal elements keep their order, whether ``stable`` is given or not.
    """
    _require_order("Sort", input)
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return Copy.bind(number_like(input, 0, dtype=int64))
    return sorting.ArgSort.bind(input, dim=axis, descending=bool(descending))


def sort(input: Value, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """The elements along ``dim`` in ascending or descending order, and their positions (int64)."""
    indices = argsort(input, dim, descending, stable=stable)
    return Sorted(gather(input, dim, indices), indices)


def msort(input: Value) -> Value:
    """The elements along the first dimension in ascending order."""
    return sort(input, 0).values


def topk(input: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` greatest (or least) elements along ``dim`` in that order, and their positions (int64).

    Raises RuntimeError where a row has less than ``k`` elements.
    """
    _require_order("topk", input)
    if input.dtype == bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    axis = normalize_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if input.ndim == 0:
        return Top(Copy.bind(input), Copy.bind(number_like(input, 0, dtype=int64)))
    indices = sorting.TopPositions.bind(input, dim=axis, k=int(k), largest=bool(largest))
    return Top(gather(input, dim, indices), indices)


def at_positions(result: Any, name: str, primitive: Any, input: Value, dim: int, keepdim: bool, **attrs: Any) -> Any:
    """The elements of rows at positions that a primitive gives, and the positions."""
    require_value(name, input)
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return result(Copy.bind(input), Copy.bind(number_like(input, 0, dtype=int64)))
    if input.shape[axis] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    indices = unsqueeze(primitive.bind(input, dim=axis, **attrs), axis)
    values = gather(input, axis, indices)
    if keepdim:
        return result(values, indices)
    shape = tuple(extent for place, extent in enumerate(input.shape) if place != axis)
    return result(reshape(values, shape), reshape(indices, shape))


def kthvalue(input: Value, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th least element along ``dim``, counted from 1, and its position (int64).

    Raises RuntimeError where a row has less than ``k`` elements.
    """
    _require_kernel("kthvalue", "kthvalue_cpu", input, truths=False)
    size = input.shape[normalize_dim(dim, input.ndim)] if input.ndim else 1
    if size and not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {normalize_dim(dim, input.ndim)}")
    return at_positions(KthValue, "kthvalue", sorting.KthPosition, input, dim, keepdim, k=int(k))


def mode(input: Value, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along ``dim``, the least of several, and a position of it (int64)."""
    _require_kernel("mode", "mode_cpu", input)
    return at_positions(Mode, "mode", sorting.ModePosition, input, dim, keepdim)


# -- searching --------------------------------------------------------------------------------------------------------


def searchsorted(
    sorted_sequence: Value,
    input: Operand,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Value | None = None,
) -> Value:
    """Where values would go in sorted rows: before equal elements, or behind them (``right`` or ``side="right"``).

    ``sorter`` holds the positions that sort the rows. The result is int64, or int32. Raises RuntimeError where leading
    dimensions differ, or ``side`` and ``right`` do.
    """
    require_value("searchsorted", sorted_sequence)
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if sorter is not None:
        if tuple(sorter.shape) != tuple(sorted_sequence.shape):
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sorted_sequence.shape)} and got sorter tensor {list(sorter.shape)}"
            )
        sorted_sequence = gather(sorted_sequence, -1, sorter)
    return _searched(sorted_sequence, input, out_int32, right or side == "right")


def bucketize(input: Operand, boundaries: Value, *, out_int32: bool = False, right: bool = False) -> Value:
    """Which of the intervals between sorted ``boundaries``, a vector, each value lies in."""
    require_value("bucketize", boundaries)
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _searched(boundaries, input, out_int32, right)


def _searched(rows: Value, values: Operand, out_int32: bool, right: bool) -> Value:
    if not is_value(values):
        values = number_like(rows, values, shape=(), dtype=result_type(rows, values))
    if values.ndim == 0 and rows.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({rows.ndim}) and input value's dim(0) numel(1)"
        )
    if rows.ndim != 1 and tuple(rows.shape[:-1]) != tuple(values.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(rows.shape)} and input "
            f"value tensor {list(values.shape)}"
        )
    if rows.ndim == 0:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    dtype = result_type(rows, values)
    for each in (rows, values):
        if each.dtype.is_complex or each.dtype == bool_:
            raise factories.not_implemented("searchsorted_out_cpu", each.dtype)
    found = sorting.SearchSorted.bind(cast(rows, dtype), cast(values, dtype), right=bool(right))
    return cast(found, int32) if out_int32 else found


def isin(elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False) -> Value:
    """Whether each element is one of the others, as bool; with ``invert`` whether it is none. NaN is none."""
    if not is_value(elements) and not is_value(test_elements):
        raise TypeError("isin(): elements or test_elements must be Tensor")
    reference = elements if is_value(elements) else test_elements
    for each in (elements, test_elements):
        if is_value(each) and (each.dtype.is_complex or each.dtype == bool_):
            raise RuntimeError(f"Unsupported input type encountered for isin(): {type_name(each.dtype)}")
    dtype = result_type(elements, test_elements)
    left, right = (
        cast(each, dtype) if is_value(each) else number_like(reference, each, shape=(), dtype=dtype)
        for each in (elements, test_elements)
    )
    found = _found(left, reshape(right, (-1,)))
    return logical_not(found) if invert else found


def _found(elements: Value, others: Value) -> Value:
    count = others.shape[0]
    if count <= _FEW:
        return any(eq(unsqueeze(elements, -1), others), -1)
    ordered = msort(others)
    place = sorting.SearchSorted.bind(ordered, elements, right=False)
    place = clamp(place, max=count - 1)
    return eq(reshape(gather(ordered, 0, reshape(place, (-1,))), tuple(elements.shape)), elements)


# -- what is unique ---------------------------------------------------------------------------------------------------


def _rows(input: Value, axis: int | None) -> Value:
    """The slices along a dim, or the elements one by one, as the rows of a matrix."""
    moved = reshape(input, (-1, 1)) if axis is None else movedim(input, axis, 0)
    return reshape(moved, (moved.shape[0], math.prod(moved.shape[1:])))


def _counted_runs(input: Value, axis: int | None, order: bool, inverse: bool, counts: bool) -> Any:
    """The first of each run of equal slices (elements), in a program that is recorded: in their order if asked."""
    rows = _rows(input, axis)
    if order:
        places = ArgSort.bind(reshape(rows, (-1,)), dim=0, descending=False) if axis is None else order_of_rows(rows)
        rows = IndexSelect.bind(rows, places, dim=0)
    firsts, numbers, lengths = runs_of(rows)
    found = IndexSelect.bind(rows, firsts, dim=0)
    if axis is None:
        found = reshape(found, (-1,))
    else:
        others = (*input.shape[:axis], *input.shape[axis + 1 :])
        found = movedim(reshape(found, (found.shape[0], *others)), 0, axis)
    if order:
        numbers = put_back(places, numbers)
    if axis is None:
        numbers = reshape(numbers, tuple(input.shape))
    results = [found, *[numbers] * inverse, *[lengths] * counts]
    return tuple(results) if len(results) > 1 else found


def _parts(input: Value, values: np.ndarray, inverse: np.ndarray | None, counts: np.ndarray | None) -> Any:
    parts = [values] + [part.astype(np.int64, copy=False) for part in (inverse, counts) if part is not None]
    tensors = tuple(factories.known(input, part) for part in parts)
    return tensors if len(tensors) > 1 else tensors[0]


def _slice_dim(input: Value, dim: int | None) -> int | None:
    """The dimension whose slices are compared; None where elements are."""
    if dim is None:
        return None
    axis = normalize_dim(dim, input.ndim)
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if 0 in (*input.shape[:axis], *input.shape[axis + 1 :]):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return axis


def unique(
    input: Value, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The distinct elements (slices along ``dim``) in ascending order; NaN equals nothing.

    Asked for, where each element's equal is among them, and how often each occurs, both int64. A compiled function
    rests on their number.
    """
    require_value("unique", input)
    if input.dtype.is_complex:
        raise factories.not_implemented("unique", input.dtype)
    axis = _slice_dim(input, dim)
    if is_counted(input, "unique()") and math.prod(input.shape):
        return _counted_runs(input, axis, True, bool(return_inverse), bool(return_counts))
    array = input._settled
    if axis is not None:
        rows = np.moveaxis(array, axis, 0)
        flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
        order = np.lexsort(_keys(flat).T[::-1]) if flat.shape[1] else np.arange(len(rows))
        values, inverse, counts = _runs(flat[order])
        back = np.empty(len(rows), np.int64)
        back[order] = inverse
        found = np.moveaxis(values.reshape(len(values), *rows.shape[1:]), 0, axis)
        return _parts(input, found, back if return_inverse else None, counts if return_counts else None)
    flat = array.reshape(-1)
    order = np.argsort(_keys(flat), kind="stable")
    values, inverse, counts = _runs(flat[order][:, None])
    back = np.empty(flat.size, np.int64)
    back[order] = inverse
    return _parts(
        input, values[:, 0], back.reshape(array.shape) if return_inverse else None, counts if return_counts else None
    )


def unique_consecutive(
    input: Value, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (slices along ``dim``) without those that equal the one before them.

    Asked for, which of them each element is, and how often each occurs in its run, both int64. A compiled function
    rests on their number.
    """
    _require_kernel("unique_consecutive", "unique", input)
    axis = _slice_dim(input, dim)
    if is_counted(input, "unique_consecutive()") and math.prod(input.shape):
        return _counted_runs(input, axis, False, bool(return_inverse), bool(return_counts))
    array = input._settled
    if axis is not None:
        rows = np.moveaxis(array, axis, 0)
        values, inverse, counts = _runs(rows.reshape(len(rows), math.prod(rows.shape[1:])))
        found = np.moveaxis(values.reshape(len(values), *rows.shape[1:]), 0, axis)
    else:
        values, inverse, counts = _runs(array.reshape(-1, 1))
        found, inverse = values[:, 0], inverse.reshape(array.shape)
    return _parts(input, found, inverse if return_inverse else None, counts if return_counts else None)


def _keys(array: np.ndarray) -> np.ndarray:
    """What an array is sorted by: of bfloat16 numpy knows no order of NaN."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind not in "iu" else array


def _runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first row of each run of equal rows, the number of the run of each row, and the lengths of the runs."""
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(-1)
    places = np.flatnonzero(starts)
    return rows[places], np.cumsum(starts) - 1, np.diff(np.append(places, len(rows)))
