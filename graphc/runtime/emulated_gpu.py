"""GPUs that the CPU stands in for: kernels compile as C++ behind a header that says what CUDA's names mean here.

The header is ``templates/cuda/emulation/``. Nothing of a text is changed but for declarations of dynamic shared memory,
which C++ has no word for, and includes of CUDA's own headers.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.device_memory import DeviceMemory
from graphc.fork_safe import recursive_lock
from graphc.runtime.abi import ffi, open_library
from graphc.runtime.errors import GpuError, GpuOutOfMemory, LoadError
from graphc.runtime.gpus import ALIGNMENT, PreparedLaunch, Ranges, call_all
from graphc.runtime.native import build_library
from graphc.runtime.templates import template_folder

MESSAGE_BYTES = 1024
# After so many things that were asked for, nobody having waited, they are done.
MOST_ASKED = 1000
# Warnings are for nvcc to give, which knows what the text means.
QUIET = ("-w",)
# The order in which threads run, and blocks: a kernel that lacks a barrier may be right in one order and not the other.
FORWARDS, BACKWARDS = 0, 1

_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(')
_DYNAMIC_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\s*\d+\s*\)\s*)?([\w:\s]+?)\s*\b(\w+)\s*\[\s*\]\s*;"
)
_HEADER = re.compile(r"^\s*#\s*include\s*<(?:cuda\w*|mma|cuda_runtime)\.h>", re.MULTILINE)
_PART = re.compile(r'^#include "(\w+\.h)"\n', re.MULTILINE)


def kernels_of(source: str) -> tuple[str, ...]:
    """The names of the kernels in a text, in order."""
    return tuple(_KERNEL.findall(source))


@cache
def header() -> str:
    """The text that CUDA's names stand in."""
    folder = template_folder() / "cuda" / "emulation"
    return _PART.sub(lambda part: (folder / part[1]).read_text() + "\n", (folder / "emulation.h").read_text())


def emulated_text(source: str, kernels: Sequence[str], name: str = "kernels") -> str:
    """A text of kernels as one of C++ that runs them on the CPU; lines keep their numbers in the compiler's messages.

    Args:
        source: the text that nvcc would be given.
        kernels: the names of those that are to be launched.
        name: what messages call the text.
    """
    text = _HEADER.sub("", source)
    text = _DYNAMIC_SHARED.sub(r"\1 *const \2 = (\1 *)em_dynamic_shared;", text)
    table = ", ".join(f"EM_KERNEL({kernel})" for kernel in kernels)
    return f'{header()}\n#line 1 "{name}.cu"\n{text}\n#line 1 "launches of {name}.cu"\nEM_PROGRAM({table})\n'


