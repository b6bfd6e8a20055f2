"""Classes and modes that have a say in what functions do: ``__torch_function__`` and what belongs to it.

Source: https://docs.pytorch.org/docs/stable/torch.overrides.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any

import graphc
from graphc.missing_names import lazy_names
from graphc.ops.functions.registry import FUNCTIONS
from graphc.ops.overriding import UNANSWERED, answer, disabled_torch_function, here, overrides, overriding_operands
from graphc.tensor import Tensor
from graphc.tensor_overriding import modes

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "get_default_nowrap_functions",
    "get_overridable_functions",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]
_disabled_torch_function_impl = disabled_torch_function
__getattr__ = lazy_names(__name__)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a class of the operands, or a mode, has a say."""
    return bool(here.modes) or (not here.classes_silent and bool(overriding_operands(relevant_args)))


def has_torch_function_unary(tensor: Any) -> bool:
    """As :func:`has_torch_function` of one operand."""
    return has_torch_function((tensor,))


def has_torch_function_variadic(*relevant_args: Any) -> bool:
    """As :func:`has_torch_function` of operands given one by one."""
    return has_torch_function(relevant_args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What those that have a say make of a call of ``public_api``. Raises TypeError where all decline."""
    result = answer(public_api, args, kwargs)
    return public_api(*args, **kwargs) if result is UNANSWERED else result


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for functions of the user that classes may have a say in; ``dispatcher`` gives the operands."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor or of a class that has a say in functions."""
    return isinstance(inp, Tensor) or overrides(type(inp)) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether it is a method of tensors, or the getter of a property."""
    return func in _methods() or getattr(func, "__name__", "") in ("__get__", "__set__")


def _methods() -> set[Any]:
    return {
        value
        for name in dir(Tensor)
        if not name.startswith("_") or name.startswith("__")
        for value in [getattr(Tensor, name)]
        if isinstance(value, FunctionType)
    }


def resolve_name(f: Callable[..., Any]) -> str | None:
    """How PyTorch calls a function: ``torch.add``, ``torch.Tensor.add_``; None for one that is not offered."""
    if isinstance(f, str):
        return f
    for name, function in FUNCTIONS.items():
        if function is f:
            place = "torch" if "." in name or hasattr(graphc, name) else "torch.nn.functional"
            return f"{place}.{name}"
    for name in dir(Tensor):
        value = getattr(Tensor, name)
        if value is f:
            return f"torch.Tensor.{name}"
        if isinstance(value, property) and f == value.__get__:
            return f"torch.Tensor.{name}.__get__"
    return None


def get_default_nowrap_functions() -> set[Callable[..., Any]]:
    """Functions whose results stay what they are where a class inherits its say."""
    return {Tensor.grad.__get__}


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """By namespace, the functions that classes have a say in."""
    found: dict[Any, list[Callable[..., Any]]] = {graphc: [], graphc.nn.functional: [], Tensor: list(_methods())}
    for name, function in FUNCTIONS.items():
        if "." not in name:
            found[graphc if hasattr(graphc, name) else graphc.nn.functional].append(function)
    return found


class TorchFunctionMode:
    """A context in which each call of a function or method is given to ``__torch_function__`` of the mode.

    Within that the mode is off, so that it may call the function.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> TorchFunctionMode:
        modes.entered()
        here.modes.append(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        here.modes.pop()
        modes.left()


class BaseTorchFunctionMode(TorchFunctionMode):
    """The mode that changes nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))
