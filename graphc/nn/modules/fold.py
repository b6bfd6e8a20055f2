"""Sliding blocks of an image as columns, and columns summed to an image.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Fold.html
"""

from __future__ import annotations

from graphc import functional as F
from graphc.nn.module import Module
from graphc.tensor import Tensor

Size = int | tuple[int, ...]


class Fold(Module):
    """Columns (N, C * block, blocks) or (C * block, blocks) summed where their blocks overlap: (N, C, H, W) or
    (C, H, W) with H and W the ``output_size``."""

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ):  # fmt: skip
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """The sliding blocks of (N, C, H, W) or (C, H, W) as columns: (N, C * block, blocks) or (C * block, blocks)."""

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
