"""Pads: by a constant, by reflection, by the edge, and around the circle.

``padding`` is one number for all sides, or one for each: (left, right), (left, right, top, bottom), or
(left, right, top, bottom, front, back). A negative one takes away.
Source: https://docs.pytorch.org/docs/stable/nn.html#padding-layers
"""

from __future__ import annotations

from typing import ClassVar

from graphc import functional as F
from graphc.nn.module import Module
from graphc.nn.modules.utils import _ntuple
from graphc.tensor import Tensor

Sides = int | tuple[int, ...]


class _PadNd(Module):
    """What the pads share."""

    _spatial: ClassVar[int]

    def __init__(self, padding: Sides):
        super().__init__()
        self.padding = _ntuple(2 * self._spatial)(padding)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    """What the circular pads share."""

    def _check_input_dim(self, input: Tensor) -> None:
        rank = self._spatial + 1
        if input.dim() not in (rank, rank + 1):
            raise ValueError(f"expected {rank}D or {rank + 1}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPadNd):
    """(N, C, L) or (C, L) continued from its other end."""

    _spatial = 1


class CircularPad2d(_CircularPadNd):
    """(N, C, H, W) or (C, H, W) continued from its other ends."""

    _spatial = 2


class CircularPad3d(_CircularPadNd):
    """(N, C, D, H, W) or (C, D, H, W) continued from its other ends."""

    _spatial = 3


class _ConstantPadNd(_PadNd):
    """What the pads by a constant share."""

    def __init__(self, padding: Sides, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """The last dimension with a value added at its ends."""

    _spatial = 1


class ConstantPad2d(_ConstantPadNd):
    """The last two dimensions with a value added at their ends."""

    _spatial = 2


class ConstantPad3d(_ConstantPadNd):
    """The last three dimensions with a value added at their ends."""

    _spatial = 3


class _ZeroPad(_ConstantPadNd):
    def __init__(self, padding: Sides):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """The last dimension with zeros added at its ends."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """The last two dimensions with zeros added at their ends."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """The last three dimensions with zeros added at their ends."""


class _ReflectionPadNd(_PadNd):
    """What the pads by reflection share."""

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "reflect")


class ReflectionPad1d(_ReflectionPadNd):
    """(N, C, L) or (C, L) mirrored at its ends, which are not repeated."""

    _spatial = 1


class ReflectionPad2d(_ReflectionPadNd):
    """(N, C, H, W) or (C, H, W) mirrored at its ends, which are not repeated."""

    _spatial = 2


class ReflectionPad3d(_ReflectionPadNd):
    """(N, C, D, H, W) or (C, D, H, W) mirrored at its ends, which are not repeated."""

    _spatial = 3


class _ReplicationPadNd(_PadNd):
    """What the pads by the edge share."""

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "replicate")


class ReplicationPad1d(_ReplicationPadNd):
    """(N, C, L) or (C, L) with its ends repeated."""

    _spatial = 1


class ReplicationPad2d(_ReplicationPadNd):
    """(N, C, H, W) or (C, H, W) with its ends repeated."""

    _spatial = 2


class ReplicationPad3d(_ReplicationPadNd):
    """(N, C, D, H, W) or (C, D, H, W) with its ends repeated."""

    _spatial = 3
