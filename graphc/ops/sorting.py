"""Orders and selections along one dimension: what they give are positions (int64), with which values are gathered.

NaN is the greatest. ``dim`` is a non-negative dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Attributes, RowAlgorithm, Run, register
from graphc.ir.scalars import Index
from graphc.ir.types import TensorType, float64, int64
from graphc.ops.pointwise import Cast
from graphc.ops.reductions import shared_evenly
from graphc.ops.selection import LONGEST, Row, places_after
from graphc.ops.sources import number_like

# A selection of at most one in so many elements is not worth a whole sort.
_PARTIAL = 8
# Up to this many elements a row is sorted sooner than cut.
_SHORT = 256


class Positions(RowAlgorithm):
    """Positions of elements of the operand along ``dim``; the result has ``dim`` too, or lacks it."""

    differentiable = False
    accepts: ClassVar[tuple[str, ...]] = ("bool", "int", "float")

    def _check(self, x: TensorType, dim: int) -> None:
        if x.dtype.category not in self.accepts:
            raise TypeError(f"{self.name} expects elements that have an order, got {x.dtype.name}")
        if not 0 <= dim < x.rank:
            raise ValueError(f"{self.name} expects a dim of a value of rank {x.rank}, got {dim}")

    def points(
        self, types: Sequence[TensorType], output: TensorType, *, dim: int, **attrs: Any
    ) -> tuple[Dimension, ...]:
        return types[0].shape[:dim] + types[0].shape[dim + 1 :]

    def runs(
        self, at: Index, types: Sequence[TensorType], output: TensorType, *, dim: int, **attrs: Any
    ) -> tuple[tuple[Run, ...], Run]:
        row = Run((*at[:dim], 0, *at[dim:]), dim)
        return (row,), row if output.rank == types[0].rank else Run(at, None)

    def numbers(
        self, types: Sequence[TensorType], output: TensorType, *, dim: int, **attrs: Any
    ) -> tuple[Dimension, ...]:
        return (types[0].shape[dim], *(int(attrs[name]) for name in sorted(attrs)))

    def evaluate_row(self, *rows: np.ndarray, **attrs: Any) -> np.ndarray:
        return self.evaluate(*rows, **{**attrs, "dim": 0})

    def positions_below(self, types: Sequence[TensorType], **attrs: Any) -> Dimension | None:
        return types[0].shape[attrs["dim"]]


def _stable_order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Of the reversed row, so that equal elements keep their order.
    if axis in (-1, x.ndim - 1):
        return x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


@register
class ArgSort(Positions):
    """The positions in ascending (or descending) order of the elements; equal ones keep theirs."""

    name = "argsort"
    cost = 60.0

    def infer(self, x: TensorType, *, dim: int, descending: bool) -> TensorType:
        self._check(x, dim)
        return TensorType(int64, x.shape)

    def evaluate(self, x: np.ndarray, *, dim: int, descending: bool) -> np.ndarray:
        return np.ascontiguousarray(_stable_order(x, dim, descending))


def _first_of_order(rows: np.ndarray, count: int, descending: bool) -> np.ndarray:
    """The first ``count`` positions of the stable order of each row, or as many as there are."""
    size = rows.shape[-1]
    if count * _PARTIAL > size or size <= _SHORT or not rows.size:
        return _stable_order(rows, -1, descending)[:, :count]
    # The last that belongs to them, then all that are before it, then so many of its equals as are still wanted.
    at = size - count if descending else count - 1
    last = np.partition(rows, at, axis=-1)[:, at : at + 1]
    nan = last != last
    before = (rows > last) | ((rows != rows) & ~nan) if descending else (rows < last) | ((rows == rows) & nan)
    equal = (rows == last) | ((rows != rows) & nan)
    equal &= np.cumsum(equal, -1) <= count - np.count_nonzero(before, -1)[:, None]
    places = np.nonzero(before | equal)[1].reshape(len(rows), count)
    order = _stable_order(np.take_along_axis(rows, places, -1), -1, descending)
    return np.take_along_axis(places, order, -1)


def _ranks(rows: np.ndarray, descending: bool = False) -> np.ndarray:
    """For each row numbers in the order of the elements, equal ones for equal elements; NaN is one number."""
    order = np.argsort(rows, axis=-1, kind="stable")
    ordered = np.take_along_axis(rows, order, -1)
    steps = (ordered[..., 1:] != ordered[..., :-1]) & ~(
        (ordered[..., 1:] != ordered[..., 1:]) & (ordered[..., :-1] != ordered[..., :-1])
    )
    numbers = np.zeros(rows.shape, np.int64)
    np.cumsum(steps, axis=-1, out=numbers[..., 1:])
    result = np.empty_like(numbers)
    np.put_along_axis(result, order, numbers, -1)
    return -result if descending else result


def _rows(x: np.ndarray, dim: int) -> np.ndarray:
    """The rows along a dimension as a matrix."""
    moved = x if dim == x.ndim - 1 else np.moveaxis(x, dim, -1)
    return np.ascontiguousarray(moved).reshape(math.prod(moved.shape[:-1]), moved.shape[-1])


class Selection(Positions):
    """The position of one element in each row; the result lacks ``dim``."""

    def infer(self, x: TensorType, *, dim: int, **attrs: Any) -> TensorType:
        self._check(x, dim)
        return TensorType(int64, x.shape[:dim] + x.shape[dim + 1 :])

    def evaluate(self, x: np.ndarray, *, dim: int, **attrs: Any) -> np.ndarray:
        rows = _rows(x, dim)
        return self.select(rows, **attrs).reshape(x.shape[:dim] + x.shape[dim + 1 :])

    def select(self, rows: np.ndarray, **attrs: Any) -> np.ndarray:
        """The position in each of the rows."""
        raise NotImplementedError


@register
class KthPosition(Selection):
    """The position of the element of each row that is the ``k``-th least, counted from 1."""

    name = "kth_position"

    def select(self, rows: np.ndarray, *, k: int) -> np.ndarray:
        ranks = _ranks(rows)
        equal = ranks == np.partition(ranks, k - 1, axis=-1)[:, k - 1 : k]
        positions = equal.argmax(-1)
        if rows.shape[-1] <= LONGEST:
            for row in np.flatnonzero(equal.sum(-1) > 1).tolist():
                positions[row] = places_after(ranks[row], lambda each: each.quickselect(k - 1))[k - 1]
        return positions


@register
class MedianPosition(Selection):
    """The position of the lower median of each row, the first in a stable order; of the first NaN where there is one,
    unless ``ignore_nan``."""

    name = "median_position"

    def select(self, rows: np.ndarray, *, ignore_nan: bool) -> np.ndarray:
        numbers = rows == rows
        # A row of NaN alone has NaN for its median.
        count = np.maximum(numbers.sum(-1), 1) if ignore_nan else np.full(len(rows), rows.shape[-1])
        order = np.argsort(rows, axis=-1, kind="stable")
        positions = np.take_along_axis(order, (count - 1)[:, None] // 2, -1)[:, 0]
        if ignore_nan:
            return positions
        return np.where(numbers.all(-1), positions, (~numbers).argmax(-1))


@register
class ModePosition(Selection):
    """The position of the last element that is equal to the most frequent one, the least of those where several are."""

    name = "mode_position"

    def select(self, rows: np.ndarray) -> np.ndarray:
        ranks = _ranks(rows)
        size = rows.shape[-1]
        positions = np.empty(len(rows), np.int64)
        for at, row in enumerate(ranks):
            mode = np.bincount(row).argmax()
            places = np.flatnonzero(row == mode)
            if 16 < size <= LONGEST and len(places) > 1:
                order = places_after(row, lambda each: each.sort(size))
                places = [place for place in order if row[place] == mode]
            positions[at] = places[-1]
        return positions


@register
class TopPositions(Positions):
    """The positions of the ``k`` greatest (or least) elements along ``dim``, in that order."""

    name = "top_positions"

    def infer(self, x: TensorType, *, dim: int, k: int, largest: bool) -> TensorType:
        self._check(x, dim)
        if not 0 <= k <= x.shape[dim]:
            raise ValueError(f"top_positions expects k in [0, {x.shape[dim]}], got {k}")
        return TensorType(int64, (*x.shape[:dim], k, *x.shape[dim + 1 :]))

    def evaluate(self, x: np.ndarray, *, dim: int, k: int, largest: bool) -> np.ndarray:
        flat = _rows(x, dim)
        size = flat.shape[-1]
        order = _first_of_order(flat, k + 1, largest)
        chosen = np.ascontiguousarray(order[:, :k])
        if k and size <= LONGEST:
            values = flat[np.arange(len(flat))[:, None], order[:, : k + 1]]
            later, earlier = values[:, 1:], values[:, :-1]
            tied = ((later == earlier) | ((later != later) & (earlier != earlier))).any(-1)
            for row in np.flatnonzero(tied).tolist():
                chosen[row] = _first(_ranks(flat[row], largest), k)
        others = x.shape[:dim] + x.shape[dim + 1 :]
        placed = chosen.reshape(*others, k)
        return placed if dim == x.ndim - 1 else np.ascontiguousarray(np.moveaxis(placed, -1, dim))


def _first(ranks: np.ndarray, k: int) -> list[int]:
    def steps(row: Row) -> None:
        if k * 64 <= len(ranks):
            row.sort_first(k)
        else:
            row.select(k - 1)
            row.sort(k - 1)

    return places_after(ranks, steps)[:k]


@register
class Median(RowAlgorithm):
    """The lower median of a vector: NaN where there is one, unless ``ignore_nan``, or where it is empty.

    Elements that are equal to it share the gradient evenly.
    """

    name, saves_output = "median", True

    def infer(self, x: TensorType, *, ignore_nan: bool) -> TensorType:
        if x.rank != 1:
            raise ValueError(f"median expects a vector, got {x}")
        return TensorType(x.dtype, ())

    def evaluate(self, x: np.ndarray, *, ignore_nan: bool) -> np.ndarray:
        if not x.size:
            with np.errstate(invalid="ignore"):
                return np.asarray(np.nan).astype(x.dtype)  # of integers what the machine makes of NaN
        # NaN is the greatest: a row of NaN alone has NaN for its median.
        count = max(np.count_nonzero(x == x), 1)
        middle = (count - 1) // 2 if ignore_nan or count == x.size else x.size - 1
        return np.asarray(np.partition(x, middle)[middle])

    def points(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Dimension, ...]:
        return ()

    def runs(
        self, at: Index, types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> tuple[tuple[Run, ...], Run]:
        return (Run((0,), 0),), Run((), None)

    def numbers(self, types: Sequence[TensorType], output: TensorType, *, ignore_nan: bool) -> tuple[Dimension, ...]:
        return types[0].shape[0], int(ignore_nan)

    def evaluate_row(self, *rows: np.ndarray, **attrs: Any) -> np.ndarray:
        return self.evaluate(*rows, **attrs)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        if inputs[0].shape[0] != 0:
            return None
        return Cast.bind(number_like(inputs[0], math.nan, shape=(), dtype=float64), dtype=output_type.dtype)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, ignore_nan: bool) -> tuple[Any, ...]:
        return (shared_evenly(cotangent, output, x, (0,)),)


@register
class SearchSorted(RowAlgorithm):
    """For each value the place in its sorted row where it would go: before equal elements, or behind (``right``).

    Operands: rows (..., n) and values (..., m) of one dtype, with the same leading dimensions, or rows (n,) for values
    of any shape.
    """

    name, differentiable = "searchsorted", False
    cost, pairs = 1.0, 0

    def infer(self, rows: TensorType, values: TensorType, *, right: bool) -> TensorType:
        if rows.dtype != values.dtype:
            raise TypeError(f"searchsorted expects one dtype, got {rows.dtype.name} and {values.dtype.name}")
        if rows.rank != 1 and rows.shape[:-1] != values.shape[:-1]:
            raise ValueError(f"searchsorted expects rows for values of the same leading shape, got {rows} and {values}")
        return TensorType(int64, values.shape)

    def points(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Dimension, ...]:
        return types[1].shape

    def runs(
        self, at: Index, types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> tuple[tuple[Run, ...], Run]:
        last = types[0].rank - 1
        return (Run((*at[:last], 0), last), Run(at, None)), Run(at, None)

    def numbers(self, types: Sequence[TensorType], output: TensorType, *, right: bool) -> tuple[Dimension, ...]:
        return types[0].shape[-1], int(right)

    def evaluate_row(self, *rows: np.ndarray, **attrs: Any) -> np.ndarray:
        return self.evaluate(*map(np.asarray, rows), **attrs)

    def evaluate(self, rows: np.ndarray, values: np.ndarray, *, right: bool) -> np.ndarray:
        # By bisection as PyTorch's, for what it gives where a row holds NaN or is not sorted.
        size = rows.shape[-1]
        low, high = np.zeros(values.shape, np.int64), np.full(values.shape, size, np.int64)
        while (low < high).any():
            middle = (low + high) // 2
            inside = np.minimum(middle, size - 1)
            found = rows[inside] if rows.ndim == 1 else np.take_along_axis(rows, inside, -1)
            later = (low < high) & ~(found > values if right else found >= values)
            low, high = np.where(later, middle + 1, low), np.where(later, high, middle)
        return low
