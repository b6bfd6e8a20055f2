"""Comparisons, logic, and the choice between two values: pointwise primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.ir.primitive import Attributes, Pointwise, register
from graphc.ir.scalars import Choose, Index, Operand, Scalar
from graphc.ir.types import TensorType, bool_
from graphc.ops.choosing import choose as choose_elements
from graphc.ops.pointwise_family import (
    ANY_OR_COMPLEX,
    FLOATING_OR_COMPLEX,
    INTEGRAL,
    Binary,
    Unary,
    full_value,
    made_by,
    operand_of,
    same_value,
)
from graphc.ops.sources import number_like


class Comparison(Binary):
    """Operands of one dtype, a bool result."""

    predicate, differentiable = True, False
    reflexive: ClassVar[bool]  # the result for two equal numbers

    def rule(self, x: Any, y: Any) -> Any | None:
        if same_value(x, y) and not x.dtype.is_differentiable:  # NaN equals nothing
            return number_like(x, self.reflexive, dtype=bool_)
        return None


@register
class Eq(Comparison):
    name, function, accepts, commutative, reflexive = "eq", np.equal, ANY_OR_COMPLEX, True, True


@register
class Ne(Comparison):
    name, function, accepts, commutative, reflexive = "ne", np.not_equal, ANY_OR_COMPLEX, True, False


@register
class Lt(Comparison):
    name, function, reflexive = "lt", np.less, False


@register
class Le(Comparison):
    name, function, reflexive = "le", np.less_equal, True


@register
class Gt(Comparison):
    name, function, reflexive = "gt", np.greater, False


@register
class Ge(Comparison):
    name, function, reflexive = "ge", np.greater_equal, True


class Logical(Binary):
    """Bits or truth values. ``neutral`` (of bool) leaves the other operand, ``absorbing`` decides the result."""

    commutative, differentiable = True, False
    neutral: ClassVar[bool | None] = None
    absorbing: ClassVar[bool | None] = None
    idempotent: ClassVar[bool] = True

    def rule(self, x: Any, y: Any) -> Any | None:
        if same_value(x, y):
            return x if self.idempotent else number_like(x, 0)
        if x.dtype == bool_ and full_value(y) is not None:
            if full_value(y) == self.neutral:
                return x
            return y if full_value(y) == self.absorbing else None
        return None


@register
class LogicalAnd(Logical):
    name, function, accepts, neutral, absorbing = "logical_and", np.logical_and, ("bool",), True, False


@register
class LogicalOr(Logical):
    name, function, accepts, neutral, absorbing = "logical_or", np.logical_or, ("bool",), False, True


@register
class LogicalXor(Logical):
    name, function, accepts, neutral, idempotent = "logical_xor", np.logical_xor, ("bool",), False, False


@register
class BitwiseAnd(Logical):
    name, function, accepts, neutral, absorbing = "bitwise_and", np.bitwise_and, INTEGRAL, True, False


@register
class BitwiseOr(Logical):
    name, function, accepts, neutral, absorbing = "bitwise_or", np.bitwise_or, INTEGRAL, False, True


@register
class BitwiseXor(Logical):
    name, function, accepts, neutral, idempotent = "bitwise_xor", np.bitwise_xor, INTEGRAL, False, False


@register
class Where(Pointwise):
    """x where the condition (bool) holds, else y."""

    name, saves_inputs, moves = "where", (0,), True

    def infer(self, condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
        if condition.dtype != bool_:
            raise TypeError(f"where expected condition to be a boolean tensor, but got {condition.dtype.name}")
        if x != y or condition.shape != x.shape:
            raise ValueError(f"where expects one shape and one dtype to choose from, got {condition}, {x} and {y}")
        return x

    def evaluate(self, condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return choose_elements(condition, x, y)

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        return self.room_as_operands(type, *arrays)

    def vjp(self, cotangent: Any, output: Any, condition: Any, x: Any, y: Any) -> tuple[Any | None, ...]:
        return (
            None,
            lambda: Where.bind(condition, cotangent, number_like(cotangent, 0)),
            lambda: Where.bind(condition, number_like(cotangent, 0), cotangent),
        )

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        condition, x, y = inputs
        decided = full_value(condition)
        if decided is not None:
            return x if decided else y
        if same_value(x, y):
            return x
        return Where.bind(operand_of(condition), y, x) if made_by(condition, LogicalNot) else None

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        condition, x, y = (operand(*index) for operand in operands)
        return Choose(condition, x, y, output.dtype)


@register
class IsNan(Unary):
    name, function, accepts, predicate, differentiable = "isnan", np.isnan, FLOATING_OR_COMPLEX, True, False


@register
class LogicalNot(Unary):
    """Operand and result are bool."""

    name, function, accepts, predicate, differentiable = "logical_not", np.logical_not, ("bool",), True, False

    def rule(self, x: Any) -> Any | None:
        opposite = {LogicalNot: None, Eq: Ne, Ne: Eq}
        for primitive, other in opposite.items():
            if made_by(x, primitive):
                return operand_of(x) if other is None else other.bind(operand_of(x), operand_of(x, 1))
        return None


@register
class BitwiseNot(Unary):
    name, function, accepts, differentiable = "bitwise_not", np.invert, INTEGRAL, False

    def rule(self, x: Any) -> Any | None:
        return operand_of(x) if made_by(x, BitwiseNot) else None
