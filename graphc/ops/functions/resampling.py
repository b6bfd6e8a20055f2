"""Interpolation: images (or sequences, or volumes) brought to another size.

Each dimension is resampled by itself: elements are gathered and summed with weights that are known from the sizes, so
that a compiled program holds them as tables.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.types import float32, int64, uint8
from graphc.notices import warn
from graphc.ops.functions import adaptive_pooling
from graphc.ops.functions.resampling_tables import kernel_places, nearest_places, smoothing_places
from graphc.ops.gathers import IndexSelect
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast
from graphc.ops.pointwise import Copy
from graphc.ops.sources import literal_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Expand, Reshape

__all__: list[str] = []
METHODS = ()

Value = Any
Ints = tuple[int, ...]
_NEAREST = ("nearest", "nearest-exact")
# The mode of an input of so many dims, by the kernel along each spatial dim.
_KERNELS = {
    "linear": (3, "linear"),
    "bilinear": (4, "linear"),
    "trilinear": (5, "linear"),
    "bicubic": (4, "cubic"),
    "lanczos": (4, "lanczos"),
}
_WHOLE_NUMBERS = {
    "linear": "compute_indices_weights_linear",
    "bilinear": "upsample_bilinear2d_channels_last",
    "trilinear": "compute_indices_weights_linear",
    "bicubic": "compute_indices_weights_cubic",
    "lanczos": "compute_indices_weights_lanczos",
}


def interpolate(
    input: Value,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Value:
    """The input ``[n, c, *extents]`` in another size, ``[n, c, *size]``; one of size and scale_factor must be given.

    Modes: "nearest", "nearest-exact" and "area" (an average) for all ranks; "linear" for one spatial dim, "bilinear",
    "bicubic" and "lanczos" (only with ``antialias``) for two, "trilinear" for three. With ``antialias`` the kernel
    grows as the image shrinks. uint8 results are rounded.

    Raises ValueError for options that do not go together, RuntimeError for sizes that are not positive, and
    NotImplementedError for a mode that the rank does not have.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    elif align_corners is None:
        align_corners = False
    sizes, scales = _sizes(input, size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    _require_mode(input, mode, antialias, bool(align_corners))
    if mode == "area":
        return getattr(adaptive_pooling, f"adaptive_avg_pool{input.ndim - 2}d")(input, sizes)
    _require_extents(input, sizes)
    if mode in _NEAREST:
        return _nearest(input, sizes, scales, mode)
    return _interpolated(input, sizes, scales, mode, bool(align_corners), antialias)


def _sizes(
    input: Value, size: int | Sequence[int] | None, scale_factor: float | Sequence[float] | None, recompute: bool
) -> tuple[Ints, tuple[float | None, ...]]:
    """The spatial extents of the result, and the scales that positions are computed with (None: from the extents)."""
    extents = tuple(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != len(extents):
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with spatial "
                    f"dimensions of {list(extents)} and output size of {size}. Please provide input tensor in (N, C, "
                    "d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            if not all(isinstance(extent, (int, np.integer)) for extent in size):
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got "
                    f"size with types {[type(extent) for extent in size]}"
                )
            given: tuple[Any, ...] = tuple(size)
        else:
            given = (size,) * len(extents)
        if recompute and scale_factor is None and not isinstance(size, (int, list, tuple)):
            raise TypeError(f"expected size to be an int or a sequence of ints, but got {type(size).__name__}")
        return given, (None,) * len(extents)
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != len(extents):
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(extents)} and scale_factor of shape {scale_factor}. Please provide input tensor "
                "in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        scales = tuple(scale_factor)
    else:
        scales = (scale_factor,) * len(extents)
    given = tuple(int(extent * scale) for extent, scale in zip(extents, scales, strict=True))
    return given, (None,) * len(extents) if recompute else scales


def _require_mode(input: Value, mode: str, antialias: bool, align_corners: bool) -> None:
    rank = input.ndim
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if rank in (3, 4, 5):
        if mode in (*_NEAREST, "area") or (mode in _KERNELS and _KERNELS[mode][0] == rank):
            return
        if mode in ("linear", "bilinear", "trilinear"):
            raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_KERNELS[mode][0]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _require_extents(input: Value, sizes: Ints) -> None:
    extents = tuple(input.shape[2:])
    axes = "DHW"[-len(extents) :]
    if any(isinstance(extent, int) and extent < 1 for extent in (*extents, *sizes)):
        shown = (
            ", ".join(f"{axis}: {extent}" for axis, extent in zip(axes, part, strict=True)) for part in (extents, sizes)
        )
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input ({}) output ({})".format(*shown)
        )
    if input.shape[1] == 0:
        raise RuntimeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {list(input.shape)}"
        )


