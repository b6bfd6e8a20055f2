"""Draws from gamma and Dirichlet distributions through which gradients flow.

A draw moves with its parameter so that its quantile stays: dx/da = -(dF(x; a)/da) / f(x; a), F being the distribution
function and f the density. F is differentiated by central differences in float64 here, of the tail that is smaller.

Source: M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients" (2018); the continued fraction of the
incomplete beta function is that of https://dlmf.nist.gov/8.17.22.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import special
from graphc.autograd.function import Function
from graphc.randomness.generator import default_generator
from graphc.randomness.sampling import gammas
from graphc.tensor import Tensor

_STEP = 1e-5
_TINY = 1e-300
_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


class GammaDraw(Function):
    """Gamma values of the rate 1, for each element of the shape parameters."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        shapes = concentration._value("sampling from a gamma distribution")
        drawn = gammas(default_generator, np.ascontiguousarray(shapes).reshape(-1)).astype(shapes.dtype)
        drawn = np.maximum(drawn, np.finfo(shapes.dtype).tiny).reshape(shapes.shape)
        result = Tensor.from_array(drawn)
        ctx.save_for_backward(result, concentration)
        return result

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        drawn, concentration = ctx.saved_tensors
        x, a = (value._value("gradients of gamma draws").astype(np.float64) for value in (drawn, concentration))
        density = np.exp((a - 1) * np.log(x) - x - _log_gamma(a))

        def tail(shape: np.ndarray) -> np.ndarray:
            parts = (special.gammainc, special.gammaincc)
            lower, upper = (part(Tensor.from_array(shape), Tensor.from_array(x)).numpy() for part in parts)
            return np.where(x < a, lower, -upper)

        return cotangent * _moved(tail, a, density, drawn)


class DirichletDraw(Function):
    """Vectors that sum to 1, for each vector of parameters along the last dim."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        shapes = concentration._value("sampling from a Dirichlet distribution")
        wide = np.ascontiguousarray(shapes, np.float64)
        drawn = gammas(default_generator, wide.reshape(-1)).reshape(wide.shape)
        limits = np.finfo(shapes.dtype)
        parts = np.clip((drawn / drawn.sum(-1, keepdims=True)).astype(shapes.dtype), limits.tiny, 1 - limits.epsneg)
        result = Tensor.from_array(parts)
        ctx.save_for_backward(result, concentration)
        return result

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        drawn, concentration = ctx.saved_tensors
        x, a = (value._value("gradients of Dirichlet draws").astype(np.float64) for value in (drawn, concentration))
        b = a.sum(-1, keepdims=True) - a
        constant = _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b)
        density = np.exp(constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))
        moved = _moved(lambda shape: _incomplete_beta(x, shape, b), a, density * (1 - x), drawn)
        return moved * (cotangent - (drawn * cotangent).sum(-1, keepdim=True))


def _moved(tail: Callable[[np.ndarray], np.ndarray], a: np.ndarray, density: np.ndarray, like: Tensor) -> Tensor:
    """How a draw moves with its parameter, from a tail of the distribution as a function of that."""
    step = _STEP * a
    slope = (tail(a + step) - tail(a - step)) / (2 * step)
    return Tensor.from_array((-slope / density).astype(like.dtype.numpy))


def _incomplete_beta(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The regularised incomplete beta function, or, where it is the larger part, what it lacks to 1, negated."""
    turned = x > (a + 1) / (a + b + 2)
    first, second = np.where(turned, b, a), np.where(turned, a, b)
    place = np.where(turned, 1 - x, x)
    constant = _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b)
    factor = np.exp(constant + first * np.log(place) + second * np.log1p(-place)) / first
    # Lentz's method, all elements at once until the slowest has converged.
    numerator = np.ones_like(place)
    denominator = 1 / _not_zero(1 - (first + second) * place / (first + 1))
    fraction = denominator
    for m in range(1, 10_000):
        even = m * (second - m) * place / ((first + 2 * m - 1) * (first + 2 * m))
        odd = -(first + m) * (first + second + m) * place / ((first + 2 * m) * (first + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 / _not_zero(1 + term * denominator)
            numerator = _not_zero(1 + term / numerator)
            change = numerator * denominator
            fraction = fraction * change
        if np.all(np.abs(change - 1) < 1e-15):
            break
    return np.where(turned, -factor * fraction, factor * fraction)


def _not_zero(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < _TINY, _TINY, values)
