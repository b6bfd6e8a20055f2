"""Streams and events. Every step is waited for before Python goes on, so that what a stream holds is done.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-streams
"""

from __future__ import annotations

import time
from typing import Any

from graphc.cuda import absent
from graphc.device import Device, current
from graphc.runtime.gpus import gpus

__all__ = ["Event", "Stream", "current_stream", "default_stream", "stream"]


class Stream:
    """A stream of kernels. Raises RuntimeError where there is no GPU."""

    def __init__(self, device: Any = None, priority: int = 0, **keywords: Any):
        if not gpus():
            absent.Stream()
        chosen = Device("cuda") if device is None else Device.of(device)
        self.device = Device("cuda", current.number) if chosen.index is None else chosen
        self.priority = priority

    def query(self) -> bool:
        """True: all is done."""
        return True

    def synchronize(self) -> None:
        """Nothing is left to wait for."""

    def wait_stream(self, stream: Stream) -> None:
        """Another stream's work is done."""

    def wait_event(self, event: Event) -> None:
        """What came before an event is done."""

    def record_event(self, event: Event | None = None) -> Event:
        """An event (a new one, unless one is given) at this point."""
        event = event or Event()
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class Event:
    """A point in time. Raises RuntimeError where there is no GPU."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        if not gpus():
            absent.Event()
        self._timed = enable_timing
        self._seconds: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """This is the point."""
        self._seconds = time.perf_counter()

    def query(self) -> bool:
        """True: what came before is done."""
        return True

    def wait(self, stream: Stream | None = None) -> None:
        """What came before is done."""

    def synchronize(self) -> None:
        """What came before is done."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another. Raises ValueError unless both were recorded and are timed."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._seconds is None or end_event._seconds is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._seconds - self._seconds) * 1e3


def current_stream(device: Any = None) -> Stream:
    """The stream that kernels go to. Raises AssertionError where there is no GPU."""
    return Stream(device) if gpus() else absent.current_stream(device)


def default_stream(device: Any = None) -> Stream:
    """The stream that kernels go to by default. Raises AssertionError where there is no GPU."""
    return Stream(device) if gpus() else absent.default_stream(device)


class stream:
    """Context manager: kernels of a block go to a stream, all of which are in order."""

    def __init__(self, stream: Any):
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass
