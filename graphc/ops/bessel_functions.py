"""Bessel functions, Airy's function, and the incomplete gamma functions as pointwise primitives.

float32 is computed in float64 and rounded once. As PyTorch's, Bessel functions have no gradient, and the incomplete
gamma functions have one for their second operand.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.primitive import register
from graphc.ops import bessel_numerics, incomplete_gamma
from graphc.ops.pointwise import Exp, Log
from graphc.ops.pointwise_family import FLOATING, Binary
from graphc.ops.special_functions import LogGamma, Special, in_double


class WithoutGradient(Special):
    differentiable = False
    cost = 60.0


@register
class BesselJ0(WithoutGradient):
    """Of the first kind, of order 0."""

    name, function = "bessel_j0", in_double(bessel_numerics.bessel_j0)


@register
class BesselJ1(WithoutGradient):
    """Of the first kind, of order 1."""

    name, function = "bessel_j1", in_double(bessel_numerics.bessel_j1)


@register
class BesselY0(WithoutGradient):
    """Of the second kind, of order 0."""

    name, function = "bessel_y0", in_double(bessel_numerics.bessel_y0)


@register
class BesselY1(WithoutGradient):
    """Of the second kind, of order 1."""

    name, function = "bessel_y1", in_double(bessel_numerics.bessel_y1)


@register
class SphericalBesselJ0(WithoutGradient):
    """sin(x) / x."""

    name, function = "spherical_bessel_j0", in_double(bessel_numerics.spherical_bessel_j0)


@register
class BesselK0(WithoutGradient):
    """Modified, of the second kind, of order 0."""

    name, function = "modified_bessel_k0", in_double(bessel_numerics.modified_bessel_k0)


@register
class BesselK1(WithoutGradient):
    """Modified, of the second kind, of order 1."""

    name, function = "modified_bessel_k1", in_double(bessel_numerics.modified_bessel_k1)


@register
class ScaledBesselK0(WithoutGradient):
    """exp(x) times the modified function of the second kind of order 0."""

    name, function = "scaled_modified_bessel_k0", in_double(bessel_numerics.scaled_k0)


@register
class ScaledBesselK1(WithoutGradient):
    """exp(x) times the modified function of the second kind of order 1."""

    name, function = "scaled_modified_bessel_k1", in_double(bessel_numerics.scaled_k1)


@register
class AiryAi(WithoutGradient):
    """Airy's function Ai."""

    name, function = "airy_ai", in_double(bessel_numerics.airy_ai)


class IncompleteGamma(Binary):
    """Of operands (a, x) the part of gamma(a) that lies on one side of x; no gradient for a, as in PyTorch."""

    accepts = FLOATING
    cost = 200.0
    sign: float  # of the slope

    def vjp(self, cotangent: Any, output: Any, a: Any, x: Any) -> tuple[Any, ...]:
        def of_exponent() -> Any:
            raise NotImplementedError(f"the derivative for '{self.name}: input' is not implemented.")

        def of_place() -> Any:
            density = Exp.bind((a - 1) * Log.bind(x) - x - LogGamma.bind(a))
            return cotangent * (density if self.sign > 0 else -density)

        return (of_exponent, of_place)


@register
class LowerIncompleteGamma(IncompleteGamma):
    """The part below x, P(a, x)."""

    name, function, sign = "igamma", in_double(incomplete_gamma.gammainc), 1.0


@register
class UpperIncompleteGamma(IncompleteGamma):
    """The part above x, Q(a, x)."""

    name, function, sign = "igammac", in_double(incomplete_gamma.gammaincc), -1.0
