"""What a function reaches by its variables: found before a capture, and compared after it.

A compiled program repeats what tensors do and nothing else. A variable that the function rebinds, or a list that it
appends to, would silently stay as the first call left it, so that is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

from graphc.capture.errors import CaptureError
from graphc.capture.recorder import GraphRecorder
from graphc.source_lines import defined_at
from graphc.tensor import Tensor

_PLAIN = (int, float, complex, bool, str, bytes, type(None))
_NOT_FOLLOWED = (ModuleType, FunctionType, MethodType, type)


def reached_by(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """The values of a function's free and global variables, and of the object that a method or module is bound to."""
    function = inspect.unwrap(function)
    found: list[tuple[str, Any]] = []
    bound_self = getattr(function, "__self__", None)
    if hasattr(function, "named_parameters"):
        found.append(("self", function))
    elif bound_self is not None:
        found.append(("self", bound_self))
        if not hasattr(bound_self, "named_parameters"):
            found += vars(bound_self).items() if hasattr(bound_self, "__dict__") else ()
    code = getattr(function, "__code__", None)
    if code is not None:
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                found.append((name, cell.cell_contents))
            except ValueError:  # a variable that has no value yet
                continue
        found += [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    return found


class Surroundings:
    """The values that a function's variables have before it runs, and one level of what they hold."""

    def __init__(self, function: Callable[..., Any], given: Sequence[tuple[str, Any]] = ()):
        """``given``: arguments that are told apart by identity, by name."""
        self._function = function
        self._given = given
        self._before = dict(self._look())

    def _look(self) -> Iterator[tuple[str, Any]]:
        for name, value in (*reached_by(self._function), *self._given):
            if isinstance(value, _NOT_FOLLOWED):
                continue
            yield name, value
            if hasattr(value, "named_parameters") or hasattr(value, "named_state"):
                continue  # modules and optimizers tell of their changes themselves
            if isinstance(value, list | tuple):
                yield f"len({name})", len(value)
                yield from ((f"{name}[{position}]", item) for position, item in enumerate(value))
            elif isinstance(value, dict):
                yield f"len({name})", len(value)
                yield from ((f"{name}[{key!r}]", item) for key, item in value.items())
            elif not isinstance(value, Tensor) and type(value).__module__ not in ("builtins", "numpy"):
                yield from ((f"{name}.{key}", item) for key, item in getattr(value, "__dict__", {}).items())

    def refuse_changes(self, recorder: GraphRecorder) -> None:
        """Raise CaptureError naming the variable where the function gave one another value."""
        after = dict(self._look())
        for name in dict.fromkeys((*self._before, *after)):
            before, now = self._before.get(name), after.get(name)
            if now is before:
                continue
            tensor = isinstance(now, Tensor) and recorder.made_within(now)
            plain = isinstance(now, _PLAIN) and isinstance(before, _PLAIN) and now != before
            if tensor or plain:
                raise CaptureError(
                    f"{name} is changed inside a compiled function, which the program could not repeat; write into a "
                    "tensor in place (copy_, +=), or return the value and keep it outside",
                    defined_at(self._function),
                )
