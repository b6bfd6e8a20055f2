"""Gradients of convolutions as functions.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import functional as F
from graphc.autograd import grad
from graphc.autograd.modes import enable_grad
from graphc.creation import zeros
from graphc.nn.modules.utils import _ntuple
from graphc.tensor import Tensor

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]

Size = int | Sequence[int]

_FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _input_gradient(
    spatial: int,
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Size,
    padding: Size,
    dilation: Size,
    groups: int,
) -> Tensor:
    """A transposed convolution: what the strides stepped over at the high sides is output padding."""
    steps, pads, spreads = (_ntuple(spatial)(sizes) for sizes in (stride, padding, dilation))
    over = [
        extent - ((places - 1) * step - 2 * pad + spread * (window - 1) + 1)
        for extent, places, step, pad, spread, window in zip(
            input_size[-spatial:], grad_output.shape[-spatial:], steps, pads, spreads, weight.shape[2:], strict=True
        )
    ]
    return _TRANSPOSED[spatial](grad_output, weight, None, steps, pads, tuple(over), groups, spreads)


def _weight_gradient(
    spatial: int, input: Tensor, weight_size: Sequence[int], grad_output: Tensor, *options: Any
) -> Tensor:
    with enable_grad():
        weight = zeros(tuple(weight_size), dtype=input.dtype, requires_grad=True)
        result = _FORWARD[spatial](input, weight, None, *options)
        recorded = input.requires_grad or grad_output.requires_grad
        return grad(result, weight, grad_output, create_graph=recorded)[0]


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 1-d convolution's input, of ``input_size`` (N, C, L), for that of its result."""
    return _input_gradient(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 1-d convolution's weight, of ``weight_size``, for that of its result."""
    return _weight_gradient(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 2-d convolution's input, of ``input_size`` (N, C, H, W), for that of its result."""
    return _input_gradient(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 2-d convolution's weight, of ``weight_size``, for that of its result."""
    return _weight_gradient(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 3-d convolution's input, of ``input_size`` (N, C, D, H, W), for that of its result."""
    return _input_gradient(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of a 3-d convolution's weight, of ``weight_size``, for that of its result."""
    return _weight_gradient(3, input, weight_size, grad_output, stride, padding, dilation, groups)
