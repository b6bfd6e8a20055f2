"""Pointwise functions with PyTorch's names, arguments, promotion, and broadcasting.

All take tensors (or graph symbols) of any shapes that broadcast, and Python numbers in place of all but one. Source:
https://docs.pytorch.org/docs/stable/torch.html#pointwise-ops
"""

from __future__ import annotations

import builtins
import math
from functools import partial
from typing import Any

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, uint8
from graphc.notices import warn
from graphc.ops import pointwise
from graphc.ops.functions import factories
from graphc.ops.half_precision import rounded_once
from graphc.ops.number_limits import finfo, iinfo
from graphc.ops.operands import apply_binary, cast, common_shape, expand, is_value, prepare, require_value, truth
from graphc.ops.pointwise import Clamp, Copy, LogicalNot, Ne, PowerScalar, Trunc, Where
from graphc.ops.promotion import floating, result_type
from graphc.ops.sources import as_number, cannot_hold, number_like
from graphc.ops.type_names import type_name

__all__ = [
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "cos",
    "div",
    "divide",
    "eq",
    "erf",
    "exp",
    "expm1",
    "fix",
    "floor",
    "floor_divide",
    "frac",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "nan_to_num",
    "ne",
    "neg",
    "negative",
    "not_equal",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "rsub",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tanh",
    "true_divide",
    "trunc",
]
FUNCTIONS_ONLY = ("rsub",)
IN_PLACE = (
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "cos",
    "div",
    "divide",
    "eq",
    "erf",
    "exp",
    "expm1",
    "fix",
    "floor",
    "floor_divide",
    "frac",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "le",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "nan_to_num",
    "ne",
    "neg",
    "negative",
    "not_equal",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tanh",
    "true_divide",
    "trunc",
)

Value = Any
Operand = Any  # a Value or a Python number

_floating_function = partial(factories.floating_function, __name__)
_numeric_function = partial(factories.numeric_function, __name__)
_rounding_function = partial(factories.rounding_function, __name__)
_comparison = partial(factories.comparison, __name__)
_logical = partial(factories.logical, __name__)
_bitwise = partial(factories.of_two_integers, __name__, numbers=True, truths=True)

exp = _floating_function(pointwise.Exp, "exp", "e to the power of each element.")
expm1 = _floating_function(pointwise.Expm1, "expm1", "exp(x) - 1, accurate near 0.")
log = _floating_function(pointwise.Log, "log", "The natural logarithm.")
log1p = _floating_function(pointwise.Log1p, "log1p", "log(1 + x), accurate near 0.")
sqrt = _floating_function(pointwise.Sqrt, "sqrt", "The square root.")
rsqrt = _floating_function(pointwise.Rsqrt, "rsqrt", "1 / sqrt(x).")
reciprocal = _floating_function(pointwise.Reciprocal, "reciprocal", "1 / x.")
tanh = _floating_function(pointwise.Tanh, "tanh", "The hyperbolic tangent.")
sigmoid = _floating_function(pointwise.Sigmoid, "sigmoid", "1 / (1 + exp(-x)).")
erf = _floating_function(pointwise.Erf, "erf", "The error function.")
sin = _floating_function(pointwise.Sin, "sin", "The sine.")
cos = _floating_function(pointwise.Cos, "cos", "The cosine.")
floor = _rounding_function(pointwise.Floor, "floor", "Rounded down.")
ceil = _rounding_function(pointwise.Ceil, "ceil", "Rounded up.")
trunc = _rounding_function(pointwise.Trunc, "trunc", "Rounded toward zero.")
clone = _numeric_function(Copy, "clone", "A copy with its own memory, within the graph.")


_INVERT_A_MASK = "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."


def abs(input: Value) -> Value:
    """The absolute value; the gradient at 0 is 0. Raises NotImplementedError for bool."""
    require_value("abs", input)
    if input.dtype is bool_:
        raise factories.not_implemented("abs_cpu", bool_)
    return pointwise.Abs.bind(input)


def neg(input: Value) -> Value:
    """The negative. Raises RuntimeError for bool."""
    require_value("neg", input)
    if input.dtype is bool_:
        raise RuntimeError(f"Negation, the `-` operator, on a bool tensor is not supported. {_INVERT_A_MASK}")
    return pointwise.Neg.bind(input)


def sign(input: Value) -> Value:
    """-1, 0, or 1 of the input's dtype; 0 for NaN. Raises NotImplementedError for complex values."""
    if input.dtype.is_complex:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        )
    return clone(input) if input.dtype == bool_ else pointwise.Sign.bind(input)


