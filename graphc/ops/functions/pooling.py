"""Pools over windows of sequences, images, and volumes: maximum, average, power average, and the maximum undone.

Sizes (kernel, stride, padding, dilation) are one int for all pooled dims or a sequence of one for each; the stride is
the kernel's size by default. Inputs have a channel dim before the pooled ones, and a batch dim before that or not.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import Dimension, product
from graphc.ops import pooling, scatters, views
from graphc.ops.checks import CheckPoolIndex
from graphc.ops.functions import arithmetic
from graphc.ops.functions.activation import relu
from graphc.ops.functions.window_sizes import Ints, Size, outer_counts, pool_geometry, sizes, window_counts
from graphc.ops.half_precision import rounded_once
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

__all__ = ["avg_pool1d", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d"]
METHODS = ()

# -- maxima --------------------------------------------------------------------------------------------------------


def _maxima(
    name: str,
    rank: int,
    input: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    with_indices: bool,
) -> Any:
    geometry = pool_geometry(name, rank, input, kernel_size, stride, padding, dilation, ceil_mode)
    if input.dtype.category == "bool":
        routine = "max_pool1d_impl" if name == "max_pool1d" else name
        raise NotImplementedError(f"\"{routine}\" not implemented for 'Bool'")
    maximum = pooling.MaxPool.bind(input, **geometry)
    if not with_indices:
        return maximum
    position = pooling.MaxPoolPosition.bind(input, maximum, **geometry)
    return maximum, pooling.plane_index(position, tuple(input.shape[-rank:]), geometry)


def max_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of a sequence; with ``return_indices`` also where it stands (int64)."""
    return _maxima("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window; with ``return_indices`` also where it stands in the flattened image (int64)."""
    return _maxima("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window; with ``return_indices`` also where it stands in the flattened volume (int64)."""
    return _maxima("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Any, Any]:
    """:func:`max_pool1d` with its indices."""
    return _maxima("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Any, Any]:
    """:func:`max_pool2d` with its indices."""
    return _maxima("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Any, Any]:
    """:func:`max_pool3d` with its indices."""
    return _maxima("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


# -- maxima undone -------------------------------------------------------------------------------------------------


def _unpooled(
    rank: int,
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
) -> Any:
    name = f"max_unpooling{max(rank, 2)}d"
    kernel = sizes(name, "kernel_size", kernel_size, rank)
    step = kernel if stride is None else sizes(name, "stride", stride, rank)
    width = sizes(name, "padding", padding, rank)
    if input.ndim not in (rank + 1, rank + 2):
        shown = {1: "3d or 4d", 2: "3d or 4d", 3: "4d or 5d"}[rank]
        raise RuntimeError(
            f"Input to {name} should be a {shown} Tensor, but got a tensor with {input.ndim + (rank == 1)} dimensions."
        )
    size = _unpooled_size(tuple(input.shape[-rank:]), kernel, step, width, output_size)
    if indices.dtype.name != "int64":
        raise RuntimeError(f"elements in indices should be type int64 but got: {type_name(indices.dtype)}")
    if tuple(indices.shape) != tuple(input.shape):
        given, other = ([*value.shape] + [1] * (rank == 1) for value in (input, indices))
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({given}) but got indices tensor with "
            f"shape: {other}"
        )
    if input.dtype.category != "float":
        raise NotImplementedError(f"\"max_unpool{max(rank, 2)}d\" not implemented for '{type_name(input.dtype)}'")
    leading, places = tuple(input.shape[:-rank]), product(input.shape[-rank:])
    volume = size if rank > 1 else (*size, 1)
    indices = CheckPoolIndex.bind(views.Reshape.bind(indices, shape=(*leading, places)), volume=volume)
    planes = scatters.ScatterPut.bind(
        number_like(input, 0, shape=(*leading, product(size))),
        indices,
        views.Reshape.bind(input, shape=(*leading, places)),
        dim=len(leading),
    )
    return views.Reshape.bind(planes, shape=(*leading, *size))


def _unpooled_size(
    places: tuple[Dimension, ...], kernel: Ints, stride: Ints, padding: Ints, output_size: Sequence[int] | None
) -> tuple[Dimension, ...]:
    default = tuple(
        (count - 1) * step + size - 2 * width
        for count, step, size, width in zip(places, stride, kernel, padding, strict=True)
    )
    if output_size is None:
        return default
    rank = len(places)
    wanted = tuple(map(int, output_size))
    wanted = wanted[2:] if len(wanted) == rank + 2 else wanted
    if len(wanted) != rank:
        raise ValueError(
            f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
            f"'{len(wanted)}'"
        )
    for dim, (size, usual, step) in enumerate(zip(wanted, default, stride, strict=True)):
        if not usual - step < size < usual + step:
            raise ValueError(
                f'invalid output_size "{list(wanted)}" (dim {dim} must be between {usual - step} and {usual + step})'
            )
    return wanted


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """Elements of a pooled sequence put back where their indices (int64) say, zeros elsewhere.

    ``output_size`` chooses among the lengths that a pool makes this one of; it may have all dims. Raises ValueError for
    one that is none of them, RuntimeError for an index beyond the result.
    """
    return _unpooled(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """As :func:`max_unpool1d`, of images; indices go through the flattened image."""
    return _unpooled(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Any:
    """As :func:`max_unpool1d`, of volumes; indices go through the flattened volume."""
    return _unpooled(3, input, indices, kernel_size, stride, padding, output_size)


# -- averages ------------------------------------------------------------------------------------------------------


def _averages(
    name: str,
    rank: int,
    input: Any,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    geometry = pool_geometry(name, rank, input, kernel_size, stride, padding, 1, ceil_mode)
    if input.dtype.category != "float" and input.dtype.name != "int64":
        routine = "avg_pool3d_out_frame" if rank == 3 else "avg_pool2d"
        raise NotImplementedError(f"\"{routine}\" not implemented for '{type_name(input.dtype)}'")
    del geometry["dilation"]
    total = pooling.SumPool.bind(input, **geometry)
    if divisor_override is not None:
        return _divided(total, divisor_override)
    counts = [
        window_counts(*along, count_include_pad)
        for along in zip(
            input.shape[-rank:],
            total.shape[-rank:],
            geometry["kernel_size"],
            geometry["stride"],
            geometry["padding"],
            strict=True,
        )
    ]
    return _divided(total, outer_counts(total, counts))


def _divided(total: Any, count: Any) -> Any:
    return total / count if total.dtype.category == "float" else arithmetic.div(total, count, rounding_mode="trunc")


@rounded_once
def avg_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of a sequence. The padding counts as zeros, or not at all."""
    return _averages("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@rounded_once
def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of an image: the sum over ``divisor_override``, or over the number of places.

    The padding counts as zeros, or not at all with ``count_include_pad=False``.
    """
    return _averages(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@rounded_once
def avg_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """As :func:`avg_pool2d`, of a volume."""
    return _averages(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _power_averages(
    name: str, rank: int, input: Any, norm_type: float, kernel_size: Size, stride: Size | None, ceil_mode: bool
) -> Any:
    places = math.prod(sizes(name, "kernel_size", kernel_size, rank))
    powers = arithmetic.pow(input, norm_type)
    mean = _averages(name, rank, powers, kernel_size, stride, 0, ceil_mode, True, None)
    return arithmetic.pow(arithmetic.sign(mean) * relu(arithmetic.abs(mean)) * places, 1.0 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Any:
    """For each window the root of order ``norm_type`` of the sum of powers of that order."""
    return _power_averages("avg_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Any:
    """As :func:`lp_pool1d`, of images."""
    return _power_averages("avg_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Any:
    """As :func:`lp_pool1d`, of volumes."""
    return _power_averages("avg_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
