"""What pointwise primitives share: their type rule, evaluation without warnings, and the helpers of their rules.

The rules of ``simplify`` keep every bit (NaN is one value, whatever its payload).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import IntegerExpression
from graphc.ir.primitive import Attributes, Pointwise
from graphc.ir.types import TensorType, bool_
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import Full, Number, number_like
from graphc.ops.type_names import type_name

NUMERIC = ("int", "float")
FLOATING = ("float",)
INTEGRAL = ("bool", "int")
ANY = ("bool", "int", "float")
# The same with complex numbers, which have no order.
NUMERIC_OR_COMPLEX = ("int", "float", "complex")
FLOATING_OR_COMPLEX = ("float", "complex")
ANY_OR_COMPLEX = ("bool", "int", "float", "complex")


def full_value(symbol: Any) -> Number | None:
    """The number that a symbol has at every place; None where it is not known to have one."""
    node = symbol.node
    value = node.attrs["value"] if node.op is Full.instance else None
    return None if isinstance(value, IntegerExpression) else value


def is_full(symbol: Any, value: Number) -> bool:
    """Whether a symbol is that number at every place; for a float zero the sign counts."""
    found = full_value(symbol)
    if found is None or isinstance(found, complex):
        return False
    return found == value and (value != 0 or math.copysign(1, found) == math.copysign(1, value))


def same_value(left: Any, right: Any) -> bool:
    return left.node is right.node


def made_by(symbol: Any, primitive: type[Pointwise]) -> bool:
    return symbol.node.op is primitive.instance


def operand_of(symbol: Any, position: int = 0) -> Any:
    """What a symbol was computed from."""
    return symbol.builder.symbol(symbol.node.inputs[position])


def fold(primitive: Pointwise, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
    """Operands that are one number everywhere give one number everywhere, the one that eager mode computes."""
    values = [full_value(symbol) for symbol in inputs]
    if any(value is None for value in values):
        return None
    arrays = [np.asarray(value, symbol.dtype.numpy) for value, symbol in zip(values, inputs, strict=True)]
    try:
        value = primitive.compute(*arrays, **attrs).item()
    except RuntimeError:  # an integer division by zero: left to happen when the program runs
        return None
    return number_like(inputs[0], value, shape=output_type.shape, dtype=output_type.dtype)


def zero_cotangent(cotangent: Any) -> Any:
    return lambda: number_like(cotangent, 0)


class PointwiseFunction(Pointwise):
    """A pointwise primitive that is a numpy function of operands of one dtype.

    ``accepts`` lists the categories of dtypes; ``predicate`` says that the result is bool; ``kernel`` is what PyTorch's
    messages call the function where that is not its name with ``_cpu``.
    """

    function: ClassVar[Any]
    accepts: ClassVar[tuple[str, ...]] = ANY
    predicate: ClassVar[bool] = False
    kernel: ClassVar[str | None] = None
    arity: ClassVar[int] = 1
    # The function is composed of such numpy functions as lay out results as their operands.
    lies_as_operands: ClassVar[bool] = False

    @property
    def kernel_name(self) -> str:
        """What PyTorch's messages call the function."""
        return self.kernel or f"{self.name}_cpu"

    def infer(self, *types: TensorType, **attrs: Any) -> TensorType:
        if len(types) != self.arity:
            raise TypeError(f"{self.name} expects {self.arity} operand(s), got {len(types)}")
        first = types[0]
        if first.dtype.category not in self.accepts:
            if not first.dtype.is_integer:
                raise NotImplementedError(f"\"{self.kernel_name}\" not implemented for '{type_name(first.dtype)}'")
            raise TypeError(f"{self.name} expects {' or '.join(self.accepts)} operands, got {first.dtype.name}")
        for other in types[1:]:
            if other.dtype != first.dtype:
                raise TypeError(f"{self.name} expects operands of one dtype, got {' and '.join(map(str, types))}")
            if other.shape != first.shape:
                raise ValueError(f"{self.name} expects operands of one shape, got {' and '.join(map(str, types))}")
        return TensorType(bool_, first.shape) if self.predicate else first

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        if self.lies_as_operands or isinstance(getattr(self, "function", None), np.ufunc):
            return self.room_as_operands(type, *arrays)
        return super().room(type, *arrays, **attrs)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        folded = fold(self, inputs, attrs, output_type)
        if folded is not None or inputs[0].dtype.is_complex:  # the rules are those of real numbers
            return folded
        return self.rule(*inputs, **attrs)

    def rule(self, *inputs: Any, **attrs: Any) -> Any | None:
        """An algebraic rule of this primitive, for operands that are not all numbers; None where none holds."""
        return None


class Unary(PointwiseFunction):
    """A function of one operand."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        token = silence(IGNORE)
        try:
            result = self.function(x)
        finally:
            restore(token)
        return result if type(result) is np.ndarray else np.asarray(result)


class Binary(PointwiseFunction):
    """A function of two operands."""

    arity = 2

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        token = silence(IGNORE)
        try:
            result = self.function(x, y)
        finally:
            restore(token)
        return result if type(result) is np.ndarray else np.asarray(result)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        x, y = inputs
        if self.commutative and full_value(x) is not None and full_value(y) is None:
            return type(self).bind(y, x)  # numbers stand on the right, so that rules need to look at one side only
        return super().simplify(inputs, attrs, output_type)
