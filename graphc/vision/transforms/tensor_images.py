"""Transforms that move the pixels of tensors (..., C, H, W), written in public operators.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from graphc import cat, where
from graphc.creation import from_numpy, ones, tensor
from graphc.ir.types import DType, float32
from graphc.nn import functional as F
from graphc.tensor import Tensor
from graphc.vision.transforms.interpolation import InterpolationMode
from graphc.vision.transforms.resampling import resized

__all__: list[str] = []

Fill = float | Sequence[float] | None


def hflip(image: Tensor) -> Tensor:
    """Mirrored left to right."""
    return image.flip(-1)


def vflip(image: Tensor) -> Tensor:
    """Mirrored top to bottom."""
    return image.flip(-2)


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A rectangle; what lies outside of the image is zero."""
    bottom, right = top + height, left + width
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    old_height, old_width = image.shape[-2:]
    borders = [
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(old_width, left), 0),
        max(bottom - max(old_height, top), 0),
    ]
    return pad(inside, borders, 0, "constant") if any(borders) else inside


def pad(image: Tensor, borders: Sequence[int], fill: Fill, mode: str) -> Tensor:
    """With borders (left, top, right, bottom); negative ones cut."""
    left, top, right, bottom = borders
    if mode == "constant":
        value = fill[0] if isinstance(fill, Sequence) else fill
        return F.pad(image, [left, right, top, bottom], value=0 if value is None else value)
    cut = [-min(border, 0) for border in borders]
    height, width = image.shape[-2:]
    image = image[..., cut[1] : height - cut[3], cut[0] : width - cut[2]]
    left, top, right, bottom = (max(border, 0) for border in borders)
    # A border is made of rows and columns of the image.
    for dim, border in ((-2, (top, bottom)), (-1, (left, right))):
        places = np.pad(np.arange(image.shape[dim]), border, mode=mode)
        image = image.index_select(dim, from_numpy(places))
    return image


def resize(image: Tensor, height: int, width: int, mode: InterpolationMode, antialias: bool | None) -> Tensor:
    """Of another size. Raises ValueError for a mode that only PIL has."""
    if mode in (InterpolationMode.BOX, InterpolationMode.HAMMING, InterpolationMode.LANCZOS):
        raise ValueError("This Interpolation mode is unsupported with Tensor input")
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        return resized(image, height, width, mode.value, False)
    return in_floating(
        image,
        lambda floating: resized(floating, height, width, mode.value, antialias is not False),
        overshoots=mode is InterpolationMode.BICUBIC,
    )


def in_floating(image: Tensor, work: Callable[[Tensor], Tensor], overshoots: bool = False) -> Tensor:
    """What a function of floating images gives, rounded to the image's own dtype; ``overshoots`` tells whether it may
    leave the range of bytes."""
    dtype: DType = image.dtype
    if dtype.is_floating_point:
        return work(image)
    result = work(image.to(float32))
    if overshoots and dtype.name == "uint8":
        result = result.clamp(0, 255)
    return result.round().to(dtype)


# -- maps of the plane ----------------------------------------------------------------------------------------------


def affine(image: Tensor, matrix: Sequence[float], mode: InterpolationMode, fill: Fill) -> Tensor:
    """With each pixel from where the matrix (two rows of three, about the image's center) puts it."""
    height, width = image.shape[-2:]
    return sampled(image, _affine_grid(matrix, (height, width), (height, width)), mode, fill)


def rotate(image: Tensor, matrix: Sequence[float], mode: InterpolationMode, expand: bool, fill: Fill) -> Tensor:
    """Turned by the matrix; with ``expand`` on a canvas that holds all of it."""
    height, width = image.shape[-2:]
    new = _canvas(matrix, height, width) if expand else (height, width)
    return sampled(image, _affine_grid(matrix, (height, width), new), mode, fill)


def perspective(image: Tensor, coefficients: Sequence[float], mode: InterpolationMode, fill: Fill) -> Tensor:
    """With each pixel from where eight coefficients of a projective map put it."""
    height, width = image.shape[-2:]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    a, b, c, d, e, f, g, h = (np.float32(value) for value in coefficients)
    depth = g * x + h * y + 1
    grid = np.stack([(a * x + b * y + c) / depth / (0.5 * width) - 1, (d * x + e * y + f) / depth / (0.5 * height) - 1])
    return sampled(image, grid.transpose(1, 2, 0).astype(np.float32), mode, fill)


def _affine_grid(matrix: Sequence[float], old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """For each pixel of the result where it comes from, in [-1, 1] across the image: float32 [H, W, 2]."""
    height, width = new
    x = np.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, dtype=np.float32)
    y = np.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, dtype=np.float32)
    base = np.stack([*np.meshgrid(x, y), np.ones((height, width), np.float32)], axis=-1)
    half = np.array([0.5 * old[1], 0.5 * old[0]], np.float32)
    return base @ (np.array(matrix, np.float32).reshape(2, 3).T / half)


