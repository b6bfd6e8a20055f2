"""Images sampled at computed places: ``grid_sample``, and the grids of affine maps.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html; Jaderberg et al., Spatial
transformer networks, 2015.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import bool_, float64, int64
from graphc.notices import warn
from graphc.ops.functions.arithmetic import where
from graphc.ops.functions.shaping import broadcast_to
from graphc.ops.gathers import GatherAlong
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast
from graphc.ops.sources import literal_like, number_like
from graphc.ops.type_names import scalar_name
from graphc.ops.views import Detach, Expand, Permute, Reshape

__all__ = ["affine_grid_generator", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"]
METHODS = ()

Value = Any
_MODES = ("bilinear", "nearest", "bicubic")
_BORDERS = ("zeros", "border", "reflection")
_CUBIC = -0.75  # the kernel's free coefficient, as for bicubic interpolation


def _warn_of_corners() -> None:
    warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
        "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
    )


def grid_sample(
    input: Value,
    grid: Value,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Value:
    """The input ``[n, c, h, w]`` at the places of a grid ``[n, oh, ow, 2]``: ``[n, c, oh, ow]``; or with a depth more.

    A place is (x, y) or (x, y, z), from -1 to 1 across the input. Modes: "bilinear" (of volumes: trilinear), "nearest",
    "bicubic" (of images). Beyond the input lie zeros, its border, or its reflection.

    Raises ValueError for a mode that is not known, RuntimeError, with PyTorch's words, for shapes that do not fit.
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _BORDERS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        _warn_of_corners()
    return _sampled(input, grid, mode, padding_mode, bool(align_corners))


def grid_sampler(input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Value:
    """:func:`grid_sample` with numbers for modes: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection."""
    return _sampled(input, grid, _MODES[interpolation_mode], _BORDERS[padding_mode], bool(align_corners))


def grid_sampler_2d(
    input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Value:
    """:func:`grid_sampler` of images."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Value:
    """:func:`grid_sampler` of volumes."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _require(input: Value, grid: Value, mode: str) -> None:
    if input.dtype != grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{scalar_name(input.dtype)} and grid has {scalar_name(grid.dtype)}"
        )
    shown, given = list(input.shape), list(grid.shape)
    if input.shape[:1] != grid.shape[:1]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{shown} and grid with sizes {given}"
        )
    if grid.ndim == 0 or grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid with sizes "
            f"{given}"
        )
    for dim in range(2, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{shown} with dimension {dim} being empty"
            )
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{shown} and grid with sizes {given}"
        )
    if mode == "bicubic" and input.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


@rounded_once
def _sampled(input: Value, grid: Value, mode: str, border: str, align_corners: bool) -> Value:
    _require(input, grid, mode)
    extents = tuple(input.shape[2:])
    rank, last = len(extents), grid.ndim - 1
    # The grid names the last spatial dim first.
    positions = []
    for dim, extent in enumerate(extents):
        along = grid.select(last, rank - 1 - dim)
        scaled = (along + 1) * ((extent - 1) / 2) if align_corners else ((along + 1) * extent - 1) / 2
        positions.append(scaled)
    planes = Reshape.bind(input, shape=(*input.shape[:2], product(extents)))
    if mode == "nearest":
        places = [_brought_inside(p, e, border, align_corners).round() for p, e in zip(positions, extents, strict=True)]
        found = _taken(planes, places, extents, None)
        # The grid takes part, with a gradient of zero.
        never = number_like(found, False, shape=(), dtype=bool_)
        return where(never, grid.select(last, 0).unsqueeze(1), found)
    # For each dim the places around a position, and their weights.
    along_dims: list[list[tuple[Value, Value]]] = []
    for position, extent in zip(positions, extents, strict=True):
        if mode == "bilinear":
            position = _brought_inside(position, extent, border, align_corners)
        first = Detach.bind(position.floor())
        part = position - first
        if mode == "bilinear":
            along_dims.append([(first, 1 - part), (first + 1, part)])
            continue
        taps = zip(range(-1, 3), _cubic_weights(part), strict=True)
        along_dims.append(
            [(_brought_inside(first + tap, extent, border, align_corners), weight) for tap, weight in taps]
        )
    total = None
    for corner in itertools.product(*along_dims):
        weight = corner[0][1]
        for _, factor in corner[1:]:
            weight = weight * factor
        part = _taken(planes, [place for place, _ in corner], extents, weight)
        total = part if total is None else total + part
    return total


