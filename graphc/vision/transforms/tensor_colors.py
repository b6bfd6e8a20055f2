"""Transforms that change the colours of tensors (..., C, H, W), with C 1 or 3, written in public operators.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc import ones_like, stack, where
from graphc.creation import from_numpy, tensor, zeros_like
from graphc.ir.types import float32, int64
from graphc.nn import functional as F
from graphc.tensor import Tensor
from graphc.vision.transforms.conversion import convert_image_dtype, highest
from graphc.vision.transforms.tensor_images import in_floating

__all__: list[str] = []


def _require_channels(image: Tensor, allowed: Sequence[int]) -> int:
    channels = image.shape[-3] if image.ndim > 2 else 1
    if channels not in allowed:
        raise TypeError(f"Input image tensor permitted channel values are {list(allowed)}, but found {channels}")
    return channels


def _mixed(image: Tensor, other: Tensor, factor: float) -> Tensor:
    """``factor`` parts of the image and the rest of the other, within the range of the image's dtype."""
    factor = float(factor)
    return (factor * image + (1.0 - factor) * other).clamp(0, highest(image.dtype)).to(image.dtype)


def rgb_to_grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """Without colours, in one channel or three equal ones. Raises ValueError for another number."""
    if image.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {image.ndim}")
    channels = _require_channels(image, (1, 3))
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = image
    if channels == 3:
        red, green, blue = image.unbind(-3)
        gray = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)
    shape = (*gray.shape[:-3], num_output_channels, *gray.shape[-2:])
    return gray if num_output_channels == 1 else gray.expand(*shape)


def adjust_brightness(image: Tensor, factor: float) -> Tensor:
    """Between black (0) and the image (1), or beyond."""
    _require_channels(image, (1, 3))
    return _mixed(image, zeros_like(image), factor)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    """Between its mean gray (0) and the image (1), or beyond."""
    channels = _require_channels(image, (1, 3))
    gray = rgb_to_grayscale(image) if channels == 3 else image
    dtype = image.dtype if image.dtype.is_floating_point else float32
    return _mixed(image, gray.to(dtype).mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image: Tensor, factor: float) -> Tensor:
    """Between gray (0) and the image (1), or beyond."""
    return image if _require_channels(image, (1, 3)) == 1 else _mixed(image, rgb_to_grayscale(image), factor)


def adjust_sharpness(image: Tensor, factor: float) -> Tensor:
    """Between blurred (0) and the image (1), or beyond."""
    channels = _require_channels(image, (1, 3))
    if image.shape[-1] <= 2 or image.shape[-2] <= 2:
        return image

    def blurred(floating: Tensor) -> Tensor:
        kernel = tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]], dtype=floating.dtype) / 13.0
        batch = floating.reshape(-1, *floating.shape[-3:])
        inner = F.conv2d(batch, kernel.expand(channels, 1, 3, 3), groups=channels)
        result = batch.clone()
        result[..., 1:-1, 1:-1] = inner
        return result.reshape(*floating.shape)

    return _mixed(image, in_floating(image, blurred), factor)


def adjust_hue(image: Tensor, factor: float) -> Tensor:
    """With all hues turned by a part of the circle."""
    if _require_channels(image, (1, 3)) == 1:
        return image
    floating = convert_image_dtype(image, float32)
    hue, saturation, value = _hsv(floating).unbind(-3)
    return convert_image_dtype(_rgb((hue + factor) % 1.0, saturation, value), image.dtype)


def _hsv(image: Tensor) -> Tensor:
    """Hue, saturation, and value in [0, 1] of red, green, and blue.

    Source: A. R. Smith, "Color gamut transform pairs", 1978.
    """
    red, green, blue = image.unbind(-3)
    light, dark = image.amax(-3), image.amin(-3)
    gray = light == dark
    spread = light - dark
    one = ones_like(light)
    saturation = spread / where(gray, one, light)
    divisor = where(gray, one, spread)
    to_red, to_green, to_blue = (light - red) / divisor, (light - green) / divisor, (light - blue) / divisor
    from_red = (light == red) * (to_blue - to_green)
    from_green = ((light == green) & (light != red)) * (2.0 + to_red - to_blue)
    from_blue = ((light != green) & (light != red)) * (4.0 + to_green - to_red)
    hue = ((from_red + from_green + from_blue) / 6.0 + 1.0).fmod(1.0)
    return stack([hue, saturation, light], -3)


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Red, green, and blue of hue, saturation, and value, all in [0, 1]."""
    sector = (hue * 6.0).floor()
    rest = hue * 6.0 - sector
    sector = sector.to(int64) % 6
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * rest)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - rest))).clamp(0.0, 1.0)
    # For each sixth of the circle what red, green, and blue are.
    sixths = (
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    )
    channels = []
    for channel in range(3):
        result = sixths[5][channel]
        for number in range(5):
            result = where(sector == number, sixths[number][channel], result)
        channels.append(result)
    return stack(channels, -3)


def adjust_gamma(image: Tensor, gamma: float, gain: float) -> Tensor:
    """Each value of [0, 1] to the power of gamma, times the gain."""
    floating = convert_image_dtype(image, image.dtype if image.dtype.is_floating_point else float32)
    return convert_image_dtype((gain * floating**gamma).clamp(0, 1), image.dtype)


def invert(image: Tensor) -> Tensor:
    """The negative."""
    _require_channels(image, (1, 3))
    return highest(image.dtype) - image


def posterize(image: Tensor, bits: int) -> Tensor:
    """With so many bits of each channel kept. Raises TypeError unless the image holds bytes."""
    if image.dtype.name != "uint8":
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    _require_channels(image, (1, 3))
    return image & (-(2 ** (8 - bits)) % 256)


def solarize(image: Tensor, threshold: float) -> Tensor:
    """With all values from the threshold on inverted. Raises TypeError for a threshold above white."""
    _require_channels(image, (1, 3))
    if threshold > highest(image.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return where(image >= threshold, invert(image), image)


def autocontrast(image: Tensor) -> Tensor:
    """With each channel's darkest value black and its lightest white."""
    _require_channels(image, (1, 3))
    bound = highest(image.dtype)
    floating = image if image.dtype.is_floating_point else image.to(float32)
    low, high = floating.amin((-2, -1), keepdim=True), floating.amax((-2, -1), keepdim=True)
    flat = high == low
    scale = where(flat, ones_like(high), bound / where(flat, ones_like(high), high - low))
    low = where(flat, low * 0, low)
    return ((floating - low) * scale).clamp(0, bound).to(image.dtype)


def equalize(image: Tensor) -> Tensor:
    """With all values about as frequent. Raises TypeError unless the image holds bytes."""
    if image.dtype.name != "uint8":
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    _require_channels(image, (1, 3))
    pixels = image.numpy()
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    return from_numpy(np.stack([_equalized(plane) for plane in planes]).reshape(pixels.shape))


def _equalized(plane: np.ndarray) -> np.ndarray:
    """One channel through the table that its own histogram gives."""
    counts = np.bincount(plane.reshape(-1), minlength=256)
    filled = counts[counts != 0]
    step = int(filled[:-1].sum()) // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    return np.concatenate([[0], table[:-1]]).clip(0, 255).astype(np.uint8)[plane]
