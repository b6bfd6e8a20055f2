"""Makers of the public functions that only name a primitive: what they do with numbers, dtypes, and shapes.

``module`` is the name of the module that the function is a part of. A function raises TypeError for what is no tensor,
and NotImplementedError, with PyTorch's words, for a dtype that it is not for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_
from graphc.ops.operands import apply_binary, cast, is_value, prepare, require_value, truth
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import floating, result_type
from graphc.ops.sources import Constant, Literal
from graphc.ops.type_names import type_name
from graphc.recording import state

Value = Any
Operand = Any  # a Value or a Python number
_NOTHING: dict[str, Any] = {}


def named(function: Callable[..., Value], module: str, name: str, text: str) -> Callable[..., Value]:
    """The function under a name, with a docstring."""
    function.__module__ = module
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


def not_implemented(kernel: str, dtype: DType) -> NotImplementedError:
    """What PyTorch raises where a kernel is not for a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(dtype)}'")


def require_tensors(name: str, **operands: Any) -> None:
    """Raises TypeError, with PyTorch's words, for an operand that is no tensor."""
    for position, (argument, operand) in enumerate(operands.items(), 1):
        if not is_value(operand):
            kind = type(operand).__name__
            raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind}")


def known(reference: Value, array: np.ndarray) -> Value:
    """An array that was computed from values of tensors, as a value like the reference, with memory of its own."""
    return Copy.bind(reference.apply(Constant.instance, (), {"literal": Literal(array)}))


def holds(condition: Value) -> bool:
    """Whether what a function demands of values holds: a condition without dimensions.

    Only values that are there and not recorded are asked; a program that is captured or built goes without the check.
    """
    return not condition.is_eager or state.recorder is not None or bool(condition)


def floating_function(module: str, primitive: type[Primitive], name: str, text: str) -> Callable[[Value], Value]:
    """A function of floats; integers and bool become the default floating dtype."""
    instance = primitive.instance

    def function(input: Value) -> Value:
        require_value(name, input)
        if not input.dtype.is_differentiable:
            input = cast(input, floating(input.dtype))
        return input.apply(instance, (input,), _NOTHING)

    return named(function, module, name, f"{text} Integers give the default floating dtype.")


def numeric_function(module: str, primitive: type[Primitive], name: str, text: str) -> Callable[[Value], Value]:
    """A function that keeps the dtype."""
    instance = primitive.instance

    def function(input: Value) -> Value:
        require_value(name, input)
        return input.apply(instance, (input,), _NOTHING)

    return named(function, module, name, text)


def rounding_function(module: str, primitive: type[Primitive], name: str, text: str) -> Callable[[Value], Value]:
    """A rounding, which copies integers."""
    instance = primitive.instance

    def function(input: Value) -> Value:
        require_value(name, input)
        if input.dtype.category == "bool":
            raise not_implemented(f"{name}_vml_cpu", input.dtype)
        if input.dtype.is_complex:
            raise NotImplementedError(f"{name} is not supported for complex inputs")
        return input.apply(Copy.instance if input.dtype.is_integer else instance, (input,), _NOTHING)

    return named(function, module, name, text)


def comparison(module: str, primitive: type[Primitive], name: str, text: str) -> Callable[[Value, Operand], Value]:
    """A function of a tensor and another or a number, in the dtype that they promote to."""
    instance = primitive.instance

    def function(input: Value, other: Operand) -> Value:
        require_value(name, input)
        return apply_binary(instance, input, other)

    return named(function, module, name, text)


def logical(module: str, primitive: type[Primitive], name: str, text: str) -> Callable[[Value, Value], Value]:
    """A function of the truth of two tensors' elements."""

    def function(input: Value, other: Value) -> Value:
        require_tensors(name, input=input, other=other)
        return apply_binary(primitive.instance, truth(input), truth(other))

    return named(function, module, name, text)


def of_two_floats(
    module: str, primitive: type[Primitive], name: str, text: str, integers: bool = True
) -> Callable[[Value, Value], Value]:
    """A function of two tensors of floats. Integers become the default floating dtype, or are refused."""

    def function(input: Value, other: Value) -> Value:
        require_tensors(name, input=input, other=other)
        dtype = result_type(input, other)
        if not (integers or dtype.is_differentiable):
            raise not_implemented(f"{name}_cpu", dtype)
        return primitive.bind(*prepare(input, other, dtype=floating(dtype)))

    return named(function, module, name, text)


def of_two_integers(
    module: str,
    primitive: type[Primitive],
    name: str,
    kernel: str,
    text: str,
    numbers: bool = False,
    truths: bool = False,
) -> Callable[[Operand, Operand], Value]:
    """A function of two integers; ``numbers`` says that one may be a Python number, ``truths`` that both may be bool,
    ``kernel`` what errors name."""

    def function(input: Operand, other: Operand) -> Value:
        if not numbers:
            require_tensors(name, input=input, other=other)
        dtype = result_type(input, other)
        if not (dtype.is_integer or (truths and dtype is bool_)):
            raise not_implemented(kernel, dtype)
        return primitive.bind(*prepare(input, other, dtype=dtype))

    return named(function, module, name, text)