def _brought_inside(position: Value, extent: int, border: str, align_corners: bool) -> Value:
    """The position within the input that stands for one outside. Zeros need none: they are chosen where it is taken."""
    if border == "zeros":
        return position
    if border == "reflection":
        # Between the centres of the outer pixels, or between their outer edges.
        low, span = (0.0, extent - 1.0) if align_corners else (-0.5, float(extent))
        if span == 0:
            return position * 0
        distance = (position - low).abs()
        flips = Detach.bind((distance / span).floor())
        beyond = distance - flips * span
        position = where(flips % 2 == 0, beyond + low, span - beyond + low)
    # On the border and beyond it, nothing depends on the position.
    zero, highest = number_like(position, 0), number_like(position, extent - 1)
    inside = where(position < extent - 1, position, highest)
    return where(position > 0, inside, zero)


def _taken(planes: Value, places: Sequence[Value], extents: Sequence[int], weight: Value | None) -> Value:
    """The elements of ``planes`` [n, c, h * w] at places, each [n, oh, ow], times a weight: [n, c, oh, ow]."""
    index = inside = None
    for place, extent in zip(places, extents, strict=True):
        within = (place >= 0) & (place <= extent - 1)
        whole = cast(where(within, Detach.bind(place), number_like(place, 0)), int64)
        index = whole if index is None else index * extent + whole
        inside = within if inside is None else inside & within
    samples, channels, _ = planes.shape
    shape = tuple(index.shape)
    spread = (samples, channels, product(shape[1:]))
    one = Reshape.bind(index, shape=(samples, 1, product(shape[1:])))
    found = GatherAlong.bind(planes, Expand.bind(one, shape=spread), dim=2)
    found = Reshape.bind(found, shape=(samples, channels, *shape[1:]))
    chosen = where(inside.unsqueeze(1), found, number_like(found, 0, shape=()))
    return chosen if weight is None else chosen * weight.unsqueeze(1)


def _cubic_weights(part: Value) -> tuple[Value, ...]:
    """The weights of the four pixels around a place, ``part`` beyond the second."""

    def near(x: Value) -> Value:
        return ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1

    def far(x: Value) -> Value:
        return ((_CUBIC * x - 5 * _CUBIC) * x + 8 * _CUBIC) * x - 4 * _CUBIC

    return far(part + 1), near(part), near(1 - part), far(2 - part)


# -- grids of affine maps ------------------------------------------------------------------------------------------


def affine_grid(theta: Value, size: Sequence[int], align_corners: bool | None = None) -> Value:
    """The grid of :func:`grid_sample` for affine maps ``[n, 2, 3]`` and the size ``(n, c, h, w)``: ``[n, h, w, 2]``.

    Of maps ``[n, 3, 4]`` and a size with a depth: ``[n, d, h, w, 3]``.

    Raises ValueError or NotImplementedError, with PyTorch's words, for maps and sizes that do not fit.
    """
    if align_corners is None:
        _warn_of_corners()
        align_corners = False
    size = tuple(size)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{list(size)}."
        )
    rank = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {list(size)}. Got "
            f"{theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This "
            "is not an intended use case of affine_grid. See the documentation of affine_grid for details.",
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(size)}")
    return affine_grid_generator(theta, size, align_corners)


@rounded_once
def affine_grid_generator(theta: Value, size: Sequence[int], align_corners: bool) -> Value:
    """:func:`affine_grid`, without its checks."""
    samples, _, *extents = size
    rank = len(extents)
    real = np.float64 if theta.dtype is float64 else np.float32
    columns = []
    for dim in reversed(range(rank)):
        extent = extents[dim]
        along = np.linspace(-1, 1, extent, dtype=real) if extent > 1 else np.zeros(1, real)
        if not align_corners:
            along = along * real(extent - 1) / real(extent)
        columns.append(np.broadcast_to(along.reshape(-1, *(1,) * (rank - 1 - dim)), extents))
    columns.append(np.ones(extents, real))
    base = np.stack(columns, -1).reshape(1, -1, rank + 1)
    points = broadcast_to(literal_like(theta, base, theta.dtype), (samples, *base.shape[1:]))
    grid = points @ Permute.bind(theta, dims=(0, 2, 1))
    return Reshape.bind(grid, shape=(samples, *extents, rank))
