"""Channels as blocks of pixels, and back.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelShuffle.html
"""

from __future__ import annotations

from graphc import functional as F
from graphc.nn.module import Module
from graphc.tensor import Tensor


class PixelShuffle(Module):
    """(..., C * r * r, H, W) to (..., C, H * r, W * r), with r the ``upscale_factor`` (Shi et al., 2016)."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H * r, W * r) to (..., C * r * r, H, W), with r the ``downscale_factor``."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
