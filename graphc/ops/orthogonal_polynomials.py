"""Orthogonal polynomials of float degree as pointwise primitives: operands (x, degree), the degree cut to an integer.

Each family follows a recurrence p[k] = step(x, p[k - 1], p[k - 2], k) from p[0] = 1. Where that would be long,
Chebyshev's polynomials inside [-1, 1] come from their trigonometric form. Of a negative degree, or one that is no
number, a polynomial is 0. As PyTorch's they have no gradient. float32 is computed in float64 and rounded once.
Source: NIST Digital Library of Mathematical Functions, 18.5, 18.6, 18.9, https://dlmf.nist.gov
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from graphc.ir.primitive import register
from graphc.ops.pointwise_family import FLOATING, Binary

Array = np.ndarray
Step = Callable[[Array, Array, Array, int], Array]
# From this degree on the trigonometric form is used.
_LONG = 9.0
# Of Hermite's polynomials, by the size of the float.
GREATEST_DEGREE = {4: 128.0, 8: 512.0}


class OrthogonalPolynomial(Binary):
    """A family of polynomials; the operands are the places and the degrees."""

    accepts, differentiable = FLOATING, False
    cost = 60.0
    # The polynomial of degree 1, and the recurrence.
    first: ClassVar[Callable[[Array], Array]]
    step: ClassVar[Step]
    # The polynomial at 1 and -1, and between them, of the degree and of the angle whose cosine the place is.
    at_ends: ClassVar[tuple[Callable[[Array], Array], Callable[[Array], Array]] | None] = None
    inside: ClassVar[Callable[[Array, Array], Array] | None] = None
    # Whether values of degrees above some hundreds are too large, and NaN.
    limited: ClassVar[bool] = False

    def function(self, x: Array, degree: Array) -> Array:
        x, degree = np.broadcast_arrays(x, degree)
        wide, n = x.astype(np.float64), np.trunc(degree.astype(np.float64))
        greatest = GREATEST_DEGREE[x.dtype.itemsize] if self.limited else np.inf
        return self._polynomial(wide, np.where(np.isfinite(n), n, -1.0), greatest).astype(x.dtype)

    def _polynomial(self, x: Array, n: Array, greatest: float) -> Array:
        first = type(self).first(x)
        result = np.where(n == 0, 1.0, np.where(n < 0, 0.0, first))
        by_steps = (n >= 2) & (n <= greatest)
        if self.at_ends is not None:
            ends = np.abs(x) == 1.0
            value = np.where(x > 0, type(self).at_ends[0](n), type(self).at_ends[1](n))
            result = np.where(ends & (n >= 0), value, result)
            by_steps &= ~ends
        if self.inside is not None:
            smooth = by_steps & (np.abs(x) < 1.0) & (n >= _LONG)
            result = np.where(smooth, type(self).inside(n, np.arccos(np.clip(x, -1.0, 1.0))), result)
            by_steps &= ~smooth
        result = np.where(n > greatest, np.nan, result)
        places, degrees, k = x[by_steps], n[by_steps], 2
        before, value = np.ones_like(places), first[by_steps]
        found = value.copy()
        while (left := (k <= degrees) & (value == value)).any():
            before, value = value, type(self).step(places, value, before, k)
            found = np.where(left, value, found)
            k += 1
        result[by_steps] = np.where(degrees >= k, np.nan, found)
        return result


def _alternating(n: Array) -> Array:
    return np.where(np.remainder(n, 2.0) == 0, 1.0, -1.0)


class Chebyshev(OrthogonalPolynomial):
    step = staticmethod(lambda x, q, p, k: 2.0 * x * q - p)


@register
class ChebyshevT(Chebyshev):
    name = "chebyshev_polynomial_t"
    first = staticmethod(lambda x: x)
    at_ends = (np.ones_like, _alternating)
    inside = staticmethod(lambda n, angle: np.cos(n * angle))


@register
class ChebyshevU(Chebyshev):
    name = "chebyshev_polynomial_u"
    first = staticmethod(lambda x: 2.0 * x)
    at_ends = (lambda n: n + 1.0, lambda n: _alternating(n) * (n + 1.0))
    inside = staticmethod(lambda n, angle: np.sin((n + 1.0) * angle) / np.sin(angle))


@register
class ChebyshevV(Chebyshev):
    name = "chebyshev_polynomial_v"
    first = staticmethod(lambda x: 2.0 * x - 1.0)
    at_ends = (np.ones_like, lambda n: _alternating(n) * (2.0 * n + 1.0))
    inside = staticmethod(lambda n, angle: np.cos((n + 0.5) * angle) / np.cos(0.5 * angle))


@register
class ChebyshevW(Chebyshev):
    name = "chebyshev_polynomial_w"
    first = staticmethod(lambda x: 2.0 * x + 1.0)
    at_ends = (lambda n: 2.0 * n + 1.0, _alternating)
    inside = staticmethod(lambda n, angle: np.sin((n + 0.5) * angle) / np.sin(0.5 * angle))


@register
class HermiteH(OrthogonalPolynomial):
    """The physicists'."""

    name = "hermite_polynomial_h"
    first = staticmethod(lambda x: 2.0 * x)
    step = staticmethod(lambda x, q, p, k: 2.0 * x * q - 2.0 * (k - 1.0) * p)
    limited = True


@register
class HermiteHe(OrthogonalPolynomial):
    """The probabilists'."""

    name = "hermite_polynomial_he"
    first = staticmethod(lambda x: x)
    step = staticmethod(lambda x, q, p, k: x * q - (k - 1.0) * p)
    limited = True


@register
class Laguerre(OrthogonalPolynomial):
    name = "laguerre_polynomial_l"
    first = staticmethod(lambda x: 1.0 - x)
    step = staticmethod(lambda x, q, p, k: ((2.0 * k - 1.0 - x) * q - (k - 1.0) * p) / k)


@register
class Legendre(OrthogonalPolynomial):
    name = "legendre_polynomial_p"
    first = staticmethod(lambda x: x)
    at_ends = (np.ones_like, _alternating)
    step = staticmethod(lambda x, q, p, k: ((2.0 * k - 1.0) * x * q - (k - 1.0) * p) / k)