def positive(input: Value) -> Value:
    """The input itself."""
    if input.dtype == bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@rounded_once
def round(input: Value, *, decimals: int = 0) -> Value:
    """To the nearest integer, halves to the even one; with ``decimals`` to that many digits after the point."""
    require_value("round", input)
    if input.dtype is bool_:
        raise factories.not_implemented("round_cpu" if decimals else "round_vml_cpu", bool_)
    if decimals == 0:
        return clone(input) if input.dtype.is_integer else pointwise.Round.bind(input)
    if input.dtype.is_integer:
        raise factories.not_implemented("round_cpu", input.dtype)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return pointwise.Round.bind(input * scale) / scale
    return pointwise.Round.bind(input / scale) * scale


def frac(input: Value) -> Value:
    """What stands after the point, of the input's sign. Raises NotImplementedError for other than floats."""
    require_value("frac", input)
    if not input.dtype.is_floating_point:
        raise factories.not_implemented("frac_cpu", input.dtype)
    return input - trunc(input)


def square(input: Value) -> Value:
    """x * x."""
    return pow(input, 2)


# -- two operands -----------------------------------------------------------------------------------------------------


def _scaled(input: Operand, other: Operand, alpha: Operand) -> Operand:
    dtype = result_type(input, other)
    if isinstance(alpha, (float, complex)) and not dtype.is_differentiable:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, bool) and dtype is not bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if is_value(other) and other.dtype.category != dtype.category:
        other = cast(other, dtype)  # a number would not give it the precision that a tensor gives
    return other * (alpha if is_value(alpha) else as_number(alpha, dtype))


def add(input: Operand, other: Operand, *, alpha: Operand = 1) -> Value:
    """input + alpha * other; for bool the logical or."""
    if type(alpha) is not int or alpha != 1:
        other = _scaled(input, other, alpha)
    return apply_binary(pointwise.Add.instance, input, other)


def _refuse_bool(input: Operand, other: Operand) -> None:
    """Raises RuntimeError where a difference has an operand of truth values."""
    truths = [(each.dtype is bool_ if is_value(each) else isinstance(each, bool)) for each in (input, other)]
    if all(truths):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(truths):
        raise RuntimeError(f"Subtraction, the `-` operator, with a bool tensor is not supported. {_INVERT_A_MASK}")


def sub(input: Operand, other: Operand, *, alpha: Operand = 1) -> Value:
    """input - alpha * other. Raises RuntimeError for bool."""
    _refuse_bool(input, other)
    if type(alpha) is not int or alpha != 1:
        other = _scaled(input, other, alpha)
    return apply_binary(pointwise.Sub.instance, input, other)


def rsub(input: Operand, other: Operand, *, alpha: Operand = 1) -> Value:
    """other - alpha * input."""
    require_value("rsub", input)
    return sub(other, input, alpha=alpha)


def mul(input: Operand, other: Operand) -> Value:
    """input * other; for bool the logical and."""
    return apply_binary(pointwise.Mul.instance, input, other)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Value:
    """input / other as floats; ``rounding_mode`` "trunc" or "floor" keeps integers and rounds toward zero or down."""
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode is not None and rounding_mode != "trunc":
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    if rounding_mode is None and is_value(input) and input.dtype.is_differentiable:
        return apply_binary(pointwise.Div.instance, input, other)
    dtype = result_type(input, other)
    if dtype.is_differentiable:
        quotient = apply_binary(pointwise.Div.instance, input, other)
        return quotient if rounding_mode is None else Trunc.bind(quotient)
    if rounding_mode is None:
        return pointwise.Div.bind(*prepare(input, other, dtype=floating(dtype)))
    if dtype is bool_:
        raise factories.not_implemented("div_trunc_cpu", bool_)
    x, y = prepare(input, other)
    quotient, exact = pointwise.FloorDivide.bind(x, y), pointwise.Remainder.bind(x, y)
    # Rounding down and toward zero differ where the quotient is negative and not exact.
    return quotient + cast(logical_and(Ne.bind(exact, number_like(exact, 0)), lt(quotient, 0)), dtype)


def floor_divide(input: Operand, other: Operand) -> Value:
    """The quotient rounded down, in the promoted dtype. Raises RuntimeError for an integer division by zero."""
    if result_type(input, other) is bool_:
        raise factories.not_implemented("div_floor_cpu", bool_)
    return apply_binary(pointwise.FloorDivide.instance, input, other)


