"""What a capture can't express is refused with the user's line."""

from __future__ import annotations

from graphc.ir.graph import Location


class CaptureError(RuntimeError):
    """The function does something that a compiled program could not repeat; the message names the Python line."""

    def __init__(self, message: str, location: Location | None = None):
        self.location = location
        super().__init__(f"{location}: {message}" if location is not None else message)


class RuleError(CaptureError):
    """A sweep from outside would come to a rule of the user's own that was not recorded."""


class OverlapError(CaptureError):
    """Memory is written that two inputs of the graph show; they may be recorded as parts of one input."""
