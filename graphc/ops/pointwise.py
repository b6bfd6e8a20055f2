"""Pointwise primitives: each element of the result comes from the elements of the operands at the same index.

Operands have exactly the shape of the result, and one dtype where not said otherwise; the front end sees to it. This
module holds those of one operand and hands on those of :mod:`graphc.ops.arithmetic` and :mod:`graphc.ops.comparisons`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.ir.primitive import Attributes, Pointwise, register
from graphc.ir.scalars import Call, Choose, Constant, Index, Operand, Scalar
from graphc.ir.types import DType, TensorType, bool_, dtype_of
from graphc.notices import warn
from graphc.ops.arithmetic import (
    Add,
    Div,
    Exponential,
    FloorDivide,
    Log,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Pow,
    PowerScalar,
    Remainder,
    Sub,
)
from graphc.ops.comparisons import (
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Eq,
    Ge,
    Gt,
    IsNan,
    Le,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogicalXor,
    Lt,
    Ne,
    Where,
)
from graphc.ops.composites import Composite
from graphc.ops.conjugation import conjugate
from graphc.ops.error_function import erf
from graphc.ops.pointwise_family import (
    FLOATING,
    FLOATING_OR_COMPLEX,
    NUMERIC,
    NUMERIC_OR_COMPLEX,
    PointwiseFunction,
    Unary,
    fold,
    made_by,
    operand_of,
    zero_cotangent,
)
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import Number, converted, number_like


@register
class Copy(Pointwise):
    """The operand in memory of its own; PyTorch's ``clone``."""

    name = "copy"
    saves_inputs = ()
    moves = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        # As PyTorch: strides are kept where elements fill their memory, else the copy is contiguous.
        if x.flags.c_contiguous or 0 in x.strides:
            return x.copy()
        copied = x.copy("K")
        return copied if copied.strides == x.strides else x.copy()

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        (x,) = arrays
        alike = np.empty_like(x, order="C" if 0 in x.strides else "K", subok=False)
        return alike if alike.strides == x.strides else np.empty(x.shape, x.dtype)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent,)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return inputs[0]

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return operands[0](*index)


def _converts_exactly(source: DType, target: DType) -> bool:
    """Whether every number of one dtype is a number of the other."""
    if source.name in ("int64", "uint64") and target.is_differentiable:
        return False  # numpy calls it safe
    return np.can_cast(source.numpy, target.numpy, "safe")


@register
class Cast(Pointwise):
    """The operand in another dtype: floats to integers round toward zero, anything but zero is true, of a complex
    number the real part stays."""

    name = "cast"
    saves_inputs = ()
    moves = True  # from and to any type by rules of its own
    implicit = True
    notable = False

    def infer(self, x: TensorType, *, dtype: DType) -> TensorType:
        return TensorType(dtype, x.shape)

    def evaluate(self, x: np.ndarray, *, dtype: DType) -> np.ndarray:
        if x.dtype.kind == "c" and dtype.category in ("int", "float"):
            warn("Casting complex values to real discards the imaginary part", UserWarning)
            x = x.real
        token = silence(IGNORE)
        try:
            return converted(x, dtype)
        finally:
            restore(token)

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        known = super().room(type, *arrays)
        if known is not None or 0 in type.shape or type.dtype.is_half or dtype_of(arrays[0].dtype).is_half:
            return known
        return np.empty_like(arrays[0], type.dtype.numpy, order="K", subok=False)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dtype: DType) -> tuple[Any | None, ...]:
        if not x.dtype.is_differentiable or not dtype.is_differentiable:
            return (None,)
        if dtype.is_complex and not x.dtype.is_complex:
            from graphc.ops.complex_numbers import parts

            cotangent = parts(cotangent)[0]
        return (cotangent if cotangent.dtype is x.dtype else Cast.bind(cotangent, dtype=x.dtype),)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        x, dtype = inputs[0], attrs["dtype"]
        if x.dtype == dtype:
            return x
        if made_by(x, Cast) and _converts_exactly(operand_of(x).dtype, x.dtype):
            return Cast.bind(operand_of(x), dtype=dtype)
        return fold(self, inputs, attrs, output_type)


