"""Streams and events. Whatever stream is named, all work of a GPU goes through one, in order.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-streams
"""

from __future__ import annotations

from typing import Any

from graphc.cuda import absent
from graphc.device import Device, current
from graphc.runtime.gpus import Mark, gpu, gpus

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
        """Whether all is known to be done."""
        return not gpu(self.device.index).pending

    def synchronize(self) -> None:
        """Wait until all is done."""
        gpu(self.device.index).synchronize()

    def wait_stream(self, stream: Stream) -> None:
        """What is asked of this stream from now on comes after what another was asked for: in one stream, it does."""
        if stream.device != self.device:
            stream.synchronize()

    def wait_event(self, event: Event) -> None:
        """What is asked of this stream from now on comes after an event."""
        event.wait(self)

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
        self._mark: Mark | None = None
        self._number = -1

    def record(self, stream: Stream | None = None) -> None:
        """This is the point."""
        self._number = current.number if stream is None else stream.device.index
        self._mark = gpu(self._number).mark()

    def query(self) -> bool:
        """Whether what came before is done."""
        return self._mark is None or self._mark.reached()

    def wait(self, stream: Stream | None = None) -> None:
        """What is asked of a stream from now on comes after this event: in one stream, it does."""
        if self._number not in (-1, current.number if stream is None else stream.device.index):
            self.synchronize()

    def synchronize(self) -> None:
        """Wait until what came before is done."""
        if self._mark is not None:
            self._mark.wait()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another. Raises ValueError unless both were recorded and are timed."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._mark is None or end_event._mark is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end_event.query()):
            raise RuntimeError("CUDA error: device not ready")
        return end_event._mark.seconds_since(self._mark) * 1e3


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
