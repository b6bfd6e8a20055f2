"""GPUs that the CPU stands in for: kernels compile as C++ behind a header that says what CUDA's names mean here.

The header is ``templates/cuda/emulation/``. Nothing of a text is changed but for declarations of dynamic shared memory,
which C++ has no word for, and includes of CUDA's own headers.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.device_memory import DeviceMemory
from graphc.fork_safe import recursive_lock
from graphc.runtime.abi import ffi, open_library
from graphc.runtime.errors import GpuError, GpuOutOfMemory, LoadError
from graphc.runtime.gpus import ALIGNMENT, PreparedLaunch, Ranges
from graphc.runtime.native import build_library
from graphc.runtime.templates import template_folder

MESSAGE_BYTES = 1024
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

    def __init__(self, source: str, kernels: Sequence[str], name: str = "kernels", optimization: str = "-O1"):
        """Raises CompileError where the text does not compile."""
        self.order = FORWARDS
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
        with self._lock:
            for launch in launches:
                self._launch(launch)

    def replay(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """Run launches; nothing is gained by knowing them again."""
        self.run(launches())

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
    """A block of bytes that the CPU and an emulated GPU share."""

    def __init__(self, host: np.ndarray):
        self.host = host
        self.address = host.__array_interface__["data"][0]
        host[:] = 0

    def send(self) -> None:
        """Both copies are one."""

    def fetch(self) -> None:
        """Both copies are one."""


class EmulatedGpu:
    """A GPU that the CPU stands in for. Its memory is the CPU's, counted against a limit."""

    emulated = True
    capability = (9, 0)

    def __init__(self, number: int, physical: int, nbytes: int):
        self.number = number
        self.name = f"emulated GPU {physical}"
        self._total = nbytes
        self._used = self._most = 0
        self._held = Ranges()
        self._guard = threading.RLock()  # finalizers may run within it
        self._modules: dict[tuple[str, tuple[str, ...]], EmulatedModule] = {}

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array in this GPU's memory. Raises GpuOutOfMemory where its limit is reached."""
        wanted = -(-int(np.prod(shape, dtype=np.int64)) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        with self._guard:
            if self._used + wanted > self._total:
                raise GpuOutOfMemory(
                    f"{self.name} is out of memory: {wanted:,} bytes were asked for, {self._total - self._used:,} of "
                    f"{self._total:,} are free"
                )
            self._used += wanted
            self._most = max(self._most, self._used)
        raw = np.empty(wanted + ALIGNMENT, np.uint8)
        address = raw.__array_interface__["data"][0]
        address += -address % ALIGNMENT
        memory = DeviceMemory(self, raw, address, wanted)
        if wanted:
            with self._guard:
                self._held.add(address, wanted)
        weakref.finalize(memory, self._given_back, address, wanted)
        return memory.array(shape, dtype)

    def _given_back(self, address: int, nbytes: int) -> None:
        with self._guard:
            self._used -= nbytes
            if nbytes:
                self._held.remove(address)

    def mirror(self, nbytes: int) -> EmulatedMirror:
        """A block of zeros that serves as both copies. Raises GpuOutOfMemory."""
        return EmulatedMirror(self.empty((nbytes,), np.dtype(np.uint8)))

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
                module = self._modules[key] = EmulatedModule(source, kernels, name)
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
        """Nothing runs when nobody waits for it."""
