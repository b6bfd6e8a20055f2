"""Discrete Fourier transforms: complex to complex, real to one half of the complex, and that half back to real.

All are sums without normalisation, times ``scale``. ``dims`` are distinct non-negative dimensions; the last one is the
one of which a half stands for the whole: what a real value transforms to is its own mirror image, conjugated.
The three are closed under differentiation. Source: Cooley and Tukey, An algorithm for the machine calculation of
complex Fourier series, Mathematics of Computation 19 (1965); computed by numpy's pocketfft.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.primitive import External, register
from graphc.ir.types import TensorType
from graphc.ops import gathers
from graphc.ops.complex_numbers import parts
from graphc.ops.pointwise import Cast
from graphc.ops.quiet import quiet
from graphc.ops.sources import Constant, Literal
from graphc.ops.type_names import type_name
from graphc.ops.views import Expand, Reshape

Dims = tuple[int, ...]


def _require(name: str, x: TensorType, dims: Dims, accepted: str) -> None:
    if x.dtype.category != accepted or x.dtype.is_half:
        raise RuntimeError(f"Unsupported dtype {type_name(x.dtype)}")
    if len(set(dims)) != len(dims) or any(not 0 <= dim < x.rank for dim in dims):
        raise ValueError(f"{name} of {x} expects distinct dims within 0..{x.rank - 1}, got {dims}")
    for dim in dims:
        if x.shape[dim] == 0:
            raise RuntimeError(f"Invalid number of data points ({x.shape[dim]}) specified")


def _scaled(x: np.ndarray, scale: float, kind: np.dtype) -> np.ndarray:
    # An older numpy transforms in double precision alone.
    x = x.astype(kind, copy=False)
    return x if scale == 1 else x * kind.type(scale)


@register
class FourierTransform(External):
    """The sum of ``x[n] exp(-2 pi i n k / N)`` along ``dims``; with ``inverse`` the conjugate factors."""

    name = "fourier_transform"
    saves_inputs = ()

    def infer(self, x: TensorType, *, dims: Dims, inverse: bool, scale: float) -> TensorType:
        _require(self.name, x, dims, "complex")
        return x

    @quiet
    def evaluate(self, x: np.ndarray, *, dims: Dims, inverse: bool, scale: float) -> np.ndarray:
        result = np.fft.ifftn(x, axes=dims, norm="forward") if inverse else np.fft.fftn(x, axes=dims)
        return _scaled(result, scale, x.dtype)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims, inverse: bool, scale: float) -> tuple[Any, ...]:
        return (FourierTransform.bind(cotangent, dims=dims, inverse=not inverse, scale=scale),)


@register
class RealFourierTransform(External):
    """The transform of a real value: along the last of ``dims`` its first N // 2 + 1 places, which tell the others."""

    name = "real_fourier_transform"
    saves_inputs = ()

    def infer(self, x: TensorType, *, dims: Dims, scale: float) -> TensorType:
        _require(self.name, x, dims, "float")
        shape = list(x.shape)
        shape[dims[-1]] = shape[dims[-1]] // 2 + 1
        return TensorType(x.dtype.to_complex(), tuple(shape))

    @quiet
    def evaluate(self, x: np.ndarray, *, dims: Dims, scale: float) -> np.ndarray:
        kind = np.dtype(np.complex64 if x.dtype == np.float32 else np.complex128)
        return _scaled(np.fft.rfftn(x, axes=dims), scale, kind)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims, scale: float) -> tuple[Any, ...]:
        rank, last = len(x.shape), dims[-1]
        missing = tuple(x.shape[last] - cotangent.shape[last] if dim == last else 0 for dim in range(rank))
        whole = gathers.Pad.bind(cotangent, low=(0,) * rank, high=missing, value=0.0)
        return (parts(FourierTransform.bind(whole, dims=dims, inverse=True, scale=scale))[0],)


@register
class RealInverseFourierTransform(External):
    """The real value of ``size`` places along the last of ``dims`` that half of a transform stands for."""

    name = "real_inverse_fourier_transform"
    saves_inputs = ()

    def infer(self, x: TensorType, *, dims: Dims, size: int, scale: float) -> TensorType:
        _require(self.name, x, dims, "complex")
        shape = list(x.shape)
        if size < 1 or shape[dims[-1]] != size // 2 + 1:
            raise ValueError(f"{self.name} of {x} to {size} places along {dims[-1]}: expected {size // 2 + 1} there")
        shape[dims[-1]] = size
        return TensorType(x.dtype.to_real(), tuple(shape))

    @quiet
    def evaluate(self, x: np.ndarray, *, dims: Dims, size: int, scale: float) -> np.ndarray:
        sizes = (*(x.shape[dim] for dim in dims[:-1]), size)
        result = np.fft.irfftn(x, s=sizes, axes=dims, norm="forward")
        return _scaled(result, scale, np.dtype(np.float32 if x.dtype == np.complex64 else np.float64))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims, size: int, scale: float) -> tuple[Any, ...]:
        half = RealFourierTransform.bind(cotangent, dims=dims, scale=scale)
        return (half * _shares(half, dims[-1], size),)


def _shares(half: Any, dim: int, size: int) -> Any:
    """How many places of the whole each place of the half stands for: two, but for the first and the middle one."""
    count = size // 2 + 1
    twice = [1.0] + [2.0] * (count - 1)
    if size % 2 == 0:
        twice[-1] = 1.0
    row = half.apply(Constant.instance, (), {"literal": Literal(twice, half.dtype.to_real())})
    shape: Sequence[Any] = half.shape
    row = Reshape.bind(row, shape=tuple(count if axis == dim else 1 for axis in range(len(shape))))
    return Cast.bind(Expand.bind(row, shape=tuple(shape)), dtype=half.dtype)
