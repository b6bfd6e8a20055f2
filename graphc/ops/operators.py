"""Operators and methods of tensors and graph symbols, bound from one table: the modules of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphc.device_memory import use as device_use
from graphc.ir.graph import Symbol
from graphc.ir.integers import IntegerExpression
from graphc.ir.primitive import Primitive
from graphc.ir.types import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from graphc.layouts import MemoryFormat, preserve_format
from graphc.ops import (
    bessel_functions,
    bit_views,
    checks,
    complex_numbers,
    conjugation,
    contractions,
    ctc,
    cumulative,
    elementary,
    embedding_rules,
    factorizations,
    fourier,
    gathers,
    indefinite,
    linear_algebra,
    orthogonal_polynomials,
    pointwise,
    pooling,
    random_numbers,
    reductions,
    scatter_reductions,
    scatters,
    sorting,
    sources,
    special_functions,
    strided_views,
    views,
    wide_sums,
)
from graphc.ops.describing import described
from graphc.ops.functions import arithmetic, indexing, linear
from graphc.ops.functions.elementary import bitwise_left_shift, bitwise_right_shift
from graphc.ops.functions.registry import MODULES, in_place_methods_of, methods_of
from graphc.ops.memory_overlap import require_apart
from graphc.ops.one_device import require_one_device
from graphc.ops.operands import apply_binary, cast, is_value
from graphc.ops.overriding import UNANSWERED, asked
from graphc.ops.promotion import require_castable
from graphc.source_lines import explained, note_call

# The modules whose primitives are registered by being imported here.
PRIMITIVE_MODULES = (
    pointwise,
    elementary,
    special_functions,
    bessel_functions,
    orthogonal_polynomials,
    cumulative,
    sorting,
    conjugation,
    complex_numbers,
    fourier,
    reductions,
    sources,
    random_numbers,
    views,
    bit_views,
    strided_views,
    gathers,
    scatters,
    scatter_reductions,
    contractions,
    pooling,
    linear_algebra,
    factorizations,
    indefinite,
    checks,
    wide_sums,
    embedding_rules,
    ctc,
)


def _where(input: Any, condition: Any, other: Any) -> Any:
    """The tensor itself where the condition holds, else ``other``."""
    return arithmetic.where(condition, input, other)


# The methods that convert to a dtype, by PyTorch's names for C's types.
_CONVERSIONS = {
    "bool": bool_,
    "byte": uint8,
    "char": int8,
    "short": int16,
    "int": int32,
    "long": int64,
    "half": float16,
    "bfloat16": bfloat16,
    "float": float32,
    "double": float64,
    "cfloat": complex64,
    "cdouble": complex128,
}


def _conversion(name: str, dtype: DType) -> Callable[[Any], Any]:
    def method(self: Any, memory_format: MemoryFormat = preserve_format) -> Any:
        if memory_format is not preserve_format and self.is_eager:
            return self.to(dtype, memory_format=memory_format)
        return described(cast(self, dtype), "ToCopyBackward0(input)", self)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The elements as {dtype.name}; the tensor itself where they are."
    return method


def _type_as(input: Any, other: Any) -> Any:
    """This value in the dtype of another."""
    return described(cast(input, other.dtype), "ToCopyBackward0(input)", input)


METHODS: dict[str, Callable[..., Any]] = {
    name: function for module in MODULES for name, function in methods_of(module).items()
} | {
    "where": _where,
    "type_as": _type_as,
    **{name: _conversion(name, dtype) for name, dtype in _CONVERSIONS.items()},
}
IN_PLACE: dict[str, Callable[..., Any]] = {
    name: function for module in MODULES for name, function in in_place_methods_of(module).items()
}


# Functions of two operands that are one primitive: in place it writes to the tensor itself where it can.
_UPDATES: dict[str, pointwise.PointwiseFunction] = {
    name: primitive.instance
    for primitive in (pointwise.Add, pointwise.Sub, pointwise.Mul, pointwise.Div)
    for name in (f"{primitive.name}_", f"__i{primitive.name}__")
} | {"__itruediv__": pointwise.Div.instance}


# What of their own memory methods that write in place are given: those that put elements at places, none of it; those
# that compute all elements before they write, as products of matrices do, any.
_OF_OTHER_OPERANDS = frozenset(
    ["index_add_", "index_copy_", "index_put_", "index_reduce_", "put_", "scatter_", "scatter_add_", "scatter_reduce_"]
)
_OF_ANY_OPERANDS = frozenset(["addbmm_", "addmm_", "addmv_", "addr_", "baddbmm_", "masked_scatter_"])


# They write to some places alone.
_OF_PLACES = frozenset(["index_fill_", "index_put_", "masked_fill_"])


def in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method that writes a function's result to its first argument.

    It raises RuntimeError where the result has a higher category of dtype than the tensor, or another shape.
    """
    update = _UPDATES.get(name)

    is_operator, of_places = name in _IN_PLACE_OPERATORS, name in _OF_PLACES
    may_read, reads_itself = name not in _OF_ANY_OPERANDS, name not in _OF_OTHER_OPERANDS

    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if is_operator and isinstance(arguments[0], np.ndarray):
            return NotImplemented  # numpy computes, and the name is bound to the result
        if may_read and (self._memory is not None or not reads_itself):
            require_apart(self, (*arguments, *keywords.values()), itself=reads_itself)
        if device_use.active:
            require_one_device(self, *arguments, *keywords.values())
        if update is not None and not keywords and len(arguments) == 1 and self._updated(update, arguments[0]):
            return self
        result = function(self, *arguments, **keywords)
        if result.dtype != self.dtype:
            require_castable(result.dtype, self.dtype)
            result = cast(result, self.dtype)
        return self._assign_places(result) if of_places else self._assign(result)

    def updating(self: Any, *arguments: Any, **keywords: Any) -> Any:
        # The shortest way, since eager programs update their parameters so.
        try:
            if not keywords and len(arguments) == 1:
                memory, other = self._memory, arguments[0]
                if device_use.active:
                    require_one_device(self, other)
                apart = memory is None or getattr(other, "_memory", None) is not memory
                if apart and self._updated(update, other):
                    return self
            return method(self, *arguments, **keywords)
        except Exception as error:
            note_call(error, name.strip("_"), (self, *arguments), keywords)
            raise

    made = method if update is None else updating
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"In place: {function.__doc__}"
    if update is not None:
        made.explains_errors = True
    return made


