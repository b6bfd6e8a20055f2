"""Applications: the single changes that passes and later stages make to a program, one by one.

Whatever may be left out of a build asks here before it is done. While a :class:`Ledger` is open each application has a
number, in the order in which they are made, and those after its limit are not made: a fault is traced to the change
that makes it by halving the limit (:mod:`graphc.bisection`; LLVM's ``-opt-bisect-limit`` works so). The environment
variable GRAPHC_BISECT=N opens one for the whole process, and says on stderr what the N-th application was;
GRAPHC_BISECT_LOG names a file that gets a line for each.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

VARIABLE = "GRAPHC_BISECT"
LOG = "GRAPHC_BISECT_LOG"


class Ledger:
    """Counts applications; after ``limit`` of them no more are made.

    ``note`` is called for each that is made with its number and what it is in words.
    """

    def __init__(self, limit: int | None = None, note: Callable[[int, str], None] | None = None):
        self.limit = limit
        self.note = note
        self.count = 0
        self._within = threading.local()

    def allow(self, stage: str | None, subject: Any) -> bool:
        """Whether the next application may be made."""
        stage = stage or getattr(self._within, "stage", None)
        if stage is None:  # nobody said what it belongs to: it is part of a stage that can't be left out
            return True
        if self.limit is not None and self.count >= self.limit:
            return False
        self.count += 1
        if self.note is not None:
            subject = getattr(self._within, "subject", None) if subject is None else subject
            self.note(self.count, f"{stage}: {in_words(subject)}")
        return True

    @contextlib.contextmanager
    def within(self, name: str, value: Any) -> Iterator[None]:
        """Within the block, and in this thread, applications that do not name their stage or subject have this."""
        outer = getattr(self._within, name, None)
        setattr(self._within, name, value)
        try:
            yield
        finally:
            setattr(self._within, name, outer)


def in_words(subject: Any) -> str:
    """What a change is made to: a node or a launch with the user's line, anything else as text."""
    if hasattr(subject, "op"):
        return f"{subject.op.name} ({subject.type}) at {subject.location}"
    if hasattr(subject, "kernel"):
        places = dict.fromkeys(str(origin.location) for origin in subject.origins)
        return f"the kernel of {', '.join(subject.kernel.operations)} at {', '.join(places)}"
    return str(subject)


def applies(stage: str | None = None, subject: Any = None) -> bool:
    """Whether a stage may make one change to a node, a launch, or what else can be shown to a person."""
    return _open is None or _open.allow(stage, subject)


def stage_of(stage: str) -> contextlib.AbstractContextManager[None]:
    """Applications within the block that name no stage are this one's."""
    return contextlib.nullcontext() if _open is None else _open.within("stage", stage)


def working_on(subject: Any) -> contextlib.AbstractContextManager[None]:
    """Applications within the block that name no subject are made to this."""
    return contextlib.nullcontext() if _open is None else _open.within("subject", subject)


@contextlib.contextmanager
def using(ledger: Ledger) -> Iterator[Ledger]:
    """Number the applications of this process in a ledger within the block."""
    global _open
    outer, _open = _open, ledger
    try:
        yield ledger
    finally:
        _open = outer


def ledger_of(text: str, path: str = "") -> Ledger | None:
    """The ledger that GRAPHC_BISECT and GRAPHC_BISECT_LOG ask for, None where they are empty.

    Raises ValueError where the first is no number, 0 or more.
    """
    if not text and not path:
        return None
    if text and not text.isdecimal():
        raise ValueError(f"{VARIABLE}={text!r}: expected how many applications of passes are made, 0 or more")
    limit = int(text) if text else None
    # Without a buffer, so that nothing is lost where the process crashes.
    log = open(path, "ab", buffering=0) if path else None  # noqa: SIM115

    def note(number: int, words: str) -> None:
        if log is not None:
            log.write(words.replace("\n", "\\n").encode("utf-8", "backslashreplace") + b"\n")
        elif number == limit:
            print(f"{VARIABLE}={limit}: {words}", file=sys.stderr)

    return Ledger(limit, note)


_open = ledger_of(os.environ.get(VARIABLE, ""), os.environ.get(LOG, ""))
