"""Fourier transforms with PyTorch's names and arguments.

``n`` (or ``s``) is how many places of the input are taken along a dimension: it is cut, or filled up with zeros.
``norm`` is "backward" (the inverse divides by n), "forward" (the other way round), or "ortho" (both by sqrt(n)).
Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.types import DType
from graphc.ops import gathers, views
from graphc.ops.conjugation import conjugate
from graphc.ops.fourier import FourierTransform, RealFourierTransform, RealInverseFourierTransform
from graphc.ops.functions.shaping import roll
from graphc.ops.operands import cast, normalize_dim, require_value
from graphc.ops.promotion import floating, get_default_dtype
from graphc.ops.type_names import type_name

__all__: list[str] = []
METHODS = ()
NAMESPACE = "fft"

Value = Any
Dim = int | Sequence[int] | None


def _scale(norm: str | None, inverse: bool, count: int) -> float:
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1.0 / math.sqrt(count)
    return 1.0 / count if (norm == "forward") != inverse else 1.0


def _resized(input: Value, dim: int, size: int) -> Value:
    """The first ``size`` places along a dimension, zeros where there are fewer."""
    extent, rank = input.shape[dim], len(input.shape)
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    if extent > size:
        stops = tuple(size if axis == dim else length for axis, length in enumerate(input.shape))
        return views.Slice.bind(input, starts=(0,) * rank, stops=stops, steps=(1,) * rank)
    if extent == size:
        return input
    high = tuple(size - extent if axis == dim else 0 for axis in range(rank))
    return gathers.Pad.bind(input, low=(0,) * rank, high=high, value=0.0)


def _as_real(name: str, input: Value) -> Value:
    require_value(name, input)
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {type_name(input.dtype)}")
    return _precise(input)


def _precise(input: Value) -> Value:
    """The input as floats that can be transformed."""
    value = cast(input, floating(input.dtype))
    if value.dtype.is_half:
        raise RuntimeError(f"Unsupported dtype {type_name(value.dtype)}")
    return value


def _as_complex(name: str, input: Value) -> Value:
    require_value(name, input)
    value = _precise(input)
    return cast(value, value.dtype.to_complex())


def _sizes(name: str, input: Value, s: Sequence[int] | int | None, dim: Dim) -> tuple[tuple[int, ...], list[int]]:
    """The dimensions to transform, and how many places of each are taken."""
    rank = len(input.shape)
    s = (s,) if isinstance(s, int) else s
    if dim is not None:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        if given and not rank:
            raise IndexError(f"Dimension specified as {given[0]} but tensor has no dimensions")
        dims = tuple(normalize_dim(axis, rank) for axis in given)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is None:
        dims = dims if dim is not None else tuple(range(rank))
        return dims, [input.shape[axis] for axis in dims]
    if dim is not None and len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    if len(s) > rank:
        raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {rank} dimensions.")
    if dim is None:
        dims = tuple(range(rank - len(s), rank))
    return dims, [input.shape[axis] if size == -1 else size for axis, size in zip(dims, s, strict=True)]


def _fitted(input: Value, dims: Sequence[int], sizes: Sequence[int]) -> Value:
    for dim, size in zip(dims, sizes, strict=True):
        input = _resized(input, dim, size)
    return input


def _transformed(name: str, input: Value, s: Any, dim: Dim, norm: str | None, inverse: bool) -> Value:
    value = _as_complex(name, input)
    dims, sizes = _sizes(name, value, s, dim)
    value = _fitted(value, dims, sizes)
    scale = _scale(norm, inverse, math.prod(sizes))
    return FourierTransform.bind(value, dims=dims, inverse=inverse, scale=scale) if dims else value


def _half_of_real(name: str, input: Value, s: Any, dim: Dim, norm: str | None, inverse: bool) -> Value:
    value = _as_real(name, input)
    dims, sizes = _sizes(name, value, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    value = _fitted(value, dims, sizes)
    half = RealFourierTransform.bind(value, dims=dims, scale=_scale(norm, inverse, math.prod(sizes)))
    return conjugate(half) if inverse else half


def _real_of_half(name: str, input: Value, s: Any, dim: Dim, norm: str | None, inverse: bool) -> Value:
    value = _as_complex(name, input)
    dims, sizes = _sizes(name, value, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    if s is None or (s if isinstance(s, int) else s[-1]) == -1:
        sizes[-1] = 2 * (value.shape[dims[-1]] - 1)
    if sizes[-1] < 1:
        raise RuntimeError(f"Invalid number of data points ({sizes[-1]}) specified")
    value = _fitted(value, dims, [*sizes[:-1], sizes[-1] // 2 + 1])
    scale = _scale(norm, inverse, math.prod(sizes))
    value = value if inverse else conjugate(value)
    return RealInverseFourierTransform.bind(value, dims=dims, size=sizes[-1], scale=scale)


def _one(n: int | None) -> tuple[int, ...] | None:
    """The size of one dimension, which may not be left to the input by -1."""
    if n is not None and n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return None if n is None else (n,)


def fft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The transform along one dimension, complex."""
    return _transformed("fft", input, _one(n), (dim,), norm, False)


