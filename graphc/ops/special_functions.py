"""Special functions as pointwise primitives. float32 is computed in float64 and rounded once.

The numbers come from :mod:`graphc.ops.special_numerics`; gradients are PyTorch's:
https://github.com/pytorch/pytorch/blob/main/tools/autograd/derivatives.yaml
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.primitive import register
from graphc.ir.scalars import Call, Choose, Constant, Index, Operand, Scalar
from graphc.ir.types import TensorType, bool_
from graphc.ops import special_numerics as numerics
from graphc.ops.arithmetic import Exponential, Log
from graphc.ops.comparisons import Eq, IsNan, Le, LogicalAnd, Where
from graphc.ops.conjugation import conjugate
from graphc.ops.pointwise import Cos, Exp, Log1p, Sign, Sin
from graphc.ops.pointwise_family import FLOATING, FLOATING_OR_COMPLEX, Binary, PointwiseFunction
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import number_like


def in_double(function: Callable[..., np.ndarray]) -> Any:
    """The function of float64 arrays for floats of any precision: the result is rounded to theirs."""

    def rounded(*arrays: np.ndarray) -> np.ndarray:
        return function(*(array.astype(np.float64, copy=False) for array in arrays)).astype(arrays[0].dtype, copy=False)

    return staticmethod(rounded)


class Special(Exponential):
    """A function of one operand that costs some thirty multiplications."""

    accepts = FLOATING
    cost = 30.0


# -- the error function's family --------------------------------------------------------------------------------------


@register
class Erfc(Special):
    """1 - erf(x), without cancellation."""

    name, function = "erfc", in_double(numerics.erfc)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (Exp.bind(-(x * x)) * (-2 / math.sqrt(math.pi))),)


@register
class Erfcx(Special):
    """exp(x*x) * erfc(x)."""

    name, function, saves_output = "erfcx", in_double(numerics.erfcx), True

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (2 * x * output - 2 / math.sqrt(math.pi)),)


@register
class Erfinv(Special):
    """The inverse of erf."""

    name, function, saves_inputs, saves_output = "erfinv", in_double(numerics.erfinv), (), True
    cost = 60.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (Exp.bind(output * output) * (math.sqrt(math.pi) / 2)),)


@register
class Ndtri(Special):
    """The quantile of the normal distribution."""

    name, function, saves_inputs, saves_output = "ndtri", in_double(numerics.ndtri), (), True
    cost = 60.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (Exp.bind(output * output / 2) * math.sqrt(2 * math.pi)),)


@register
class LogNdtr(Special):
    """The logarithm of the normal distribution function."""

    name, function = "log_ndtr", in_double(numerics.log_ndtr)
    cost = 60.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / Erfcx.bind(x * -math.sqrt(0.5)) * math.sqrt(2 / math.pi),)


# -- gamma's family ---------------------------------------------------------------------------------------------------


@register
class LogGamma(Special):
    """The logarithm of the absolute value of the gamma function."""

    name, function, kernel = "lgamma", in_double(numerics.lgamma), "lgamma_vml_cpu"
    cost = 60.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * Digamma.bind(x),)


@register
class Digamma(Special):
    """The derivative of the logarithm of the gamma function."""

    name, function = "digamma", in_double(numerics.digamma)
    cost = 60.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * Polygamma.bind(x, order=1),)


@register
class Zeta(Binary):
    """Hurwitz' zeta function: the sum of (q + k)**-s over k = 0, 1, ... There is no gradient for s, as in PyTorch."""

    name, function, accepts = "zeta", in_double(numerics.zeta), FLOATING
    cost = 400.0

    def vjp(self, cotangent: Any, output: Any, s: Any, q: Any) -> tuple[Any, ...]:
        def of_exponent() -> Any:
            raise NotImplementedError("the derivative for 'zeta' is not implemented.")

        return (of_exponent, lambda: cotangent * (-s * Zeta.bind(s + 1, q)))


@register
class Polygamma(PointwiseFunction):
    """The derivative of order ``order`` (at least 1) of digamma."""

    name, accepts = "polygamma", FLOATING
    cost = 400.0

    def infer(self, x: TensorType, *, order: int) -> TensorType:
        if order < 1:
            raise ValueError(f"polygamma expects an order of at least 1, got {order}")
        return super().infer(x)

    def evaluate(self, x: np.ndarray, *, order: int) -> np.ndarray:
        token = silence(IGNORE)
        try:
            exponent = np.asarray(order + 1, x.dtype)
            return np.asarray(Zeta.instance.evaluate(exponent, x) * x.dtype.type(_polygamma_factor(order)))
        finally:
            restore(token)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, order: int) -> tuple[Any, ...]:
        return (cotangent * Polygamma.bind(x, order=order + 1),)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        order, dtype = attrs["order"], output.dtype
        sum_of_powers = Call("zeta", (Constant(float(order + 1), dtype), operands[0](*index)), dtype)
        return Call("mul", (sum_of_powers, Constant(_polygamma_factor(order), dtype)), dtype)


def _polygamma_factor(order: int) -> float:
    factorial = float(math.factorial(order)) if order <= 170 else math.inf
    return factorial if order % 2 else -factorial


# -- Bessel's family --------------------------------------------------------------------------------------------------


@register
class BesselI0(Special):
    """The modified Bessel function of order 0."""

    name, function, kernel = "i0", in_double(numerics.i0), "i0_vml_cpu"
    cost = 50.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * BesselI1.bind(x),)


