"""Convolutions of numpy arrays and their gradients: what the convolution primitives compute in eager mode.

A convolution is a matrix product of the weight with the columns, all that the kernel meets. The columns are many times
as large as the input: they are laid out for a few samples at a time, in one buffer that stays in the processor's cache.

With stride 1 a place of the kernel meets the flattened, padded planes of the input from some element on without a gap:
its columns are copied in one run for each plane. What lies there between the end of a row and the beginning of the
next one is computed with the rest and dropped.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.planes import shifts_of, undivided_axis
from graphc.ir.window import WindowAxis
from graphc.ops import convolution_library
from graphc.ops.convolution_library import Matrix
from graphc.ops.workers import for_each, scratch

Sizes = tuple[int, ...]

# How many elements the columns of one step may have: 1 MiB of float32, what a core's second cache holds.
COLUMNS = 1 << 18
# More columns than this are cut into so many parts at least. (One product on numpy's own threads would be as quick, but
# these go on spinning for milliseconds after it, in the way of everything else.)
WORTH_SHARING = 1 << 14
PARTS = 8


def convolved_extent(extent: Dimension, kernel: int, stride: int, padding: int, dilation: int) -> Dimension:
    """How many places a kernel has along one dimension."""
    return (extent + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _for_blas(x: np.ndarray) -> np.ndarray:
    """The array in a layout of its last two dimensions that BLAS takes; numpy multiplies others in a slow loop."""
    rows, columns = x.strides[-2:]
    size = x.itemsize
    by_rows = columns == size and rows % size == 0 and rows >= size * x.shape[-1]
    by_columns = rows == size and columns % size == 0 and columns >= size * x.shape[-2]
    return x if by_rows or by_columns else np.ascontiguousarray(x)


def multiply_matrices(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The matrix product over the last two dimensions, batches broadcast."""
    if left.ndim == 2 and right.ndim == 2 and out is None and left.dtype.kind == "f":
        return np.dot(left, right)  # it looks at the layouts itself
    return np.matmul(_for_blas(left), _for_blas(right), out=out)


