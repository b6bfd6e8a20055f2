"""The GPUs that this process may use, real or emulated, behind one interface.

``GRAPHC_CUDA`` chooses: ``emulate`` stands for GPUs that are emulated on the CPU, as many as ``GRAPHC_CUDA_DEVICES``
says (1 by default), each with ``GRAPHC_CUDA_MEMORY`` bytes (16 GiB); ``off`` for none; unset, the machine's own are
used, by way of pycuda, which nothing imports before somebody asks. ``CUDA_VISIBLE_DEVICES`` hides and orders devices of
either kind.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from graphc.device_memory import use
from graphc.fork_safe import recursive_lock
from graphc.runtime.errors import GpuError
from graphc.runtime.native import Build

EMULATED_BYTES = 1 << 34
# Kernels read and write 16 bytes at a time where a buffer begins at a multiple of this.
ALIGNMENT = 256


@dataclass(frozen=True, slots=True)
class PreparedLaunch:
    """One launch with everything decided. ``arguments`` are addresses and 64-bit integers, all 8 bytes wide; ``told``
    says what is computed and where it came from, for errors."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[int, ...]
    told: str = ""


class Ranges:
    """Ranges of addresses that lie apart."""

    def __init__(self) -> None:
        self._starts: list[int] = []  # in order
        self._ends: dict[int, int] = {}

    def add(self, start: int, nbytes: int) -> None:
        """Add the range of so many bytes."""
        insort(self._starts, start)
        self._ends[start] = start + nbytes

    def remove(self, start: int) -> None:
        """Take the range that begins there away."""
        del self._starts[bisect_left(self._starts, start)]
        del self._ends[start]

    def __contains__(self, address: int) -> bool:
        place = bisect_right(self._starts, address)
        return bool(place) and address < self._ends[self._starts[place - 1]]


class Module(Protocol):
    """Kernels that are loaded on a GPU; ``build`` tells how they were built."""

    build: Build

    def run(self, launches: Sequence[PreparedLaunch]) -> None:
        """Run launches in order on the GPU's stream, and wait for the last. Raises GpuError naming the kernel."""

    def replay(self, key: Hashable, launches: Callable[[], Sequence[PreparedLaunch]]) -> None:
        """As :meth:`run`, without waiting, of launches that are the same whenever the key is: they need not be made
        again then."""

    def start(self, launches: Sequence[PreparedLaunch]) -> None:
        """As :meth:`run`, without waiting."""

    def timed(self, launches: Sequence[PreparedLaunch]) -> list[float]:
        """Run launches one after the other, and wait: the seconds of each, as the GPU's clock tells them."""


class Mirror(Protocol):
    """A block of bytes that the CPU and a GPU each have a copy of.

    Attributes:
        host: the CPU's copy, a vector of bytes.
        address: where the GPU's copy is.
    """

    host: np.ndarray
    address: int

    def send(self) -> None:
        """Copy the CPU's bytes to the GPU, before what runs there next; they must not change until it is waited for."""

    def fetch(self) -> None:
        """Copy the GPU's bytes to the CPU, after what it was asked for before; they are there once it is waited for."""


class Mark(Protocol):
    """A point in what a GPU was asked for."""

    def reached(self) -> bool:
        """Whether what came before is done."""

    def wait(self) -> None:
        """Wait until what came before is done."""

    def seconds_since(self, other: Mark) -> float:
        """The time between two points of one GPU that were reached."""