def remainder(input: Operand, other: Operand) -> Value:
    """Python's ``%``: of the sign of ``other``. Raises RuntimeError for an integer division by zero."""
    if result_type(input, other) is bool_:
        raise factories.not_implemented("remainder_cpu", bool_)
    return apply_binary(pointwise.Remainder.instance, input, other)


def pow(input: Operand, exponent: Operand) -> Value:
    """input to the power of exponent, either of them a tensor or a number.

    Raises RuntimeError for integers with a negative integer exponent given as a number.
    """
    if is_value(exponent):
        if result_type(input, exponent) is bool_:
            raise factories.not_implemented("pow", bool_)
        return apply_binary(pointwise.Pow.instance, input, exponent)
    require_value("pow", input)
    dtype = result_type(input, exponent)
    if dtype is bool_:
        return clone(input) if exponent else _all_of(input, True)
    if dtype.category == "int" and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return PowerScalar.bind(cast(input, dtype), exponent=as_number(exponent, dtype))


def maximum(input: Value, other: Value) -> Value:
    """The greater of two; NaN wins. At a tie each gets half of the gradient."""
    return _extremum(pointwise.Maximum, pointwise.LogicalOr, input, other)


def minimum(input: Value, other: Value) -> Value:
    """The lesser of two; NaN wins. At a tie each gets half of the gradient."""
    return _extremum(pointwise.Minimum, pointwise.LogicalAnd, input, other)


def _extremum(primitive: type[Primitive], logical: type[Primitive], input: Value, other: Value) -> Value:
    factories.require_tensors(primitive.name, input=input, other=other)
    dtype = result_type(input, other)
    if dtype.is_complex:
        raise RuntimeError(f"{primitive.name} not implemented for complex tensors.")
    truth = dtype == bool_
    return apply_binary((logical if truth else primitive).instance, input, other)


