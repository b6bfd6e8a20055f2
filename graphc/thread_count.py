"""How many threads compiled programs use, and large eager operators."""

from __future__ import annotations

import math
import os
from pathlib import Path


class ThreadSetting:
    """The number of threads that the next run of any program uses. Read by programs at every run, so a plain slot.

    Attributes:
        count: 0 until somebody asks for it.
        may_have_team: whether this process may have started threads of OpenMP.
    """

    __slots__ = ("count", "may_have_team")

    def __init__(self) -> None:
        self.count = 0
        self.may_have_team = False


setting = ThreadSetting()


def set_num_threads(number: int) -> None:
    """Sets the number of threads for compiled programs, from their next run on.

    Raises:
        TypeError: not an integer.
        ValueError: less than 1.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"set_num_threads: expected an integer, got {number!r}")
    if number < 1:
        raise ValueError(f"set_num_threads: expected 1 or more, got {number}")
    setting.count = number.__index__()


def get_num_threads() -> int:
    """The number of threads for compiled programs.

    Unless set: OMP_NUM_THREADS where it holds a valid number, else the number of physical cores that this process may
    run on, not more than its control group has time for.
    """
    if setting.count == 0:
        setting.count = _default_threads()
    return setting.count


def _default_threads() -> int:
    # A list stands for nested levels; programs have one.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    try:
        processors = os.sched_getaffinity(0)
    except AttributeError:
        return os.cpu_count() or 1
    cores = {_siblings(processor) for processor in processors}
    return max(1, min(len(cores), _quota()))


def _siblings(processor: int) -> str:
    """What is equal for the hardware threads of one core."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(processor)


def _quota() -> int:
    """The processors that the control group has time for: more threads than that wait for each other in vain."""
    try:
        allowed, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, math.ceil(int(allowed) / int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return 2**31
