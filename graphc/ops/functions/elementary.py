"""Trigonometric, hyperbolic and other elementary functions with PyTorch's names, arguments, and promotion.

Source: https://docs.pytorch.org/docs/stable/torch.html#pointwise-ops
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from graphc.ir.types import bool_, complex128, float64
from graphc.ops import elementary
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import lt, maximum, minimum, mul, pow, where
from graphc.ops.functions.return_types import return_type
from graphc.ops.operands import cast, is_value, prepare, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import floating, result_type
from graphc.ops.sources import number_like
from graphc.ops.views import Detach

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "copysign",
    "cosh",
    "deg2rad",
    "exp2",
    "float_power",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "ldexp",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "nextafter",
    "rad2deg",
    "signbit",
    "sinh",
    "tan",
]
IN_PLACE = (
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "copysign",
    "cosh",
    "deg2rad",
    "exp2",
    "float_power",
    "fmod",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "ldexp",
    "log2",
    "log10",
    "nextafter",
    "rad2deg",
    "sinh",
    "tan",
)

Value = Any
Operand = Any  # a Value or a Python number

_of_floats = partial(factories.floating_function, __name__)
_of_two_floats = partial(factories.of_two_floats, __name__)
_of_two_integers = partial(factories.of_two_integers, __name__)

MantissaAndExponent = return_type("frexp", "mantissa exponent")

tan = _of_floats(elementary.Tan, "tan", "The tangent.")
asin = _of_floats(elementary.Asin, "asin", "The inverse of the sine, in [-pi/2, pi/2].")
acos = _of_floats(elementary.Acos, "acos", "The inverse of the cosine, in [0, pi].")
atan = _of_floats(elementary.Atan, "atan", "The inverse of the tangent, in [-pi/2, pi/2].")
sinh = _of_floats(elementary.Sinh, "sinh", "The hyperbolic sine.")
cosh = _of_floats(elementary.Cosh, "cosh", "The hyperbolic cosine.")
asinh = _of_floats(elementary.Asinh, "asinh", "The inverse of the hyperbolic sine.")
acosh = _of_floats(elementary.Acosh, "acosh", "The inverse of the hyperbolic cosine; NaN below 1.")
atanh = _of_floats(elementary.Atanh, "atanh", "The inverse of the hyperbolic tangent; NaN outside [-1, 1].")
exp2 = _of_floats(elementary.Exp2, "exp2", "2 to the power of each element.")
log2 = _of_floats(elementary.Log2, "log2", "The logarithm to base 2.")
log10 = _of_floats(elementary.Log10, "log10", "The logarithm to base 10.")

atan2 = _of_two_floats(
    elementary.Atan2, "atan2", "The angle of the point (other, input) in [-pi, pi]. The gradient at the origin is 0."
)
hypot = _of_two_floats(elementary.Hypot, "hypot", "sqrt(input**2 + other**2) without overflow.", integers=False)
logaddexp = _of_two_floats(
    elementary.LogAddExp, "logaddexp", "log(exp(input) + exp(other)) without overflow.", integers=False
)
logaddexp2 = _of_two_floats(
    elementary.LogAddExp2, "logaddexp2", "log2(2**input + 2**other) without overflow.", integers=False
)
nextafter = _of_two_floats(
    elementary.NextAfter, "nextafter", "The float next to input in the direction of other.", integers=False
)

gcd = _of_two_integers(elementary.GreatestCommonDivisor, "gcd", "gcd_cpu", "The greatest common divisor; 0 of zeros.")
lcm = _of_two_integers(elementary.LeastCommonMultiple, "lcm", "lcm_cpu", "The least common multiple; 0 with a zero.")
bitwise_left_shift = _of_two_integers(
    elementary.LeftShift, "bitwise_left_shift", "lshift_cpu", "input * 2**other within the width.", numbers=True
)
bitwise_right_shift = _of_two_integers(
    elementary.RightShift, "bitwise_right_shift", "rshift_cpu", "input / 2**other rounded down.", numbers=True
)


def copysign(input: Value, other: Operand) -> Value:
    """The magnitude of ``input`` with the sign of ``other``, a tensor or a number; integers become floats."""
    require_value("copysign", input)
    return elementary.CopySign.bind(*prepare(input, other, dtype=floating(result_type(input, other))))


def fmod(input: Value, other: Operand) -> Value:
    """The remainder of the division rounded toward zero: of the sign of ``input``.

    Raises RuntimeError for an integer division by zero.
    """
    require_value("fmod", input)
    dtype = result_type(input, other)
    if dtype == bool_:
        raise factories.not_implemented("fmod_cpu", dtype)
    return elementary.FMod.bind(*prepare(input, other, dtype=dtype))


def fmax(input: Value, other: Value) -> Value:
    """The greater of two; a number wins over NaN. At a tie the first gets the gradient."""
    factories.require_tensors("fmax", input=input, other=other)
    dtype = result_type(input, other)
    if dtype.is_complex:
        raise RuntimeError("fmax not implemented for complex tensors.")
    if not dtype.is_floating_point:
        return maximum(input, other)
    return elementary.FMax.bind(*prepare(input, other, dtype=dtype))


def fmin(input: Value, other: Value) -> Value:
    """The lesser of two; a number wins over NaN. At a tie the first gets the gradient."""
    factories.require_tensors("fmin", input=input, other=other)
    dtype = result_type(input, other)
    if dtype.is_complex:
        raise RuntimeError("fmin not implemented for complex tensors.")
    if not dtype.is_floating_point:
        return minimum(input, other)
    return elementary.FMin.bind(*prepare(input, other, dtype=dtype))


def heaviside(input: Value, values: Value) -> Value:
    """0 below zero (and for NaN), 1 above, ``values`` at zero. Raises RuntimeError for different dtypes."""
    factories.require_tensors("heaviside", input=input, values=values)
    if input.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    step = input if input.dtype == bool_ else cast(input > 0, input.dtype)
    return where(input == 0, Detach.bind(values), step)


def float_power(input: Operand, exponent: Operand) -> Value:
    """input to the power of exponent, computed in float64 (complex128 for complex numbers)."""
    dtype = complex128 if result_type(input, exponent).is_complex else float64
    base, power = (cast(each, dtype) if is_value(each) else each for each in (input, exponent))
    return pow(base, power)


def deg2rad(input: Value) -> Value:
    """Degrees as radians."""
    return cast(input, floating(input.dtype)) * (math.pi / 180.0)


def rad2deg(input: Value) -> Value:
    """Radians as degrees."""
    return cast(input, floating(input.dtype)) * (180.0 / math.pi)


def ldexp(input: Value, other: Value) -> Value:
    """input * 2**other."""
    factories.require_tensors("ldexp", input=input, other=other)
    dtype = floating(result_type(input, other))
    return mul(cast(input, dtype), elementary.Exp2.bind(cast(other, dtype)))


def frexp(input: Value) -> Any:
    """The mantissa, of magnitude in [1/2, 1), and the exponent of 2 (int32), of floats."""
    require_value("frexp", input)
    if not input.dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return MantissaAndExponent(elementary.FrexpMantissa.bind(input), elementary.FrexpExponent.bind(input))


def signbit(input: Value) -> Value:
    """Whether the sign bit is set, as bool: of -0.0 it is."""
    require_value("signbit", input)
    if input.dtype.is_complex:
        raise NotImplementedError("signbit is not implemented for complex tensors.")
    if input.dtype.is_floating_point:
        return elementary.SignBit.bind(input)
    return Copy.bind(number_like(input, False, dtype=bool_)) if input.dtype == bool_ else lt(input, 0)


# PyTorch's other names.
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
