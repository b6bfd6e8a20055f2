"""Sizes that a compiled program is given at run time, as the integers that they are while the program is recorded.

Under a capture with dynamic dimensions ``x.shape[0]`` is a :class:`DynamicSize`: an int to all Python code, which also
knows what it stands for. Arithmetic keeps that knowledge. A comparison whose answer is not the same for every size
leaves a guard; so does whatever takes the plain number (``int(n)``, ``range(n)``, ``[0] * n``, numpy's functions):
what follows holds for this size alone.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from graphc.ir.integers import Integer, IntegerExpression, bounds
from graphc.recording import state

Function = TypeVar("Function", bound=Callable[..., Any])
_stretching: set[CodeType] = set()


def stretches(function: Function) -> Function:
    """Decorator for functions that stretch or drop extents of 1, or care for empty ones: in their own comparisons a
    dynamic extent that is not equal now never is, since what they do then is right for 0 and 1 as well, and for any
    other number an error. One that is equal to such a number now is that number."""
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        _stretching.add(code)
        pending += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return function


class DynamicSize:
    """An integer that is known at run time only, with the value that it has in this recording.

    ``isinstance(size, int)`` holds, but to the interpreter it is no int: a built-in function that needs one has to ask
    for it (``__index__``), and so can't take the number unseen.

    Attributes:
        expression: what it is of the symbolic dimensions.
        value: the plain number; reading it leaves no guard.
    """

    __slots__ = ("expression", "value")

    expression: IntegerExpression
    value: int

    def __init__(self, value: int, expression: IntegerExpression):
        self.value = value
        self.expression = expression

    @property
    def __class__(self) -> type:
        return int

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in int.__dict__:
            raise AttributeError(f"'int' object has no attribute '{name}'")
        return getattr(fixed(self), name)

    def __add__(self, other: Any) -> Any:
        return _combine(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _combine(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _combine(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _combine(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _combine(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _combine(operator.mul, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _divide(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Any:
        return _divide(operator.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return _divide(operator.mod, other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __round__(self, digits: int | None = None) -> Any:
        return self if digits is None or digits >= 0 else round(fixed(self), digits)

    def __floor__(self) -> Any:
        return self

    __ceil__ = __trunc__ = __floor__

    def __truediv__(self, other: Any) -> Any:
        return _quotient(self, other) if isinstance(other, int | float) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return _quotient(other, self) if isinstance(other, int | float) else NotImplemented

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        if isinstance(exponent, int) and not isinstance(exponent, DynamicSize) and modulus is None and exponent >= 0:
            result: Any = 1
            for _ in range(exponent):
                result = result * self
            return result
        return pow(fixed(self), exponent, modulus)

    def __rpow__(self, base: Any) -> Any:
        return base ** fixed(self)

    def __lshift__(self, other: Any) -> Any:
        return self * 2 ** fixed(other)

    def __rshift__(self, other: Any) -> Any:
        return self // 2 ** fixed(other)

    def __and__(self, other: Any) -> Any:
        return fixed(self) & fixed(other)

    def __or__(self, other: Any) -> Any:
        return fixed(self) | fixed(other)

    def __xor__(self, other: Any) -> Any:
        return fixed(self) ^ fixed(other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rlshift__(self, other: Any) -> Any:
        return other << fixed(self)

    def __rrshift__(self, other: Any) -> Any:
        return other >> fixed(self)

    def __invert__(self) -> Any:
        return -1 - self

    def __eq__(self, other: object) -> Any:
        return _compare(operator.eq, "==", self, other)

    def __ne__(self, other: object) -> Any:
        return _compare(operator.ne, "!=", self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, "<", self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, "<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, ">", self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, ">=", self, other)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return hash(fixed(self))

    def __index__(self) -> int:
        return fixed(self)

    __int__ = __index__

    def __float__(self) -> float:
        return float(fixed(self))

    def __complex__(self) -> complex:
        return complex(fixed(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(fixed(self), dtype)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, specification: str) -> str:
        return format(self.value, specification)

    def __reduce__(self) -> Any:
        return int, (self.value,)

    def __copy__(self) -> DynamicSize:
        return self

    def __deepcopy__(self, memo: Any) -> DynamicSize:
        return self


def dynamic_size(value: int, expression: Integer) -> int:
    """An integer with what it stands for; a plain one where that is a number."""
    if isinstance(expression, int):
        return expression
    return DynamicSize(value, expression)


def value_of(size: int) -> int:
    """The plain number, without a guard."""
    return size.value if type(size) is DynamicSize else size


def expression_of(value: Any) -> Any:
    """What an integer stands for; attributes and shapes of a graph hold this. Other values are as they are, tuples and
    lists of them converted."""
    if type(value) is DynamicSize:
        return value.expression
    if isinstance(value, tuple):
        return tuple(map(expression_of, value))
    return value


def plain(value: Any) -> Any:
    """A value as numpy takes it: sizes as plain numbers, without a guard."""
    if type(value) is DynamicSize:
        return value_of(value)
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value


def fixed(size: Any) -> Any:
    """The plain number, or those of a shape: what follows holds for this size alone."""
    if isinstance(size, tuple):
        return tuple(map(fixed, size))
    if type(size) is not DynamicSize:
        return size
    value = value_of(size)
    _guard("==", size.expression, value, True)
    return value


def _combine(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return dynamic_size(
            operation(value_of(left), value_of(right)), operation(expression_of(left), expression_of(right))
        )
    if isinstance(left, float) or isinstance(right, float):
        return operation(_number(left), _number(right))
    return NotImplemented


def _divide(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        divisor = expression_of(right)
        if operation is operator.floordiv and isinstance(divisor, int) and divisor < 0:
            return _divide(operation, -left, -divisor)
        least = bounds(divisor)[0]
        if least is None or least < 1:
            if type(right) is DynamicSize and value_of(right) > 0:
                _guard(">=", right.expression, 1, True)
            else:
                return operation(fixed(left), fixed(right))
        return _combine(operation, left, right)
    if isinstance(left, float) or isinstance(right, float):
        return operation(float(left), float(right))
    return NotImplemented


def _quotient(left: Any, right: Any) -> Any:
    """The quotient as a float that is computed at run time. Division by 0 is an error, so there is a guard."""
    divided = value_of(right) if isinstance(right, int) else right
    return _number(left) / _number(right) if right != 0 else value_of(left) / divided


def _number(value: Any) -> Any:
    """A size as a number that is computed at run time; others as they are."""
    if type(value) is not DynamicSize:
        return value
    from graphc.ir.types import float64
    from graphc.ops.sources import Full
    from graphc.tensor import RunTimeNumber, Tensor

    return RunTimeNumber.of(Tensor.source(Full, value=value, shape=(), dtype=float64))


def _compare(relation: Callable[[Any, Any], bool], sign: str, left: DynamicSize, right: Any) -> Any:
    if isinstance(right, float):
        if not right.is_integer():
            return relation(float(fixed(left)), right)
        right = int(right)
    if not isinstance(right, int):
        return NotImplemented
    outcome = relation(value_of(left), value_of(right))
    difference = left.expression - expression_of(right)
    if isinstance(difference, int):
        return relation(difference, 0)
    if outcome == (sign == "!=") and sign in ("==", "!=") and sys._getframe(2).f_code in _stretching:
        return outcome
    least, greatest = bounds(difference)
    if not _decided(sign, least, greatest):
        _guard_difference(sign, difference, outcome)
    return outcome


def _decided(sign: str, least: int | None, greatest: int | None) -> bool:
    """Whether a relation of a value to zero is the same for all values within bounds."""
    above, below = least is not None and least > 0, greatest is not None and greatest < 0
    if sign in ("==", "!="):
        return above or below
    if sign in ("<", ">="):
        return below or (least is not None and least >= 0)
    return above or (greatest is not None and greatest <= 0)


_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _guard_difference(sign: str, difference: IntegerExpression, outcome: bool) -> None:
    """A guard on a relation of a difference to zero, told as a size and a number."""
    constant = dict(difference.terms).get((), 0)
    sizes = difference - constant
    divisor = math.gcd(*(factor for _, factor in sizes.terms))
    if sizes.terms[0][1] < 0:
        sign, divisor = _MIRRORED[sign], -divisor
    if constant % divisor == 0:
        _guard(sign, sizes // divisor, -constant // divisor, outcome)
    elif sign not in ("==", "!="):  # a multiple of the divisor never equals what is none
        _guard(sign, difference, 0, outcome) if divisor > 0 else _guard(sign, -difference, 0, outcome)


def _guard(sign: str, expression: IntegerExpression, value: int, outcome: bool) -> None:
    recorder = state.recorder
    if recorder is not None:
        recorder.size_decided(sign, expression, value, outcome)


def as_int(value: Any) -> int:
    """An integer argument as an int; a dynamic size as it is. Raises TypeError for what is no integer."""
    return value if type(value) is DynamicSize else operator.index(value)