def clamp(input: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    """The input limited to [min, max], each a number or a tensor. The gradient passes at both limits.

    Raises RuntimeError where neither is given.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    dtype = result_type(*(operand for operand in (input, min, max) if operand is not None))
    if dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    if not is_value(min) and not is_value(max):
        low, high = (None if bound is None else _limit(bound, dtype) for bound in (min, max))
        if low != low or high != high:
            return Copy.bind(number_like(input, math.nan, dtype=dtype))
        return Clamp.bind(cast(input, dtype), low=low, high=high)
    if min is not None:
        low, value = prepare(min, input, dtype=dtype)
        input = Where.bind(pointwise.Lt.bind(value, low), low, value)
    if max is not None:
        high, value = prepare(max, input, dtype=dtype)
        input = Where.bind(pointwise.Gt.bind(value, high), high, value)
    return input


def _limit(bound: Any, dtype: DType) -> Any:
    """A number as a limit of elements of a dtype. Raises RuntimeError for one that a signed integer cannot hold; for an
    unsigned one a negative number wraps."""
    number = as_number(bound, dtype)
    if type(number) is int:
        limits = iinfo(dtype)
        if limits.min == 0:
            return number % (limits.max + 1)
        if not limits.min <= number <= limits.max:
            raise cannot_hold(dtype)
    return number


def clamp_min(input: Value, min: Operand) -> Value:
    """The input, at least ``min``."""
    return clamp(input, min=min)


def clamp_max(input: Value, max: Operand) -> Value:
    """The input, at most ``max``."""
    return clamp(input, max=max)


# -- comparisons and logic --------------------------------------------------------------------------------------------


eq = _comparison(pointwise.Eq, "eq", "Whether input == other, as bool; NaN equals nothing.")
ne = _comparison(pointwise.Ne, "ne", "Whether input != other, as bool.")
lt = _comparison(pointwise.Lt, "lt", "Whether input < other, as bool.")
le = _comparison(pointwise.Le, "le", "Whether input <= other, as bool.")
gt = _comparison(pointwise.Gt, "gt", "Whether input > other, as bool.")
ge = _comparison(pointwise.Ge, "ge", "Whether input >= other, as bool.")


logical_and = _logical(pointwise.LogicalAnd, "logical_and", "Whether both differ from zero, as bool.")
logical_or = _logical(pointwise.LogicalOr, "logical_or", "Whether one or both differ from zero, as bool.")
logical_xor = _logical(pointwise.LogicalXor, "logical_xor", "Whether exactly one differs from zero, as bool.")
bitwise_and = _bitwise(pointwise.BitwiseAnd, "bitwise_and", "bitwise_and_cpu", "Bits set in both.")
bitwise_or = _bitwise(pointwise.BitwiseOr, "bitwise_or", "bitwise_or_cpu", "Bits set in one or both.")
bitwise_xor = _bitwise(pointwise.BitwiseXor, "bitwise_xor", "bitwise_xor_cpu", "Bits set in exactly one.")


def bitwise_not(input: Value) -> Value:
    """All bits inverted, of integers or bool. Raises NotImplementedError for other dtypes."""
    require_value("bitwise_not", input)
    if input.dtype.is_differentiable:
        raise factories.not_implemented("bitwise_not_cpu", input.dtype)
    return pointwise.BitwiseNot.bind(input)


def logical_not(input: Value) -> Value:
    """Whether each element is zero, as bool."""
    return LogicalNot.bind(truth(input))


def isnan(input: Value) -> Value:
    """Whether each element is NaN."""
    return pointwise.IsNan.bind(input) if input.dtype.is_differentiable else _all_of(input, False)


def isinf(input: Value) -> Value:
    """Whether each element is inf or -inf."""
    return abs(input) == math.inf if input.dtype.is_differentiable else _all_of(input, False)


def isfinite(input: Value) -> Value:
    """Whether each element is neither infinite nor NaN."""
    return abs(input) < math.inf if input.dtype.is_differentiable else _all_of(input, True)


def _all_of(input: Value, answer: bool) -> Value:
    return Copy.bind(number_like(input, answer, dtype=bool_))


def where(condition: Value, input: Operand, other: Operand) -> Value:
    """``input`` where the condition (bool) holds, else ``other``; all three broadcast.

    Raises RuntimeError for a condition of another dtype.
    """
    if condition.dtype == uint8:
        warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of PyTorch. Use a boolean condition instead.",
        )
        condition = truth(condition)
    if condition.dtype != bool_:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {type_name(condition.dtype)}"
        )
    dtype = result_type(input, other)
    shape = common_shape([operand for operand in (condition, input, other) if is_value(operand)])
    x, y = (
        expand(cast(operand, dtype), shape)
        if is_value(operand)
        else number_like(condition, operand, shape=shape, dtype=dtype)
        for operand in (input, other)
    )
    return Where.bind(expand(condition, shape), x, y)


# -- composites -------------------------------------------------------------------------------------------------------


@rounded_once
def lerp(input: Value, end: Value, weight: Operand) -> Value:
    """input + weight * (end - input), computed from the nearer side so that weight 1 gives ``end`` exactly."""
    dtype = result_type(input, end)
    if not dtype.is_differentiable:
        raise factories.not_implemented(f"lerp_kernel_{'tensor' if is_value(weight) else 'scalar'}", dtype)
    difference = end - input
    if not is_value(weight):
        return input + difference * weight if builtins.abs(weight) < 0.5 else end - difference * (1 - weight)
    near = abs(weight) < 0.5
    # One formula for both sides: x + w d, or y - (1 - w) d, is a start plus a step.
    return where(near, input, end) + difference * where(near, weight, weight - 1)


@rounded_once
def addcmul(input: Value, tensor1: Value, tensor2: Value, *, value: Operand = 1) -> Value:
    """input + value * tensor1 * tensor2."""
    dtype = result_type(input, tensor1, tensor2)
    if dtype is bool_:
        raise factories.not_implemented("addcmul_cpu_out", dtype)
    scaled = tensor1 if type(value) is int and value == 1 else tensor1 * as_number(value, dtype)
    return input + scaled * tensor2


@rounded_once
def addcdiv(input: Value, tensor1: Value, tensor2: Value, *, value: Operand = 1) -> Value:
    """input + value * tensor1 / tensor2, of floats."""
    if not result_type(tensor1, tensor2).is_differentiable:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division. Convert the operands to floats."
        )
    scaled = tensor1 if type(value) is int and value == 1 else tensor1 * value
    return input + scaled / tensor2


def nan_to_num(
    input: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the greatest and least finite number)."""
    if input.dtype.category != "float":
        return clone(input)
    greatest = finfo(input.dtype).max
    result = where(isnan(input), 0.0 if nan is None else nan, input)
    result = where(input == math.inf, greatest if posinf is None else posinf, result)
    return where(input == -math.inf, -greatest if neginf is None else neginf, result)


# PyTorch's other names.
absolute, negative, subtract, multiply = abs, neg, sub, mul
divide = true_divide = div
clip, fix = clamp, trunc
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
