"""What pools ask of their arguments: sizes for each dim, windows that fit, and how many places of a window count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ops import pooling
from graphc.ops.operands import normalize_dim
from graphc.ops.sources import literal_like

Ints = tuple[int, ...]
Size = int | Sequence[int]
_COUNTED = {1: "one int", 2: "two ints", 3: "three ints"}


def sizes(name: str, what: str, value: Size, rank: int) -> Ints:
    """One int for each of the pooled dims. Raises RuntimeError, with PyTorch's words, for another number of them."""
    given = tuple(map(int, value)) if isinstance(value, (tuple, list)) else (int(value),)
    if len(given) in (1, rank):
        return given * (rank if len(given) == 1 else 1)
    if name == "avg_pool1d":
        raise RuntimeError(f"avg_pool1d() argument '{what}' should contain one int (got {len(given)})")
    if rank == 1:
        kinds = "None, an int, list of ints," if what == "stride" else "an int, list of ints"
        raise RuntimeError(f"{name}() {what} must be {kinds} or tuple of ints of size 1 but got size {len(given)}")
    either = "must be" if name == "avg_pool3d" else "must be either" if what == "dilation" else "must either be"
    omitted = "omitted, " if what == "stride" else ""
    raise RuntimeError(f"{name}: {what} {either} {omitted}a single int, or a tuple of {_COUNTED[rank]}")


def _require_input(name: str, rank: int, input: Any) -> None:
    shown = list(input.shape)
    if name == "avg_pool1d" and input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while "
            "checking arguments for avg_pool1d)"
        )
    if name == "avg_pool2d" and input.ndim < 3:
        normalize_dim(-3, input.ndim)
    fits = input.ndim in (rank + 1, rank + 2)
    filled = fits and all(extent != 0 for extent in input.shape[-rank - 1 :])
    if not fits and (rank == 3 or name == "max_pool2d"):
        raise RuntimeError(f"non-empty {rank + 1}D or {rank + 2}D (batch mode) tensor expected for input")
    if not filled and rank == 3:
        empty = next(dim for dim in range(-rank - 1, 0) if input.shape[dim] == 0) % input.ndim
        routine = "max_pool3d_with_indices_out_cpu_template" if name == "max_pool3d" else name
        raise RuntimeError(
            f"{routine}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
            f"{shown} and non-batch dimension {empty} has length zero!"
        )
    if not filled and name == "avg_pool1d":  # which PyTorch takes as an image of one row
        rank, shown = 2, [*shown[:-1], 1, shown[-1]]
    if not filled:
        head = f"{name}: " if name == "max_pool1d" else ""
        raise RuntimeError(
            f"{head}Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{shown}"
        )


def pool_geometry(
    name: str, rank: int, input: Any, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil: bool
) -> dict[str, Any]:
    """The attributes of a pool primitive. Raises RuntimeError, with PyTorch's words, where they do not fit."""
    kernel = sizes(name, "kernel_size", kernel_size, rank)
    unset = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    step = kernel if unset else sizes(name, "stride", stride, rank)
    width, gap = sizes(name, "padding", padding, rank), sizes(name, "dilation", dilation, rank)
    if name == "max_pool1d":
        _require_input(name, rank, input)
        _require_window_of_sequence(kernel[0], step[0], width[0], gap[0])
    else:
        _require_window(kernel, step, width, gap)
        _require_input(name, rank, input)
    size = pooling.pooled_size(tuple(input.shape[-rank:]), kernel, step, width, gap, ceil)
    if any(isinstance(extent, int) and extent < 1 for extent in size):
        channels, *extents = input.shape[-rank - 1 :]
        if name == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {size[0]}")
        if name == "avg_pool3d":
            shown = (
                " ".join(f"{head}{axis}: {extent}" for axis, extent in zip("THW", part, strict=True))
                for head, part in (("", extents), ("k", kernel))
            )
            raise RuntimeError("input image ({}) smaller than kernel size ({})".format(*shown))
        rows = [1] * (rank == 1)
        shown = (f"({'x'.join(map(str, [channels, *rows, *part]))})" for part in (extents, (max(e, 0) for e in size)))
        raise RuntimeError("Given input size: {}. Calculated output size: {}. Output size is too small".format(*shown))
    return {"kernel_size": kernel, "stride": step, "padding": width, "dilation": gap, "ceil_mode": bool(ceil)}


def _require_window_of_sequence(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for what, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if value < 1:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={padding} and "
            f"kernel_size={kernel}"
        )


def _require_window(kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> None:
    if min(stride) < 1:
        raise RuntimeError("stride should not be zero")
    if min(dilation) < 1:
        shown = " ".join(f"dilation{axis}: {gap}" for axis, gap in zip("THW"[-len(kernel) :], dilation, strict=True))
        raise RuntimeError(f"dilation should be greater than zero, but got {shown}")
    if min(kernel) < 1:
        shown = " ".join(f"k{axis}: {size}" for axis, size in zip("THW"[-len(kernel) :], kernel, strict=True))
        raise RuntimeError(f"kernel size should be greater than zero, but got {shown}")
    for size, border, spread in zip(kernel, padding, dilation, strict=True):
        if border < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {border}")
        if border > (spread * (size - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={border}, kernel_size={size} and "
                f"dilation={spread}"
            )


def window_counts(
    extent: Dimension, windows: Dimension, kernel: int, stride: int, padding: int, count_padding: bool
) -> list[int]:
    """How many places of each window count along one dim; one number where it is the same for all."""
    if isinstance(extent, int) and isinstance(windows, int):
        if not padding and (windows - 1) * stride + kernel <= extent:
            return [kernel]
        first, last = (-padding, extent + padding) if count_padding else (0, extent)
        counts = []
        for window in range(windows):
            start = window * stride - padding
            stop = min(start + kernel, extent + padding)
            counts.append(min(stop, last) - max(start, first))
        return counts[:1] if len(set(counts)) == 1 else counts
    if padding and not count_padding:
        raise RuntimeError("an average pool with padding that does not count needs an input of known size")
    return [kernel]


def outer_counts(total: Any, counts: Sequence[Sequence[int]]) -> Any:
    """The products of the counts along each dim: a number, or a table that broadcasts to the total."""
    if all(len(along) == 1 for along in counts):
        return math.prod(along[0] for along in counts)
    table = reduce(np.multiply.outer, (np.asarray(along) for along in counts)).astype(total.dtype.numpy)
    return literal_like(total, table)
