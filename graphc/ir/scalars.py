"""Scalar expressions: what one element of a value is, as a function of its index.

Primitives describe their elements with these, and the code generator fuses and prints them. They know nothing of
loops, buffers, or targets; a ``Load`` names a source by any hashable key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from graphc.ir.integers import Integer, bounds, opaque
from graphc.ir.types import DType, bool_, int64

Index = tuple[Integer, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A number of a dtype. Equal where every bit is: 0.0 is not -0.0, and NaN is NaN."""

    value: float | int | bool
    dtype: DType

    @property
    def _bits(self) -> tuple[DType, str]:
        return self.dtype, self.value.hex() if isinstance(self.value, float) else str(int(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._bits == other._bits

    def __hash__(self) -> int:
        return hash(self._bits)

    def __str__(self) -> str:
        return f"{self.value!r}"


@dataclass(frozen=True, slots=True)
class Load:
    """The element of ``source`` at an index."""

    source: object
    index: Index
    dtype: DType

    def __str__(self) -> str:
        return f"{self.source}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True, slots=True)
class Call:
    """A scalar function, by the name of its primitive, of scalar arguments."""

    function: str
    arguments: tuple[Scalar, ...]
    dtype: DType

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Within:
    """Whether ``lower <= value < upper`` for integers."""

    value: Integer
    lower: Integer
    upper: Integer

    @property
    def dtype(self) -> DType:
        return bool_

    def __str__(self) -> str:
        return f"({self.lower} <= {self.value} < {self.upper})"


@dataclass(frozen=True, slots=True)
class FromIndex:
    """An integer expression as a scalar value of a dtype."""

    value: Integer
    dtype: DType

    def __str__(self) -> str:
        return f"{self.dtype.short}({self.value})"


@dataclass(frozen=True, slots=True)
class Choose:
    """``chosen`` where the condition holds, else ``otherwise``; only the taken side may be evaluated."""

    condition: Scalar
    chosen: Scalar
    otherwise: Scalar
    dtype: DType

    def __str__(self) -> str:
        return f"({self.condition} ? {self.chosen} : {self.otherwise})"


Scalar = Constant | Load | Call | Within | FromIndex | Choose
Operand = Callable[..., Scalar]  # an operand of a primitive: called with an index, gives its element there


def within(value: Integer, lower: Integer, upper: Integer) -> Scalar:
    """``lower <= value < upper``; a constant where the bounds of the value decide it."""
    least, greatest = bounds(value - lower)
    room = bounds(value - upper)[1]
    if least is not None and least >= 0 and room is not None and room < 0:
        return Constant(True, bool_)
    if (greatest is not None and greatest < 0) or ((bounds(value - upper)[0] or -1) >= 0):
        return Constant(False, bool_)
    return Within(value, lower, upper)


def both(*conditions: Scalar) -> Scalar:
    """The conjunction of conditions; constants fold."""
    remaining = [c for c in conditions if not (isinstance(c, Constant) and c.value)]
    if any(isinstance(c, Constant) for c in remaining):
        return Constant(False, bool_)
    if not remaining:
        return Constant(True, bool_)
    result = remaining[0]
    for condition in remaining[1:]:
        result = Call("logical_and", (result, condition), bool_)
    return result


def choose(condition: Scalar, chosen: Scalar, otherwise: Scalar) -> Scalar:
    """``chosen`` where the condition holds, else ``otherwise``; a constant condition folds."""
    if isinstance(condition, Constant):
        return chosen if condition.value else otherwise
    return Choose(condition, chosen, otherwise, chosen.dtype)


def as_index(value: Scalar, extent: Integer) -> Integer:
    """A scalar integer as an index into a dimension of ``extent``; it must have been checked to lie within."""
    if isinstance(value, Constant):
        return int(value.value)
    if isinstance(value, FromIndex):
        return value.value
    greatest = bounds(extent)[1]
    return opaque(value, 0, None if greatest is None else max(greatest - 1, 0))


def from_index(value: Integer, dtype: DType = int64) -> Scalar:
    """An integer expression as a scalar of a dtype."""
    if isinstance(value, int):
        return Constant(dtype.numpy.type(value).item(), dtype)
    return FromIndex(value, dtype)


def children(scalar: Scalar) -> tuple[Scalar, ...]:
    """The scalar expressions directly within one (those inside index expressions excepted)."""
    if isinstance(scalar, Call):
        return scalar.arguments
    if isinstance(scalar, Choose):
        return (scalar.condition, scalar.chosen, scalar.otherwise)
    return ()


def walk(scalar: Scalar) -> Iterator[Scalar]:
    """The expression and all below it, parents first (those inside index expressions excepted)."""
    yield scalar
    for child in children(scalar):
        yield from walk(child)


def rebuild(scalar: Scalar, change: Callable[[Scalar], Scalar]) -> Scalar:
    """The expression with ``change`` applied to every part, children first."""
    if isinstance(scalar, Call):
        scalar = replace(scalar, arguments=tuple(rebuild(a, change) for a in scalar.arguments))
    elif isinstance(scalar, Choose):
        scalar = replace(
            scalar,
            condition=rebuild(scalar.condition, change),
            chosen=rebuild(scalar.chosen, change),
            otherwise=rebuild(scalar.otherwise, change),
        )
    return change(scalar)
