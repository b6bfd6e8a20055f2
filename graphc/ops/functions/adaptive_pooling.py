"""Pools with a given number of windows that cover the input, and fractional pools, whose windows lie at random.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import int64
from graphc.ops import comparisons, gathers, pointwise, pooling, reductions, sources, views
from graphc.ops.functions.pooling import avg_pool1d, avg_pool2d, avg_pool3d
from graphc.ops.functions.sampling import rand_like
from graphc.ops.functions.shaping import broadcast_to, unsqueeze
from graphc.ops.functions.window_sizes import outer_counts
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast
from graphc.ops.sources import literal_like, number_like
from graphc.ops.type_names import type_name

__all__ = ["adaptive_avg_pool1d", "adaptive_max_pool1d"]
METHODS = ()

Size = int | None | Sequence[int | None]
Ints = tuple[int, ...]


def _adaptive_size(name: str, rank: int, input: Any, output_size: Size) -> Ints:
    """The number of windows along each dim. Raises, with PyTorch's words, for inputs and sizes that do not fit."""
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if rank > 1 and isinstance(output_size, (tuple, list)) and input.ndim <= len(wanted):
        raise ValueError(f"Input dimension should be at least {len(wanted) + 1}")
    if rank == 1 and len(wanted) != 1:
        raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(wanted)})")
    if len(wanted) >= input.ndim and len(wanted) != rank:
        raise ValueError(f"Input dimension should be at least {len(wanted) + 1}")
    average = name.startswith("adaptive_avg")
    if input.ndim not in (rank + 1, rank + 2):
        if rank == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while "
                f"checking arguments for {name})"
            )
        colon = "" if average else ":"
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got{colon} {list(input.shape)}")
    # PyTorch averages a sequence as an image of one row, and says so.
    two, size = (1, [*input.shape[:-1], 1, input.shape[-1]]) if rank == 1 and average else (0, list(input.shape))
    routine = "adaptive_avg_pool2d" if two else name
    for dim in range(input.ndim - rank - (not average or rank == 3), input.ndim):
        if dim > 0 and input.shape[dim] == 0:
            raise RuntimeError(
                f"{routine}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{size} with dimension {dim + two} being empty"
            )
    if len(wanted) != rank:
        raise RuntimeError(f"{name}: output_size must be {rank}")
    sizes = tuple(extent if n is None else int(n) for n, extent in zip(wanted, input.shape[-rank:], strict=True))
    if any(isinstance(extent, int) and extent < 0 for extent in sizes):
        shown = (1,) * two + sizes
        if average:
            raise RuntimeError(
                f"{routine}: elements of output_size must be greater than or equal to 0 but received "
                f"{{{', '.join(map(str, shown))}}}"
            )
        wrong = next(extent for extent in sizes if extent < 0)
        whole = [*input.shape[:-rank], *(1,) * (rank == 1), *sizes]
        raise RuntimeError(f"Trying to create tensor with negative dimension {wrong}: {whole}")
    if input.dtype.category != "float":
        routine = f"{name[:-2]}3d_cpu" if rank == 3 else f"{name[:-2]}2d"
        raise NotImplementedError(f"\"{routine}\" not implemented for '{type_name(input.dtype)}'")
    return sizes


