"""Whether values are close, equal, or infinite, with PyTorch's names and arguments.

Source: https://docs.pytorch.org/docs/stable/torch.html#comparison-ops
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ir.types import bool_
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import abs, eq, isfinite, isnan, le, logical_and, logical_or, mul, sub
from graphc.ops.functions.reduction import all
from graphc.ops.operands import cast, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import get_default_dtype
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

__all__ = ["allclose", "equal", "isclose", "isneginf", "isposinf"]

Value = Any


def isclose(input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Value:
    """Whether |input - other| <= atol + rtol * |other|, as bool; infinities are close to themselves alone.

    Raises RuntimeError for different dtypes and for negative tolerances.
    """
    factories.require_tensors("isclose", input=input, other=other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"{type_name(input.dtype)} did not match {type_name(other.dtype)}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance:g}")
    close = eq(input, other)
    if equal_nan and input.dtype.is_differentiable:
        close = logical_or(close, logical_and(isnan(input), isnan(other)))
    if rtol == 0 and atol == 0:
        return close
    if not input.dtype.is_differentiable:
        input, other = cast(input, get_default_dtype()), cast(other, get_default_dtype())
    allowed, actual = abs(mul(other, rtol)) + atol, abs(sub(input, other))
    return logical_or(close, logical_and(isfinite(actual), le(actual, allowed)))


def allclose(input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close, as :func:`isclose` has it."""
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))


def equal(input: Value, other: Value) -> bool:
    """Whether two tensors have one shape and the same elements; NaN equals nothing."""
    factories.require_tensors("equal", input=input, other=other)
    if tuple(input.shape) != tuple(other.shape):
        return False
    return bool(all(eq(input, other)))


def _is_infinity(name: str, input: Value, infinity: float) -> Value:
    require_value(name, input)
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")
    if not input.dtype.is_floating_point:
        return Copy.bind(number_like(input, False, dtype=bool_))
    return eq(input, infinity)


def isposinf(input: Value) -> Value:
    """Whether each element is inf."""
    return _is_infinity("isposinf", input, math.inf)


def isneginf(input: Value) -> Value:
    """Whether each element is -inf."""
    return _is_infinity("isneginf", input, -math.inf)
