"""Blocks of images as columns, and back: ``unfold`` and ``fold`` of ``torch.nn.functional``.

A block's places along a dimension are known from the sizes, so that both are gathers and sums by tables.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unfold.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.types import int64
from graphc.ops.contractions import convolved_extent
from graphc.ops.gathers import IndexSelect, Pad
from graphc.ops.half_precision import rounded_once
from graphc.ops.scatters import IndexAdd
from graphc.ops.sources import literal_like, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Permute, Reshape, Slice

NAMESPACE = "nn.functional"
__all__: list[str] = []
METHODS = ()

Value = Any
Pair = tuple[int, int]
Size = int | Sequence[int]


def _pair(name: str, value: Size) -> Pair:
    if not isinstance(value, (tuple, list)):
        return (int(value), int(value))
    if len(value) not in (1, 2):
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
    first, last = int(value[0]), int(value[-1])
    return first, last


def _require_geometry(kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> None:
    for what, short, (height, width) in (
        ("kernel size", "kernel", kernel),
        ("dilation", "dilation", dilation),
        ("stride", "stride", stride),
    ):
        if height < 1 or width < 1:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {short}_height: {height} {short}_width: {width}"
            )
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")


def _block_places(kernel: int, blocks: int, stride: int, dilation: int) -> np.ndarray:
    """Where in the padded image each element of each block lies along one dim: [kernel, blocks]."""
    return np.arange(kernel)[:, None] * dilation + np.arange(blocks) * stride


def unfold(input: Value, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Value:
    """The blocks of an image ``[n, c, h, w]`` (or ``[c, h, w]``) as columns: ``[n, c * kh * kw, blocks]``.

    Raises RuntimeError, with PyTorch's words, for a geometry that does not fit.
    """
    kernel, gaps = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    border, step = _pair("padding", padding), _pair("stride", stride)
    _require_geometry(kernel, gaps, border, step)
    shape = tuple(input.shape)
    fits = (input.ndim == 3 and 0 not in shape) or (input.ndim == 4 and 0 not in shape[1:])
    if not fits:
        if input.ndim < 3:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got 2)"
            )
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    extents = shape[-2:]
    blocks = tuple(map(convolved_extent, extents, kernel, step, border, gaps))
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given input with spatial size {extents}, kernel_size={kernel}, dilation={gaps}, padding={border}, "
            f"calculated shape of the array of sliding blocks as {blocks}, but its components must be at least one."
        )
    if not (input.dtype.is_differentiable or input.dtype.category == "bool"):
        raise NotImplementedError(f"\"im2col_out_cpu\" not implemented for '{type_name(input.dtype)}'")
    leading = shape[:-2]
    result = input
    if any(border):
        widths = (0,) * len(leading) + border
        result = Pad.bind(input, low=widths, high=widths, value=False if input.dtype.category == "bool" else 0)
    for dim in (input.ndim - 1, input.ndim - 2):
        along = dim - input.ndim
        places = _block_places(kernel[along], blocks[along], step[along], gaps[along])
        result = IndexSelect.bind(result, literal_like(input, places, int64), dim=dim)
    first = len(leading)
    dims = (*range(first), first, first + 2, first + 1, first + 3)  # both of the kernel before both of the blocks
    columns = Permute.bind(result, dims=dims)
    rows = shape[-3] * kernel[0] * kernel[1]
    return Reshape.bind(columns, shape=(*shape[:-3], rows, blocks[0] * blocks[1]))


@rounded_once
def fold(
    input: Value, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Value:
    """Columns ``[n, c * kh * kw, blocks]`` (or without n) added up as the blocks of an image ``[n, c, h, w]``.

    It is what carries cotangents of :func:`unfold` back.

    Raises RuntimeError, with PyTorch's words, for a geometry that does not fit.
    """
    extents, kernel = _pair("output_size", output_size), _pair("kernel_size", kernel_size)
    gaps, border, step = _pair("dilation", dilation), _pair("padding", padding), _pair("stride", stride)
    _require_geometry(kernel, gaps, border, step)
    shape = tuple(input.shape)
    if input.ndim not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(shape)}"
        )
    rows, columns = shape[-2:]
    if rows % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={rows} and kernel_size={kernel}."
        )
    blocks = tuple(map(convolved_extent, extents, kernel, step, border, gaps))
    if blocks[0] * blocks[1] != columns or min(blocks) < 1:
        raise RuntimeError(
            f"Given output_size={extents}, kernel_size={kernel}, dilation={gaps}, padding={border}, stride={step}, "
            f"expected size of input's dimension 2 to match the calculated number of sliding blocks {blocks[0]} * "
            f"{blocks[1]} = {blocks[0] * blocks[1]}, but got input.size(2)={columns}."
        )
    if not input.dtype.is_differentiable:
        raise NotImplementedError(f"\"col2im_out_cpu\" not implemented for '{type_name(input.dtype)}'")
    leading = (*shape[:-2], rows // (kernel[0] * kernel[1]))
    first = len(leading)
    result = Reshape.bind(input, shape=(*leading, *kernel, *blocks))
    result = Permute.bind(result, dims=(*range(first), first, first + 2, first + 1, first + 3))
    result = Reshape.bind(result, shape=(*leading, kernel[0] * blocks[0], kernel[1] * blocks[1]))
    padded = tuple(extent + 2 * width for extent, width in zip(extents, border, strict=True))
    for along in (0, 1):
        places = _block_places(kernel[along], blocks[along], step[along], gaps[along]).reshape(-1)
        dim = first + along
        room = (*result.shape[:dim], padded[along], *result.shape[dim + 1 :])
        zeros = number_like(input, 0, shape=tuple(room))
        result = IndexAdd.bind(zeros, literal_like(input, places, int64), result, dim=dim)
    if not any(border):
        return result
    starts = (*(0,) * first, *border)
    stops = (*leading, *(extent + width for extent, width in zip(extents, border, strict=True)))
    return Slice.bind(result, starts=starts, stops=stops, steps=(1,) * (first + 2))