def _windows(extent: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each window its places, ``[count, longest]``, and its length; a shorter one repeats its last place."""
    starts = [window * extent // count for window in range(count)]
    stops = [-(-(window + 1) * extent // count) for window in range(count)]
    lengths = np.array([stop - start for start, stop in zip(starts, stops, strict=True)], np.int64)
    longest = int(lengths.max(initial=0))
    places = np.array(
        [[min(start + place, stop - 1) for place in range(longest)] for start, stop in zip(starts, stops, strict=True)],
        np.int64,
    ).reshape(count, longest)
    return places, lengths


# -- averages ------------------------------------------------------------------------------------------------------


def _adaptive_average(name: str, rank: int, input: Any, output_size: Size) -> Any:
    size = _adaptive_size(name, rank, input, output_size)
    extents, lead = tuple(input.shape[-rank:]), input.ndim - rank
    if set(size) == {1}:
        total = reductions.Sum.bind(input, dims=tuple(range(lead, input.ndim)))
        return views.Reshape.bind(total / product(extents), shape=(*input.shape[:lead], *size))
    if all(count and extent % count == 0 for extent, count in zip(extents, size, strict=True)):
        kernel = tuple(extent // count for extent, count in zip(extents, size, strict=True))
        return (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1](input, kernel)
    total, counts = input, []
    for dim, (extent, count) in enumerate(zip(extents, size, strict=True), lead):
        places, lengths = _windows(extent, count)
        gathered = gathers.IndexSelect.bind(total, literal_like(input, places), dim=dim)
        # Windows are of two lengths: what only fills up counts for nothing.
        present = np.arange(places.shape[1]) < lengths[:, None]
        if not present.all():
            shape = (*present.shape, *(1,) * (total.ndim - dim - 1))
            mask = broadcast_to(literal_like(input, present.reshape(shape)), tuple(gathered.shape))
            gathered = comparisons.Where.bind(mask, gathered, number_like(gathered, 0))
        total = reductions.Sum.bind(gathered, dims=(dim + 1,))
        counts.append(lengths.tolist() if len(set(lengths.tolist())) > 1 else lengths.tolist()[:1])
    return total / (outer_counts(total, counts) if 0 not in size else 1)


@rounded_once
def adaptive_avg_pool1d(input: Any, output_size: Size) -> Any:
    """The mean of each of ``output_size`` windows that cover the sequence.

    Window i of n over an extent e goes from ``floor(i e / n)`` to before ``ceil((i + 1) e / n)``, as in PyTorch.
    """
    return _adaptive_average("adaptive_avg_pool1d", 1, input, output_size)


@rounded_once
def adaptive_avg_pool2d(input: Any, output_size: Size) -> Any:
    """As :func:`adaptive_avg_pool1d`, of images; None keeps a size."""
    return _adaptive_average("adaptive_avg_pool2d", 2, input, output_size)


@rounded_once
def adaptive_avg_pool3d(input: Any, output_size: Size) -> Any:
    """As :func:`adaptive_avg_pool1d`, of volumes; None keeps a size."""
    return _adaptive_average("adaptive_avg_pool3d", 3, input, output_size)


# -- maxima --------------------------------------------------------------------------------------------------------


def _adaptive_maximum(name: str, rank: int, input: Any, output_size: Size, with_indices: bool) -> Any:
    size = _adaptive_size(name, rank, input, output_size)
    extents = tuple(input.shape[-rank:])
    if all(count and extent % count == 0 for extent, count in zip(extents, size, strict=True)):
        kernel = tuple(extent // count for extent, count in zip(extents, size, strict=True))
        geometry = {"kernel_size": kernel, "stride": kernel, "padding": (0,) * rank, "dilation": (1,) * rank}
        maximum = pooling.MaxPool.bind(input, **geometry, ceil_mode=False)
        if not with_indices:
            return maximum
        position = pooling.MaxPoolPosition.bind(input, maximum, **geometry, ceil_mode=False)
        return maximum, pooling.plane_index(position, extents, geometry)
    if 0 in size:
        nothing = number_like(input, 0, shape=(*input.shape[:-rank], *size))
        return (nothing, cast(nothing, int64)) if with_indices else nothing
    along = [_windows(extent, count)[0] for extent, count in zip(extents, size, strict=True)]
    # The places that fill up a window repeat its last ones, which changes neither the maximum nor where it stands.
    plane = np.zeros((), np.int64)
    for dim, (places, extent) in enumerate(zip(along, extents, strict=True)):
        shape = [1] * (2 * rank)
        shape[dim], shape[rank + dim] = places.shape
        plane = plane * extent + places.reshape(shape)
    table = np.ascontiguousarray(plane).reshape(math.prod(size), math.prod(plane.shape[rank:]))
    maximum, index = _chosen_by_table(input, rank, literal_like(input, table))
    maximum, index = (views.Reshape.bind(value, shape=(*input.shape[:-rank], *size)) for value in (maximum, index))
    return (maximum, index) if with_indices else maximum


def _chosen_by_table(input: Any, rank: int, table: Any) -> tuple[Any, Any]:
    """The maxima of windows and their indices, both ``[..., windows]``.

    The table holds indices into the flattened pooled dims: ``[windows, places]``, or with the input's leading dims
    before, where windows differ between channels.
    """
    leading, plane = tuple(input.shape[:-rank]), product(input.shape[-rank:])
    count, places = table.shape[-2:]
    planes = views.Reshape.bind(input, shape=(*leading, plane))
    if table.ndim == 2:
        windows = gathers.IndexSelect.bind(planes, table, dim=len(leading))
        table = broadcast_to(table, (*leading, count, places))
    else:
        flat = views.Reshape.bind(table, shape=(*leading, count * places))
        windows = gathers.GatherAlong.bind(planes, flat, dim=len(leading))
        windows = views.Reshape.bind(windows, shape=(*leading, count, places))
    position = _first_maximum(windows)
    chosen = views.Reshape.bind(position, shape=(*position.shape, 1))
    index = gathers.GatherAlong.bind(table, chosen, dim=len(leading) + 1)
    index = views.Reshape.bind(index, shape=(*leading, count))
    return gathers.GatherAlong.bind(planes, index, dim=len(leading)), index


def _first_maximum(windows: Any) -> Any:
    """Where in its window (the last dim) the maximum that PyTorch's pools choose stands: the first, or the last NaN."""
    last, shape = windows.ndim - 1, tuple(windows.shape)
    values = views.Detach.bind(windows)
    place = values.apply(sources.Iota.instance, (), {"shape": shape, "dim": last, "dtype": int64})
    nan = pointwise.IsNan.bind(values)
    latest = reductions.Amax.bind(comparisons.Where.bind(nan, place, number_like(place, -1)), dims=(last,))
    found = comparisons.Lt.bind(latest, number_like(latest, 0))
    return comparisons.Where.bind(found, reductions.ArgMax.bind(values, dims=(last,)), latest)


def adaptive_max_pool1d(input: Any, output_size: Size, return_indices: bool = False) -> Any:
    """The maximum of each of ``output_size`` windows that cover the sequence, as :func:`adaptive_avg_pool1d`.

    With ``return_indices`` also where it stands (int64).
    """
    return _adaptive_maximum("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Size, return_indices: bool = False) -> Any:
    """As :func:`adaptive_max_pool1d`, of images, whose indices go through the flattened image; None keeps a size."""
    return _adaptive_maximum("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Size, return_indices: bool = False) -> Any:
    """As :func:`adaptive_max_pool1d`, of volumes, whose indices go through the flattened volume; None keeps a size."""
    return _adaptive_maximum("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Any, output_size: Size, return_indices: bool = True) -> tuple[Any, Any]:
    """:func:`adaptive_max_pool1d` with its indices."""
    return _adaptive_maximum("adaptive_max_pool1d", 1, input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Any, output_size: Size, return_indices: bool = True) -> tuple[Any, Any]:
    """:func:`adaptive_max_pool2d` with its indices."""
    return _adaptive_maximum("adaptive_max_pool2d", 2, input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Any, output_size: Size, return_indices: bool = True) -> tuple[Any, Any]:
    """:func:`adaptive_max_pool3d` with its indices."""
    return _adaptive_maximum("adaptive_max_pool3d", 3, input, output_size, True)


# -- fractional pools ----------------------------------------------------------------------------------------------


def _fractional_maximum(
    rank: int,
    input: Any,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None,
    output_ratio: float | Sequence[float] | None,
    with_indices: bool,
    samples: Any,
) -> Any:
    name = f"fractional_max_pool{rank}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got: {list(input.shape)}")
    extents = tuple(input.shape[-rank:])
    kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * rank
    if output_size is None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * rank
        if len(ratios) != rank:
            raise ValueError(f"{name} requires output_ratio to either be a single float or tuple of {rank} floats.")
        size = tuple(int(extent * ratio) for extent, ratio in zip(extents, ratios, strict=True))
    else:
        size = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if len(kernel) != rank:
        raise RuntimeError(f"{name}: kernel_size must either be a single int or tuple of {rank} ints")
    if len(size) != rank:
        raise RuntimeError(f"{name}: output_size must either be a single int or tuple of {rank} ints")
    for axis, extent, places, count in zip(("time", "height", "width")[-rank:], extents, kernel, size, strict=True):
        # PyTorch asks for one place more of volumes.
        if places < 1 or count + places - 1 > extent - (rank == 3):
            raise RuntimeError(f"{name}_out(): pool {axis} {places} too large relative to input {axis} {extent}")
    batched = input if input.ndim == rank + 2 else unsqueeze(input, 0)
    leading = tuple(batched.shape[:2])
    if samples is None:
        samples = rand_like(number_like(input, 0, shape=(*leading, rank)))
    table = _fractional_table(samples, leading, extents, kernel, size)
    maximum, index = _chosen_by_table(batched, rank, table)
    shape = (*input.shape[:-rank], *size)
    maximum, index = (views.Reshape.bind(value, shape=shape) for value in (maximum, index))
    return (maximum, index) if with_indices else maximum


def _fractional_table(samples: Any, leading: Ints, extents: Ints, kernel: Ints, size: Ints) -> Any:
    """Indices into the flattened pooled dims, ``[*leading, windows, places]``, from uniform samples ``[*leading, r]``.

    Source: Graham, Fractional Max-Pooling, arXiv:1412.6071: pseudorandom sequences of overlapping regions.
    """
    rank = len(extents)
    table = None
    for dim, (extent, places, count) in enumerate(zip(extents, kernel, size, strict=True)):
        # PyTorch's samples of images come width first; those of volumes in the order of the dims.
        column = rank - 1 - dim if rank == 2 else dim
        room = extent - places
        if count > 1:
            sample = views.Slice.bind(samples, starts=(0, 0, column), stops=(*leading, column + 1), steps=(1, 1, 1))
            alpha = np.asarray(room, samples.dtype.numpy) / np.asarray(count - 1, samples.dtype.numpy)
            window = samples.apply(
                sources.Iota.instance, (), {"shape": (1, 1, count), "dim": 2, "dtype": samples.dtype}
            )
            start = cast((window + sample) * float(alpha), int64) - cast(sample * float(alpha), int64)
            last = literal_like(samples, np.arange(count) == count - 1)
            start = comparisons.Where.bind(broadcast_to(last, tuple(start.shape)), number_like(start, room), start)
        else:
            start = number_like(samples, room, shape=(*leading, 1), dtype=int64)
        start = views.Reshape.bind(
            start, shape=(*leading, *(count if d == dim else 1 for d in range(rank)), *(1,) * rank)
        )
        inner = np.arange(places).reshape([places if d == dim else 1 for d in range(rank)])
        at = start + literal_like(samples, inner)
        table = at if table is None else table * extent + at
    shape = (*leading, *size, *kernel)
    return views.Reshape.bind(broadcast_to(table, shape), shape=(*leading, math.prod(size), math.prod(kernel)))


def fractional_max_pool2d(
    input: Any,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The maxima of windows of ``kernel_size`` that lie at random steps, as many as ``output_size`` says.

    Or as many as the input's extents times ``output_ratio``. ``_random_samples`` ``[n, c, 2]`` in [0, 1) decide where.
    """
    return _fractional_maximum(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Any,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """As :func:`fractional_max_pool2d`, of volumes."""
    return _fractional_maximum(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = True,
    _random_samples: Any = None,
) -> tuple[Any, Any]:
    """:func:`fractional_max_pool2d` with its indices."""
    return _fractional_maximum(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = True,
    _random_samples: Any = None,
) -> tuple[Any, Any]:
    """:func:`fractional_max_pool3d` with its indices."""
    return _fractional_maximum(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
