"""What a public function says, in PyTorch's words, of an argument that is not the kind of thing it takes, and of
memory that is not there.

Only a call that failed is looked at: one that succeeds pays for no check.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ops.operands import is_value
from graphc.source_lines import note_call

# How promotion begins what it says of an operand that is neither a tensor nor a number.
_NO_OPERAND = "expected a tensor or a number, got"
# What these parameters are called in all functions that take a tensor there, and no number.
_TENSORS = ("input", "weight")
_NUMBERS = (bool, int, float, complex, np.generic)


def kind_of(value: Any) -> str:
    """What PyTorch's messages call the type of an argument."""
    given = type(value)
    if is_value(value) and given.__name__ not in ("Parameter", "Buffer"):
        return "Tensor"
    return given.__name__ if given.__module__ == "builtins" else f"{given.__module__}.{given.__name__}"


def require_tensors(name: str, tensors: Any) -> None:
    """Raises TypeError, with PyTorch's words, for what is no list or tuple."""
    if not isinstance(tensors, list | tuple):
        kind = kind_of(tensors)
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {kind}")


class OutOfMemory(RuntimeError, MemoryError):
    """What PyTorch's allocator raises, a RuntimeError; a MemoryError too, as Python's programs expect."""


def out_of_memory(error: Exception, sizes: Sequence[int] | None = None) -> Exception | None:
    """What PyTorch raises where numpy raised an error for an array being too large; None for other errors."""
    if type(error) is ValueError and str(error).startswith("array is too big"):
        shown = "" if sizes is None else f" with sizes={list(sizes)}"
        return RuntimeError(f"Storage size calculation overflowed{shown}")
    if not isinstance(error, MemoryError) or isinstance(error, OutOfMemory) or not hasattr(error, "dtype"):
        return None
    count = math.prod(error.shape) * error.dtype.itemsize
    return OutOfMemory(
        f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {count} bytes. Error code 12 (Cannot "
        "allocate memory)"
    )


def refuse_wrong_kinds(
    error: Exception, function: Callable[..., Any], name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Raise PyTorch's TypeError where a call failed for an argument of another kind than is expected, its RuntimeError
    where it failed for want of memory."""
    if hasattr(error, "location"):
        return  # What a capture says of a line is the user's answer.
    refusal = out_of_memory(error)
    if refusal is not None:
        note_call(refusal, name, arguments, keywords)
        raise refusal from error
    words = _wrong_kind(error, inspect.signature(function).parameters, name, arguments, keywords)
    if words is None:
        return
    refusal = TypeError(words)
    note_call(refusal, name, arguments, keywords)
    raise refusal from error


def _wrong_kind(
    error: Exception,
    parameters: Mapping[str, inspect.Parameter],
    name: str,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> str | None:
    if str(error).startswith(_NO_OPERAND) and len(arguments) > 1 and not is_value(arguments[1]):
        parameter = [*parameters, "other"][1]
        return f"{name}(): argument {parameter!r} (position 2) must be Tensor, not {kind_of(arguments[1])}"
    given = list(zip(parameters.values(), arguments, range(1, len(arguments) + 1), strict=False))
    given += [(parameters[key], value, 0) for key, value in keywords.items() if key in parameters]
    for parameter, value, position in given:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return _no_tensor(arguments[position - 1 :]) if parameter.name == "tensors" else None
        expected = _expected(error, parameter, value)
        if expected is not None:
            place = f" (position {position})" if position else ""
            return f"{name}(): argument {parameter.name!r}{place} must be {expected}, not {kind_of(value)}"
        wrong = _no_tensor(value) if parameter.name == "tensors" and isinstance(value, list | tuple) else None
        if wrong is not None:
            return wrong
    return None


def _no_tensor(values: Sequence[Any]) -> str | None:
    for place, value in enumerate(values):
        if not is_value(value):
            return f"expected Tensor as element {place} in argument 0, but got {kind_of(value)}"
    return None


def _expected(error: Exception, parameter: inspect.Parameter, value: Any) -> str | None:
    """What was expected of an argument, where it is something else; None where it is that."""
    if value is None and parameter.default is None:
        return None
    if parameter.name in _TENSORS and not is_value(value):
        # Numbers may be operands.
        return "Tensor" if type(error) is AttributeError or not isinstance(value, _NUMBERS) else None
    if parameter.annotation in ("int", "int | None") and not hasattr(value, "__index__") and type(error) is TypeError:
        return "int"
    return None


def dim_is_no_none(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: a ``dim`` that is left out means all of them, one that is None raises TypeError, in these words."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            if (len(arguments) > 1 and arguments[1] is None) or ("dim" in keywords and keywords["dim"] is None):
                raise TypeError(words)
            return function(*arguments, **keywords)

        return checked

    return decorate
