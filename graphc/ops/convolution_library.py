"""Convolutions of arrays in compiled C, outside of compiled programs.

:mod:`graphc.ops.convolution_arrays` asks for :func:`library` when there is enough to compute and goes on with numpy
where it is None: on a machine without a compiler. What is compiled is templates/c/convolution_library.c.j2; it is built
once, kept in the cache of compiled programs, and serves convolutions of any sizes. How a picture is laid out is said in
:mod:`graphc.ir.planes`, how the work is cut in :mod:`graphc.ir.plane_cuts`. No result depends on the number of threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.integers import ceiling, round_up
from graphc.ir.plane_cuts import WANTED_ITEMS, cut_places, cut_sum
from graphc.ir.planes import PlaneAxis, Planes, plane_axis
from graphc.ir.window import WindowAxis
from graphc.ops.workers import for_each, scratch

__all__ = ["Matrix", "library", "multiply", "sum_places"]

_TEMPLATE = "c/convolution_library.c.j2"
_SUFFIXES = {"float32": "f32", "float64": "f64"}
# With fewer multiplications numpy is as quick.
WORTH_A_CALL = 1 << 20
# Elements of the partial sums that threads share; how many there are decides the order of additions.
_MOST_PARTIAL_SUMS = 1 << 22


@dataclass(frozen=True)
class _Context:
    """What the template is filled in with."""

    vector_types: tuple[tuple[str, int], ...]
    rows: int
    vectors: int
    dot_rows: int
    dot_columns: int


@dataclass(frozen=True)
class _Library:
    """The loaded functions of a dtype, and how wide their tiles are."""

    handle: Any
    context: _Context

    def function(self, name: str, dtype: np.dtype) -> Any:
        return getattr(self.handle, f"graphc_{name}_{_SUFFIXES[dtype.name]}")

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        ((_, lanes),) = self.context.vector_types
        return lanes


@dataclass(frozen=True)
class Matrix:
    """The weights of a convolution as a matrix for each group. Columns are (channel, tap). Row ``m``, column ``k``
    lies ``m * row_stride + offsets[k]`` elements behind the start of ``array``, and groups are ``group_stride`` apart.
    """

    array: np.ndarray
    rows: int
    row_stride: int
    group_stride: int
    offsets: np.ndarray


def library(multiplications: int, dtype: np.dtype) -> _Library | None:
    """The library that is to do so many multiplications, or None where numpy is to: few of them, another dtype, or no
    compiler."""
    return _loaded(dtype.name) if multiplications >= WORTH_A_CALL and dtype.name in _SUFFIXES else None


@functools.cache
def _loaded(dtype: str) -> _Library | None:
    """The library for a dtype, built or found in the cache; None where there is no compiler. Decided once."""
    # Only here, so that importing graphc loads neither the templates nor cffi.
    from graphc.codegen.executable import default_vector_bytes
    from graphc.codegen.library import load_library

    width = default_vector_bytes()
    tiles = (6, 4, 8, 3) if width >= 64 else (4, 3, 3, 3)
    context = _Context(((_SUFFIXES[dtype], width // np.dtype(dtype).itemsize),), *tiles)
    handle = load_library(_TEMPLATE, context, f"convolutions_{_SUFFIXES[dtype]}")
    return None if handle is None else _Library(handle, context)


@dataclass(frozen=True)
class _Plan:
    """What one call of the library is given.

    Attributes:
        sizes: the fields of the C structure, in order.
        offsets: of each (channel, tap) of a block on the planes.
        scratch: elements that a thread works in.
        items: pieces of work in all.
    """

    sizes: np.ndarray
    offsets: np.ndarray
    scratch: int
    items: int
    parts: int


def _in_three(axes: Sequence[WindowAxis]) -> tuple[PlaneAxis, ...]:
    """Three dimensions: those that are missing hold one element. The first stays, since work is cut along it, and the
    last, which lies in runs."""
    missing = [WindowAxis(1, 1, 1, 1, 1, 0)] * (3 - len(axes))
    return tuple(map(plane_axis, [*axes[:-1], *missing, axes[-1]]))


def _fields(planes: Planes, **others: Any) -> np.ndarray:
    """The C structure."""
    axes = planes.axes
    values = {
        "channels": planes.channels,
        "taps": planes.taps,
        "extents": [axis.extent for axis in axes],
        "steps": [axis.step for axis in axes],
        "places": [axis.places for axis in axes],
        "before": [-axis.first for axis in axes],
        "reach": [axis.reach for axis in axes],
        "pitches": planes.pitches(),
        **others,
    }
    order = """rows channels taps groups extents steps places before reach pitches plane stage cut cuts
        block_channels block_rows samples together segment depth row_stride divisors results"""
    return np.hstack([np.atleast_1d(values[name]) for name in order.split()]).astype(np.int64)


def _offsets(planes: Planes, channels: int, plane: int) -> np.ndarray:
    taps = np.array(planes.tap_offsets(plane), np.int32)
    return (np.arange(channels, dtype=np.int32)[:, None] * (planes.phases * plane) + taps).reshape(-1)


@functools.lru_cache(maxsize=512)
def _plan_to_multiply(
    axes: tuple[WindowAxis, ...],
    channels: int,
    rows: int,
    row_stride: int,
    batch: tuple[int, int],
    divisors: tuple[int, ...],
    results: tuple[int, ...],
    tile: int,
) -> _Plan:
    """The plan of a product whose columns are places; ``tile`` is how many of them a tile has."""
    planes = Planes(_in_three(axes), channels)
    samples, groups = batch
    # All rows of the matrix are one tile of the rules: they are not cut.
    cut = cut_places(planes, samples * groups, rows, (rows, tile), channels)
    cuts = ceiling(planes.axes[0].places, cut.rows)
    columns = round_up(cut.rows * planes.row, tile)
    fields = _fields(
        planes,
        rows=rows,
        groups=groups,
        plane=cut.plane,
        stage=cut.stage,
        cut=cut.rows,
        cuts=cuts,
        block_channels=cut.channels,
        block_rows=rows,
        samples=samples,
        together=1,
        segment=0,
        depth=0,
        row_stride=row_stride,
        divisors=_spread(divisors),
        results=_spread(results),
    )
    items = samples * groups * cuts
    offsets = _offsets(planes, cut.channels, cut.plane)
    return _Plan(fields, offsets, cut.stage + rows * columns, items, min(items, WANTED_ITEMS))


def _spread(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (*sizes[:-1], *[1] * (3 - len(sizes)), sizes[-1])


@functools.lru_cache(maxsize=512)
def _plan_to_sum(
    axes: tuple[WindowAxis, ...], channels: int, rows: int, batch: tuple[int, int], tile: int, lanes: int
) -> _Plan:
    """The plan of a product that sums over places; ``tile`` is how many rows a tile has."""
    planes = Planes(_in_three(axes), channels)
    samples, groups = batch
    columns = channels * planes.taps
    parts = max(1, min(samples, WANTED_ITEMS, max(2, _MOST_PARTIAL_SUMS // max(1, groups * rows * columns))))
    cut = cut_sum(planes, max(1, ceiling(samples, parts)), rows, tile, lanes)
    fields = _fields(
        planes,
        rows=rows,
        groups=groups,
        plane=cut.plane,
        stage=cut.stage,
        cut=cut.rows,
        cuts=ceiling(planes.axes[0].places, cut.rows),
        block_channels=cut.channels,
        block_rows=cut.block_m,
        samples=samples,
        together=cut.samples,
        segment=cut.segment,
        depth=cut.depth,
        row_stride=0,
        divisors=(1, 1, 1),
        results=(1, 1, 1),
    )
    offsets = _offsets(planes, cut.channels, cut.plane)
    return _Plan(fields, offsets, cut.stage + cut.block_m * cut.depth, parts * groups, parts)


def _slices(items: int) -> list[tuple[int, int]]:
    each = max(1, ceiling(items, WANTED_ITEMS))
    return [(first, min(first + each, items)) for first in range(0, items, each)]


def multiply(
    library: _Library,
    matrix: Matrix,
    picture: np.ndarray,
    axes: tuple[WindowAxis, ...],
    divisors: tuple[int, ...],
    result: np.ndarray,
) -> None:
    """Writes the product of a matrix and what a window meets in a picture ``[n, groups, channels, *extents]`` to a
    result ``[n, groups, rows / remainders, *places]``, both contiguous. Row ``m * remainders + r`` has the places whose
    remainder along each dimension, of the division by its divisor, is a digit of ``r``."""
    from graphc.runtime.abi import ffi

    dtype = picture.dtype
    samples, groups, channels = picture.shape[:3]
    tile = library.lanes * library.context.vectors
    sizes = (matrix.rows, matrix.row_stride, (samples, groups), divisors, result.shape[3:], tile)
    plan = _plan_to_multiply(axes, channels, *sizes)
    function, pointer = library.function("convolve", dtype), _POINTERS[dtype.name]
    arguments = (
        ffi.cast("void *", plan.sizes.ctypes.data),
        ffi.cast(pointer, matrix.array.ctypes.data),
        matrix.group_stride,
        ffi.cast(pointer, picture.ctypes.data),
        ffi.cast(pointer, result.ctypes.data),
        ffi.cast("int32_t *", matrix.offsets.ctypes.data),
        ffi.cast("int32_t *", plan.offsets.ctypes.data),
    )

    def work(part: tuple[int, int]) -> None:
        memory = scratch("planes", (plan.scratch,), dtype)
        function(*arguments, ffi.cast(pointer, memory.ctypes.data), *part)

    for_each(_slices(plan.items), work)


def sum_places(
    library: _Library, cotangent: np.ndarray, picture: np.ndarray, axes: tuple[WindowAxis, ...]
) -> np.ndarray:
    """The products of a cotangent ``[n, groups, rows, *places]`` and what a window meets in a picture
    ``[n, groups, channels, *extents]``, summed over samples and places: ``[groups, rows, channels * taps]``.

    Gaps between rows are multiplied with zeros, so what is infinite may spoil more elements than it should."""
    from graphc.runtime.abi import ffi

    dtype = picture.dtype
    samples, groups, channels = picture.shape[:3]
    rows = cotangent.shape[2]
    plan = _plan_to_sum(axes, channels, rows, (samples, groups), library.context.dot_rows, library.lanes)
    columns = channels * math.prod(axis.taps for axis in axes)  # type: ignore[misc]
    products = np.empty((plan.parts, groups, rows, columns), dtype)
    function, pointer = library.function("convolve_weight", dtype), _POINTERS[dtype.name]
    arguments = (
        ffi.cast("void *", plan.sizes.ctypes.data),
        ffi.cast(pointer, cotangent.ctypes.data),
        ffi.cast(pointer, picture.ctypes.data),
        ffi.cast(pointer, products.ctypes.data),
        ffi.cast("int32_t *", plan.offsets.ctypes.data),
    )

    def work(part: tuple[int, int]) -> None:
        memory = scratch("planes", (plan.scratch,), dtype)
        function(*arguments, ffi.cast(pointer, memory.ctypes.data), plan.parts, *part)

    for_each(_slices(plan.items), work)
    # Added in one order, however many threads there are.
    return products.sum(0, dtype=dtype)


_POINTERS = {"float32": "float *", "float64": "double *"}
