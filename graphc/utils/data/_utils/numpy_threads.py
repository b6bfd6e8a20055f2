"""The threads of numpy's OpenBLAS while worker processes are started, and in them.

OpenBLAS stops its threads before a fork and starts them when they are needed next. That goes wrong where another thread
computes meanwhile: a job that runs as the threads are told to stop makes them miss it, and a job that starts in between
leaves a copy of the process which takes threads for granted that it does not have. Either waits for ever. A process
that computes with one thread uses none of that machinery, and workers, of which there are several, want no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

import numpy as np

from graphc.blas_threads import loaded_openblas
from graphc.runtime.threads import quiet_numpy_threads

__all__ = ["single_threaded_numpy"]

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "", "_64")


@contextlib.contextmanager
def single_threaded_numpy() -> Iterator[None]:
    """Within, the products of numpy run on one thread each, and processes that are forked keep it so.

    Where other threads may be computing now, OpenBLAS hands its jobs to OpenMP's threads from now on.
    """
    if threading.active_count() > 1:
        quiet_numpy_threads()
        _wait_for_jobs()
    before = []
    for path in loaded_openblas():
        library = ctypes.CDLL(path)
        read, write = _function(library, "get_num_threads"), _function(library, "set_num_threads")
        if read is not None and write is not None and read() > 1:
            before.append((write, read()))
            write(1)
    try:
        yield
    finally:
        for write, count in before:
            write(count)


def _wait_for_jobs() -> None:
    """Let jobs finish that other threads gave to OpenBLAS's own threads before these were put to rest."""
    # Matrix products on several threads exclude each other; shorter kinds of jobs do not, but are soon over.
    matrix = np.ones((256, 256))
    np.matmul(matrix, matrix)
    time.sleep(0.01)


def _function(library: ctypes.CDLL, name: str) -> ctypes._CFuncPtr | None:
    names = (prefix + name + suffix for prefix in _PREFIXES for suffix in _SUFFIXES)
    return next((getattr(library, full) for full in names if hasattr(library, full)), None)
