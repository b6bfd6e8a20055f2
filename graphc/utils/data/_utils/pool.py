"""The worker processes of one iterator: started, fed, listened to, and ended.

Workers end when the process that iterates closes their sockets or is gone, for whatever reason. Sockets of other pools
are closed in every forked process, so that none of them keeps a foreign pool's workers alive.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import socket
import time
import warnings
import weakref
from collections.abc import Iterator
from pickle import PicklingError
from typing import Any

from graphc.utils.data._utils.channel import LoaderEnd
from graphc.utils.data._utils.messages import Message
from graphc.utils.data._utils.numpy_threads import single_threaded_numpy
from graphc.utils.data._utils.worker import Duty, work

__all__ = ["WorkerPool"]

# Seconds between two looks at workers from which nothing is heard.
_CHECK = 5.0
# Seconds that all workers together have to finish what they are doing before they are terminated.
_PATIENCE = 5.0

_loader_ends: weakref.WeakSet[LoaderEnd] = weakref.WeakSet()


def _in_forked_child() -> None:
    for end in list(_loader_ends):
        end.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


class WorkerPool:
    """Worker processes, each at the other end of a socket.

    Args:
        duty: what they all do.
        context: of ``multiprocessing``: how processes are started.
    """

    def __init__(self, duty: Duty, context: Any):
        self._owner = os.getpid()
        self._processes: list[Any] = []
        self._ends: list[LoaderEnd] = []
        try:
            with single_threaded_numpy():
                for worker in range(duty.num_workers):
                    self._start(duty, worker, context or multiprocessing)
        except BaseException:
            self.shut_down()
            raise

    def _start(self, duty: Duty, worker: int, context: Any) -> None:
        here, there = socket.socketpair()
        with there:
            self._ends.append(LoaderEnd(here, f"DataLoader worker process {worker}"))
            _loader_ends.add(self._ends[-1])
            process = context.Process(target=work, args=(duty, worker, there), daemon=True)
            try:
                with _without_interrupts():
                    process.start()
            except (TypeError, AttributeError, PicklingError):
                warnings.warn(
                    "Got pickle error when attempting to start a worker Process. This might be because the worker "
                    "Process arguments are not picklable: the start method is "
                    f"'{multiprocessing.get_start_method()}'. You can also try "
                    "multiprocessing.set_start_method('fork').",
                    stacklevel=6,
                )
                raise
            self._processes.append(process)

    def send(self, worker: int, message: Message) -> None:
        """Give a task to a worker."""
        self._ends[worker].send(message)

    def receive(self, timeout: float) -> list[tuple[int, Message]]:
        """What workers have sent since the last call, at least one message, each with the worker's number.

        Args:
            timeout: seconds to wait for the first; 0 waits as long as it takes.

        Raises RuntimeError when the time is over, and for a worker that has ended.
        """
        latest = time.monotonic() + timeout if timeout else None
        while True:
            wait = _CHECK if latest is None else min(_CHECK, max(0.0, latest - time.monotonic()))
            arrived = self._listen(wait)
            if arrived:
                return arrived
            self._require_alive()
            if latest is not None and time.monotonic() >= latest:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")

    def _listen(self, wait: float) -> list[tuple[int, Message]]:
        poll = select.poll()
        workers = {}
        for worker, end in enumerate(self._ends):
            workers[end.fileno()] = worker
            poll.register(end.fileno(), select.POLLIN | (select.POLLOUT if end.has_unsent else 0))
        arrived, ended = [], []
        for descriptor, event in poll.poll(wait * 1000):
            worker = workers[descriptor]
            end = self._ends[worker]
            if event & select.POLLOUT:
                end.flush()
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                try:
                    arrived.extend((worker, message) for message in end.receive())
                except EOFError:
                    ended.append(worker)
        # What the others sent before comes first; the end of a worker is seen again.
        if ended and not arrived:
            self._refuse(ended)
        return arrived

    def _require_alive(self) -> None:
        ended = [worker for worker, process in enumerate(self._processes) if not process.is_alive()]
        if ended:
            self._refuse(ended)

    def _refuse(self, ended: list[int]) -> None:
        processes = [self._processes[worker] for worker in ended]
        for process in processes:
            process.join(_PATIENCE)
        numbers = ", ".join(str(process.pid) for process in processes)
        cause = RuntimeError(_how_it_ended(processes[0].pid, processes[0].exitcode))
        raise RuntimeError(f"DataLoader worker (pid(s) {numbers}) exited unexpectedly") from cause

    def shut_down(self) -> None:
        """End the workers and wait for their end; in a forked copy of the owner, nothing."""
        if os.getpid() != self._owner:
            return
        for end in self._ends:
            end.close()
        processes, self._processes = self._processes, []
        try:
            _join(processes)
        finally:
            for stop in ("terminate", "kill"):
                late = [process for process in processes if process.is_alive()]
                for process in late:
                    getattr(process, stop)()
                _join(late)
            for process in processes:
                if not process.is_alive():
                    process.close()


def _join(processes: list[Any]) -> None:
    latest = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, latest - time.monotonic()))


def _how_it_ended(number: int, code: int | None) -> str:
    if code is not None and code < 0:
        reason = signal.strsignal(-code) or signal.Signals(-code).name
        return f"DataLoader worker (pid {number}) is killed by signal: {reason}. "
    return (
        f"DataLoader worker (pid {number}) exited unexpectedly with exit code {code}. Details are lost due to "
        "multiprocessing. Rerunning with num_workers=0 may give better error trace."
    )


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is being started is not interrupted before it can say what an interrupt means to it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
