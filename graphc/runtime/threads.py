"""How many threads a program uses, and peace between them and numpy's own."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

from graphc.runtime.abi import ffi, open_library
from graphc.runtime.blas_bridge import SOURCE
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.runtime.native import build_library
from graphc.runtime.toolchain import find_toolchain

# What `quiet_numpy_threads` can answer, in the order of the numbers that the bridge returns.
NOTHING_TO_DO, SHARES_THREADS, ONE_THREAD = "nothing to do", "shares threads", "one thread"
ANSWERS = (NOTHING_TO_DO, SHARES_THREADS, ONE_THREAD)


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


def _in_forked_child() -> None:
    """A forked child has no copy of the team's threads, and OpenMP would wait for them for ever; a region of one
    thread needs none."""
    if setting.may_have_team:
        setting.count = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


_quiet_guard = threading.Lock()
_quiet_answer: str | None = None


def quiet_numpy_threads() -> str:
    """Makes numpy's OpenBLAS run its jobs on OpenMP's threads, so that the two do not fight for the cores.

    Called before the first program runs; from then on it costs nothing. OpenBLAS's own threads spin for many
    milliseconds after each product, and a parallel region that follows finds its cores taken. Through a hook of
    OpenBLAS a small library of ours hands its jobs to the OpenMP team instead. Measured on two cores of a Zen 4, numpy
    2.4, medians:

    ====================================  ============  =================  ==============
    \\                                     left alone    one BLAS thread    shared team
    ====================================  ============  =================  ==============
    9 us program after a 256x256 product   480 us (*)    33 us              10.5 us
    the same after a 1024x1024 product     520 us (*)    121 us             30 us
    product 128x128, float32               30 us         43 us              30 us
    product 1024x1024                      10.6 ms       21.3 ms            10.5 ms
    ====================================  ============  =================  ==============

    A library loaded later, such as scipy's own copy, is not reached, nor is the LU factorization of `numpy.linalg`,
    which starts its jobs past the hook.

    (*) with the bounded spinning of `abi`; with libgomp's own 3.8 ms (mean 10 ms), and then products take 4 ms too.

    Returns:
        "shares threads"; "one thread" for an OpenBLAS without the hook, which gets one thread from now on; "nothing to
        do" where numpy uses something else, or programs are built without OpenMP.
    """
    global _quiet_answer
    if _quiet_answer is None:
        with _quiet_guard:
            if _quiet_answer is None:
                _quiet_answer = _share_threads()
    return _quiet_answer


def _share_threads() -> str:
    try:
        if not find_toolchain().openmp:
            return NOTHING_TO_DO
        build = build_library(SOURCE, name="graphc_blas_bridge", optimization="-O2", extra_flags=("-ldl",))
        # Never unloaded: OpenBLAS holds a pointer into it, and it keeps the OpenMP library loaded whose threads live on
        # after the program that started them has gone.
        bridge = open_library(build.path, for_ever=True)
    except (CompilerNotFound, CompileError, OSError):
        return NOTHING_TO_DO  # programs still run, only less well beside numpy
    setting.may_have_team = True
    answers = [bridge.graphc_adopt_blas(ffi.from_buffer(path.encode() + b"\0")) for path in _loaded_openblas()]
    return ANSWERS[max(answers, default=0)]


def _loaded_openblas() -> list[str]:
    """The OpenBLAS libraries in this process, numpy's and perhaps others."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    paths = (line.split(maxsplit=5)[5] for line in lines if line.count("/"))
    return sorted({path for path in paths if "openblas" in os.path.basename(path)})
