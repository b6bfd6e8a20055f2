"""Finding the user's Python line: the innermost frame that is not graphc's own."""

from __future__ import annotations

import os
import sys

from graphc.ir.graph import Location

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_shown: dict[str, str] = {}


def user_location(phase: str = "forward") -> Location:
    """The file and line of the user's code that is running, the file relative to the working directory if below it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Location(shown_path(frame.f_code.co_filename), frame.f_lineno, phase)


def shown_path(path: str) -> str:
    """A path as it is shown: relative to the working directory where it lies below that, else its last two parts."""
    if path not in _shown:
        absolute = os.path.abspath(path)
        below = os.path.relpath(absolute)
        parts = absolute.split(os.sep)
        _shown[path] = os.sep.join(parts[-2:]) if below.startswith("..") else below
    return _shown[path]
