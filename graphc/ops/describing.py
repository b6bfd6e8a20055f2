"""Where whoever keeps record of public functions says how it describes their calls.

Public functions are made here, below the tape, and the tape gives its nodes the names of the functions that made them.
So the tape registers itself, before the first function becomes public, and functions ask here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol


class CallDescriber(Protocol):
    """How the calls of one function are described."""

    # The operands are asked for before the function may write to them.
    before: bool
    # Without this keyword nothing is described.
    only_with: str | None
    # Nothing that runs within the function is described on its own.
    whole: bool

    def operands(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a call's description says of its operands; None where the call is not described."""

    def describe(self, result: Any, operands: Any) -> None:
        """Describe a result by what :meth:`operands` gave."""

    def __call__(self, result: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Describe what a call that has just ended gave."""


# Gives the describer of a function of a namespace (None: the top one); None for a function without one.
DescriberOf = Callable[[Callable[..., Any], str | None], CallDescriber | None]
# Describes a value that a method has computed of its input by a text.
DescribeValue = Callable[[Any, str, Any], Any]


class _Here(threading.local):
    def __init__(self) -> None:
        # Whether a function runs whose result will be described as one node.
        self.whole = False


here = _Here()


class _Registered:
    """Who describes; nobody until someone registers."""

    def __init__(self) -> None:
        self.describer_of: DescriberOf | None = None
        self.value: DescribeValue | None = None
        self.asked = False


_registered = _Registered()


def register_describers(describer_of: DescriberOf, value: DescribeValue) -> None:
    """Say who describes calls from now on. Raises RuntimeError when a function has been made public without."""
    if _registered.asked:
        raise RuntimeError("describers are registered after the first function was made public: import them before")
    _registered.describer_of = describer_of
    _registered.value = value


def describer_of(function: Callable[..., Any], namespace: str | None) -> CallDescriber | None:
    """How the calls of a function are described; None where they are not."""
    _registered.asked = True
    return None if _registered.describer_of is None else _registered.describer_of(function, namespace)


def described(value: Any, text: str, input: Any) -> Any:
    """A value that a method has computed of its input, its maker described by the text."""
    return value if _registered.value is None else _registered.value(value, text, input)
