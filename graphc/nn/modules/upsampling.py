"""Changes of resolution by interpolation.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html
"""

from __future__ import annotations

from typing import Any

from graphc import functional as F
from graphc.nn.module import Module
from graphc.tensor import Tensor


class Upsample(Module):
    """(N, C, L), (N, C, H, W), or (N, C, D, H, W) at another resolution: of a ``size``, or a multiple of its own.

    ``mode`` is "nearest", "linear", "bilinear", "bicubic", or "trilinear"; with ``align_corners`` the corner elements
    keep their values.
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, values: dict[str, Any]) -> None:
        super().__setstate__({"recompute_scale_factor": True, **values})

    def extra_repr(self) -> str:
        resolution = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{resolution}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """(N, C, H, W) at another resolution, each element that of the nearest place."""

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """(N, C, H, W) at another resolution by bilinear interpolation, with the corners kept."""

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
