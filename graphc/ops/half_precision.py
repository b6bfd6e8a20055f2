"""What a function computes of float16 and bfloat16: in float32, rounded once.

A primitive sees to it by itself (:meth:`graphc.ir.primitive.Primitive.compute`). A function that is one operator in
PyTorch and several primitives here says so with the decorator, so that nothing is rounded on the way.
Source: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from graphc.ir.types import DType, float32
from graphc.ops.pointwise import Cast

Function = TypeVar("Function", bound=Callable[..., Any])


def rounded_once(function: Function) -> Function:
    """Decorator: where the first argument is a half, the function runs on float32 and its results are rounded.

    Tensors of other floating dtypes beside the half make the function run as it is: it promotes. A ``dtype`` argument
    says what the result is, ``inplace`` writes it to the first argument.
    """
    return _rounding(function, frozenset())


def rounded_as_input(function: Function) -> Function:
    """As :func:`rounded_once`, for a function whose ``weight`` and ``bias`` may be float32 beside a half: the result is
    of the half's dtype all the same."""
    return _rounding(function, frozenset(("weight", "bias")))


def _rounding(function: Function, aside: frozenset[str]) -> Function:

    @functools.wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        first = arguments[0] if arguments else keywords.get("input")
        dtype = getattr(first, "dtype", None)
        if dtype is None or not getattr(dtype, "is_half", False):
            return function(*arguments, **keywords)
        return _run_in_single(function, dtype, arguments, keywords, aside)

    return run  # type: ignore[return-value]


def _run_in_single(
    function: Callable[..., Any], half: DType, arguments: Any, keywords: Any, aside: frozenset[str]
) -> Any:
    bound = inspect.signature(function).bind(*arguments, **keywords)
    given = bound.arguments
    target = given.get("dtype") or half
    values = [
        value
        for name, argument in given.items()
        for value in _values(argument)
        if name not in aside or value.dtype is not float32
    ]
    if not target.is_half or any(_decides(value, half) for value in values):
        return function(*arguments, **keywords)
    originals: dict[int, Any] = {}
    for name, argument in given.items():
        given[name] = _converted(argument, half, originals)
    if given.get("dtype") is not None:
        given["dtype"] = float32
    in_place = given.get("inplace", False)
    if in_place:
        given["inplace"] = False
    result = _rounded(function(*bound.args, **bound.kwargs), target, originals)
    return arguments[0]._assign(result) if in_place else result


def _values(argument: Any) -> list[Any]:
    if hasattr(argument, "apply"):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [item for item in argument if hasattr(item, "apply")]
    return []


def _decides(value: Any, half: DType) -> bool:
    """Whether a value has a say in the dtype of the result that is not the half's."""
    return value.dtype.is_differentiable and value.dtype is not half and value.ndim > 0


def _converted(argument: Any, half: DType, originals: dict[int, Any]) -> Any:
    if hasattr(argument, "apply"):
        if argument.dtype is not half:
            return argument
        wide = as_single(argument)
        originals[id(wide)] = argument
        return wide
    if isinstance(argument, (list, tuple)) and _values(argument):
        return type(argument)(_converted(item, half, originals) for item in argument)
    return argument


def as_single(value: Any) -> Any:
    """A half as float32; other values as they are."""
    return Cast.bind(value, dtype=float32) if value.dtype.is_half else value


def _rounded(result: Any, half: DType, originals: dict[int, Any]) -> Any:
    if hasattr(result, "apply"):
        if id(result) in originals:
            return originals[id(result)]  # given back as it was
        return Cast.bind(result, dtype=half) if result.dtype is float32 else result
    if isinstance(result, (list, tuple)):
        items = [_rounded(item, half, originals) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result
