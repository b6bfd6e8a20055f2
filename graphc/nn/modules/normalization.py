"""Normalisations of each sample: by layer, by group, by root mean square, and by neighbouring channels.

Source: https://docs.pytorch.org/docs/stable/nn.html#normalization-layers
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from graphc import functional as F
from graphc.creation import empty, tensor
from graphc.ir.types import DType
from graphc.nn import init
from graphc.nn.module import Module
from graphc.nn.parameter import Parameter
from graphc.tensor import Tensor


class _Affine(Module):
    """A normalisation with a weight of ones and a bias of zeros, or without."""

    weight: Tensor | None
    bias: Tensor | None

    def _make_parameters(self, shape: Any, present: dict[str, bool], device: Any, dtype: DType | None) -> None:
        for name, wanted in present.items():
            self.register_parameter(name, Parameter(empty(shape, dtype=dtype, device=device)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights to one and biases to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


def _shape_of(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)


class LayerNorm(_Affine):
    """Layer normalisation (Ba et al., 2016) of (..., *normalized_shape) over the last dimensions."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        present = {"weight": elementwise_affine, "bias": elementwise_affine and bias}
        self._make_parameters(self.normalized_shape, present, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """Group normalisation (Wu & He, 2018) of (N, num_channels, ...) over groups of channels and the dimensions after
    them. Raises ValueError for channels that the groups do not divide."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_parameters(num_channels, {"weight": affine, "bias": affine and bias}, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """Division by the root mean square (Zhang & Sennrich, 2019) of (..., *normalized_shape) over the last dimensions.

    Without ``eps`` it is the distance from 1 to the next number of the dtype.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_parameters(self.normalized_shape, {"weight": elementwise_affine}, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class _ByNeighbours(Module):
    """The arguments of normalisation by neighbouring channels."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_ByNeighbours):
    """(N, C, ...) over ``(k + alpha * mean of squares of size neighbouring channels) ** beta`` (Krizhevsky et al.,
    2012)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_ByNeighbours):
    """(N, C, H, W) over ``(k + alpha / size * sum of squares of channels) ** beta``, with the channels that PyTorch's
    running sum holds: those up to ``(size - 1) // 2`` away, and for all but the first ones also channel 0, which is
    never taken out. Raises ValueError for another rank.

    The gradient is that of this result.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1):
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        samples, channels, height, width = input.shape
        members = tensor(self._members(channels), dtype=input.dtype)
        squares = (input * input).reshape(samples, channels, height * width)
        sums = members.matmul(squares).reshape(samples, channels, height, width)
        return input * (sums * (self.alpha / self.size) + self.k) ** -self.beta

    def _members(self, channels: int) -> list[list[float]]:
        """Which channels (columns) are in the sum of each channel (row)."""
        reach = int((self.size - 1) / 2 + 1)
        row = [float(other < reach) for other in range(channels)]
        rows = [row]
        for channel in range(1, channels):
            row = list(row)
            if channel < channels - reach + 1:
                row[channel + reach - 1] += 1
            if channel > reach:
                row[channel - reach] -= 1
            rows.append(row)
        return rows
