"""Results whose sizes depend on values: where a tensor is true, which elements differ, how often each number occurs.

Eager mode looks at the values. A program that is recorded counts them: it rests on the count, as on every value that
Python code reads, and finds the places itself. Symbols of a graph hold no values, and raise TypeError.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import bool_, int64
from graphc.ops import comparisons, gathers, scatters, sources, views
from graphc.ops.arithmetic import FloorDivide, Remainder
from graphc.ops.cumulative import CumulativeSum
from graphc.ops.operands import cast
from graphc.ops.reductions import Amax, Any_, Sum
from graphc.ops.sorting import ArgSort
from graphc.ops.sources import literal_like, number_like
from graphc.recording import state

Value = Any


def is_counted(value: Value, what: str) -> bool:
    """Whether a program that is recorded has to count; False where the values are there to be looked at."""
    if not hasattr(value, "_value"):
        raise TypeError(f"{what} gives a size that depends on the values, which a graph cannot hold")
    return state.recorder is not None


def vector_of(reference: Value, count: int) -> Value:
    """The integers below a count (int64), as a value like the reference."""
    return reference.apply(sources.Iota.instance, (), {"shape": (count,), "dim": 0, "dtype": int64})


def part(vector: Value, start: int, stop: int) -> Value:
    """Elements of a vector."""
    return views.Slice.bind(vector, starts=(start,), stops=(stop,), steps=(1,))


def total_of(value: Value) -> int:
    """The sum of integers, or how many truth values are true. A program that is recorded rests on it."""
    return int(Sum.bind(cast(value, int64), dims=tuple(range(value.ndim))))


def greatest_of(value: Value) -> int:
    """The greatest element of integers. A program that is recorded rests on it."""
    return int(Amax.bind(value, dims=tuple(range(value.ndim))))


def true_first(mask: Value) -> Value:
    """The places of a vector of truth values, those of true elements first, each kind in order."""
    return ArgSort.bind(mask, dim=0, descending=True)


def _flat_mask(mask: Value) -> Value:
    truth = mask if mask.dtype == bool_ else comparisons.Ne.bind(mask, number_like(mask, 0))
    return views.Reshape.bind(truth, shape=(product(mask.shape),))


def by_dims(places: Value, shape: tuple[int, ...]) -> tuple[Value, ...]:
    """Row-major places in a shape as a vector of indices for each dim."""
    found = []
    for dim, extent in enumerate(shape):
        stride = product(shape[dim + 1 :])
        along = FloorDivide.bind(places, number_like(places, stride)) if stride != 1 else places
        found.append(Remainder.bind(along, number_like(places, extent)) if dim else along)
    return tuple(found)


def places_of_true(mask: Value) -> tuple[Value, ...]:
    """Where a tensor differs from zero: a vector of indices (int64) for each dim."""
    if not is_counted(mask, "selecting by truth values"):
        return tuple(literal_like(mask, places, int64) for places in np.nonzero(mask._settled))
    flat = _flat_mask(mask)
    count = total_of(flat)
    return by_dims(part(true_first(flat), 0, count), tuple(map(int, mask.shape)))


def first_places_of_true(mask: Value, size: int, fill: int) -> Value:
    """int64[size, rank]: where a tensor differs from zero, cut or filled up to ``size`` rows. Any program can tell."""
    flat, shape = _flat_mask(mask), tuple(map(int, mask.shape))
    known = min(size, product(shape))
    total = views.Reshape.bind(Sum.bind(cast(flat, int64), dims=(0,)), shape=(1,))
    indices = by_dims(part(true_first(flat), 0, known), shape)
    rows = gathers.Cat.bind(*(views.Reshape.bind(each, shape=(known, 1)) for each in indices), dim=1)
    there = comparisons.Lt.bind(vector_of(mask, known), views.Expand.bind(total, shape=(known,)))
    there = views.Expand.bind(views.Reshape.bind(there, shape=(known, 1)), shape=(known, len(shape)))
    rows = comparisons.Where.bind(there, rows, number_like(rows, fill))
    return gathers.Pad.bind(rows, low=(0, 0), high=(size - known, 0), value=fill)


def runs_of(rows: Value) -> tuple[Value, Value, Value]:
    """Of the rows of a matrix, at least one, which equal the one before them: the place of the first of each run, the
    number of the run of each row, and the lengths of the runs (int64). NaN equals nothing."""
    count, width = map(int, rows.shape)
    later, earlier = (
        views.Slice.bind(rows, starts=(start, 0), stops=(start + count - 1, width), steps=(1, 1)) for start in (1, 0)
    )
    differs = Any_.bind(comparisons.Ne.bind(later, earlier), dims=(1,))
    starts = gathers.Cat.bind(number_like(differs, True, shape=(1,)), differs, dim=0)
    numbers = CumulativeSum.bind(cast(starts, int64), dim=0, reverse=False)
    places = part(true_first(starts), 0, total_of(starts))
    runs = int(places.shape[0])
    ends = gathers.Cat.bind(part(places, 1, runs), number_like(places, count, shape=(1,)), dim=0)
    return places, numbers - 1, ends - places


def order_of_rows(rows: Value) -> Value:
    """The places of the rows of a matrix in lexicographic order; equal rows keep theirs."""
    count, width = map(int, rows.shape)
    order = vector_of(rows, count)
    for column in reversed(range(width)):
        keys = views.Slice.bind(rows, starts=(0, column), stops=(count, column + 1), steps=(1, 1))
        keys = gathers.IndexSelect.bind(views.Reshape.bind(keys, shape=(count,)), order, dim=0)
        order = gathers.IndexSelect.bind(order, ArgSort.bind(keys, dim=0, descending=False), dim=0)
    return order


def put_back(order: Value, values: Value) -> Value:
    """A vector with the values, which stand in an order, at their own places."""
    nothing = number_like(values, 0)
    return scatters.IndexCopy.bind(nothing, order, values, dim=0)
