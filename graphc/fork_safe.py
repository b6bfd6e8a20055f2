"""Locks that a forked child finds free.

A fork copies locks as they are, and of the threads only the one that forks: what another thread held would never be
given back in the child. So worker processes would wait for ever that were forked while a training thread runs a
compiled step, draws random numbers, or builds a program.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def recursive_lock() -> Any:
    """A ``threading.RLock`` that is free in forked children, unless the thread that forks holds it."""
    return watched(threading.RLock())


def watched(lock: Any) -> Any:
    """Makes a lock of the threading module, recursive or not, one that is free in forked children."""
    _locks.add(lock)
    return lock


def _in_forked_child() -> None:
    for lock in list(_locks):
        # Where the thread that forked is within the lock, it goes on so in the child, and gives it back itself.
        if not (hasattr(lock, "_is_owned") and lock._is_owned()):
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