@register
class Abs(Unary):
    """The absolute value; of a complex number it is real."""

    name, function, accepts = "abs", np.absolute, NUMERIC_OR_COMPLEX

    def infer(self, *types: TensorType, **attrs: Any) -> TensorType:
        found = super().infer(*types, **attrs)
        return TensorType(found.dtype.to_real(), found.shape)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        if x.dtype.is_complex:
            from graphc.ops.complex_numbers import ComplexSign

            return (cotangent * ComplexSign.bind(x),)
        return (cotangent * Sign.bind(x),)

    def rule(self, x: Any) -> Any | None:
        if made_by(x, Abs):
            return x
        return Abs.bind(operand_of(x)) if made_by(x, Neg) else None


def _sign(x: np.ndarray) -> np.ndarray:
    return np.subtract(x > 0, x < 0, dtype=x.dtype)  # 0 for NaN, as in PyTorch


@register
class Sign(Unary):
    """-1, 0, or 1; 0 for NaN."""

    name, function, accepts, saves_inputs = "sign", staticmethod(_sign), NUMERIC, ()
    lies_as_operands = True
    cost = 2.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (zero_cotangent(cotangent),)

    def rule(self, x: Any) -> Any | None:
        return x if made_by(x, Sign) else None


@register
class Exp(Exponential):
    name, function, saves_inputs, saves_output = "exp", np.exp, (), True

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(output),)


@register
class Expm1(Exponential):
    name, function, saves_inputs, saves_output = "expm1", np.expm1, (), True

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(output + 1),)


@register
class Log1p(Exponential):
    name, function = "log1p", np.log1p

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(x + 1),)


@register
class Sqrt(Unary):
    name, function, accepts, saves_inputs, saves_output = "sqrt", np.sqrt, FLOATING_OR_COMPLEX, (), True
    cost = 4.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent / conjugate(output * 2),)


def inverse(x: np.ndarray) -> np.ndarray:
    """1 / x; of a complex 1 the inverse has no negative zero."""
    return np.divide(1, x) if x.dtype.kind == "c" else np.reciprocal(x)


@register
class Rsqrt(Unary):
    """1 / sqrt(x)."""

    name, accepts, saves_inputs, saves_output = "rsqrt", FLOATING_OR_COMPLEX, (), True
    lies_as_operands = True
    function = staticmethod(lambda x: inverse(np.sqrt(x)))
    cost = 8.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * -0.5 * conjugate(PowerScalar.bind(output, exponent=3.0)),)


@register
class Reciprocal(Unary):
    lies_as_operands = True
    name, function, accepts, saves_inputs, saves_output = (
        "reciprocal",
        staticmethod(inverse),
        FLOATING_OR_COMPLEX,
        (),
        True,
    )
    cost = 4.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (-cotangent * conjugate(output * output),)


@register
class Tanh(Exponential):
    name, function, saves_inputs, saves_output = "tanh", np.tanh, (), True
    cost = 15.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(1 - output * output),)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    result = np.asarray(np.negative(x))
    np.exp(result, out=result)
    result += 1
    return np.divide(1, result, out=result) if x.dtype.kind == "c" else np.reciprocal(result, out=result)


@register
class Sigmoid(Exponential):
    """1 / (1 + exp(-x))."""

    name, function, saves_inputs, saves_output = "sigmoid", staticmethod(_sigmoid), (), True
    lies_as_operands = True
    cost = 14.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(1 - output) * conjugate(output),)


@register
class Erf(Exponential):
    """The error function."""

    name, function, accepts, kernel = "erf", staticmethod(erf), FLOATING, "erf_vml_cpu"
    cost = 20.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * (Exp.bind(-(x * x)) * (2 / math.sqrt(math.pi))),)


@register
class Sin(Exponential):
    name, function = "sin", np.sin
    cost = 15.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(Cos.bind(x)),)


@register
class Cos(Exponential):
    name, function = "cos", np.cos
    cost = 15.0

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent * conjugate(-Sin.bind(x)),)


class Rounding(Unary):
    """To an integer, in the floating dtype. The gradient is zero everywhere."""

    accepts, saves_inputs = FLOATING, ()

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (zero_cotangent(cotangent),)

    def rule(self, x: Any) -> Any | None:
        return x if isinstance(x.node.op, Rounding) else None


@register
class Floor(Rounding):
    name, function = "floor", np.floor


@register
class Ceil(Rounding):
    name, function = "ceil", np.ceil


@register
class Round(Rounding):
    """To the nearest integer, halves to the even one."""

    name, function, kernel = "round", np.rint, "round_vml_cpu"


