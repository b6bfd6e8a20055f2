"""Transforms of PIL images, by PIL itself. PIL is imported when the first of them runs.

Source: https://pillow.readthedocs.io/en/stable/reference/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.vision.transforms.images import dimensions
from graphc.vision.transforms.interpolation import InterpolationMode, pil_number

__all__: list[str] = []

Fill = float | Sequence[float] | None

# Modes without colours.
_COLOURLESS = ("L", "1", "I", "F")


def hflip(image: Any) -> Any:
    """Mirrored left to right."""
    from PIL import Image

    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image: Any) -> Any:
    """Mirrored top to bottom."""
    from PIL import Image

    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle; what lies outside of the image is black."""
    return image.crop((left, top, left + width, top + height))


def resize(image: Any, height: int, width: int, mode: InterpolationMode, antialias: bool | None) -> Any:
    """Of another size. PIL always antialiases."""
    return image.resize((width, height), pil_number(mode))


def pad(image: Any, borders: Sequence[int], fill: Fill, mode: str) -> Any:
    """With borders (left, top, right, bottom); negative ones cut."""
    from PIL import Image, ImageOps

    left, top, right, bottom = borders
    if mode == "constant":
        result = ImageOps.expand(image, border=tuple(borders), **fill_option(fill, image, "fill"))
        if image.mode == "P":
            result.putpalette(image.getpalette())
        return result
    cut = [-min(border, 0) for border in borders]
    if any(cut):
        image = image.crop((cut[0], cut[1], image.width - cut[2], image.height - cut[3]))
    left, top, right, bottom = (max(border, 0) for border in borders)
    pixels = np.asarray(image)
    widths = [(top, bottom), (left, right), (0, 0)][: pixels.ndim]
    result = Image.fromarray(np.pad(pixels, widths, mode=mode))
    if image.mode == "P":
        result.putpalette(image.getpalette())
    return result


def fill_option(fill: Fill, image: Any, name: str) -> dict[str, Any]:
    """The colour for what is new, as PIL wants it for this image.

    Raises ValueError for a sequence whose length is not the number of channels.
    """
    channels = dimensions(image)[0]
    fill = 0 if fill is None else fill
    if isinstance(fill, int | float) and channels > 1:
        fill = (fill,) * channels
    if isinstance(fill, Sequence):
        if len(fill) == 1 and channels > 1:
            fill = tuple(fill) * channels
        if len(fill) != channels:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the image "
                f"({len(fill)} != {channels})"
            )
        fill = tuple(fill) if channels > 1 else fill[0]
    if image.mode != "F":
        fill = tuple(int(part) for part in fill) if isinstance(fill, tuple) else int(fill)
    return {name: fill}


def rotate(
    image: Any, angle: float, mode: InterpolationMode, expand: bool, center: Sequence[float] | None, fill: Fill
) -> Any:
    """Turned by degrees against the clock."""
    center = None if center is None else tuple(center)
    return image.rotate(angle, pil_number(mode), expand, center, **fill_option(fill, image, "fillcolor"))


def affine(image: Any, matrix: Sequence[float], mode: InterpolationMode, fill: Fill) -> Any:
    """With each pixel from where the matrix (two rows of three) puts it."""
    from PIL import Image

    option = fill_option(fill, image, "fillcolor")
    return image.transform(image.size, Image.Transform.AFFINE, tuple(matrix), pil_number(mode), **option)


def perspective(image: Any, coefficients: Sequence[float], mode: InterpolationMode, fill: Fill) -> Any:
    """With each pixel from where eight coefficients of a projective map put it."""
    from PIL import Image

    option = fill_option(fill, image, "fillcolor")
    return image.transform(image.size, Image.Transform.PERSPECTIVE, tuple(coefficients), pil_number(mode), **option)


def adjust_brightness(image: Any, factor: float) -> Any:
    """Between black (0) and the image (1), or beyond."""
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Any, factor: float) -> Any:
    """Between its mean gray (0) and the image (1), or beyond."""
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Any, factor: float) -> Any:
    """Between gray (0) and the image (1), or beyond."""
    from PIL import ImageEnhance

    return ImageEnhance.Color(image).enhance(factor)


def adjust_sharpness(image: Any, factor: float) -> Any:
    """Between blurred (0) and the image (1), or beyond."""
    from PIL import ImageEnhance

    return ImageEnhance.Sharpness(image).enhance(factor)


def adjust_hue(image: Any, factor: float) -> Any:
    """With all hues turned by a part of the circle."""
    from PIL import Image

    if image.mode in _COLOURLESS:
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.int32(factor * 255).astype(np.uint8)
    turned = Image.frombytes("L", hue.size, turned.tobytes())
    return Image.merge("HSV", (turned, saturation, value)).convert(image.mode)


def adjust_gamma(image: Any, gamma: float, gain: float) -> Any:
    """Each value of [0, 1] to the power of gamma, times the gain."""
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)] * 3
    return image.convert("RGB").point(table).convert(image.mode)


def to_grayscale(image: Any, num_output_channels: int) -> Any:
    """Without colours, in one channel or three equal ones. Raises ValueError for another number."""
    from PIL import Image

    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = image.convert("L")
    return gray if num_output_channels == 1 else Image.merge("RGB", (gray, gray, gray))


def invert(image: Any) -> Any:
    """The negative."""
    from PIL import ImageOps

    return ImageOps.invert(image)


def posterize(image: Any, bits: int) -> Any:
    """With so many bits of each channel kept."""
    from PIL import ImageOps

    return ImageOps.posterize(image, bits)


def solarize(image: Any, threshold: float) -> Any:
    """With all values from the threshold on inverted."""
    from PIL import ImageOps

    return ImageOps.solarize(image, threshold)


def autocontrast(image: Any) -> Any:
    """With each channel's darkest value black and its lightest white."""
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def equalize(image: Any) -> Any:
    """With all values about as frequent."""
    from PIL import ImageOps

    return ImageOps.equalize(image)
