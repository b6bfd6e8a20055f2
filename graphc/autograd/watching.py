"""What looks at every tape node while it is switched on: anomaly mode, and the packing of saved tensors.

Nodes ask ``watching.active``, one number, when they are made; the rest is looked at where that is not zero.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from graphc.source_lines import is_of_user

Packing = tuple[Callable[[Any], Any], Callable[[Any], Any]]


class _Watching(threading.local):
    def __init__(self) -> None:
        # Whether nodes keep the stack that made them, and the sweep looks for NaN.
        self.anomalies = False
        self.check_nan = True
        # How many sweeps there were.
        self.sweeps = 0
        # The functions that pack and unpack what nodes save, the innermost last.
        self.packing: list[Packing] = []
        # What is said to those who would set such functions, where that is forbidden.
        self.no_packing: str | None = None


class _Switch:
    """How many contexts of any thread watch; inference mode counts from its first use on. ``builds`` says whether there
    were nodes for which programs are built."""

    __slots__ = ("active", "builds", "inference")

    def __init__(self) -> None:
        self.active = 0
        self.builds = self.inference = False


watching = _Watching()
switch = _Switch()


class Trace:
    """What anomaly mode knows of a node: the stack that made it, and the node of the function that it is a part of."""

    __slots__ = ("owner", "stack")

    def __init__(self) -> None:
        self.stack = stack_of_the_user()
        self.owner: Any = None


def mark_parts(node: Any, outside: Iterable[Any]) -> None:
    """Note that the nodes from this one to those outside, which lead to it, are parts of one function."""
    beyond = {id(edge) for edge in outside}
    pending = [node]
    while pending:
        part = pending.pop()
        trace: Trace | None = getattr(part, "trace", None)
        if trace is None or id(part) in beyond:
            continue
        trace.owner = node
        pending.extend(edge for edge in part.edges if edge is not None)


def stack_of_the_user() -> str:
    """The Python lines that lead to the operation that runs, innermost last, without those of this library."""
    frames = [frame for frame in traceback.extract_stack() if is_of_user(frame.filename)]
    return "".join(traceback.format_list(frames))
