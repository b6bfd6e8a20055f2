"""The number of threads of numpy's OpenBLAS."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "", "_64")


def loaded_openblas() -> list[str]:
    """The paths of the OpenBLAS libraries in this process, numpy's and perhaps others."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    paths = (line.split(maxsplit=5)[5] for line in lines if line.count("/"))
    return sorted({path for path in paths if "openblas" in os.path.basename(path)})


class _Setting:
    """Who asked for one thread, and what was before."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.asked = 0
        self.before: list[tuple[Callable[[int], None], int]] = []
        self.libraries: list[tuple[Callable[[], int], Callable[[int], None]]] | None = None


_setting = _Setting()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Within, products of numpy run on the thread that asks for them. The setting is the whole process's."""
    with _setting.guard:
        _setting.asked += 1
        if _setting.asked == 1:
            _limit()
    try:
        yield
    finally:
        with _setting.guard:
            _setting.asked -= 1
            if _setting.asked == 0:
                for write, count in _setting.before:
                    write(count)
                _setting.before.clear()


def _limit() -> None:
    if _setting.libraries is None:
        found = ((_function(path, "get_num_threads"), _function(path, "set_num_threads")) for path in loaded_openblas())
        _setting.libraries = [(read, write) for read, write in found if read is not None and write is not None]
    for read, write in _setting.libraries:
        count = read()
        if count > 1:
            _setting.before.append((write, count))
            write(1)


def _function(path: str, name: str) -> Callable[..., int] | None:
    library = ctypes.CDLL(path)
    names = (prefix + name + suffix for prefix in _PREFIXES for suffix in _SUFFIXES)
    return next((getattr(library, full) for full in names if hasattr(library, full)), None)


def _in_forked_child() -> None:
    _setting.guard = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