def _nearest(input: Value, sizes: Ints, scales: Sequence[float | None], mode: str) -> Value:
    if not (input.dtype.is_floating_point or input.dtype is uint8):
        routine = "upsample_nearest2d_channels_last" if input.ndim == 4 else "compute_indices_weights_nearest"
        raise NotImplementedError(f"\"{routine}\" not implemented for '{type_name(input.dtype)}'")
    result = input
    for dim, (size, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        extent = input.shape[dim]
        places = nearest_places(extent, size, scale, mode == "nearest-exact")
        if size % extent == 0 and (places == np.arange(size) // (size // extent)).all():
            result = _repeated(result, dim, size // extent)
        else:
            result = IndexSelect.bind(result, literal_like(input, places, int64), dim=dim)
    return Copy.bind(result) if result is input else result


def _repeated(value: Value, dim: int, times: int) -> Value:
    """Each element of a dim as often as that."""
    if times == 1:
        return value
    before, extent, after = tuple(value.shape[:dim]), value.shape[dim], tuple(value.shape[dim + 1 :])
    split = Reshape.bind(value, shape=(*before, extent, 1, *after))
    return Reshape.bind(
        Expand.bind(split, shape=(*before, extent, times, *after)), shape=(*before, extent * times, *after)
    )


@rounded_once
def _interpolated(
    input: Value, sizes: Ints, scales: Sequence[float | None], mode: str, align_corners: bool, antialias: bool
) -> Value:
    whole = input.dtype is uint8
    if not whole and not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{_WHOLE_NUMBERS[mode]}\" not implemented for '{type_name(input.dtype)}'")
    real = np.float32 if input.dtype is float32 else np.float64
    table = partial(smoothing_places if antialias else kernel_places, _KERNELS[mode][1])
    result = input
    # The last dim first: what is gathered then lies side by side.
    for dim in reversed(range(2, input.ndim)):
        extent, size, scale = input.shape[dim], sizes[dim - 2], scales[dim - 2]
        places, weights = table(extent, size, align_corners, scale, real)
        if whole and size == extent:
            continue
        result = _weighted_bytes(result, dim, places, weights) if whole else _weighted(result, dim, places, weights)
    return Copy.bind(result) if result is input else result


def _weighted(value: Value, dim: int, places: np.ndarray, weights: np.ndarray) -> Value:
    """The sum over taps of the elements at ``places[tap]`` of a dim, times ``weights[tap]``."""
    beyond = (1,) * (value.ndim - dim - 1)
    total = None
    for place, weight in zip(places, weights, strict=True):
        if not weight.any():
            continue
        whole = len(place) == value.shape[dim] and (place == np.arange(len(place))).all()
        part = value if whole else IndexSelect.bind(value, literal_like(value, place, int64), dim=dim)
        if (weight != 1).any():
            part = part * literal_like(value, weight.reshape(-1, *beyond), value.dtype)
        total = part if total is None else total + part
    return total


def _weighted_bytes(value: Value, dim: int, places: np.ndarray, weights: np.ndarray) -> Value:
    """As :func:`_weighted`, of bytes: with weights of 16 bits, as PyTorch (and Pillow) has it, rounded and cut off."""
    weights = weights.copy()
    for earlier, tap in itertools.combinations(range(len(places)), 2):  # repeated pixels of the border: one weight
        same = places[tap] == places[earlier]
        weights[earlier] += np.where(same, weights[tap], 0)
        weights[tap] *= ~same
    bits = 0
    while bits < 22 and int(0.5 + weights.max() * 2.0 ** (bits + 1)) < 2**15:
        bits += 1
    scaled = weights * 2.0**bits
    wholes = np.trunc(scaled + np.where(scaled < 0, -0.5, 0.5)).astype(np.int64)
    total = _weighted(cast(value, int64), dim, places, wholes) + (1 << bits >> 1)
    return cast((total // (1 << bits)).clamp(0, 255), uint8)


def upsample(
    input: Value,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Value:
    """:func:`interpolate` by its former name."""
    _warn_of_name("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Value, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Value:
    """:func:`interpolate` in the mode "nearest"."""
    _warn_of_name("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Value, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Value:
    """:func:`interpolate` in the mode "bilinear" with corners aligned."""
    _warn_of_name("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)


def _warn_of_name(name: str) -> None:
    warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.")
