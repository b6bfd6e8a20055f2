"""Windows of signals: PyTorch's ``torch.signal.windows``.

A window has ``M`` places; with ``sym`` its last place mirrors its first, else it is one period of a longer one. Windows
are computed in float64 and rounded to ``dtype``, float32 or float64. All raise ValueError for a negative ``M``, for
another dtype, and for another layout than strided.
Source: https://docs.pytorch.org/docs/stable/signal.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphc.creation import tensor
from graphc.ir.types import DType
from graphc.ops.promotion import get_default_dtype
from graphc.tensor import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    name: str,
    M: int,
    shape: Callable[[np.ndarray], np.ndarray],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The window that ``shape`` gives of the places 0 to M - 1."""
    dtype = get_default_dtype() if dtype is None else dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and str(layout) != "torch.strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype.name not in ("float32", "float64"):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    values = shape(np.arange(M, dtype=np.float64)) if M else np.empty(0)
    return tensor(values, dtype=dtype, device=device, requires_grad=requires_grad)


def _period(M: int, sym: bool) -> int:
    """How many places lie between the first and its repetition; 1 for a window of a single place."""
    return max(M - 1 if sym else M, 1)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A triangle: 1 - |2 n / N - 1|, of shape [M]."""

    def shape(n: np.ndarray) -> np.ndarray:
        return 1 - np.abs(2 * n / _period(M, sym) - 1) if M > 1 else np.ones(M)

    return _window("bartlett", M, shape, **options)


def _sum_of_cosines(name: str, M: int, a: Any, sym: bool, options: dict[str, Any]) -> Tensor:
    def shape(n: np.ndarray) -> np.ndarray:
        if M == 1:
            return np.ones(1)
        if not isinstance(a, Iterable):
            raise TypeError("Coefficients must be a list/tuple")
        weights = list(a)
        if not weights:
            raise ValueError("Coefficients cannot be empty")
        turns = 2 * math.pi * n / _period(M, sym)
        return sum(((-1) ** i * weight * np.cos(i * turns) for i, weight in enumerate(weights)), np.zeros(M))

    return _window(name, M, shape, **options)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """The sum of (-1)^i a[i] cos(2 pi i n / N), of shape [M]. Raises TypeError and ValueError for bad weights ``a``."""
    return _sum_of_cosines("general_cosine", M, a, sym, options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / N), of shape [M]."""
    return _sum_of_cosines("general_cosine", M, (alpha, 1.0 - alpha), sym, options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 - 0.46 cos(2 pi n / N), of shape [M]."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """sin(pi n / N)^2, of shape [M]."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N), of shape [M]."""
    return _sum_of_cosines("blackman", M, (0.42, 0.5, 0.08), sym, options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A sum of four cosines with low side lobes, of shape [M]. Source: https://doi.org/10.1109/TASSP.1981.1163506"""
    return _sum_of_cosines("general_cosine", M, (0.3635819, 0.4891775, 0.1365995, 0.0106411), sym, options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """sin(pi (n + 1/2) / N), of shape [M]."""

    def shape(n: np.ndarray) -> np.ndarray:
        return np.sin(math.pi * (n + 0.5) / (M + 1 if not sym and M > 1 else M))

    return _window("cosine", M, shape, **options)


def _centre(M: int, sym: bool) -> float:
    return (M if not sym and M > 1 else M - 1) / 2


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(-|n - center| / tau), of shape [M]. Raises ValueError where tau is not positive, or for a ``center`` with
    ``sym``."""
    if M >= 0 and tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if M >= 0 and sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    middle = _centre(M, sym) if center is None else center
    return _window("exponential", M, lambda n: np.exp(-np.abs(n - middle) / tau), **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(-((n - centre) / std)^2 / 2), of shape [M]. Raises ValueError where std is not positive."""
    if M >= 0 and std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window("gaussian", M, lambda n: np.exp(-(((n - _centre(M, sym)) / std) ** 2) / 2), **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta), of shape [M]. Raises ValueError for a negative beta."""
    if M >= 0 and beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def shape(n: np.ndarray) -> np.ndarray:
        if M == 1:
            return np.ones(1)
        outward = np.maximum(1 - (2 * n / _period(M, sym) - 1) ** 2, 0)
        return np.i0(beta * np.sqrt(outward)) / np.i0(beta)

    return _window("kaiser", M, shape, **options)
