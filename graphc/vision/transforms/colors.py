"""Transforms that change the colours and the sharpness of an image: a PIL image, or a tensor (..., C, H, W).

Random numbers are drawn as torchvision draws them.
Source: https://docs.pytorch.org/vision/stable/transforms.html#color
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, ClassVar

from graphc.creation import tensor
from graphc.tensor import Tensor
from graphc.vision.transforms import draws
from graphc.vision.transforms import functional as F
from graphc.vision.transforms.arguments import ShownTransform, pair
from graphc.vision.transforms.images import dimensions

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]

Range = float | Sequence[float]


class ColorJitter(ShownTransform):
    """Brightness, contrast, saturation, and hue changed by random amounts, in a random order.

    Args:
        brightness: the lowest and highest factor, or how far it may lie from 1.
        contrast: likewise.
        saturation: likewise.
        hue: the lowest and highest part of the circle in [-0.5, 0.5], or how far it may lie from 0.

    Raises TypeError and ValueError for other kinds and ranges.
    """

    shown: ClassVar = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0):
        super().__init__()
        self.brightness = _factors(brightness, "brightness")
        self.contrast = _factors(contrast, "contrast")
        self.saturation = _factors(saturation, "saturation")
        self.hue = _factors(hue, "hue", middle=0, bound=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four changes, and the amount of each; None for what is not changed."""
        order = tensor(draws.order(4))
        amounts = (None if ends is None else draws.uniform(*ends) for ends in (brightness, contrast, saturation, hue))
        return (order, *amounts)

    def forward(self, img: Any) -> Any:
        order, *amounts = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for number in order.tolist():
            if amounts[number] is not None:
                img = changes[number](img, amounts[number])
        return img


def _factors(
    value: Any, name: str, middle: float = 1, bound: tuple[float, float] = (0, math.inf)
) -> tuple[float, float] | None:
    """The lowest and highest amount; None where nothing is changed."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        ends = [middle - float(value), middle + float(value)]
        if middle == 1:
            ends[0] = max(ends[0], 0.0)
    elif isinstance(value, tuple | list) and len(value) == 2:
        ends = [float(value[0]), float(value[1])]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= ends[0] <= ends[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {ends}.")
    return None if ends[0] == ends[1] == middle else (ends[0], ends[1])


class Grayscale(ShownTransform):
    """The image without colours, in one channel or three equal ones."""

    shown: ClassVar = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class GaussianBlur(ShownTransform):
    """Each pixel as a mean of its neighbours, weighted by a bell curve of random width.

    Args:
        kernel_size: how many columns and rows are looked at, odd; or one number for both.
        sigma: the lowest and highest deviation, or the only one.

    Raises ValueError for other numbers.
    """

    shown: ClassVar = ("kernel_size", "sigma")

    def __init__(self, kernel_size: int | Sequence[int], sigma: Range = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(length <= 0 or length % 2 == 0 for length in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2):
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        if not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The deviation."""
        return draws.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])


class _Perhaps(ShownTransform):
    """A change that is made with probability p."""

    shown: ClassVar = ("p",)

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return self.change(img) if draws.fraction() < self.p else img

    def change(self, img: Any) -> Any:
        """The changed image."""
        raise NotImplementedError


class RandomGrayscale(_Perhaps):
    """The image, with probability p without colours, in as many channels."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, dimensions(img)[0])


class RandomInvert(_Perhaps):
    """The image, or with probability p its negative."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomAutocontrast(_Perhaps):
    """The image, with probability p with each channel from black to white."""

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Perhaps):
    """The image, with probability p with all values about as frequent."""

    def change(self, img: Any) -> Any:
        return F.equalize(img)


class RandomPosterize(_Perhaps):
    """The image, with probability p with so many bits of each channel kept."""

    shown: ClassVar = ("bits", "p")
    separator: ClassVar[str] = ","

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Perhaps):
    """The image, with probability p with all values from the threshold on inverted."""

    shown: ClassVar = ("threshold", "p")
    separator: ClassVar[str] = ","

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Perhaps):
    """The image, with probability p sharper (factor above 1) or blurred (below 1)."""

    shown: ClassVar = ("sharpness_factor", "p")
    separator: ClassVar[str] = ","

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)