def _canvas(matrix: Sequence[float], height: int, width: int) -> tuple[int, int]:
    """Height and width that hold the whole image after the map."""
    corners = np.array([[x, y, 1.0] for x in (-0.5 * width, 0.5 * width) for y in (-0.5 * height, 0.5 * height)])
    moved = corners.astype(np.float32) @ np.array(matrix, np.float32).reshape(2, 3).T
    half = np.array([width * 0.5, height * 0.5], np.float32)
    # Values just above a whole number, by rounding, do not make the canvas one pixel larger.
    tolerance = np.float32(1e-4)
    low = np.floor(np.trunc((moved.min(axis=0) + half) / tolerance) * tolerance)
    high = np.ceil(np.trunc((moved.max(axis=0) + half) / tolerance) * tolerance)
    new_width, new_height = (high - low).astype(int).tolist()
    return new_height, new_width


def sampled(image: Tensor, grid: np.ndarray, mode: InterpolationMode, fill: Fill) -> Tensor:
    """Pixels of an image at the places of a grid; beyond the image is zero, or the colour of ``fill``.

    Raises ValueError for a mode other than nearest and bilinear.
    """
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"Resampling mode '{mode.value}' is unsupported with Tensor input")

    def work(floating: Tensor) -> Tensor:
        batch = floating.reshape(-1, *floating.shape[-3:]) if floating.ndim != 4 else floating
        result = _sampled(batch, from_numpy(grid.astype(batch.dtype.numpy, copy=False)), mode.value, fill)
        return result.reshape(*floating.shape[:-2], *result.shape[-2:])

    return in_floating(image, work)


def _sampled(batch: Tensor, grid: Tensor, mode: str, fill: Fill) -> Tensor:
    count, channels, height, width = batch.shape
    grid = grid.unsqueeze(0).expand(count, *grid.shape)
    if fill is None:
        return F.grid_sample(batch, grid, mode=mode, padding_mode="zeros", align_corners=False)
    covered = ones(count, 1, height, width, dtype=batch.dtype)
    result = F.grid_sample(cat([batch, covered], 1), grid, mode=mode, padding_mode="zeros", align_corners=False)
    result, covered = result[:, :channels], result[:, channels:]
    colour = [float(part) for part in fill] if isinstance(fill, Sequence) else [float(fill)]
    background = tensor(colour, dtype=batch.dtype).reshape(1, len(colour), 1, 1).expand(*result.shape)
    if mode == "nearest":
        return where(covered < 0.5, background, result)
    return result * covered + (1.0 - covered) * background


def elastic(image: Tensor, displacement: Tensor, mode: InterpolationMode, fill: Fill) -> Tensor:
    """With each pixel from as far away as ``displacement`` [1, H, W, 2] says, where 2 is the width or height."""
    height, width = image.shape[-2:]
    x = np.linspace((-width + 1) / width, (width - 1) / width, width, dtype=np.float32)
    y = np.linspace((-height + 1) / height, (height - 1) / height, height, dtype=np.float32)
    return sampled(image, np.stack(np.meshgrid(x, y), axis=-1) + displacement.detach().numpy()[0], mode, fill)


def gaussian_blur(image: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """Each pixel as a weighted mean of its neighbours; the image goes on mirrored."""

    def work(floating: Tensor) -> Tensor:
        columns, rows = (_bell(size, spread, floating.dtype) for size, spread in zip(kernel_size, sigma, strict=True))
        channels = floating.shape[-3]
        kernel = from_numpy(np.outer(rows, columns)).expand(channels, 1, len(rows), len(columns))
        around = pad(floating, [kernel_size[0] // 2, kernel_size[1] // 2] * 2, None, "reflect")
        batch = around.reshape(-1, *around.shape[-3:])
        return F.conv2d(batch, kernel, groups=channels).reshape(*floating.shape)

    return in_floating(image, work)


def _bell(size: int, sigma: float, dtype: DType) -> np.ndarray:
    half = (size - 1) * 0.5
    places = np.linspace(-half, half, size, dtype=dtype.numpy)
    weights = np.exp(dtype.numpy.type(-0.5) * (places / dtype.numpy.type(sigma)) ** 2)
    return weights / weights.sum()


def inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """From places in the result to places in the image, as two rows of three: the inverse of turning by degrees,
    shearing by degrees, scaling, all about the center, and then moving."""
    turn, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    center_x, center_y = center
    move_x, move_y = translate
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    matrix = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    for row, back in ((0, center_x), (3, center_y)):
        x, y = -center_x - move_x, -center_y - move_y
        matrix[row + 2] = matrix[row] * x + matrix[row + 1] * y + back
    return matrix


def perspective_coefficients(
    startpoints: Sequence[Sequence[float]], endpoints: Sequence[Sequence[float]]
) -> list[float]:
    """The projective map that takes four end points to four start points. Raises ValueError for other numbers."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    wanted = np.array(startpoints, np.float64).reshape(8)
    return np.linalg.lstsq(np.array(rows, np.float64), wanted, rcond=None)[0].astype(np.float32).tolist()
