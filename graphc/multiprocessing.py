"""Processes that compute with tensors: Python's own module, and functions run by several processes at once.

Tensors are copied on their way to another process. Source: https://docs.pytorch.org/docs/stable/multiprocessing.html
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *multiprocessing.__all__,
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """A process ended otherwise than it should."""

    def __init__(self, message: str, error_index: int, pid: int):
        super().__init__(message)
        self.msg, self.error_index, self.error_pid, self.pid = message, error_index, pid, pid


class ProcessRaisedException(ProcessException):
    """The function raised in a process; the message ends with the process's own traceback."""


class ProcessExitedException(ProcessException):
    """A process ended without word: by its exit code, or by a signal."""

    def __init__(self, message: str, error_index: int, pid: int, exit_code: int, signal_name: str | None = None):
        super().__init__(message, error_index, pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def get_all_sharing_strategies() -> set[str]:
    """The ways of handing on tensors that can be named: PyTorch's."""
    return {"file_descriptor", "file_system"}


class _Sharing:
    def __init__(self) -> None:
        self.strategy = "file_descriptor"


_sharing = _Sharing()


def get_sharing_strategy() -> str:
    """The strategy that was named; tensors are copied, whichever it is."""
    return _sharing.strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Name a strategy. Raises AssertionError for one that there is none of."""
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}")
    _sharing.strategy = new_strategy


def _run(function: Callable[..., Any], number: int, arguments: tuple[Any, ...], errors: Any) -> None:
    try:
        function(number, *arguments)
    except KeyboardInterrupt:
        pass  # the process that started this one says so
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes of one call of :func:`spawn` with ``join=False``."""

    def __init__(self, processes: list[Any], errors: list[Any]):
        self.processes = processes
        self.error_queues = errors
        self._waiting = {process.sentinel: number for number, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until a process ends, or the timeout passes; True when all have ended well.

        Raises ProcessRaisedException or ProcessExitedException, after ending the others, where one has not.
        """
        if not self._waiting:
            return True
        failed = None
        for sentinel in multiprocessing.connection.wait(list(self._waiting), timeout):
            number = self._waiting.pop(sentinel)
            self.processes[number].join()
            if self.processes[number].exitcode != 0:
                failed = number
                break
        if failed is None:
            return not self._waiting
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(grace_period)
            if process.is_alive():
                process.kill()
                process.join()
        self._raise(failed)
        return False

    def _raise(self, number: int) -> None:
        process = self.processes[number]
        if self.error_queues[number].empty():
            code = process.exitcode
            if code < 0:
                name = signal.Signals(-code).name
                raise ProcessExitedException(
                    f"process {number} terminated with signal {name}", number, process.pid, code, name
                )
            raise ProcessExitedException(
                f"process {number} terminated with exit code {code}", number, process.pid, code
            )
        words = f"\n\n-- Process {number} terminated with the following error:\n{self.error_queues[number].get()}"
        raise ProcessRaisedException(words, number, process.pid)


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call ``fn(number, *args)`` in several processes.

    Args:
        fn: the function; with "spawn" it must be one that the new process can import.
        args: its arguments after the process's number.
        nprocs: how many processes.
        join: wait until all have ended; else their :class:`ProcessContext` is given at once.
        daemon: the processes end with this one.
        start_method: "spawn", "fork", or "forkserver".

    Raises ProcessRaisedException or ProcessExitedException where a process does not end well.
    """
    context = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for number in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, number, args, queue), daemon=daemon)
        process.start()
        errors.append(queue)
        processes.append(process)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """As :func:`start_processes`, with processes that begin anew."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