class EmulatedModule:
    """A text of kernels, compiled for the CPU.

    ``order`` is that of threads and of blocks in each launch, FORWARDS or BACKWARDS.
    """

    def __init__(
        self,
        source: str,
        kernels: Sequence[str],
        name: str = "kernels",
        optimization: str = "-O1",
        gpu: EmulatedGpu | None = None,
    ):
        """Raises CompileError where the text does not compile."""
        self.order = FORWARDS
        self._gpu = gpu
        self._numbers = {kernel: number for number, kernel in enumerate(kernels)}
        text = emulated_text(source, kernels, name)
        self.build = build = build_library(
            text, name=f"emulated_{name}", optimization=optimization, language="c++", extra_flags=QUIET
        )
        self.path = build.path
        try:
            self._handle = open_library(build.path)
        except OSError as error:
            raise LoadError(f"the emulated kernels {build.path} can't be loaded: {error}") from error
        # What the threads of a block share is static: one launch at a time.
        self._lock = _lock_of(str(build.path))

    def run(self, launches: Sequence[PreparedLaunch]) -> None:
        """Run launches one after the other. Raises GpuError where one does what CUDA does not define, naming kernel,
        block, and thread."""
        if self._gpu is not None:
            self._gpu.synchronize()
        with self._lock:
            for launch in launches:
                self._launch(launch)

    def replay(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """Run launches, of a GPU's module once it is waited for; nothing is gained by knowing them again."""
        if self._gpu is None:
            return self.run(launches())
        given = tuple(launches())

        def work() -> None:
            with self._lock:
                for launch in given:
                    self._launch(launch)

        return self._gpu.ask(work)

    def start(self, launches: Sequence[PreparedLaunch]) -> None:
        """As :meth:`run`, once somebody waits."""
        self.replay(None, lambda: launches)

    def timed(self, launches: Sequence[PreparedLaunch]) -> list[float]:
        """Run launches: the seconds of each, which tell nothing of a GPU."""
        seconds = []
        for launch in launches:
            began = time.perf_counter()
            self.run((launch,))
            seconds.append(time.perf_counter() - began)
        return seconds

    def _launch(self, launch: PreparedLaunch) -> None:
        shape = ffi.new("int64_t[8]", [*launch.grid, *launch.block, launch.shared_bytes, self.order])
        values = ffi.new("int64_t[]", [_signed(value) for value in launch.arguments] or [0])
        addresses = ffi.new("void *[]", [ffi.cast("void *", values + place) for place in range(len(values))])
        message = ffi.new("unsigned char[]", MESSAGE_BYTES)
        if self._handle.graphc_emulate(self._numbers[launch.kernel], shape, addresses, message):
            told = ffi.string(ffi.cast("char *", message)).decode("utf-8", "replace")
            error = GpuError(told)
            if launch.told:
                error.add_note(f"in {launch.told}")
            raise error


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_locks: dict[str, Any] = {}


def _lock_of(path: str) -> Any:
    return _locks.setdefault(path, recursive_lock())


class EmulatedMirror:
    """A block of bytes that the CPU and an emulated GPU each have a copy of."""

    def __init__(self, gpu: EmulatedGpu, nbytes: int):
        self._gpu = gpu
        self.host = np.zeros(max(nbytes, 1), np.uint8)
        self._device = gpu.empty(self.host.shape, self.host.dtype)
        self.address = self._device.__array_interface__["data"][0]
        self.send()

    def send(self) -> None:
        """Copy the CPU's bytes to the GPU, when it comes to that."""
        self._gpu.ask(lambda: np.copyto(self._device, self.host))

    def fetch(self) -> None:
        """Copy the GPU's bytes to the CPU, when it comes to that."""
        self._gpu.ask(lambda: np.copyto(self.host, self._device))


class EmulatedMark:
    """A point in what an emulated GPU was asked for."""

    def __init__(self, gpu: EmulatedGpu):
        self._gpu = gpu
        self._seconds: float | None = None
        gpu.ask(self._reach)

    def _reach(self) -> None:
        self._seconds = time.perf_counter()

    def reached(self) -> bool:
        """Whether what came before is done."""
        return self._seconds is not None

    def wait(self) -> None:
        """Do what came before."""
        if self._seconds is None:
            self._gpu.synchronize()

    def seconds_since(self, other: EmulatedMark) -> float:
        """The time between two points."""
        assert self._seconds is not None
        assert other._seconds is not None
        return self._seconds - other._seconds


class EmulatedGpu:
    """A GPU that the CPU stands in for. Its memory is the CPU's, counted against a limit.

    What it is asked for waits until somebody waits for it, and memory that arrays leave meanwhile serves others: who
    forgets to wait finds other values than on a GPU that is always done at once.
    """

    emulated = True
    capability = (9, 0)

    def __init__(self, number: int, physical: int, nbytes: int):
        self.number = number
        self.name = f"emulated GPU {physical}"
        self._total = nbytes
        self._used = self._most = 0
        self._held = Ranges()
        self._guard = threading.RLock()  # finalizers may run within it
        self._turn = threading.RLock()  # of the thread that does what was asked for
        self._modules: dict[tuple[str, tuple[str, ...]], EmulatedModule] = {}
        self._asked: list[Callable[[], None]] = []
        self._watching: list[Callable[[], None]] = []
        self._left: dict[int, list[tuple[int, Any]]] = {}  # memory that what was asked for may be using
        self.pending = False

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array in this GPU's memory. Raises GpuOutOfMemory where its limit is reached."""
        wanted = -(-math.prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        with self._guard:
            if self._used + wanted > self._total:
                raise GpuOutOfMemory(
                    f"{self.name} is out of memory: {wanted:,} bytes were asked for, {self._total - self._used:,} of "
                    f"{self._total:,} are free"
                )
            self._used += wanted
            self._most = max(self._most, self._used)
            left = self._left.get(wanted)
            address, raw = left.pop() if left else (0, None)
        if raw is None:
            raw = np.empty(wanted + ALIGNMENT, np.uint8)
            address = raw.__array_interface__["data"][0]
            address += -address % ALIGNMENT
        if wanted:
            with self._guard:
                self._held.add(address, wanted)
        return DeviceMemory(self, raw, address, wanted).array(shape, dtype)

    def take_back(self, raw: Any, address: int, nbytes: int) -> None:
        """Memory that no array shows any more: what was asked for may still be using it."""
        with self._guard:
            self._used -= nbytes
            if nbytes:
                self._held.remove(address)
                if self.pending:
                    self._left.setdefault(nbytes, []).append((address, raw))

    def mirror(self, nbytes: int) -> EmulatedMirror:
        """A block of zeros, twice. Raises GpuOutOfMemory."""
        return EmulatedMirror(self, nbytes)

    def ask(self, work: Callable[[], None]) -> None:
        """Do something once somebody waits for it."""
        with self._guard:
            self._asked.append(work)
            self.pending = True
            many = len(self._asked) >= MOST_ASKED
        if many or os.environ.get("GRAPHC_CUDA_SYNC", "0") not in ("", "0"):
            self.synchronize()

    def upload(self, address: int, values: np.ndarray) -> None:
        """Copy a contiguous array to this GPU's memory, when it comes to that."""
        if values.nbytes:
            kept = values.tobytes()
            self.ask(lambda: ffi.memmove(ffi.cast("void *", address), kept, len(kept)))

    def download(self, values: np.ndarray, source: np.ndarray) -> None:
        """Copy an array of this GPU's memory."""
        np.copyto(values, source)

    def when_done(self, function: Callable[[], None]) -> None:
        """Call a function once, when what was asked for until now has been waited for."""
        with self._guard:
            self._watching.append(function)

    def mark(self) -> EmulatedMark:
        """This point in what the GPU was asked for."""
        return EmulatedMark(self)

    def reaches(self, address: int) -> bool:
        """Whether an address is one of this GPU's memory, although all memory is the CPU's: as on a GPU."""
        with self._guard:
            return address in self._held

    def load(self, source: str, kernels: Sequence[str], name: str) -> EmulatedModule:
        """Compile a text for the CPU, or find it in the cache. Raises CompileError."""
        key = (source, tuple(kernels))
        with self._guard:
            module = self._modules.get(key)
            if module is None:
                module = self._modules[key] = EmulatedModule(source, kernels, name, gpu=self)
            return module

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all there are."""
        return self._total - self._used, self._total

    def allocated(self) -> tuple[int, int]:
        """Bytes in use, and the most that ever were."""
        return self._used, self._most

    def reset_peak(self) -> None:
        """Count the most bytes in use from now on."""
        self._most = self._used

    def empty_cache(self) -> None:
        """Memory goes back as soon as no array uses it."""

    def synchronize(self) -> None:
        """Do what was asked for. Raises GpuError, after which the rest is not done, or the error of an operation."""
        with self._turn:
            with self._guard:
                asked, self._asked = self._asked, []
                watching, self._watching = self._watching, []

            def do() -> None:
                for work in asked:
                    work()

            def done() -> None:
                with self._guard:
                    self.pending = bool(self._asked)
                    if not self.pending:
                        self._left.clear()

            call_all([do, done, *watching])
