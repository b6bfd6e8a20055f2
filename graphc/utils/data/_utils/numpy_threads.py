"""The threads of numpy's OpenBLAS while worker processes are started, and in them.

OpenBLAS stops its threads before a fork and starts them when they are needed next. That goes wrong where another thread
computes meanwhile: a job that runs as the threads are told to stop makes them miss it, and a job that starts in between
leaves a copy of the process which takes threads for granted that it does not have. Either waits for ever. A process
that computes with one thread uses none of that machinery, and workers, of which there are several, want no more.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np

from graphc.blas_threads import single_threaded_blas
from graphc.runtime.threads import quiet_numpy_threads

__all__ = ["single_threaded_numpy"]


@contextlib.contextmanager
def single_threaded_numpy() -> Iterator[None]:
    """Within, the products of numpy run on one thread each, and processes that are forked keep it so.

    Where other threads may be computing now, OpenBLAS hands its jobs to OpenMP's threads from now on.
    """
    if threading.active_count() > 1:
        quiet_numpy_threads()
        _wait_for_jobs()
    with single_threaded_blas():
        yield


def _wait_for_jobs() -> None:
    """Let jobs finish that other threads gave to OpenBLAS's own threads before these were put to rest."""
    # Matrix products on several threads exclude each other; shorter kinds of jobs do not, but are soon over.
    matrix = np.ones((256, 256))
    np.matmul(matrix, matrix)
    time.sleep(0.01)
