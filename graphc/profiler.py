"""Where a program's time goes: the functions and methods that it calls, and the ranges that it marks.

What a function is made of is not looked into: its time is its own. The backward pass is one call.
Source: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.missing_names import lazy_names
from graphc.overrides import TorchFunctionMode
from graphc.tensor import Tensor

__all__ = [
    "EventAverages",
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
__getattr__ = lazy_names(__name__)


class ProfilerActivity(enum.Enum):
    """What may be looked at; here the CPU's work is."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profiler does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU's."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """The action of each step: after ``skip_first``, rounds of ``wait`` steps of nothing, ``warmup`` steps, and
    ``active`` steps that are recorded; so many rounds, or without end for 0."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == length - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """What writes each finished trace to a file of its own in a folder."""

    def handle(finished: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        finished.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return handle


@dataclass
class Event:
    """One call or range: when it began and what it took, in microseconds."""

    name: str
    start: float
    cpu_time_total: float = 0.0
    # Of what it contains.
    children: float = 0.0
    input_shapes: list[list[int]] = field(default_factory=list)

    @property
    def self_cpu_time_total(self) -> float:
        """Without what it contains."""
        return self.cpu_time_total - self.children


class _Running(threading.local):
    def __init__(self) -> None:
        self.profiles: list[profile] = []


_running = _Running()


class record_function(contextlib.ContextDecorator):
    """Marks a range of the program, as a context or on a function, by a name in the profile."""

    def __init__(self, name: str, args: str | None = None):
        self.name = name

    def __enter__(self) -> record_function:
        self._within = [(each, each._begin(self.name)) for each in _running.profiles if each._records]
        return self

    def __exit__(self, *exception: Any) -> None:
        for each, event in reversed(self._within):
            each._end(event)


class _Clock(TorchFunctionMode):
    def __init__(self, owner: profile):
        self._owner = owner

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return func(*args, **(kwargs or {}))
        event = self._owner._begin(f"aten::{name.strip('_') if name.startswith('__') else name}")
        if self._owner.record_shapes:
            event.input_shapes = [list(value.shape) if isinstance(value, Tensor) else [] for value in args]
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._owner._end(event)


class profile(contextlib.ContextDecorator):
    """A context that notes each call of a function or method of tensors, and each :class:`record_function`.

    Args:
        activities, use_device, profile_memory, with_stack, with_flops, with_modules, experimental_config,
            execution_trace_observer, acc_events, use_cuda, use_kineto, enabled: taken for programs written for
            PyTorch; with ``enabled=False`` nothing is noted.
        schedule: what to do in each step, as :func:`schedule` makes it; all is recorded by default.
        on_trace_ready: called with the profiler where the recorded steps of a round end.
        record_shapes: note the shapes of the operands.
    """

    def __init__(
        self,
        enabled: bool | Iterable[ProfilerActivity] | None = True,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        **options: Any,
    ):
        unknown = options.keys() - _OPTIONS
        if unknown:
            raise TypeError(f"profile.__init__() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        self._enabled = enabled is not False
        self._schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.step_num = 0
        self._events: list[Event] = []
        self._open: list[Event] = []
        self._clock = _Clock(self)
        self._action = ProfilerAction.NONE

    @property
    def _records(self) -> bool:
        return self._action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        if self._enabled:
            _running.profiles.append(self)
            self._become(self._chosen())

    def stop(self) -> None:
        """End; a trace that is not handled yet is now."""
        if self in _running.profiles:
            recorded = self._records
            self._become(ProfilerAction.NONE)
            _running.profiles.remove(self)
            if recorded and self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def step(self) -> None:
        """Begin the next step of the schedule."""
        before = self._action
        self.step_num += 1
        action = self._chosen()
        if before is ProfilerAction.RECORD_AND_SAVE and self._schedule is not None:
            self._become(ProfilerAction.NONE)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE) and not self._records:
            self._events = []
        self._become(action)

    def _chosen(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self._schedule is None else self._schedule(self.step_num)

    def _become(self, action: ProfilerAction) -> None:
        recorded = self._records
        self._action = action
        if self._records and not recorded:
            self._clock.__enter__()
        elif recorded and not self._records:
            self._clock.__exit__(None, None, None)

    def _begin(self, name: str) -> Event:
        event = Event(name, time.perf_counter_ns() / 1000)
        self._open.append(event)
        return event

    def _end(self, event: Event) -> None:
        event.cpu_time_total = time.perf_counter_ns() / 1000 - event.start
        if event in self._open:
            del self._open[self._open.index(event) :]
        if self._open:
            self._open[-1].children += event.cpu_time_total
        self._events.append(event)

    def events(self) -> list[Event]:
        """What was noted, in the order in which it ended."""
        return list(self._events)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, **options: Any) -> Any:
        """The events summed by name, and by shapes where that is asked for."""
        groups: dict[Any, list[Event]] = {}
        for event in self._events:
            groups.setdefault((event.name, str(event.input_shapes) if group_by_input_shape else ""), []).append(event)
        return EventAverages(EventAverage(name, shapes, events) for (name, shapes), events in groups.items())

    def table(self, **options: Any) -> str:
        """The table of :meth:`key_averages`."""
        return self.key_averages().table(**options)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all that was noted."""
        return sum(event.self_cpu_time_total for event in self._events)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a trace that Chrome and Perfetto show."""
        common = {"ph": "X", "cat": "cpu_op", "pid": os.getpid(), "tid": threading.get_ident()}
        events = [common | {"name": e.name, "ts": e.start, "dur": e.cpu_time_total} for e in self._events]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)

    def add_metadata(self, key: str, value: str) -> None:
        """Nothing: traces hold events alone."""

    add_metadata_json = add_metadata


_OPTIONS = {
    "acc_events",
    "execution_trace_observer",
    "experimental_config",
    "profile_memory",
    "use_cpu",
    "use_cuda",
    "use_device",
    "use_kineto",
    "with_flops",
    "with_modules",
    "with_stack",
}


class EventAverage:
    """The events of one name: how many, and their microseconds together and on average."""

    def __init__(self, key: str, input_shapes: str, events: Sequence[Event]):
        self.key = key
        self.input_shapes = input_shapes
        self.count = len(events)
        self.cpu_time_total = sum(event.cpu_time_total for event in events)
        self.self_cpu_time_total = sum(event.self_cpu_time_total for event in events)
        self.cpu_time = self.cpu_time_total / self.count

    def __repr__(self) -> str:
        own, each = _duration(self.self_cpu_time_total), _duration(self.cpu_time)
        return f"<FunctionEventAvg key={self.key} self_cpu_time={own} cpu_time={each} input_shapes={self.input_shapes}>"


class EventAverages(list[EventAverage]):
    """Averages by name."""

    def total_average(self) -> float:
        """Microseconds of all together."""
        return sum(each.self_cpu_time_total for each in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The averages as text, sorted by a column such as "cpu_time_total" from the largest on."""
        rows = list(self)
        if sort_by is not None:
            column = sort_by if sort_by in ("count", "cpu_time", "self_cpu_time_total") else "cpu_time_total"
            rows.sort(key=lambda row: getattr(row, column), reverse=True)
        rows = rows[:row_limit] if row_limit >= 0 else rows
        total = self.total_average() or 1.0
        columns = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        lines = [columns]
        for row in rows:
            parts = [f"{row.self_cpu_time_total / total:.2%}", _duration(row.self_cpu_time_total)]
            parts += [f"{row.cpu_time_total / total:.2%}", _duration(row.cpu_time_total), _duration(row.cpu_time)]
            lines.append([row.key[:max_name_column_width], *parts, str(row.count)])
        with_shapes = any(row.input_shapes for row in rows)
        if with_shapes:
            shapes = ["Input Shapes", *(row.input_shapes[:max_shapes_column_width] for row in rows)]
            lines = [[*line, each] for line, each in zip(lines, shapes, strict=True)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        widths = [widths[0] + 2, *(max(width, 12) for width in widths[1:])]
        ruler = "  ".join("-" * width for width in widths) + "  "
        body = ["  ".join(part.rjust(width) for part, width in zip(line, widths, strict=True)) + "  " for line in lines]
        title = [ruler, header] if header is not None else []
        text = [*title, ruler, body[0], ruler, *body[1:], ruler]
        return "\n".join(text) + f"\nSelf CPU time total: {_duration(self.total_average())}\n"


def _duration(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"