@dataclass(frozen=True)
class Geometry:
    """Where a kernel lies on an input. All sizes have one entry for each spatial dimension.

    Attributes:
        runs: whether columns may go on from row to row.
    """

    extents: Sizes
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    runs: bool = True

    @cached_property
    def places(self) -> Sizes:
        """How many places the kernel has along each dimension."""
        return tuple(map(convolved_extent, self.extents, self.kernel, self.stride, self.padding, self.dilation))

    @cached_property
    def window(self) -> tuple[WindowAxis, ...]:
        """How a kernel moves over the input."""
        sizes = (self.extents, self.places, self.kernel, self.stride, self.dilation, self.padding)
        return tuple(WindowAxis(*five, -width) for *five, width in zip(*sizes, strict=True))

    @cached_property
    def padded(self) -> Sizes:
        """The input's extents with its padding."""
        return tuple(extent + 2 * width for extent, width in zip(self.extents, self.padding, strict=True))

    @cached_property
    def plane(self) -> int:
        """How many elements one channel has with its padding."""
        return math.prod(self.padded)

    @cached_property
    def in_runs(self) -> bool:
        """Whether the places lie in the padded input as rows of its own."""
        return self.runs and all(step == 1 for step in self.stride)

    @cached_property
    def spread(self) -> Sizes:
        """The places' extents in the columns: in runs, rows as long as the padded input's."""
        return (self.places[0], *self.padded[1:]) if self.in_runs else self.places

    @cached_property
    def steps(self) -> Sizes:
        """How many elements of a padded plane lie between neighbours along each dimension."""
        return tuple(math.prod(self.padded[axis + 1 :]) for axis in range(len(self.padded)))

    @cached_property
    def is_pointwise(self) -> bool:
        """Whether the columns are the input itself."""
        return math.prod(self.kernel) == 1 and self.in_runs and not any(self.padding)

    def under(self, tap: Sizes) -> tuple[slice, ...]:
        """What of a padded plane a place of the kernel meets."""
        return tuple(
            slice(at * gap, at * gap + (count - 1) * step + 1, step)
            for at, gap, count, step in zip(tap, self.dilation, self.places, self.stride, strict=True)
        )

    def samples_at_once(self, depth: int, samples: int) -> int:
        """For how many of the samples the columns are laid out together, so many of them deep: as many as the cache
        holds, but few enough that there are parts for several threads."""
        each = max(1, depth * math.prod(self.spread))
        most = max(1, COLUMNS // each)
        return min(most, -(-samples // PARTS)) if each * samples > WORTH_SHARING else most


geometry_of = lru_cache(maxsize=512)(Geometry)


def _without_padding(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """A view of what lies within the padding."""
    inside = (slice(width, width + extent) for width, extent in zip(geometry.padding, geometry.extents, strict=True))
    return x[(..., *inside)]


class _Columns:
    """The columns of an input ``[n, (g,) c, *extents]``, to be laid out for some samples at a time."""

    def __init__(self, x: np.ndarray, geometry: Geometry) -> None:
        spatial = len(geometry.kernel)
        self.x, self.geometry, self.leading = x, geometry, x.shape[1:-spatial]
        strides = [
            math.prod(self.leading[axis:]) * geometry.plane * x.itemsize for axis in range(len(self.leading) + 1)
        ]
        steps = [step * x.itemsize for step in geometry.steps]
        taps = (step * gap for step, gap in zip(steps, geometry.dilation, strict=True))
        if geometry.in_runs:
            self.places, place_strides = (math.prod(geometry.spread),), [x.itemsize]
        else:
            self.places = geometry.places
            place_strides = [step * gap for step, gap in zip(steps, geometry.stride, strict=True)]
        self.strides = (*strides[1:], *taps, strides[0], *place_strides)
        self.shape = (*self.leading[:-1], self.leading[-1] * math.prod(geometry.kernel), -1)

    def _padded(self, samples: slice) -> np.ndarray:
        """The samples with their padding, flat; memory goes on behind them as far as the last run reaches."""
        part = self.x[samples]
        shape = (*part.shape[: -len(self.geometry.kernel)], *self.geometry.padded)
        count = math.prod(shape)
        memory = scratch("padded", (count + self.geometry.plane,), self.x.dtype)
        if any(self.geometry.padding):
            memory.fill(0)
        else:
            memory[count:] = 0
        _without_padding(memory[:count].reshape(shape), self.geometry)[...] = part
        return memory

    def of(self, samples: slice) -> np.ndarray:
        """``[(g,) c * kernel, m * spread]``: valid until the thread asks for the next."""
        shape = (*self.leading, *self.geometry.kernel, samples.stop - samples.start, *self.places)
        met = np.ndarray(shape, self.x.dtype, self._padded(samples), 0, self.strides)
        columns = scratch("columns", shape, self.x.dtype)
        np.copyto(columns, met)
        return columns.reshape(self.shape)


def _parts(count: int, at_once: int) -> list[slice]:
    """All samples, so many at a time."""
    return [slice(start, min(start + at_once, count)) for start in range(0, count, max(1, at_once))]


def _samples_beside_places(x: np.ndarray, spatial: int) -> np.ndarray:
    """``[n, (g,) o, *places]`` as ``[(g,) o, n, *places]``: a view."""
    rank = x.ndim
    return x.transpose(*range(1, rank - spatial), 0, *range(rank - spatial, rank))


def convolve(weight: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes) -> np.ndarray:
    """The convolution of ``[n, (g,) c, *extents]`` with a weight ``[(g,) o, c, *kernel]``: ``[n, (g,) o, *places]``."""
    spatial = len(stride)
    geometry = geometry_of(x.shape[-spatial:], weight.shape[-spatial:], stride, padding, dilation)
    groups, outputs = weight.shape[: -spatial - 2], weight.shape[-spatial - 2]
    depth = math.prod(weight.shape[-spatial - 1 :])
    rows = weight.reshape(*groups, outputs, depth)
    shape = (x.shape[0], *groups, outputs, *geometry.places)
    if geometry.is_pointwise:
        return multiply_matrices(rows, x.reshape(*x.shape[:-spatial], -1)).reshape(shape)
    result = np.empty(shape, x.dtype)
    library = convolution_library.library(math.prod(shape) * depth, x.dtype)
    if library is not None:
        array = np.ascontiguousarray(weight)
        matrix = Matrix(array, outputs, depth, outputs * depth, np.arange(depth, dtype=np.int32))
        picture, into = _with_groups(x, spatial), _with_groups(result, spatial)
        convolution_library.multiply(library, matrix, picture, geometry.window, (1,) * spatial, into)
        return result
    at_once = geometry.samples_at_once(math.prod(groups) * depth, x.shape[0])
    into = _samples_beside_places(result, spatial)
    inside = tuple(map(slice, geometry.places))
    all_places = (slice(None),) * spatial
    columns = _Columns(x, geometry)

    def work(samples: slice) -> None:
        laid_out = columns.of(samples)
        product = scratch("product", (*groups, outputs, laid_out.shape[-1]), x.dtype)
        multiply_matrices(rows, laid_out, product)
        into[(..., samples, *all_places)] = product.reshape(*groups, outputs, -1, *geometry.spread)[(..., *inside)]

    for_each(_parts(x.shape[0], at_once), work)
    return result


def _with_groups(x: np.ndarray, spatial: int) -> np.ndarray:
    """``[n, (g,) c, *extents]`` with its groups, contiguous."""
    shape = x.shape if x.ndim == spatial + 3 else (x.shape[0], 1, *x.shape[1:])
    return np.ascontiguousarray(x).reshape(shape)


def _turned(weight: np.ndarray, geometry: Geometry) -> tuple[tuple[WindowAxis, ...], Matrix]:
    """The window on a result that the gradient of an input reads, and the weight as its matrix: rows are channels, and
    for each of them the remainders of a place divided by the stride; columns are (output, tap)."""
    spatial = len(geometry.kernel)
    sizes = (geometry.places, geometry.extents, geometry.kernel, geometry.dilation, geometry.padding, geometry.stride)
    axes = tuple(WindowAxis(e, p, t, 1, -gap, width, step) for e, p, t, gap, width, step in zip(*sizes, strict=True))
    outputs, channels, *kernel = weight.shape[-spatial - 2 :]
    taps = math.prod(kernel)
    if max(geometry.stride) == 1:
        offsets = np.arange(outputs, dtype=np.int32)[:, None] * (channels * taps) + np.arange(taps, dtype=np.int32)
        return axes, Matrix(weight, channels, taps, outputs * channels * taps, offsets.reshape(-1))
    undivided = tuple(map(undivided_axis, axes))
    shifts = tuple(axis.taps for axis in undivided)
    groups = math.prod(weight.shape[: -spatial - 2])
    array = np.zeros((groups, channels, *geometry.stride, outputs, *shifts), weight.dtype)
    by_channel = weight.reshape(groups, outputs, channels, *kernel).swapaxes(1, 2)
    for tap in itertools.product(*map(range, kernel)):
        # Each tap meets places of one remainder, at one shift.
        met = [gap * at - width for gap, at, width in zip(geometry.dilation, tap, geometry.padding, strict=True)]
        remainders = tuple(at % step for at, step in zip(met, geometry.stride, strict=True))
        at = tuple(
            (remainder - distance) // step - shifts_of(axis)[0]
            for remainder, distance, step, axis in zip(remainders, met, geometry.stride, axes, strict=True)
        )
        array[(slice(None), slice(None), *remainders, slice(None), *at)] = by_channel[(..., *tap)]
    rows, depth = channels * math.prod(geometry.stride), outputs * math.prod(shifts)
    return undivided, Matrix(array, rows, depth, rows * depth, np.arange(depth, dtype=np.int32))


def input_gradient(
    weight: np.ndarray, cotangent: np.ndarray, input_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    """The cotangent of a convolution's input: ``[n, (g,) c, *input_size]``."""
    spatial = len(stride)
    geometry = geometry_of(input_size, weight.shape[-spatial:], stride, padding, dilation)
    multiplications = cotangent.size * math.prod(weight.shape[-spatial - 1 :])
    library = convolution_library.library(multiplications, cotangent.dtype)
    if library is not None:
        array, picture = np.ascontiguousarray(weight), _with_groups(cotangent, spatial)
        result = np.empty((*picture.shape[:2], weight.shape[-spatial - 1], *input_size), cotangent.dtype)
        axes, matrix = _turned(array, geometry)
        convolution_library.multiply(library, matrix, picture, axes, stride, result)
        # Taps that are not there count as zero, which times what is infinite or NaN is no zero.
        if max(stride) == 1 or math.isfinite(result.sum()):
            return result.reshape(*cotangent.shape[: -spatial - 1], *result.shape[2:])
    opposite = tuple(
        gap * (count - 1) - width for gap, count, width in zip(dilation, geometry.kernel, padding, strict=True)
    )
    if geometry.in_runs and min(opposite) >= 0:
        # The convolution of the cotangent with the kernel turned about, its inputs and outputs exchanged.
        turned = np.flip(weight, tuple(range(-spatial, 0))).swapaxes(-spatial - 1, -spatial - 2)
        return convolve(np.ascontiguousarray(turned), cotangent, stride, opposite, dilation)
    groups, channels = weight.shape[: -spatial - 2], weight.shape[-spatial - 1]
    depth = math.prod(weight.shape[-spatial - 1 :])
    rows = weight.reshape(*groups, weight.shape[-spatial - 2], depth).swapaxes(-1, -2)
    count = cotangent.shape[0]
    x = np.zeros((count, *groups, channels, *geometry.padded), cotangent.dtype)
    at_once = geometry.samples_at_once(math.prod(groups) * depth, count)
    all_places = (slice(None),) * spatial
    cotangent, planes = _samples_beside_places(cotangent, spatial), _samples_beside_places(x, spatial)

    def work(samples: slice) -> None:
        part = cotangent[(..., samples, *all_places)]
        columns = multiply_matrices(rows, part.reshape(*part.shape[: -spatial - 1], -1))
        columns = columns.reshape(*groups, channels, *geometry.kernel, -1, *geometry.places)
        into = planes[(..., samples, *all_places)]
        for tap in itertools.product(*map(range, geometry.kernel)):
            into[(..., *geometry.under(tap))] += columns[(..., *tap, slice(None), *all_places)]

    for_each(_parts(count, at_once), work)
    return np.ascontiguousarray(_without_padding(x, geometry))


def weight_gradient(
    cotangent: np.ndarray, x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    """The cotangent of a convolution's weight: ``[(g,) o, c, *kernel]``."""
    spatial = len(stride)
    sizes = (x.shape[-spatial:], kernel, stride, padding, dilation)
    geometry = geometry_of(*sizes)
    library = convolution_library.library(cotangent.size * math.prod((x.shape[-spatial - 1], *kernel)), x.dtype)
    if library is not None:
        rows, picture = _with_groups(cotangent, spatial), _with_groups(x, spatial)
        result = convolution_library.sum_places(library, rows, picture, geometry.window)
        shape = (*x.shape[1 : -spatial - 1], cotangent.shape[-spatial - 1], x.shape[-spatial - 1], *kernel)
        result = result.reshape(shape)
    else:
        result = _weight_gradient(cotangent, x, geometry)
    if not np.isfinite(result).all():
        # Zero times what lies between the rows is no zero where that is infinite or NaN.
        result = _weight_gradient(cotangent, x, geometry_of(*sizes, runs=False))
    return result


def _weight_gradient(cotangent: np.ndarray, x: np.ndarray, geometry: Geometry) -> np.ndarray:
    spatial = len(geometry.kernel)
    groups, outputs, channels = x.shape[1 : -spatial - 1], cotangent.shape[-spatial - 1], x.shape[-spatial - 1]
    depth = channels * math.prod(geometry.kernel)
    at_once = max(1, min(geometry.samples_at_once(math.prod(groups) * depth, x.shape[0]), x.shape[0]))
    all_places = (slice(None),) * spatial
    cotangent = _samples_beside_places(cotangent, spatial)
    inside = tuple(map(slice, geometry.places))
    columns = _Columns(x, geometry)
    parts = _parts(x.shape[0], at_once)
    # The longer factor first: BLAS takes nearly half as long again for the product turned about.
    products = np.empty((len(parts), *groups, depth, outputs), cotangent.dtype)

    def work(number: int) -> None:
        samples = parts[number]
        # What lies between the rows counts as zero.
        shape = (*groups, outputs, samples.stop - samples.start, *geometry.spread)
        rows = scratch("product", shape, cotangent.dtype)
        if geometry.spread != geometry.places:
            rows.fill(0)
        rows[(..., *inside)] = cotangent[(..., samples, *all_places)]
        of_outputs = rows.reshape(*groups, outputs, -1).swapaxes(-1, -2)
        multiply_matrices(columns.of(samples), of_outputs, products[number])

    for_each(range(len(parts)), work)
    # Added in one order, however many threads there are.
    result = np.ascontiguousarray(products.sum(0, dtype=products.dtype).swapaxes(-1, -2))
    return result.reshape(*groups, outputs, channels, *geometry.kernel)
