"""What runs in a worker process of a DataLoader.

Source: https://docs.pytorch.org/docs/stable/data.html#multi-process-data-loading
"""

from __future__ import annotations

import os
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.creation import manual_seed
from graphc.recording import state
from graphc.thread_count import set_num_threads
from graphc.utils.data._utils.channel import WorkerEnd
from graphc.utils.data._utils.failures import Failure
from graphc.utils.data._utils.fetch import Fetch, fetcher
from graphc.utils.data._utils.messages import EndOfStream, Message
from graphc.utils.data._utils.worker_info import WorkerInfo, enter_worker
from graphc.utils.data.dataset import IterableDataset

__all__ = ["Duty", "work"]

# Seconds between two looks at whether the parent lives; its death closes the socket, unless some other process of the
# user's has inherited the other end.
_PARENT_CHECK = 5.0


@dataclass(frozen=True)
class Duty:
    """What the workers of an iterator have in common.

    Attributes:
        dataset: samples by index, or a stream.
        batched: whether a task is a list of indices.
        collate_function: makes a batch of a list of samples (or converts a sample).
        drop_last: whether a stream's last batch that is not full is left out.
        base_seed: worker i is seeded with this plus i.
        init_function: called with the worker's number before it loads anything.
        num_workers: how many workers there are.
    """

    dataset: Any
    batched: bool
    collate_function: Callable[[Any], Any]
    drop_last: bool
    base_seed: int
    init_function: Callable[[int], None] | None
    num_workers: int


def work(duty: Duty, worker: int, connection: socket.socket) -> None:
    """Answer tasks until the other end of the connection is closed."""
    _settle()
    end = WorkerEnd(connection)
    where = f"in DataLoader worker process {worker}"
    failure = None
    try:
        _seed(duty.base_seed, worker)
        enter_worker(WorkerInfo(worker, duty.num_workers, duty.base_seed + worker, duty.dataset))
        if duty.init_function is not None:
            duty.init_function(worker)
    except Exception as error:
        failure = Failure.of(error, where)
    parent = os.getppid()
    epoch, fetch = -1, None
    try:
        while os.getppid() == parent:
            if not end.wait(_PARENT_CHECK):
                continue
            task = end.receive()
            if failure is None and task.epoch != epoch:
                epoch, fetch = task.epoch, _Fetching(duty, where)
            result = failure or fetch(task.content)
            if result is not None:
                _answer(end, task, result, where)
            # A batch that was sent need not lie here too while the next one is made.
            del task, result
    except EOFError:
        pass


class _Fetching:
    """Makes the batches of one pass. After the end of a stream it gives None."""

    def __init__(self, duty: Duty, where: str):
        self._duty = duty
        self._where = where
        self._fetch: Fetch | None = None
        self._failure: Failure | None = None
        self._ended = False
        try:
            self._fetch = fetcher(duty.dataset, duty.batched, duty.collate_function, duty.drop_last)
        except Exception as error:
            self._failure = Failure.of(error, where)

    def __call__(self, index: Any) -> Any:
        if self._failure is not None:
            return self._failure
        if self._ended:
            return None
        try:
            return self._fetch(index)
        except Exception as error:
            if isinstance(error, StopIteration) and isinstance(self._duty.dataset, IterableDataset):
                self._ended = True
                return EndOfStream()
            return Failure.of(error, self._where)


def _answer(end: WorkerEnd, task: Message, result: Any, where: str) -> None:
    try:
        end.send(Message(task.epoch, task.number, result))
    except EOFError:
        raise
    except Exception as error:
        end.send(Message(task.epoch, task.number, Failure.of(error, where)))


def _settle() -> None:
    """Make a forked copy of a process a worker."""
    # An interrupt from the keyboard goes to every process; the one that iterates decides what it means for the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    # A thread of the parent may have been drawing random numbers when this copy was made; it does so no more here, and
    # would never give numpy's lock back.
    np.random.set_bit_generator(np.random.MT19937(0))
    state.recorder = None
    set_num_threads(1)


def _seed(base_seed: int, worker: int) -> None:
    seed = base_seed + worker
    random.seed(seed)
    manual_seed(seed)
    # numpy's generator is the same as Python's, and would give the same numbers for the same seed.
    words = np.random.SeedSequence([worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]).generate_state(4)
    np.random.seed(words)
