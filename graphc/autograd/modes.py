"""Switching gradients on and off: context managers that are decorators too, as PyTorch's.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disable-grad-doc
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from graphc.autograd.watching import switch
from graphc.recording import state


class _GradMode:
    """Sets the mode for a ``with`` block or for every call of a function."""

    # True, False, or None: no gradients, and none wanted later of what is made.
    _enabled: bool | None = True

    def __enter__(self) -> Self:
        self._outer = state.gradients
        state.gradients = self._enabled
        return self

    def __exit__(self, *exception: object) -> None:
        state.gradients = self._outer

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def fresh() -> _GradMode:
            return _Mode(self._enabled)

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                # The mode holds while the generator runs, not while its caller does.
                iterator = function(*args, **kwargs)
                resume: Callable[..., Any] = iterator.send
                given: Any = None
                while True:
                    try:
                        with fresh():
                            item = resume(given)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        resume, given = iterator.send, (yield item)
                    except GeneratorExit:
                        with fresh():
                            iterator.close()
                        raise
                    except BaseException as error:
                        resume, given = iterator.throw, error

            return generate

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return call

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # `@torch.no_grad` without parentheses decorates as `@torch.no_grad()` does.
        self = super().__new__(cls)
        if cls in (no_grad, enable_grad, inference_mode) and len(args) == 1 and callable(args[0]):
            return self(args[0])
        return self


class _Mode(_GradMode):
    """Any of the modes."""

    def __init__(self, enabled: bool | None):
        self._enabled = enabled


class no_grad(_GradMode):
    """Operations within do not record gradients."""

    _enabled = False


class enable_grad(_GradMode):
    """Operations within record gradients, also inside ``no_grad``."""

    _enabled = True


class inference_mode(_GradMode):
    """As ``no_grad``, and what is made within can't be used where gradients are recorded, even later;
    ``inference_mode(False)`` enables gradients."""

    _enabled = None

    def __init__(self, mode: bool = True):
        self._enabled = None if mode else True

    def __enter__(self) -> Self:
        if self._enabled is None and not switch.inference:
            # From now on nodes look at what they save.
            switch.inference = True
            switch.active += 1
        return super().__enter__()


class set_grad_enabled(_GradMode):
    """Switches gradients on or off at once; as a context manager, restores the mode at the end."""

    def __init__(self, mode: bool):
        self._enabled = bool(mode)
        self._before = state.gradients
        state.gradients = self._enabled

    def __enter__(self) -> Self:
        self._outer = self._before
        state.gradients = self._enabled
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        state.gradients = self._before  # as a decorator, it switches within the function alone
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether operations record gradients in this thread."""
    return bool(state.gradients)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return state.gradients is None


def is_inference(input: Any) -> bool:
    """Whether a tensor was made in inference mode."""
    return input.is_inference()
