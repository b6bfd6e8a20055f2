"""Peace between the threads of programs and numpy's own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from graphc.blas_threads import loaded_openblas
from graphc.fork_safe import recursive_lock
from graphc.runtime.abi import ffi, open_library
from graphc.runtime.blas_bridge import SOURCE
from graphc.runtime.builds import Build
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.runtime.native import build_library
from graphc.runtime.toolchain import find_toolchain
from graphc.thread_count import setting

# What `quiet_numpy_threads` can answer, in the order of the numbers that the bridge returns.
NOTHING_TO_DO, SHARES_THREADS, ONE_THREAD = "nothing to do", "shares threads", "one thread"
ANSWERS = (NOTHING_TO_DO, SHARES_THREADS, ONE_THREAD)


def _in_forked_child() -> None:
    """A forked child has no copy of the team's threads, and OpenMP would wait for them for ever; a region of one
    thread needs none."""
    if setting.may_have_team:
        setting.count = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


_quiet_guard = recursive_lock()
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
        build = _bridge()
        if build is None:
            return NOTHING_TO_DO
        # Never unloaded: OpenBLAS holds a pointer into it, and it keeps the OpenMP library loaded whose threads live on
        # after the program that started them has gone.
        bridge = open_library(build.path, for_ever=True)
    except (CompilerNotFound, CompileError, OSError):
        return NOTHING_TO_DO  # programs still run, only less well beside numpy
    setting.may_have_team = True
    answers = [bridge.graphc_adopt_blas(ffi.from_buffer(path.encode() + b"\0")) for path in loaded_openblas()]
    return ANSWERS[max(answers, default=0)]


def _bridge() -> Build | None:
    """The library that hands OpenBLAS's jobs to OpenMP; None where programs are built without it."""
    if not find_toolchain().openmp:
        return None
    return build_library(SOURCE, name="graphc_blas_bridge", optimization="-O2", extra_flags=("-ldl",))


@contextlib.contextmanager
def building_ahead() -> Iterator[None]:
    """While the caller makes a program's text, another thread finds the compiler and builds what every program needs
    beside its own. What fails there fails again, and is told, where it is asked for."""
    if _quiet_answer is not None or os.environ.get("CC"):
        yield
        return

    def build() -> None:
        with contextlib.suppress(Exception):
            _bridge()

    helper = threading.Thread(target=build, name="graphc: what all programs need", daemon=True)
    helper.start()
    try:
        yield
    finally:
        helper.join()