@register
class BesselI0e(Special):
    """exp(-|x|) times the modified Bessel function of order 0."""

    name, function, saves_output = "i0e", in_double(numerics.i0e), True
    cost = 50.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (BesselI1e.bind(x) - Sign.bind(x) * output),)


def _over(value: Any, x: Any) -> Any:
    """value / x, and 1/2 at 0: what the odd functions of order 1 tend to there."""
    zero = number_like(x, 0)
    at_zero = Eq.bind(x, zero)
    return Where.bind(at_zero, number_like(value, 0.5), value / Where.bind(at_zero, number_like(x, 1), x))


@register
class BesselI1(Special):
    """The modified Bessel function of order 1."""

    name, function, saves_output = "i1", in_double(numerics.i1), True
    cost = 50.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (BesselI0.bind(x) - _over(output, x)),)


@register
class BesselI1e(Special):
    """exp(-|x|) times the modified Bessel function of order 1."""

    name, function, saves_output = "i1e", in_double(numerics.i1e), True
    cost = 50.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (BesselI0e.bind(x) - Sign.bind(x) * output - _over(output, x)),)


# -- logarithms with their limits -------------------------------------------------------------------------------------


def _logit(x: np.ndarray) -> np.ndarray:
    inner = (x > 0.25) & (x < 0.75)
    # Near 1/2, where the result is small, 2 x - 1 is exact.
    return np.where(inner, np.log1p((2.0 * x - 1.0) / (1.0 - x)), np.log(x / (1.0 - x)))


@register
class Logit(Special):
    """log(x / (1 - x)), the inverse of sigmoid; NaN outside [0, 1]."""

    name, function, saves_output = "logit", in_double(_logit), True

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        slope = cotangent / (x * (1 - x))
        return (Where.bind(IsNan.bind(output), number_like(slope, math.nan), slope),)


def _is(function: str, value: Scalar, limit: float) -> Scalar:
    return Call(function, (value, Constant(limit, value.dtype)), bool_)


class TimesLogarithm(Binary):
    """x * log(y), with 0 where x is 0 (unless y is NaN); ``logarithm`` is the primitive."""

    accepts = FLOATING
    cost = 12.0
    logarithm: Any
    # What is added to y under the logarithm.
    shift: float

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        def of_factor() -> Any:
            flat = LogicalAnd.bind(Eq.bind(x, number_like(x, 0)), Le.bind(y, number_like(y, -self.shift)))
            return cotangent * Where.bind(flat, number_like(cotangent, 0), self.logarithm.bind(y))

        return (of_factor, lambda: cotangent * x / (y + self.shift if self.shift else y))

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        x, y = (operand(*index) for operand in operands)
        dtype = output.dtype
        product = Call("mul", (x, Call(self.logarithm.name, (y,), dtype)), dtype)
        nothing = Choose(Call("isnan", (y,), bool_), y, Constant(0.0, dtype), dtype)
        return Choose(_is("eq", x, 0.0), nothing, product, dtype)


def _times_logarithm(logarithm: np.ufunc) -> Any:
    def function(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where((x == 0) & ~np.isnan(y), x.dtype.type(0), x * logarithm(y))

    return staticmethod(function)


@register
class XLogY(TimesLogarithm):
    """x * log(y), with 0 where x is 0 (unless y is NaN)."""

    name, function, logarithm, shift = "xlogy", _times_logarithm(np.log), Log, 0.0


@register
class XLog1pY(TimesLogarithm):
    """x * log(1 + y), with 0 where x is 0 (unless y is NaN)."""

    name, function, logarithm, shift = "xlog1py", _times_logarithm(np.log1p), Log1p, 1.0


def _entropy(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, -x * np.log(x), np.where(x == 0, x.dtype.type(0), np.where(x < 0, x.dtype.type(-np.inf), x)))


@register
class Entropy(Special):
    """-x * log(x); 0 at 0 and -inf below."""

    name, function = "entr", staticmethod(_entropy)
    cost = 12.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (-1 - Log.bind(x)),)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        x, dtype = operands[0](*index), output.dtype
        product = Call("mul", (Call("neg", (x,), dtype), Call("log", (x,), dtype)), dtype)
        below = Choose(_is("lt", x, 0.0), Constant(-math.inf, dtype), x, dtype)
        at_zero = Choose(_is("eq", x, 0.0), Constant(0.0, dtype), below, dtype)
        return Choose(_is("gt", x, 0.0), product, at_zero, dtype)


# -- the cardinal sine ------------------------------------------------------------------------------------------------


def _sinc(x: np.ndarray) -> np.ndarray:
    angle = x * x.dtype.type(math.pi)
    return np.where(x == 0, x.dtype.type(1), np.sin(angle) / angle)


@register
class Sinc(Special):
    """sin(pi x) / (pi x), 1 at 0."""

    name, function, accepts = "sinc", staticmethod(_sinc), FLOATING_OR_COMPLEX
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        at_zero = Eq.bind(x, number_like(x, 0))
        angle = Where.bind(at_zero, number_like(x, 1), x) * math.pi
        slope = (Cos.bind(angle) * angle - Sin.bind(angle)) / (angle * angle) * math.pi
        return (cotangent * conjugate(Where.bind(at_zero, number_like(slope, 0), slope)),)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        x, dtype = operands[0](*index), output.dtype
        angle = Call("mul", (x, Constant(math.pi, dtype)), dtype)
        quotient = Call("div", (Call("sin", (angle,), dtype), angle), dtype)
        return Choose(_is("eq", x, 0.0), Constant(1.0, dtype), quotient, dtype)
