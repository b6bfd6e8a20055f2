"""Arithmetic of two operands, and powers: pointwise primitives. Gradients at ties and kinks are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Indexed, register
from graphc.ir.scalars import Call, Choose, Constant, Index, Operand, Scalar
from graphc.ir.types import TensorType, bool_, int64
from graphc.ops.comparisons import Eq, Ge, Gt, LogicalAnd, Lt, Where
from graphc.ops.conjugation import conjugate
from graphc.ops.pointwise_family import (
    ANY_OR_COMPLEX,
    FLOATING_OR_COMPLEX,
    NUMERIC,
    NUMERIC_OR_COMPLEX,
    Binary,
    PointwiseFunction,
    Unary,
    full_value,
    is_full,
    made_by,
    operand_of,
    same_value,
    zero_cotangent,
)
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import Number, number_like


@register
class Neg(Unary):
    name, function, accepts, saves_inputs = "neg", np.negative, NUMERIC_OR_COMPLEX, ()

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (-cotangent,)

    def rule(self, x: Any) -> Any | None:
        return operand_of(x) if made_by(x, Neg) else None


@register
class Add(Binary):
    """x + y; for bool the logical or."""

    name, function, accepts, commutative, saves_inputs = "add", np.add, ANY_OR_COMPLEX, True, ()

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (cotangent, cotangent)

    def rule(self, x: Any, y: Any) -> Any | None:
        # In floats -0.0 is the neutral element: -0.0 + 0.0 is 0.0.
        if is_full(y, -0.0 if x.dtype.is_floating_point else 0):
            return x
        if made_by(y, Neg):
            return Sub.bind(x, operand_of(y))
        return Sub.bind(y, operand_of(x)) if made_by(x, Neg) else None


@register
class Sub(Binary):
    name, function, accepts, saves_inputs = "sub", np.subtract, NUMERIC_OR_COMPLEX, ()

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (cotangent, lambda: -cotangent)

    def rule(self, x: Any, y: Any) -> Any | None:
        if is_full(y, 0.0 if x.dtype.is_floating_point else 0):
            return x
        if x.dtype.is_integer and same_value(x, y):
            return number_like(x, 0)
        return Add.bind(x, operand_of(y)) if made_by(y, Neg) else None


@register
class Mul(Binary):
    """x * y; for bool the logical and."""

    name, function, accepts, commutative = "mul", np.multiply, ANY_OR_COMPLEX, True
    exact_numbers = True
    saves_for: ClassVar[dict[int, tuple[int, ...]]] = {0: (1,), 1: (0,)}

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (lambda: cotangent * conjugate(y), lambda: cotangent * conjugate(x))

    def rule(self, x: Any, y: Any) -> Any | None:
        if is_full(y, 1):
            return x
        if not x.dtype.is_floating_point and is_full(y, 0):
            return y
        return Mul.bind(operand_of(x), operand_of(y)) if made_by(x, Neg) and made_by(y, Neg) else None


@register
class Div(Binary):
    """x / y of floats or complex numbers."""

    name, function, accepts = "div", np.divide, FLOATING_OR_COMPLEX
    exact_numbers = True
    saves_for: ClassVar[dict[int, tuple[int, ...]]] = {0: (1,), 1: (0, 1)}
    cost = 4.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (lambda: cotangent / conjugate(y), lambda: -cotangent * conjugate(x / y / y))

    def rule(self, x: Any, y: Any) -> Any | None:
        if is_full(y, 1.0):
            return x
        divisor = full_value(y)
        if divisor is not None and math.isfinite(divisor) and abs(math.frexp(divisor)[0]) == 0.5:
            inverse = 1.0 / divisor
            # The inverse of a power of two is exact (where it is a normal number), and so is the multiplication.
            if abs(math.frexp(inverse)[1]) < 120:
                return x * number_like(x, inverse)
        return None


class Division(Indexed, Binary):
    """A division that has no result for an integer divisor of zero. Raises RuntimeError then, as PyTorch does."""

    accepts = NUMERIC
    cost = 8.0

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind != "f" and not y.all():
            raise self.index_error(-1, 1)
        return super().evaluate(x, y)

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return () if types[1].dtype.is_floating_point else ((1, 1),)

    def checked_value(self, value: Scalar) -> Scalar:
        # -1, which is outside, for a zero; 0 for all else.
        if isinstance(value, Constant):
            return Constant(0 if value.value else -1, int64)
        return Choose(
            Call("eq", (value, Constant(0, value.dtype)), bool_), Constant(-1, int64), Constant(0, int64), int64
        )

    def index_error(self, index: int, bound: int, **attrs: Any) -> Exception:
        return RuntimeError("ZeroDivisionError")


@register
class FloorDivide(Division):
    """The quotient rounded down."""

    name, function, saves_inputs, kernel = "floor_divide", np.floor_divide, (), "div_floor_cpu"
    exact_numbers = True

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (zero_cotangent(cotangent), zero_cotangent(cotangent))

    def rule(self, x: Any, y: Any) -> Any | None:
        return x if x.dtype.is_integer and is_full(y, 1) else None


def _remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        return np.remainder(x, y)
    rest = np.fmod(x, y)  # np.remainder gives a zero the sign of y, PyTorch that of x
    return np.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)


@register
class Remainder(Division):
    """x - floor(x / y) * y: of the sign of y."""

    name, function = "remainder", staticmethod(_remainder)
    lies_as_operands = True

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return (cotangent, lambda: -cotangent * FloorDivide.bind(x, y))


class Exponential(Unary):
    """A transcendental function."""

    accepts = FLOATING_OR_COMPLEX
    cost = 10.0


@register
class Log(Exponential):
    name, function = "log", np.log

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(x),)


def _pow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind in "fuc":
        return np.power(x, y)
    result = np.power(x, np.maximum(y, 0))
    unit = np.where(x == -1, np.where(y % 2 == 0, 1, -1), x == 1)  # 1 / x for integers: 0 but for 1 and -1
    return np.where(y < 0, unit, result).astype(x.dtype)


def _not_negative(y: Any) -> Any:
    """Whether elements are real numbers of at least 0."""
    if not y.dtype.is_complex:
        return Ge.bind(y, number_like(y, 0))
    from graphc.ops.complex_numbers import parts

    real, imaginary = parts(y)
    return LogicalAnd.bind(Eq.bind(imaginary, number_like(imaginary, 0)), Ge.bind(real, number_like(real, 0)))


@register
class Pow(Binary):
    """x to the power of y. For integers a negative power is 1 / x**-y rounded toward zero."""

    name, function, accepts, saves_output = "pow", staticmethod(_pow), NUMERIC_OR_COMPLEX, True
    lies_as_operands = True
    cost = 30.0

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        def of_base() -> Any:
            slope = cotangent * conjugate(y * Pow.bind(x, y - 1))
            return Where.bind(Eq.bind(y, number_like(y, 0)), number_like(cotangent, 0), slope)

        def of_exponent() -> Any:
            flat = LogicalAnd.bind(Eq.bind(x, number_like(x, 0)), _not_negative(y))
            return cotangent * conjugate(Where.bind(flat, number_like(output, 0), output * Log.bind(x)))

        return (of_base, of_exponent)


@register
class PowerScalar(PointwiseFunction):
    """x to the power of a number, with PyTorch's short cuts: x**2 is exactly x*x, x**0.5 is sqrt(x), and so on."""

    name, accepts = "power_scalar", NUMERIC_OR_COMPLEX
    lies_as_operands = True
    cost = 10.0

    def infer(self, x: TensorType, *, exponent: Number) -> TensorType:
        if x.dtype.is_integer and (not isinstance(exponent, int) or exponent < 0):
            raise TypeError(f"power_scalar of integers expects an integer exponent >= 0, got {exponent}")
        return super().infer(x)

    def evaluate(self, x: np.ndarray, *, exponent: Number) -> np.ndarray:
        token = silence(IGNORE)
        try:
            if exponent == 2:
                return np.asarray(x * x)
            if exponent == 3:
                return np.asarray(x * x * x)
            if exponent == 0.5:
                return np.asarray(np.sqrt(x))
            if exponent == -0.5:
                return np.asarray(np.reciprocal(np.sqrt(x)))
            if exponent == -1:
                return np.asarray(np.reciprocal(x))
            if exponent == -2:
                return np.asarray(np.reciprocal(x * x))
            return np.asarray(np.power(x, x.dtype.type(exponent)))
        finally:
            restore(token)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, exponent: Number) -> tuple[Any, ...]:
        if exponent == 0:
            return (zero_cotangent(cotangent),)
        if exponent == 1:
            return (cotangent,)
        slope = x if exponent == 2 else PowerScalar.bind(x, exponent=exponent - 1)
        return (cotangent * conjugate(slope * exponent),)

    def rule(self, x: Any, *, exponent: Number) -> Any | None:
        if exponent == 1:
            return x
        return number_like(x, 1) if exponent == 0 else None

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        x, exponent, dtype = operands[0](*index), attrs["exponent"], output.dtype
        square = Call("mul", (x, x), dtype)
        short_cuts = {
            2: square,
            3: Call("mul", (square, x), dtype),
            0.5: Call("sqrt", (x,), dtype),
            -0.5: Call("rsqrt", (x,), dtype),
            -1: Call("reciprocal", (x,), dtype),
            -2: Call("reciprocal", (square,), dtype),
        }
        return short_cuts.get(exponent) or Call("pow", (x, Constant(exponent, dtype)), dtype)


class Extremum(Binary):
    """The greater or lesser of two; NaN wins. At a tie each operand gets half of the gradient.

    It is not commutative: of zeros of different signs the machine gives one by its place.
    """

    def rule(self, x: Any, y: Any) -> Any | None:
        return x if same_value(x, y) else None

    def shares(self, cotangent: Any, x: Any, y: Any, loses: type[Binary]) -> tuple[Any, ...]:
        """The cotangents, where ``loses`` tells at which places the first operand is not the result."""

        def share(mine: Any, other: Any) -> Any:
            tied = Where.bind(Eq.bind(mine, other), cotangent * 0.5, cotangent)
            return Where.bind(loses.bind(mine, other), number_like(cotangent, 0), tied)

        return (lambda: share(x, y), lambda: share(y, x))


@register
class Maximum(Extremum):
    name, function = "maximum", np.maximum

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return self.shares(cotangent, x, y, Lt)


@register
class Minimum(Extremum):
    name, function = "minimum", np.minimum

    def vjp(self, cotangent: Any, output: Any, x: Any, y: Any) -> tuple[Any, ...]:
        return self.shares(cotangent, x, y, Gt)
