"""Elementary functions beside the most used ones of :mod:`graphc.ops.pointwise`: trigonometric, hyperbolic, their
inverses, powers and logarithms of other bases, signs and neighbours of floats, divisors and shifts of integers.

Gradients are PyTorch's: https://github.com/pytorch/pytorch/blob/main/tools/autograd/derivatives.yaml
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.primitive import register
from graphc.ir.types import TensorType, int32
from graphc.ops.arithmetic import Division, Exponential
from graphc.ops.comparisons import Eq, IsNan, LogicalOr, Where
from graphc.ops.conjugation import conjugate
from graphc.ops.pointwise import Cast, Exp, Rsqrt, Trunc
from graphc.ops.pointwise_family import FLOATING, FLOATING_OR_COMPLEX, Binary, Unary, zero_cotangent
from graphc.ops.sources import number_like

INTEGERS = ("int",)


class OfComplexToo(Exponential):
    """A transcendental function of floats or complex numbers."""

    accepts = FLOATING_OR_COMPLEX


# -- trigonometric and hyperbolic functions, and their inverses -------------------------------------------------------


@register
class Tan(OfComplexToo):
    name, function, saves_inputs, saves_output = "tan", np.tan, (), True
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(output * output + 1),)


@register
class Asin(OfComplexToo):
    name, function = "asin", np.arcsin
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Rsqrt.bind(1 - x * x)),)


@register
class Acos(OfComplexToo):
    name, function = "acos", np.arccos
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(-Rsqrt.bind(1 - x * x)),)


@register
class Atan(OfComplexToo):
    name, function = "atan", np.arctan
    cost = 15.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(x * x + 1),)


@register
class Sinh(OfComplexToo):
    name, function = "sinh", np.sinh
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Cosh.bind(x)),)


@register
class Cosh(OfComplexToo):
    name, function = "cosh", np.cosh
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Sinh.bind(x)),)


@register
class Asinh(OfComplexToo):
    name, function = "asinh", np.arcsinh
    cost = 25.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Rsqrt.bind(x * x + 1)),)


@register
class Acosh(OfComplexToo):
    name, function = "acosh", np.arccosh
    cost = 25.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Rsqrt.bind(x - 1) * Rsqrt.bind(x + 1)),)


@register
class Atanh(OfComplexToo):
    name, function = "atanh", np.arctanh
    cost = 25.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(1 - x * x),)


# -- powers and logarithms --------------------------------------------------------------------------------------------


@register
class Exp2(OfComplexToo):
    """2 to the power of x."""

    name, function, saves_inputs, saves_output = "exp2", np.exp2, (), True

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(output) * math.log(2),)


@register
class Log2(OfComplexToo):
    name, function = "log2", np.log2

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(x * math.log(2)),)


@register
class Log10(OfComplexToo):
    name, function = "log10", np.log10

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(x * math.log(10)),)


def logarithm_of_sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log(exp(x) + exp(y)) without overflow; of complex numbers the one of greater real part is taken out."""
    if x.dtype.kind != "c":
        return np.logaddexp(x, y)
    first = np.isnan(x) | ~((x.real < y.real) | np.isnan(y))
    greater, lesser = np.where(first, x, y), np.where(first, y, x)
    infinite = ~np.isfinite(lesser.real)
    same = infinite & (greater.real == lesser.real)
    rest = np.where(infinite, 0, np.exp(np.where(infinite, 0, lesser - greater)))
    found = greater + np.log1p(rest)
    beyond = np.log1p(np.exp(greater) + np.exp(lesser))
    return np.where(same, np.where(lesser.real < 0, lesser, beyond), np.where(np.isnan(greater), greater, found))


@register
class LogAddExp(Binary):
    """log(exp(x) + exp(y)) without overflow."""

    name, function, accepts, commutative = "logaddexp", staticmethod(logarithm_of_sum), FLOATING_OR_COMPLEX, True
    cost = 25.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (
            lambda: cotangent / (Exp.bind(conjugate(y - x)) + 1),
            lambda: cotangent / (Exp.bind(conjugate(x - y)) + 1),
        )


@register
class LogAddExp2(Binary):
    """log2(2**x + 2**y) without overflow."""

    name, function, accepts, commutative = "logaddexp2", np.logaddexp2, FLOATING, True
    cost = 25.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (lambda: cotangent / (Exp2.bind(y - x) + 1), lambda: cotangent / (Exp2.bind(x - y) + 1))


# -- two operands -----------------------------------------------------------------------------------------------------


