"""Resizing tensors: each direction is a product with a matrix of weights, or a choice of rows.

With antialiasing, a filter gets wider as the image gets smaller, as PIL's do. Without, it looks at the nearest two
pixels (linear) or four (cubic) however small the image gets.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html; Keys, "Cubic convolution
interpolation for digital image processing", 1981.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from graphc.creation import from_numpy
from graphc.tensor import Tensor

__all__ = ["resized"]

# How far a filter reaches at its own scale, and Keys's free parameter without and with antialiasing.
_REACH = {"bilinear": 1, "bicubic": 2}
_SHARPNESS, _SHARPNESS_ANTIALIASED = -0.75, -0.5


def resized(image: Tensor, height: int, width: int, mode: str, antialias: bool) -> Tensor:
    """A floating tensor (..., H, W) as (..., height, width).

    Args:
        image: what is resized.
        height: of the result.
        width: of the result.
        mode: "nearest", "nearest-exact", "bilinear", or "bicubic".
        antialias: for the last two.
    """
    old_height, old_width = image.shape[-2:]
    if mode in ("nearest", "nearest-exact"):
        rows = from_numpy(_nearest(old_height, height, mode))
        columns = from_numpy(_nearest(old_width, width, mode))
        return image.index_select(-2, rows).index_select(-1, columns)
    type_name = image.dtype.numpy.name
    if width != old_width:
        image = image @ from_numpy(_weights(old_width, width, mode, antialias, type_name).T)
    if height != old_height:
        image = from_numpy(_weights(old_height, height, mode, antialias, type_name)) @ image
    return image


def _nearest(old: int, new: int, mode: str) -> np.ndarray:
    """For each new pixel the old one; in float32, as PyTorch computes it."""
    scale = np.float32(old) / np.float32(new)
    places = np.arange(new, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)
    return np.minimum(np.floor(places * scale), old - 1).astype(np.int64)


@functools.lru_cache(maxsize=64)
def _weights(old: int, new: int, mode: str, antialias: bool, type_name: str) -> np.ndarray:
    """A matrix [new, old] whose rows say how much of each old pixel a new one is made of."""
    scale = old / new
    if antialias:
        stretch = max(scale, 1.0)
        weights = _antialiased(old, new, scale, stretch, mode)
    else:
        weights = _interpolated(old, new, scale, mode)
    weights = weights.astype(type_name)
    weights.flags.writeable = False
    return weights


def _antialiased(old: int, new: int, scale: float, stretch: float, mode: str) -> np.ndarray:
    weights = np.zeros((new, old))
    reach = _REACH[mode] * stretch
    for place in range(new):
        center = scale * (place + 0.5)
        low = max(int(center - reach + 0.5), 0)
        high = min(int(center + reach + 0.5), old)
        row = _filter((np.arange(low, high) - center + 0.5) / stretch, mode, _SHARPNESS_ANTIALIASED)
        weights[place, low:high] = row / row.sum()
    return weights


def _interpolated(old: int, new: int, scale: float, mode: str) -> np.ndarray:
    weights = np.zeros((new, old))
    reach = _REACH[mode]
    for place in range(new):
        center = scale * (place + 0.5) - 0.5
        if mode == "bilinear":
            center = max(center, 0.0)
        first = math.floor(center)
        for neighbour in range(first - reach + 1, first + reach + 1):
            weight = _filter(np.array(neighbour - center), mode, _SHARPNESS)
            # Beyond the border lie copies of the border.
            weights[place, min(max(neighbour, 0), old - 1)] += weight
    return weights


def _filter(distance: np.ndarray, mode: str, sharpness: float) -> np.ndarray:
    x = np.abs(distance)
    if mode == "bilinear":
        return np.maximum(1 - x, 0.0)
    near = ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * sharpness - 4 * sharpness
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