def _is_operand(other: Any) -> bool:
    return (
        type(other) is float
        or is_value(other)
        or isinstance(other, (float, int, complex, np.generic, IntegerExpression))
    )


def _of_another_class(method: Callable[..., Any], self: Any, other: Any) -> Any:
    """What the class of an operand that is no tensor makes of an operator; NotImplemented where it has no say."""
    result = asked(method, (self, other), {}) if self.is_eager else UNANSWERED
    return NotImplemented if result is UNANSWERED else result


def _binary(primitive: type[Primitive], reflected: bool = False) -> Callable[[Any, Any], Any]:
    """An operator: the shortest way from ``x + y`` to the primitive, since eager programs spend their time here."""
    instance, turned = primitive.instance, reflected and not primitive.commutative

    def method(self: Any, other: Any) -> Any:
        try:
            if type(other) is not type(self) and not _is_operand(other):
                return _of_another_class(method, self, other)
            if device_use.active:
                require_one_device(self, other)
            return apply_binary(instance, other, self) if turned else apply_binary(instance, self, other)
        except Exception as error:
            note_call(error, instance.name, (self, other), {})
            raise

    method.explains_errors = True
    return method


def _difference(reflected: bool = False) -> Callable[[Any, Any], Any]:
    """Subtraction, which the public function refuses for truth values."""
    operator = _binary(pointwise.Sub, reflected)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        if not hasattr(other, "dtype") and not _is_operand(other):
            return _of_another_class(method, self, other)
        if self.dtype is bool_ or type(other) is bool or getattr(other, "dtype", None) is bool_:
            return arithmetic.sub(other, self) if reflected else arithmetic.sub(self, other)
        return operator(self, other)

    method.explains_errors = True
    return method


def _function(function: Callable[[Any, Any], Any], reflected: bool = False) -> Callable[[Any, Any], Any]:
    @wraps(function)
    def method(self: Any, other: Any) -> Any:
        if not _is_operand(other):
            return _of_another_class(method, self, other)
        return function(other, self) if reflected else function(self, other)

    return method


def _divided_by(self: Any, other: Any) -> Any:
    """A number, or an array of numpy, divided by a tensor, as PyTorch computes it."""
    if not _is_operand(other) and not isinstance(other, np.ndarray):
        return NotImplemented
    return arithmetic.reciprocal(self) * other


