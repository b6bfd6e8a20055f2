"""Parts of one eager operator on several threads at once. numpy gives up the interpreter's lock while it computes."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import numpy as np

from graphc.blas_threads import single_threaded_blas
from graphc.thread_count import get_num_threads

Part = TypeVar("Part")
# Bytes that a thread keeps for one use.
MOST_KEPT = 1 << 23


class _Pool:
    """The threads, which are started when they are first needed."""

    threads: ThreadPoolExecutor | None = None
    count = 0


def for_each(parts: Sequence[Part], work: Callable[[Part], None]) -> None:
    """``work`` done on each part, by :func:`graphc.get_num_threads` threads. One part alone is done at once, and the
    products in it may use numpy's own threads."""
    count = min(get_num_threads(), len(parts))
    if count <= 1:
        for part in parts:
            work(part)
        return
    remaining = iter(parts)
    with single_threaded_blas():
        helpers = [_threads(count).submit(copy_context().run, _take, remaining, work) for _ in range(count - 1)]
        try:
            _take(remaining, work)
        finally:
            for helper in helpers:
                helper.result()


def _take(remaining: Iterator[Part], work: Callable[[Part], None]) -> None:
    for part in remaining:
        work(part)


def _threads(count: int) -> ThreadPoolExecutor:
    if _Pool.threads is None or _Pool.count < count:
        _Pool.threads, _Pool.count = ThreadPoolExecutor(count, thread_name_prefix="graphc"), count
    return _Pool.threads


_memory = threading.local()


def scratch(use: str, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Memory for one part's work, with any values: each thread keeps what it used last for a use, since fresh memory
    costs more than the work."""
    nbytes = math.prod(shape) * dtype.itemsize
    held = getattr(_memory, use, None)
    if held is None or held.size < nbytes:
        held = np.empty(nbytes, np.uint8)
        if nbytes <= MOST_KEPT:
            setattr(_memory, use, held)
    return held[:nbytes].view(dtype).reshape(shape)


def _in_forked_child() -> None:
    """A forked child has no copy of the threads."""
    _Pool.threads = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