@register
class Atan2(Binary):
    """The angle of the point (x, y) of operands (y, x), in [-pi, pi]. The gradient at the origin is 0."""

    name, function, accepts = "atan2", np.arctan2, FLOATING
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, y: Any, x: Any) -> tuple[Any, ...]:
        def over_square(value: Any) -> Any:
            square = y * y + x * x
            zero = number_like(square, 0)
            return cotangent * Where.bind(Eq.bind(square, zero), zero, value / square)

        return (lambda: over_square(x), lambda: over_square(-y))


@register
class Hypot(Binary):
    """sqrt(x*x + y*y) without overflow."""

    name, function, accepts, commutative, saves_output = "hypot", np.hypot, FLOATING, True, True
    cost = 8.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (lambda: cotangent * (x / output), lambda: cotangent * (y / output))


@register
class CopySign(Binary):
    """The magnitude of x with the sign of y. The gradient at x = 0 is 0."""

    name, function, accepts, saves_inputs, saves_output = "copysign", np.copysign, FLOATING, (0,), True

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        def of_magnitude() -> Any:
            zero = number_like(output, 0)
            return cotangent * Where.bind(Eq.bind(output, zero), zero, output / x)

        return (of_magnitude, zero_cotangent(cotangent))


@register
class NextAfter(Binary):
    """The float next to x in the direction of y."""

    name, function, accepts = "nextafter", np.nextafter, FLOATING
    widens = False  # the next half is not the next float32
    cost = 5.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        # A step of fixed size from x; none where it is at y already.
        return (
            lambda: Where.bind(Eq.bind(x, y), number_like(cotangent, 0), cotangent),
            zero_cotangent(cotangent),
        )


@register
class FMod(Division):
    """The remainder of the division rounded toward zero: of the sign of x."""

    name, function = "fmod", np.fmod

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (cotangent, lambda: cotangent * -Trunc.bind(x / y))


class NumberExtremum(Binary):
    """The greater or lesser of two; a number wins over NaN. At a tie the first operand gets the gradient."""

    accepts = FLOATING

    def rule(self, x: Any, y: Any) -> Any | None:
        return x if x.node is y.node else None


def _passed(cotangent: Any, first: Any, second: bool) -> Any:
    zero = number_like(cotangent, 0)
    return Where.bind(first, zero, cotangent) if second else Where.bind(first, cotangent, zero)


@register
class FMax(NumberExtremum):
    name, function = "fmax", np.fmax

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        def share(second: bool) -> Any:
            return _passed(cotangent, _or(x >= y, y), second)

        return (lambda: share(False), lambda: share(True))


@register
class FMin(NumberExtremum):
    name, function = "fmin", np.fmin

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        def share(second: bool) -> Any:
            return _passed(cotangent, _or(x <= y, y), second)

        return (lambda: share(False), lambda: share(True))


def _or(chosen: Any, other: Any) -> Any:
    return LogicalOr.bind(chosen, IsNan.bind(other))


# -- parts of floats --------------------------------------------------------------------------------------------------


@register
class SignBit(Unary):
    """Whether the sign bit is set: of -0.0 it is."""

    name, function, accepts, predicate, differentiable = "signbit", np.signbit, FLOATING, True, False


@register
class FrexpMantissa(Unary):
    """The operand over a power of two such that the magnitude lies in [1/2, 1)."""

    name, accepts = "frexp_mantissa", FLOATING
    function = staticmethod(lambda x: np.frexp(x)[0])
    cost = 5.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / Exp2.bind(Cast.bind(FrexpExponent.bind(x), dtype=x.dtype)),)


def _exponent(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), np.frexp(x)[1], 0).astype(np.int32)


@register
class FrexpExponent(Unary):
    """The power of two (int32) that :class:`FrexpMantissa` takes off."""

    name, function, accepts, differentiable = "frexp_exponent", staticmethod(_exponent), FLOATING, False
    cost = 5.0

    def infer(self, *types: TensorType, **attrs: Any) -> TensorType:
        return TensorType(int32, super().infer(*types, **attrs).shape)


# -- integers ---------------------------------------------------------------------------------------------------------


@register
class GreatestCommonDivisor(Binary):
    name, function, accepts, commutative, differentiable = "gcd", np.gcd, INTEGERS, True, False
    cost = 30.0


@register
class LeastCommonMultiple(Binary):
    name, function, accepts, commutative, differentiable = "lcm", np.lcm, INTEGERS, True, False
    cost = 35.0


@register
class LeftShift(Binary):
    """x * 2**y, bits that leave the width lost; 0 where y is no shift within the width."""

    name, function, accepts, differentiable = "bitwise_left_shift", np.left_shift, INTEGERS, False


@register
class RightShift(Binary):
    """x / 2**y rounded down; copies of the sign where y is no shift within the width."""

    name, function, accepts, differentiable = "bitwise_right_shift", np.right_shift, INTEGERS, False