def _product(self: Any, other: Any) -> Any:
    """The product of matrices; numpy carries it out where the other operand is numpy's."""
    return linear.matmul(self, other) if is_value(other) else _of_another_class(linear.matmul, self, other)


def _inverted(self: Any) -> Any:
    """All bits inverted, of integers and truth values."""
    if self.dtype.is_differentiable:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return arithmetic.bitwise_not(self)


def _is_equal() -> Callable[[Any, Any], Any]:
    """Where the elements are equal to a tensor's, a number, or those of an array of numpy."""
    operator = _binary(pointwise.Eq)

    def method(self: Any, other: Any) -> Any:
        return operator(self, self.from_array(other) if isinstance(other, np.ndarray) and self.is_eager else other)

    method.explains_errors = True
    return method


OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": _binary(pointwise.Add),
    "__radd__": _binary(pointwise.Add, reflected=True),
    "__sub__": _difference(),
    "__rsub__": _difference(reflected=True),
    "__mul__": _binary(pointwise.Mul),
    "__rmul__": _binary(pointwise.Mul, reflected=True),
    "__truediv__": _function(arithmetic.div),
    "__rtruediv__": _divided_by,
    "__rdiv__": _divided_by,
    "__floordiv__": _function(arithmetic.floor_divide),
    "__rfloordiv__": _function(arithmetic.floor_divide, reflected=True),
    "__mod__": _function(arithmetic.remainder),
    "__rmod__": _function(arithmetic.remainder, reflected=True),
    "__pow__": _function(arithmetic.pow),
    "__rpow__": _function(arithmetic.pow, reflected=True),
    "__matmul__": _product,
    "__rmatmul__": lambda self, other: linear.matmul(other, self) if is_value(other) else NotImplemented,
    "__and__": _binary(pointwise.BitwiseAnd),
    "__rand__": _binary(pointwise.BitwiseAnd, reflected=True),
    "__or__": _binary(pointwise.BitwiseOr),
    "__ror__": _binary(pointwise.BitwiseOr, reflected=True),
    "__xor__": _binary(pointwise.BitwiseXor),
    "__rxor__": _binary(pointwise.BitwiseXor, reflected=True),
    "__lshift__": _function(bitwise_left_shift),
    "__rlshift__": _function(bitwise_left_shift, reflected=True),
    "__rshift__": _function(bitwise_right_shift),
    "__rrshift__": _function(bitwise_right_shift, reflected=True),
    "__eq__": _is_equal(),
    "__ne__": _binary(pointwise.Ne),
    "__lt__": _binary(pointwise.Lt),
    "__le__": _binary(pointwise.Le),
    "__gt__": _binary(pointwise.Gt),
    "__ge__": _binary(pointwise.Ge),
    "__neg__": arithmetic.neg,
    "__pos__": arithmetic.positive,
    "__abs__": arithmetic.abs,
    "__invert__": _inverted,
    "__getitem__": indexing.getitem,
}
for _name, _operator in OPERATORS.items():
    # As classes that have a say in it see it.
    if _operator not in METHODS.values() or _name == "__getitem__":
        _operator.__name__ = _name
_IN_PLACE_OPERATORS = {
    "__iadd__": "add",
    "__isub__": "sub",
    "__imul__": "mul",
    "__itruediv__": "div",
    "__ifloordiv__": "floor_divide",
    "__imod__": "remainder",
    "__ipow__": "pow",
    "__iand__": "bitwise_and",
    "__ior__": "bitwise_or",
    "__ixor__": "bitwise_xor",
    "__ilshift__": "bitwise_left_shift",
    "__irshift__": "bitwise_right_shift",
}


def bind_operators(kind: type) -> None:
    """Give a class of values its operators and methods; what the class defines itself, or by a base, stays.

    Methods that write in place come to classes that have ``_assign(value)`` alone. Hashing stays by identity.
    """
    own = {name for each in kind.__mro__ if each is not object for name in vars(each)}
    table = OPERATORS | METHODS
    if hasattr(kind, "_assign"):
        table |= {f"{name}_": in_place(function, f"{name}_") for name, function in IN_PLACE.items()}
        table |= {operator: in_place(IN_PLACE[name], operator) for operator, name in _IN_PLACE_OPERATORS.items()}
    for name, function in table.items():
        if name not in own:
            setattr(kind, name, explained(function, name))


bind_operators(Symbol)
