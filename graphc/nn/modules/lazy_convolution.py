"""Convolutions that learn how many channels there are from their first input.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConv2d.html
"""

from __future__ import annotations

from typing import Any

from graphc.nn.modules.convolution import Conv2d
from graphc.nn.modules.lazy import Lazy
from graphc.tensor import Tensor


class _LazyConvolution(Lazy):
    """A convolution whose ``in_channels`` are those of its first input."""

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        channels = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        rank = len(self.kernel_size) + 1
        if input.dim() not in (rank, rank + 1):
            raise RuntimeError(
                f"Expected {rank}D (unbatched) or {rank + 1}D (batched) input to {type(self).__name__}, but got input "
                f"of size: {input.shape}"
            )
        return input.shape[1 if input.dim() == rank + 1 else 0]


class LazyConv2d(_LazyConvolution, Conv2d):
    """A :class:`Conv2d` whose ``in_channels`` are those of its first input."""

    cls_to_become = Conv2d
