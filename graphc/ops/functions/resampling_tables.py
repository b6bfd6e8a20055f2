"""Which elements an interpolated element is made of along one dimension, and with what weights, as numpy tables.

Geometry is PyTorch's: without ``align_corners`` the pixels are areas, so that pixel i of n lies at (i + 0.5) / n; with
it, the centres of the outer pixels lie at the ends. Positions are computed in float32 for float32 inputs.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html; Keys, Cubic convolution
interpolation for digital image processing, 1981.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

# The free coefficient of the cubic kernel: the usual one of images, and Pillow's for shrinking.
_CUBIC, _CUBIC_SHRINKING = -0.75, -0.5
# How far a kernel reaches, in pixels, both sides together.
_WIDTHS = {"linear": 2, "cubic": 4, "lanczos": 6}


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """The piecewise cubic kernel: 1 at 0, 0 at all other integers, 0 from 2 on."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), 0)


def _lanczos(distance: np.ndarray) -> np.ndarray:
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": _triangle,
    "cubic": lambda distance: _cubic(distance, _CUBIC_SHRINKING),
    "lanczos": _lanczos,
}


def _step(extent: int, size: int, align_corners: bool, scale: float | None, real: type[np.floating]) -> np.floating:
    """How far apart, in pixels of the input, neighbours of the result lie."""
    if align_corners:
        return real(extent - 1) / real(size - 1) if size > 1 else real(0)
    return real(1.0 / scale) if scale is not None and scale > 0 else real(extent) / real(size)


def nearest_places(extent: int, size: int, scale: float | None, exact: bool) -> np.ndarray:
    """For each element of the result the one element of the input, [size] int64.

    ``exact`` takes the pixel under the centre, otherwise it is the one under the pixel's beginning.
    """
    places = np.arange(size)
    if not exact and size == extent:
        return places
    if not exact and size == 2 * extent:
        return places // 2
    step = _step(extent, size, False, scale, np.float32)
    under = (places.astype(np.float32) + np.float32(0.5 if exact else 0)) * step
    return np.minimum(np.floor(under).astype(np.int64), extent - 1)


def kernel_places(
    kernel: str, extent: int, size: int, align_corners: bool, scale: float | None, real: type[np.floating]
) -> tuple[np.ndarray, np.ndarray]:
    """Places [taps, size] int64 and their weights [taps, size] of the kernel "linear" or "cubic"; borders repeat."""
    step = _step(extent, size, align_corners, scale, real)
    along = np.arange(size).astype(real)
    position = along * step if align_corners else step * (along + real(0.5)) - real(0.5)
    if kernel == "linear":
        position = np.maximum(position, 0)
        first = np.minimum(np.floor(position).astype(np.int64), extent - 1)
        part = np.minimum(np.maximum(position - first.astype(real), 0), 1).astype(real)
        return np.stack([first, np.minimum(first + 1, extent - 1)]), np.stack([1 - part, part])
    first = np.floor(position).astype(np.int64)
    part = position - first.astype(real)
    taps = np.arange(-1, 3)[:, None]
    weights = _cubic(part[None].astype(np.float64) - taps, _CUBIC).astype(real)
    return np.clip(first + taps, 0, extent - 1), weights


def smoothing_places(
    kernel: str, extent: int, size: int, align_corners: bool, scale: float | None, real: type[np.floating]
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`kernel_places` for a kernel that grows as the image shrinks, so that no pixel is passed over.

    The weights of each element sum to one. As many taps as the widest window has; the others weigh nothing.
    """
    step = float(_step(extent, size, align_corners, scale, real))
    growth = max(step, 1.0)
    reach = _WIDTHS[kernel] / 2 * growth
    centre = step * (np.arange(size) + 0.5)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + reach + 0.5).astype(np.int64), extent) - first
    taps = np.arange(min(2 * math.ceil(reach) + 1, extent))[:, None]
    weights = _KERNELS[kernel]((taps + first - centre + 0.5) / growth) * (taps < count)
    total = weights.sum(0)
    weights = weights / np.where(total == 0, 1, total)
    used = np.flatnonzero(weights.any(1))
    taps = taps[: used[-1] + 1 if len(used) else 1]
    return np.minimum(first + taps, extent - 1), weights[: len(taps)].astype(real)
