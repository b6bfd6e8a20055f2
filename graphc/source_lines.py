"""The user's Python line: where the code runs that called the library, and how an error tells it.

Tensors, operators, and captures ask here, so this module stands below them all.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from graphc.ir.graph import Location
from graphc.ir.types import TensorType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_LONGEST_VALUE = 60
_shown: dict[str, str] = {}


def user_location(phase: str = "forward") -> Location:
    """The file and line of the user's code that is running, the file relative to the working directory if below it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and not is_of_user(frame.f_code.co_filename):
        frame = frame.f_back
    return Location(shown_path(frame.f_code.co_filename), frame.f_lineno, phase)


def defined_at(function: Callable[..., Any]) -> Location | None:
    """Where a function, or the forward() of a module, is written; None for one that is not written in Python."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(getattr(type(function), "forward", None), "__code__", None)
    return None if code is None else Location(shown_path(code.co_filename), code.co_firstlineno)


@functools.cache
def is_of_user(path: str) -> bool:
    """Whether a file is neither graphc's nor Python's own, as `copy.py` is, through which a tensor may be reached."""
    if path.startswith(_STANDARD_LIBRARY):
        return path.startswith(("site-packages", "dist-packages"), len(_STANDARD_LIBRARY)) and not path.startswith(
            _PACKAGE
        )
    return not path.startswith(_PACKAGE)


def shown_path(path: str) -> str:
    """A path as it is shown: relative to the working directory where it lies below that, else its last two parts."""
    if path not in _shown:
        absolute = os.path.abspath(path)
        below = os.path.relpath(absolute)
        parts = absolute.split(os.sep)
        _shown[path] = os.sep.join(parts[-2:]) if below.startswith("..") else below
    return _shown[path]


def explained(function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """The function, whose errors carry a note that names it, what it was given, and the user's line.

    The words of the error stay as they are. Of functions that call each other the innermost one is named. A call that
    succeeds pays for one frame more and nothing else.
    """
    if hasattr(function, "explains_errors"):
        return function
    name = (name or function.__name__).strip("_")

    @functools.wraps(function)
    def operator(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            note_call(error, name, arguments, keywords)
            raise

    operator.explains_errors = True
    return operator


def note_call(error: Exception, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Add to an error what was called with which operands at which line, unless a call within has said so."""
    # An error with a location of its own, as a capture raises, says the line in its message.
    if not hasattr(error, "location") and not hasattr(error, "__notes__"):
        error.add_note(f"in {name}({_described(arguments, keywords)}) at {user_location()}")


def _described(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    given = [_describe(value) for value in arguments]
    return ", ".join(given + [f"{name}={_describe(value)}" for name, value in keywords.items()])


def _describe(value: Any) -> str:
    if hasattr(value, "apply") and hasattr(value, "dtype"):
        return str(TensorType(value.dtype, tuple(value.shape)))
    if isinstance(value, list | tuple):
        inside = ", ".join(_describe(item) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if value is None or isinstance(value, bool | int | float | str | slice):
        text = repr(value)
        return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
    return type(value).__name__
