"""Windows over the last dimensions of numpy arrays: what the pooling primitives compute in eager mode.

Nothing is padded. A place of the window ("tap") meets the elements of a strided slice of the input, for those windows
for which it lies within the input. What combines elements one by one (a maximum, a sum) goes through the dimensions one
after the other: a window of ``k`` by ``k`` costs ``2 k`` passes over less and less, not ``k * k``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from graphc.ops.choosing import choose, put_where

Sizes = tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def tap_slices(
    tap: int, extent: int, windows: int, stride: int, padding: int, dilation: int
) -> tuple[slice, slice] | None:
    """Which windows meet the input at a place of the window, and where; None where none does."""
    start = tap * dilation - padding  # where the first window has it
    first = max(0, -(start // stride))
    last = min(windows - 1, (extent - 1 - start) // stride)
    if last < first:
        return None
    where = start + first * stride
    return slice(first, last + 1), slice(where, where + (last - first) * stride + 1, stride)


def combine(
    operation: Callable[..., np.ndarray],
    border: float | int,
    x: np.ndarray,
    size: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
) -> np.ndarray:
    """The elements of each window combined by a ufunc; ``border`` changes nothing and stands for what is outside."""
    rank, given = len(size), x
    for position in range(rank):
        before = (slice(None),) * (x.ndim - rank + position)
        geometry = (stride[position], padding[position], dilation[position])
        extent, windows = x.shape[len(before)], size[position]
        taps = [tap_slices(tap, extent, windows, *geometry) for tap in range(kernel_size[position])]
        parts = [(windowed, x[(*before, place)]) for windowed, place in filter(None, taps)]
        whole = next((i for i, (windowed, _) in enumerate(parts) if windowed == slice(0, windows)), None)
        if len(parts) > 1 and whole is not None:
            # The first two at once: the other of the two need not meet all windows.
            result = parts.pop(whole)[1]
            other = next((i for i, (windowed, _) in enumerate(parts) if windowed == slice(0, windows)), None)
            result = result.copy() if other is None else operation(result, parts.pop(other)[1])
        elif whole is not None:
            result = parts.pop(whole)[1]
        else:
            result = np.full((*x.shape[: len(before)], windows, *x.shape[len(before) + 1 :]), border, x.dtype)
        for windowed, part in parts:
            into = result[(*before, windowed)]
            operation(into, part, out=into)
        x = result
    return x.copy("C") if np.may_share_memory(x, given) else x


def _taps(
    extents: Sizes, windows: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    """For each place of the window, in row-major order: its number, the windows, and their places in the input."""
    along = [
        [tap_slices(tap, extent, count, step, width, gap) for tap in range(kernel)]
        for extent, count, kernel, step, width, gap in zip(
            extents, windows, kernel_size, stride, padding, dilation, strict=True
        )
    ]
    for number, parts in enumerate(itertools.product(*along)):
        if None not in parts:
            yield number, tuple(part[0] for part in parts), tuple(part[1] for part in parts)


def first_position(
    x: np.ndarray, maximum: np.ndarray, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    """Where in its window, in row-major order, each maximum stands first; where it is NaN, the last NaN. int32."""
    rank = len(kernel_size)
    taps = list(_taps(x.shape[-rank:], maximum.shape[-rank:], kernel_size, stride, padding, dilation))
    narrow = np.int8 if math.prod(kernel_size) < 128 else np.int32
    position = np.zeros(maximum.shape, narrow)
    # From the last to the first, so that the first stays.
    for number, windows, places in reversed(taps):
        found = x[(..., *places)] == maximum[(..., *windows)]
        put_where(position[(..., *windows)], found, number)
    if x.dtype.kind not in "iu" and np.isnan(maximum).any():
        for number, windows, places in taps:
            put_where(position[(..., *windows)], np.isnan(x[(..., *places)]), number)
    return position.astype(np.int32)


def spread_to_position(
    values: np.ndarray,
    position: np.ndarray,
    input_size: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
) -> np.ndarray:
    """The value of each window added where in the input its position is; zero elsewhere."""
    rank = len(input_size)
    result = np.zeros((*values.shape[:-rank], *input_size), values.dtype)
    apart = all(gap * (kernel - 1) < step for kernel, step, gap in zip(kernel_size, stride, dilation, strict=True))
    zero = np.zeros((), values.dtype)
    for number, windows, places in _taps(input_size, values.shape[-rank:], kernel_size, stride, padding, dilation):
        chosen = choose(position[(..., *windows)] == number, values[(..., *windows)], zero)
        if apart:
            result[(..., *places)] = chosen
        else:
            result[(..., *places)] += chosen
    return result


def spread_over_windows(
    values: np.ndarray, input_size: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    """For each element of an input the sum of the values of the windows that hold it."""
    rank = len(input_size)
    x = values
    for position in range(rank):
        before = (slice(None),) * (x.ndim - rank + position)
        windows, extent = x.shape[len(before)], input_size[position]
        result = np.zeros((*x.shape[: len(before)], extent, *x.shape[len(before) + 1 :]), x.dtype)
        for tap in range(kernel_size[position]):
            met = tap_slices(tap, extent, windows, stride[position], padding[position], dilation[position])
            if met is not None:
                result[(*before, met[1])] += x[(*before, met[0])]
        x = result
    return x