class Gpu(Protocol):
    """One GPU. What it is asked for is done in order, and nobody waits for it but in :meth:`synchronize`.

    Attributes:
        number: its place among those that are visible.
        name: what the maker calls it.
        capability: (major, minor) of what it can do.
        emulated: whether the CPU stands in for it.
        pending: whether it may have something left to do.
    """

    number: int
    name: str
    capability: tuple[int, int]
    emulated: bool
    pending: bool

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array in memory that both this GPU and the CPU reach, uninitialised. Raises GpuOutOfMemory.

        The memory may be that of an array that is gone and still in use by what was asked for before: the CPU waits
        before it writes there (:func:`graphc.device_memory.settle`), or leaves it to :meth:`upload`.
        """

    def take_back(self, owner: object, address: int, nbytes: int) -> None:
        """What :class:`graphc.device_memory.DeviceMemory` calls when no array shows some memory any more."""

    def upload(self, address: int, values: np.ndarray) -> None:
        """Copy a contiguous array of the CPU's to this GPU's memory, before what is asked for next; the array may
        change as soon as this returns."""

    def download(self, values: np.ndarray, source: np.ndarray) -> None:
        """Copy a contiguous array of this GPU's memory, that nothing works on, to one of the CPU's."""

    def when_done(self, function: Callable[[], None]) -> None:
        """Call a function once, when what was asked for until now has been waited for."""

    def mark(self) -> Mark:
        """This point in what the GPU was asked for."""

    def mirror(self, nbytes: int) -> Mirror:
        """A block of zeros, one copy here and one there. Raises GpuOutOfMemory."""

    def reaches(self, address: int) -> bool:
        """Whether kernels can read and write what lies at an address of the process."""

    def load(self, source: str, kernels: Sequence[str], name: str) -> Module:
        """Build a text of kernels, or find it in the cache, and load it. Raises CompileError, GpuError."""

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all there are."""

    def allocated(self) -> tuple[int, int]:
        """Bytes in use by arrays of this process, and the most that ever were."""

    def reset_peak(self) -> None:
        """Count the most bytes in use from now on."""

    def empty_cache(self) -> None:
        """Give memory that no array uses back to the driver."""

    def synchronize(self) -> None:
        """Wait until all that was asked of the GPU is done. Raises what went wrong there since the last time: GpuError,
        or the error of an operation."""


def call_all(functions: Sequence[Callable[[], None]]) -> None:
    """Call all functions; raise the first error of any."""
    errors: list[BaseException] = []
    for function in functions:
        try:
            function()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


_guard = recursive_lock()
_known: dict[tuple[str | None, ...], tuple[Gpu, ...]] = {}


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, those that CUDA_VISIBLE_DEVICES hides left out.

    Raises ValueError where the environment says what can't be understood.
    """
    names = ("GRAPHC_CUDA", "GRAPHC_CUDA_DEVICES", "GRAPHC_CUDA_MEMORY", "CUDA_VISIBLE_DEVICES")
    key = tuple(os.environ.get(name) for name in names)
    with _guard:
        found = _known.get(key)
        if found is None:
            found = _known[key] = _look(key[0] or "")
            use.devices += found
        if found:
            use.active = True
        return found


def gpu(number: int) -> Gpu:
    """A GPU by its number. Raises GpuError where there is none of that number."""
    found = gpus()
    if not 0 <= number < len(found):
        raise GpuError(f"there is no GPU of number {number}: {why_none() or f'there are {len(found)}'}")
    return found[number]


def why_none() -> str:
    """Why there is no GPU, in words; empty where there is one."""
    if gpus():
        return ""
    mode = os.environ.get("GRAPHC_CUDA", "")
    if mode in ("off", "emulate"):
        return f"GRAPHC_CUDA={mode}, CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}"
    from graphc.runtime import gpu as real

    return real.why_none()


def _look(mode: str) -> tuple[Gpu, ...]:
    if mode == "off":
        return ()
    if mode == "emulate":
        from graphc.runtime.emulated_gpu import EmulatedGpu

        count = _number("GRAPHC_CUDA_DEVICES", 1)
        nbytes = _number("GRAPHC_CUDA_MEMORY", EMULATED_BYTES)
        return tuple(EmulatedGpu(place, which, nbytes) for place, which in enumerate(visible(count)))
    if mode:
        raise ValueError(f"GRAPHC_CUDA={mode!r}: expected emulate, off, or nothing")
    from graphc.runtime import gpu as real

    return real.devices()


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdigit():
        raise ValueError(f"{name}={text!r}: expected a number, 0 or more")
    return int(text) if text else otherwise


def visible(count: int) -> list[int]:
    """Which of so many devices CUDA_VISIBLE_DEVICES shows, in its order: it ends at the first that there is not.

    Source: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars
    """
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return list(range(count))
    shown: list[int] = []
    for word in text.split(","):
        if not word.strip().isdigit() or int(word) >= count or int(word) in shown:
            break
        shown.append(int(word))
    return shown