@register
class Trunc(Rounding):
    name, function = "trunc", np.trunc


@cache
def _zero(dtype: np.dtype) -> np.ndarray:
    """Zero as an operand of numpy's functions, which take an array sooner than a number."""
    return np.zeros((), dtype)


# From so many elements on a pass over them takes longer than a call of numpy's.
_MANY = 4096


class ReluGradient(Composite):
    """The cotangent where a rectifier's result is not 0."""

    name, differentiable = "relu_gradient", False

    def decompose(self, cotangent: Any, output: Any) -> Any:
        return Where.bind(Le.bind(output, number_like(output, 0)), number_like(cotangent, 0), cotangent)

    def evaluate(self, cotangent: np.ndarray, output: np.ndarray) -> np.ndarray:
        stopped = np.less_equal(output, _zero(output.dtype))
        if stopped.size < _MANY or cotangent.dtype.kind != "f":
            return np.where(stopped, _zero(cotangent.dtype), cotangent)
        # All bits of what passes, and none of what is stopped: numpy chooses element by element in ten times as long.
        bits = np.dtype(f"i{cotangent.dtype.itemsize}")
        kept = stopped.astype(bits)
        kept -= 1
        return np.bitwise_and(cotangent.view(bits), kept, kept).view(cotangent.dtype)


@register
class Relu(Unary):
    """max(x, 0); the gradient at 0 is 0."""

    name, accepts, saves_inputs, saves_output = "relu", NUMERIC, (), True
    lies_as_operands = True
    function = staticmethod(lambda x: np.maximum(x, _zero(x.dtype)))

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (ReluGradient.bind(cotangent, output),)

    def rule(self, x: Any) -> Any | None:
        return x if made_by(x, Relu) else None

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return _limited("le", operands[0](*index), Constant(0.0 if output.dtype.is_floating_point else 0, output.dtype))


def _limited(comparison: str, value: Scalar, limit: Constant) -> Scalar:
    """The limit where the value compares so to it; NaN stays."""
    return Choose(Call(comparison, (value, limit), bool_), limit, value, limit.dtype)


@register
class Clamp(PointwiseFunction):
    """The operand limited to [low, high]; None is no limit. The gradient passes at both limits. NaN stays."""

    name, accepts = "clamp", NUMERIC
    lies_as_operands = True
    cost = 2.0

    def infer(self, x: TensorType, *, low: Number | None, high: Number | None) -> TensorType:
        if low is None and high is None:
            raise ValueError("clamp expects at least one of low and high")
        return super().infer(x)

    def evaluate(self, x: np.ndarray, *, low: Number | None, high: Number | None) -> np.ndarray:
        result = x if low is None else np.maximum(x, x.dtype.type(low))
        return np.asarray(result if high is None else np.minimum(result, x.dtype.type(high)))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, low: Any, high: Any) -> tuple[Any, ...]:
        inside = None if low is None else Ge.bind(x, number_like(x, low))
        below = None if high is None else Le.bind(x, number_like(x, high))
        if inside is None or below is None:
            passes = below if inside is None else inside
        else:
            passes = LogicalAnd.bind(inside, below)
        return (Where.bind(passes, cotangent, number_like(cotangent, 0)),)

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        value = operands[0](*index)
        if attrs["low"] is not None:
            value = _limited("lt", value, Constant(attrs["low"], output.dtype))
        if attrs["high"] is not None:
            value = _limited("gt", value, Constant(attrs["high"], output.dtype))
        return value


__all__ = [
    "Abs",
    "Add",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Cast",
    "Ceil",
    "Clamp",
    "Copy",
    "Cos",
    "Div",
    "Eq",
    "Erf",
    "Exp",
    "Expm1",
    "Floor",
    "FloorDivide",
    "Ge",
    "Gt",
    "IsNan",
    "Le",
    "Log",
    "Log1p",
    "LogicalAnd",
    "LogicalNot",
    "LogicalOr",
    "LogicalXor",
    "Lt",
    "Maximum",
    "Minimum",
    "Mul",
    "Ne",
    "Neg",
    "Pow",
    "PowerScalar",
    "Reciprocal",
    "Relu",
    "Remainder",
    "Round",
    "Rsqrt",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sqrt",
    "Sub",
    "Tanh",
    "Trunc",
    "Where",
]