def ifft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The inverse transform along one dimension, complex."""
    return _transformed("ifft", input, _one(n), (dim,), norm, True)


def rfft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The transform of a real input along one dimension: the first n // 2 + 1 places."""
    return _half_of_real("rfft", input, _one(n), (dim,), norm, False)


def irfft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The inverse of :func:`rfft`, real, of n places (by default an even number)."""
    return _real_of_half("irfft", input, _one(n), (dim,), norm, True)


def hfft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The transform, real, of an input that is its own conjugate mirror image, of which the first half is given."""
    return _real_of_half("hfft", input, _one(n), (dim,), norm, False)


def ihfft(input: Value, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    """The inverse of :func:`hfft`."""
    return _half_of_real("ihfft", input, _one(n), (dim,), norm, True)


def fft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The transform along two dimensions."""
    return _transformed("fft2", input, s, dim, norm, False)


def ifft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The inverse transform along two dimensions."""
    return _transformed("ifft2", input, s, dim, norm, True)


def rfft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The transform of a real input along two dimensions, half of the last."""
    return _half_of_real("rfftn", input, s, dim, norm, False)


def irfft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The inverse of :func:`rfft2`."""
    return _real_of_half("irfftn", input, s, dim, norm, True)


def hfft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The transform, real, of an input that is its own conjugate mirror image, along two dimensions."""
    return _real_of_half("hfftn", input, s, dim, norm, False)


def ihfft2(input: Value, s: Any = None, dim: Dim = (-2, -1), norm: str | None = None) -> Value:
    """The inverse of :func:`hfft2`."""
    return _half_of_real("ihfftn", input, s, dim, norm, True)


def fftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The transform along several dimensions, by default all."""
    return _transformed("fftn", input, s, dim, norm, False)


def ifftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The inverse transform along several dimensions."""
    return _transformed("ifftn", input, s, dim, norm, True)


def rfftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The transform of a real input along several dimensions, half of the last."""
    return _half_of_real("rfftn", input, s, dim, norm, False)


def irfftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The inverse of :func:`rfftn`."""
    return _real_of_half("irfftn", input, s, dim, norm, True)


def hfftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The transform, real, of an input that is its own conjugate mirror image, along several dimensions."""
    return _real_of_half("hfftn", input, s, dim, norm, False)


def ihfftn(input: Value, s: Any = None, dim: Dim = None, norm: str | None = None) -> Value:
    """The inverse of :func:`hfftn`."""
    return _half_of_real("ihfftn", input, s, dim, norm, True)


def fftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None, **options: Any) -> Value:
    """The frequencies of the places of a transform of n samples that lie d apart: 0, 1, ..., -2, -1 over n d."""
    places = np.arange(n)
    places = np.where(places < (n + 1) // 2, places, places - n)
    return _frequencies("fftfreq", places, n, d, dtype, device, **options)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None, **options: Any) -> Value:
    """The frequencies of the first n // 2 + 1 places: 0, 1, ... over n d."""
    return _frequencies("rfftfreq", np.arange(n // 2 + 1), n, d, dtype, device, **options)


def _frequencies(
    name: str,
    places: np.ndarray,
    n: int,
    d: float,
    dtype: DType | None,
    device: Any,
    requires_grad: bool = False,
    **_: Any,
) -> Value:
    from graphc.creation import tensor

    dtype = get_default_dtype() if dtype is None else dtype
    if not dtype.is_differentiable:
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    result = tensor(places, dtype=dtype, device=device) * (1.0 / (n * d) if n else 1.0)
    return result.requires_grad_() if requires_grad else result


def fftshift(input: Value, dim: Dim = None) -> Value:
    """The places in the order of their frequencies, along the given dimensions or all."""
    dims = _shifted_dims(input, dim)
    return roll(input, [input.shape[axis] // 2 for axis in dims], dims) if dims else input


def ifftshift(input: Value, dim: Dim = None) -> Value:
    """The inverse of :func:`fftshift`."""
    dims = _shifted_dims(input, dim)
    return roll(input, [(input.shape[axis] + 1) // 2 for axis in dims], dims) if dims else input


def _shifted_dims(input: Value, dim: Dim) -> list[int]:
    rank = len(input.shape)
    if dim is None:
        return list(range(rank))
    return [normalize_dim(axis, rank) for axis in ((dim,) if isinstance(dim, int) else dim)]
