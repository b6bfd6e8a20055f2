"""Convolutions and pools: PyTorch's functions over images and sequences.

Sizes (kernel, stride, padding, dilation) are one int for all spatial dims or a sequence of one for each. An input
without the batch dim is taken as one sample.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.types import int64
from graphc.ops import arithmetic, comparisons, contractions, gathers, pointwise, pooling, reductions, sources, views
from graphc.ops.functions.arithmetic import div
from graphc.ops.functions.shaping import broadcast_to, expand, type_name, unsqueeze
from graphc.ops.sources import number_like

__all__ = ["conv1d", "conv2d"]
FUNCTIONS_ONLY = ("conv1d", "conv2d")

Ints = tuple[int, ...]


# -- convolutions --------------------------------------------------------------------------------------------------


def _spatial(name: str, value: int | Sequence[int], rank: int) -> Ints:
    """One int for each of the spatial dims."""
    given = (value,) if isinstance(value, int) or not isinstance(value, (tuple, list)) else tuple(value)
    sizes = tuple(int(size) for size in given)
    if len(sizes) == 1:
        return sizes * rank
    if len(sizes) != rank:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the convolution "
            f"dimensions, but got {name}={list(sizes)}"
        )
    return sizes


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """A convolution of ``[n, c, length]`` (or ``[c, length]``) with a weight ``[o, c / groups, k]``."""
    _require_image("conv1d", input, 1)
    stride, dilation = _spatial("stride", stride, 1), _spatial("dilation", dilation, 1)
    if not isinstance(padding, str):
        padding = (0, *_spatial("padding", padding, 1))
    # A sequence is an image of one row.
    result = conv2d(unsqueeze(input, -2), unsqueeze(weight, -2), bias, (1, *stride), padding, (1, *dilation), groups)
    return views.Reshape.bind(result, shape=(*result.shape[:-2], result.shape[-1]))


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """Convolution of ``[n, c, h, w]`` (or ``[c, h, w]``) with a weight ``[o, c / groups, kh, kw]``; bias ``[o]``.

    ``padding`` may be "valid" (none) or "same" (the result has the input's size; stride 1 only).

    Raises RuntimeError, with PyTorch's words, for shapes, dtypes or a geometry that do not fit.
    """
    _require_image("conv2d", input, 2)
    if input.ndim == 3:
        result = conv2d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups)
        return views.Reshape.bind(result, shape=tuple(result.shape[1:]))
    rank = weight.ndim - 2
    stride, dilation = _spatial("stride", stride, rank), _spatial("dilation", dilation, rank)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    padding = _spatial("padding", padding, rank)
    _require_convolution(input, weight, bias, stride, padding, dilation, groups)
    out_channels, per_group, *kernel = weight.shape
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    if groups == 1:
        result = contractions.Conv2d.bind(weight, input, **geometry)
    else:
        samples, _, *size = input.shape
        grouped_input = views.Reshape.bind(input, shape=(samples, groups, per_group, *size))
        grouped = views.Reshape.bind(weight, shape=(groups, out_channels // groups, per_group, *kernel))
        result = contractions.Conv2d.bind(grouped, grouped_input, **geometry)
        result = views.Reshape.bind(result, shape=(samples, out_channels, *result.shape[3:]))
    if bias is None:
        return result
    shifted = views.Reshape.bind(bias, shape=(1, out_channels, 1, 1))
    return arithmetic.Add.bind(result, expand(shifted, tuple(result.shape)))


def _require_image(name: str, input: Any, rank: int) -> None:
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )


def _named_padding(input: Any, weight: Any, name: str, stride: Ints, dilation: Ints) -> tuple[Any, Ints]:
    """ "same" and "valid" as numbers; an odd number of places is padded with one more after than before."""
    if name == "valid":
        return input, (0,) * len(stride)
    if name != "same":
        raise RuntimeError(f"Invalid padding string: '{name}'")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = tuple(gap * (size - 1) for gap, size in zip(dilation, weight.shape[2:], strict=True))
    odd = tuple(total % 2 for total in totals)
    if any(odd):
        input = gathers.Pad.bind(input, low=(0,) * input.ndim, high=(0, 0, *odd), value=0)
    return input, tuple(total // 2 for total in totals)


def _require_convolution(
    input: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> None:
    given, size = list(weight.shape), list(input.shape)
    if groups < 1:
        raise RuntimeError("non-positive groups is not supported")
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(stride) < 1:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {given}, but got "
            f"{input.ndim}-dimensional input of size {size} instead"
        )
    if given[0] < groups or given[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{given}] instead"
        )
    if size[1] != given[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {given}, expected input{size} to have {given[1] * groups} "
            f"channels, but got {size[1]} channels instead"
        )
    if bias is not None and list(bias.shape) != given[:1]:
        raise RuntimeError(
            f"Given weight of size {given}, expected bias to be 1-dimensional with {given[0]} elements, but got bias "
            f"of size {list(bias.shape)} instead"
        )
    padded = [extent + 2 * width for extent, width in zip(size[2:], padding, strict=True)]
    spans = [gap * (extent - 1) + 1 for gap, extent in zip(dilation, given[2:], strict=True)]
    if any(isinstance(extent, int) and extent < span for extent, span in zip(padded, spans, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, spans))}). Kernel size can't be greater than actual input size"
        )
    for other in (weight, bias):
        if other is not None and other.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {type_name(input.dtype)} but found {type_name(other.dtype)}")


# -- pools ---------------------------------------------------------------------------------------------------------


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(given) not in (1, 2):
        raise RuntimeError(f"{name} must either be a single int, or a tuple of two ints")
    return (int(given[0]), int(given[-1]))


def _pool_geometry(
    name: str,
    input: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> dict[str, Any]:
    """The attributes of a pool primitive. Raises RuntimeError, with PyTorch's words, where they do not fit."""
    kernel, width, gap = _pair("kernel_size", kernel_size), _pair("padding", padding), _pair("dilation", dilation)
    unset = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    step = kernel if unset else _pair("stride", stride)
    if input.ndim not in (3, 4):
        raise RuntimeError("non-empty 3D or 4D (batch mode) tensor expected for input")
    if any(extent == 0 for extent in input.shape[-3:]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(input.shape)}"
        )
    if input.dtype.category == "bool":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if min(step) < 1:
        raise RuntimeError("stride should not be zero")
    if min(kernel) < 1 or min(gap) < 1:
        raise RuntimeError(
            f"kernel size and dilation should be greater than zero, but got kernel_size={kernel}, dilation={gap}"
        )
    for size, border, spread in zip(kernel, width, gap, strict=True):
        if border < 0 or border > (spread * (size - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={border}, kernel_size={size} and "
                f"dilation={spread}"
            )
    size = pooling.pooled_size(tuple(input.shape[-2:]), kernel, step, width, gap, ceil_mode)
    if any(isinstance(extent, int) and extent < 1 for extent in size):
        channels, *extents = input.shape[-3:]
        shown = (f"({channels}x{'x'.join(map(str, part))})" for part in (extents, (max(e, 0) for e in size)))
        raise RuntimeError("Given input size: {}. Calculated output size: {}. Output size is too small".format(*shown))
    return {"kernel_size": kernel, "stride": step, "padding": width, "dilation": gap, "ceil_mode": bool(ceil_mode)}


def max_pool2d(
    input: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window; with ``return_indices`` also where it stands in the flattened image (int64)."""
    geometry = _pool_geometry("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    maximum = pooling.MaxPool2d.bind(input, **geometry)
    if not return_indices:
        return maximum
    position = pooling.MaxPool2dPosition.bind(input, maximum, **geometry)
    return maximum, pooling.plane_index(position, input.shape[-1], geometry)


def max_pool1d(
    input: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of a sequence; with ``return_indices`` also where it stands."""
    (kernel,), (width,), (gap,) = (_spatial("size", value, 1) for value in (kernel_size, padding, dilation))
    (step,) = (kernel,) if stride is None or stride == () else _spatial("stride", stride, 1)
    found = max_pool2d(unsqueeze(input, -2), (1, kernel), (1, step), (0, width), (1, gap), ceil_mode, return_indices)
    flat = [
        views.Reshape.bind(value, shape=(*value.shape[:-2], value.shape[-1]))
        for value in (found if return_indices else (found,))
    ]
    return tuple(flat) if return_indices else flat[0]


def avg_pool2d(
    input: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window. The padding counts as zeros, or not at all with ``count_include_pad=False``."""
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    geometry = _pool_geometry("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode)
    del geometry["dilation"]
    total = pooling.SumPool2d.bind(input, **geometry)
    if divisor_override is not None:
        return _divided(total, number_like(total, divisor_override))
    counts = [
        _window_counts(*along, count_include_pad)
        for along in zip(
            input.shape[-2:],
            total.shape[-2:],
            geometry["kernel_size"],
            geometry["stride"],
            geometry["padding"],
            strict=True,
        )
    ]
    return _divided(total, _outer_counts(total, counts))


def _window_counts(
    extent: Dimension, windows: Dimension, kernel: int, stride: int, padding: int, count_padding: bool
) -> list[int]:
    """How many places of each window count along one dim; one number where it is the same for all."""
    if isinstance(extent, int) and isinstance(windows, int):
        first, last = (-padding, extent + padding) if count_padding else (0, extent)
        counts = []
        for window in range(windows):
            start = window * stride - padding
            stop = min(start + kernel, extent + padding)
            counts.append(min(stop, last) - max(start, first))
        return counts[:1] if len(set(counts)) == 1 else counts
    if padding and not count_padding:
        raise RuntimeError("avg_pool2d with padding that does not count needs an image of known size")
    return [kernel]


def _outer_counts(total: Any, counts: Sequence[Sequence[int]]) -> Any:
    """The products of the counts of rows and columns, in the shape of the total."""
    rows, columns = counts
    if len(rows) == len(columns) == 1:
        return number_like(total, rows[0] * columns[0])
    table = np.outer(rows, columns).astype(total.dtype.numpy)
    return broadcast_to(total.apply(sources.Constant.instance, (), {"literal": sources.Literal(table)}), total.shape)


def _divided(total: Any, count: Any) -> Any:
    if total.dtype.is_floating_point:
        return arithmetic.Div.bind(total, count)
    return div(total, count, rounding_mode="trunc")


def avg_pool1d(
    input: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of a sequence."""
    (kernel,), (width,) = (_spatial("size", value, 1) for value in (kernel_size, padding))
    (step,) = (kernel,) if stride is None or stride == () else _spatial("stride", stride, 1)
    result = avg_pool2d(unsqueeze(input, -2), (1, kernel), (1, step), (0, width), ceil_mode, count_include_pad)
    return views.Reshape.bind(result, shape=(*result.shape[:-2], result.shape[-1]))


# -- adaptive pools ------------------------------------------------------------------------------------------------


def _adaptive_size(name: str, input: Any, output_size: int | Sequence[int | None] | None) -> tuple[int, int]:
    if input.ndim not in (3, 4):
        raise RuntimeError(f"{name}(): Expected 3D or 4D tensor, but got {list(input.shape)}")
    for dim in range(input.ndim - 3 + (name == "adaptive_avg_pool2d"), input.ndim):
        if dim > 0 and input.shape[dim] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {dim} being empty"
            )
    if input.dtype.category != "float":
        raise NotImplementedError(f"\"{name}\" not implemented for '{type_name(input.dtype)}'")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(wanted) != 2:
        raise RuntimeError(f"{name}: output_size must be 2")
    return tuple(extent if size is None else int(size) for size, extent in zip(wanted, input.shape[-2:], strict=True))


def _adaptive_windows(extent: int, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """For each window its places, ``[windows, longest]``, and its length; a shorter one repeats its last place."""
    starts = [window * extent // windows for window in range(windows)]
    stops = [-(-(window + 1) * extent // windows) for window in range(windows)]
    lengths = np.array([stop - start for start, stop in zip(starts, stops, strict=True)], np.int64)
    longest = int(lengths.max(initial=0))
    places = np.array(
        [[min(start + place, stop - 1) for place in range(longest)] for start, stop in zip(starts, stops, strict=True)],
        np.int64,
    ).reshape(windows, longest)
    return places, lengths


def _gathered_windows(input: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """``[..., windows, kh * kw]`` over all windows of the image, row by row."""
    gathered = input
    for dim, places in ((input.ndim - 1, columns), (input.ndim - 2, rows)):
        index = input.apply(sources.Constant.instance, (), {"literal": sources.Literal(places, int64)})
        gathered = gathers.IndexSelect.bind(gathered, index, dim=dim)
    lead = input.ndim - 2  # [..., oh, kh, ow, kw]
    ordered = views.Permute.bind(gathered, dims=(*range(lead), lead, lead + 2, lead + 1, lead + 3))
    return views.Reshape.bind(
        ordered, shape=(*input.shape[:-2], rows.shape[0] * columns.shape[0], rows.shape[1] * columns.shape[1])
    )


def adaptive_avg_pool2d(input: Any, output_size: int | Sequence[int | None] | None) -> Any:
    """The mean of each of ``output_size`` windows that cover the image; None keeps a size.

    Window i of n over an extent e goes from ``floor(i e / n)`` to before ``ceil((i + 1) e / n)``, as in PyTorch.
    """
    size = _adaptive_size("adaptive_avg_pool2d", input, output_size)
    extents = tuple(input.shape[-2:])
    if size == (1, 1):
        total = reductions.Sum.bind(input, dims=(input.ndim - 2, input.ndim - 1))
        mean = arithmetic.Div.bind(total, number_like(total, product(extents)))
        return views.Reshape.bind(mean, shape=(*input.shape[:-2], 1, 1))
    if all(count and extent % count == 0 for extent, count in zip(extents, size, strict=True)):
        kernel = tuple(extent // count for extent, count in zip(extents, size, strict=True))
        return avg_pool2d(input, kernel)
    (rows, heights), (columns, widths) = (_adaptive_windows(*along) for along in zip(extents, size, strict=True))
    gathered = _gathered_windows(input, rows, columns)
    present = np.einsum("ia,jb->ijab", *(_present(*p) for p in ((rows, heights), (columns, widths))))
    mask = input.apply(
        sources.Constant.instance, (), {"literal": sources.Literal(present.reshape(gathered.shape[-2:]) > 0)}
    )
    kept = comparisons.Where.bind(broadcast_to(mask, tuple(gathered.shape)), gathered, number_like(gathered, 0))
    total = reductions.Sum.bind(kept, dims=(gathered.ndim - 1,))
    total = views.Reshape.bind(total, shape=(*input.shape[:-2], *size))
    return arithmetic.Div.bind(total, _outer_counts(total, (heights.tolist(), widths.tolist())))


def _present(places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """1 where a place of the table of windows is one of the window's own, 0 where it only fills up."""
    return (np.arange(places.shape[1]) < lengths[:, None]).astype(np.int64)


def adaptive_max_pool2d(
    input: Any, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Any:
    """The maximum of each of ``output_size`` windows that cover the image; None keeps a size.

    With ``return_indices`` also where it stands in the flattened image (int64).
    """
    size = _adaptive_size("adaptive_max_pool2d", input, output_size)
    extents = tuple(input.shape[-2:])
    (rows, _), (columns, _) = (_adaptive_windows(*along) for along in zip(extents, size, strict=True))
    # The places that fill up a window repeat its last ones, which changes neither the maximum nor where it stands.
    gathered = _gathered_windows(input, rows, columns)
    last = gathered.ndim - 1
    position = _first_maximum(gathered)
    plane = (rows[:, None, :, None] * extents[1] + columns[None, :, None, :]).reshape(gathered.shape[-2:])
    table = input.apply(sources.Constant.instance, (), {"literal": sources.Literal(plane, int64)})
    table = broadcast_to(table, tuple(gathered.shape))
    chosen = views.Reshape.bind(position, shape=(*position.shape, 1))
    index = views.Reshape.bind(gathers.GatherAlong.bind(table, chosen, dim=last), shape=tuple(position.shape))
    planes = views.Reshape.bind(input, shape=(*input.shape[:-2], product(extents)))
    maximum = gathers.GatherAlong.bind(planes, index, dim=last - 1)
    maximum, index = (views.Reshape.bind(value, shape=(*input.shape[:-2], *size)) for value in (maximum, index))
    return (maximum, index) if return_indices else maximum


def _first_maximum(windows: Any) -> Any:
    """Where in its window (the last dim) the maximum that PyTorch's pools choose stands: the first, or the last NaN."""
    last, shape = windows.ndim - 1, tuple(windows.shape)
    values = views.Detach.bind(windows)
    place = values.apply(sources.Iota.instance, (), {"shape": shape, "dim": last, "dtype": int64})
    nan = pointwise.IsNan.bind(values)
    latest = reductions.Amax.bind(comparisons.Where.bind(nan, place, number_like(place, -1)), dims=(last,))
    found = comparisons.Lt.bind(latest, number_like(latest, 0))
    return comparisons.Where.bind(found, reductions.ArgMax.bind(values, dims=(last,)), latest)
