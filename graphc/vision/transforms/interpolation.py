"""Ways to compute pixels between pixels.

Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.InterpolationMode.html
"""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["InterpolationMode", "interpolation_mode"]


class InterpolationMode(Enum):
    """How pixels are computed between pixels. Box, Hamming, and Lanczos are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# PIL's numbers for its filters, which older programs give instead.
_NUMBERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def interpolation_mode(given: Any) -> InterpolationMode:
    """The mode for a mode or one of PIL's numbers. Raises TypeError for anything else."""
    if isinstance(given, InterpolationMode):
        return given
    if isinstance(given, int):
        for mode, number in _NUMBERS.items():
            if number == given:
                return mode
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, got "
        f"{given!r}"
    )


def pil_number(mode: InterpolationMode) -> int:
    """PIL's number for a mode; its nearest pixel is the exact one."""
    return _NUMBERS[InterpolationMode.NEAREST if mode is InterpolationMode.NEAREST_EXACT else mode]
