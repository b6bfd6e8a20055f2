"""Warnings at the user's line: what PyTorch warns of each time, and what it warns of once in a process.

Source: https://docs.pytorch.org/docs/stable/generated/torch.set_warn_always.html
"""

from __future__ import annotations

import sys
import warnings

from graphc.source_lines import is_of_user

_said: set[str] = set()


class _Switch:
    """Whether what is said once is said each time."""

    always = False


switch = _Switch()


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, as of the innermost line of the user's code that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and not is_of_user(frame.f_code.co_filename):
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get("__name__", "<string>"),
        names.setdefault("__warningregistry__", {}),
    )


def warn_once(message: str, category: type[Warning] = UserWarning) -> None:
    """As :func:`warn`, for the first time in a process; every time after ``set_warn_always(True)``."""
    if message not in _said or switch.always:
        _said.add(message)
        warn(message, category)
