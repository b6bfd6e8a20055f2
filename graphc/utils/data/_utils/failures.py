"""Exceptions on their way from a worker process to the one that iterates."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass


class KeyErrorMessage(str):
    """Text that a KeyError shows as it is, and not quoted in one line."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Failure:
    """An exception that was raised elsewhere.

    Attributes:
        kind: its type, by which it is raised again.
        text: its traceback, in words.
        where: in which process, in words.
    """

    kind: type[BaseException]
    text: str
    where: str

    @staticmethod
    def of(exception: BaseException, where: str) -> Failure:
        """The exception with its traceback. A type that can't be sent to another process becomes RuntimeError."""
        kind = type(exception)
        try:
            pickle.dumps(kind)
        except Exception:
            kind = RuntimeError
        return Failure(kind, "".join(traceback.format_exception(exception)), where)

    def exception(self) -> BaseException:
        """An exception of the same type whose message tells of the first one, or a RuntimeError where that type can't
        be made from a message.

        It is for the caller to raise: a frame that holds the exception it raises is garbage that only the collector
        finds, and with it the iterator and its processes.
        """
        message = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            message = KeyErrorMessage(message)
        try:
            return self.kind(message=message) if getattr(self.kind, "message", None) else self.kind(message)
        except Exception:
            return RuntimeError(message)
