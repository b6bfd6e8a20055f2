"""PyTorch's protocol by which a class says itself what functions do with its instances: ``__torch_function__``.

Nothing is asked before a class of tensors that has a say exists: then each public function looks at its operands. Of
other objects, which no function can compute with, the class is asked once a call has failed.
Source: https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-python-api
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any


class _Unanswered:
    """Nobody has a say in a call."""


UNANSWERED = _Unanswered()


class _Switch:
    """Whether any class of tensors, or any mode, may have a say."""

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active = False


switch = _Switch()


class _Here(threading.local):
    def __init__(self) -> None:
        # Whether classes are not asked.
        self.classes_silent = False
        self.modes: list[Any] = []


here = _Here()


def disabled_torch_function(cls: Any, func: Any = None, types: Any = (), args: Any = (), kwargs: Any = None) -> Any:
    """The ``__torch_function__`` of a class that has no say."""
    return NotImplemented


def overrides(kind: type) -> bool:
    """Whether a class has a say in what functions do with its instances."""
    # Classes of tensors tell: all have the method.
    told = getattr(kind, "overrides_functions", None)
    if told is not None:
        return told
    method = getattr(kind, "__torch_function__", None)
    return method is not None and getattr(method, "__func__", method) is not disabled_torch_function


def overriding_operands(values: Iterable[Any]) -> list[Any]:
    """Of operands, and of lists of them, one of each class that has a say: subclasses first, else in their order."""
    found: list[Any] = []
    _collect(values, found)
    return found


def _collect(values: Iterable[Any], found: list[Any]) -> None:
    for value in values:
        kind = type(value)
        if kind is list or kind is tuple:
            _collect(value, found)
        elif overrides(kind) and all(type(other) is not kind for other in found):
            place = next((place for place, other in enumerate(found) if issubclass(kind, type(other))), len(found))
            found.insert(place, value)


def asked(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What the innermost mode or the operands' classes make of a call; UNANSWERED where none has a say, NotImplemented
    where all decline."""
    if here.classes_silent and not here.modes:
        return UNANSWERED
    operands = [] if here.classes_silent else overriding_operands((*arguments, *keywords.values()))
    types = tuple(type(operand) for operand in operands)
    if here.modes:
        result = _of_mode(function, types, arguments, keywords)
        if result is not NotImplemented:
            return result
    elif not operands:
        return UNANSWERED
    for operand in operands:
        result = operand.__torch_function__(function, types, arguments, keywords)
        if result is not NotImplemented:
            return result
    return NotImplemented


def answer(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """As :func:`asked`. Raises TypeError, in PyTorch's words, where all that have a say decline."""
    result = asked(function, arguments, keywords)
    if result is NotImplemented:
        name = getattr(function, "__name__", str(function))
        operands = overriding_operands((*arguments, *keywords.values()))
        declined = "".join(f"\n\n  - tensor subclass {type(operand)}" for operand in operands)
        raise TypeError(
            f"Multiple dispatch failed for 'torch.{name}'; all __torch_function__ handlers returned NotImplemented:"
            f"{declined}\n\nFor more information, try re-running with TORCH_LOGS=not_implemented"
        )
    return result


def _of_mode(function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
    mode = here.modes.pop()
    try:
        return mode.__torch_function__(function, types, arguments, keywords)
    finally:
        here.modes.append(mode)


def answers_late(error: Exception, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether a call failed for an operand that is no tensor and whose class has a say."""
    return (
        type(error) in (TypeError, AttributeError, NotImplementedError)
        and not here.classes_silent
        and bool(overriding_operands((*arguments, *keywords.values())))
    )


class _Silence:
    """A context in which classes are not asked."""

    def __enter__(self) -> Any:
        self._outer = here.classes_silent
        here.classes_silent = True
        return self

    def __exit__(self, *exception: Any) -> None:
        here.classes_silent = self._outer


class DisableTorchFunctionSubclass(_Silence):
    """Within it classes have no say, as in the ``__torch_function__`` of :class:`graphc.Tensor` itself."""


class DisableTorchFunction(_Silence):
    """Within it neither classes nor modes have a say."""

    def __enter__(self) -> Any:
        self._modes, here.modes = here.modes, []
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        here.modes = self._modes
        super().__exit__(*exception)
