"""A CUDA program as something to call: what :class:`graphc.codegen.executable.Executable` is for C.

All that can be decided before a run is decided when the program is loaded or when sizes change: a run fills addresses
into a table of launches, and hands it to the GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphc.codegen.cuda.launches import (
    BufferArgument,
    CudaLaunch,
    CudaProgram,
    ErrorArgument,
    NumberArgument,
    SizeArgument,
)
from graphc.codegen.executable import Runnable, index_failure
from graphc.fork_safe import recursive_lock
from graphc.ir.integers import substitute
from graphc.runtime import ResultMemory
from graphc.runtime.abi import ffi
from graphc.runtime.errors import GpuOutOfMemory
from graphc.runtime.gpus import ALIGNMENT, Gpu, Mirror, PreparedLaunch
from graphc.runtime.native import Build

# Kernels access so many bytes at once.
ACCESS_BYTES = 16
ERROR_WORDS = 4
# For so many sizes launch tables are kept.
MOST_SIZES = 64


class CudaExecutable(Runnable):
    """A CUDA program on a GPU. Made by :func:`load_cuda`."""

    host = None
    # What launches took: not measured.
    seconds = np.zeros(0)

    def __init__(self, compiled: CudaProgram, gpu: Gpu):
        self.compiled = compiled
        self.gpu = gpu
        self.check: Callable[..., None] | None = None
        self.results = ResultMemory()
        self.program = GpuProgram(compiled, gpu)
        self.build = self.program.build

    def failure(self) -> BaseException:
        """What the last run ended with, where it gave a code other than 0: the operation's own error for an index that
        is out of range, as in eager mode."""
        return index_failure(self.compiled.program, *self.program.error)

    def set_sizes(self, extents: Sequence[int]) -> None:
        """Tell the program the sizes that are known at run time only, for the runs that follow."""
        if extents:
            self.program.set_extents(extents)


class _Addresses:
    """The table of the caller's buffers, filled in as that of a C program: with cffi pointers.

    ``found`` are the addresses; ``apart`` the slots of buffers that the GPU does not reach, or that begin where kernels
    can't access 16 bytes at once.
    """

    def __init__(self, count: int, gpu: Gpu):
        self.buffers: list[Any] = [None] * count
        self.found = [0] * count
        self.apart: set[int] = set()
        self._gpu = gpu

    def __setitem__(self, slot: int, buffer: Any) -> None:
        self.buffers[slot] = buffer
        address = self.found[slot] = int(ffi.cast("uintptr_t", buffer))
        if len(buffer) and (address % ACCESS_BYTES or not self._gpu.reaches(address)):
            self.apart.add(slot)
        else:
            self.apart.discard(slot)


class GpuProgram:
    """The launches of a program on one GPU, with arena and table of buffers. As
    :class:`graphc.runtime.program.NativeProgram`, which says how ``lock`` and ``pointers`` are used.

    Buffers that are apart are copied before a run, all at once, and what it writes is copied back.
    """

    def __init__(self, compiled: CudaProgram, gpu: Gpu):
        """Raises CompileError where the text does not compile, GpuOutOfMemory where the arena does not fit."""
        self.gpu = gpu
        self.lock = recursive_lock()
        self._compiled = compiled
        self._buffers = compiled.buffers
        self.buffer_count = len(self._buffers) + compiled.draws_random
        self.pointers = _Addresses(self.buffer_count, gpu)
        self._symbols = compiled.program.symbols
        self._extents: tuple[int, ...] = ()
        names = tuple(dict.fromkeys(launch.kernel for launch in compiled.launches))
        self._module = gpu.load(compiled.source, names, compiled.name) if names else None
        # How the kernels were built; of a program without any, nothing was.
        self.build = self._module.build if self._module is not None else Build(Path(), Path(), True, 0.0, ())
        try:
            self._arena = gpu.empty((compiled.plan.arena_bytes,), np.dtype(np.uint8))
        except GpuOutOfMemory as error:
            error.add_note(
                f"the program {compiled.name} plans {compiled.plan.arena_bytes:,} bytes of temporaries at their peak"
            )
            raise
        self._error = gpu.mirror(ERROR_WORDS * 8)
        self._error_words = self._error.host[: ERROR_WORDS * 8].view(np.int64)
        self._failed = (0,) * ERROR_WORDS
        self._mirror: Mirror | None = None  # of buffers that are apart
        self._written = [buffer.kind in ("state", "output") for buffer in self._buffers] + [True]
        self._read = [buffer.kind != "output" for buffer in self._buffers] + [True]
        self._slots = {buffer.name: slot for slot, buffer in enumerate(self._buffers)}
        self._tables: dict[tuple[int, ...], list[_Row]] = {}

    @property
    def error(self) -> tuple[int, int, int]:
        """(launch, offending index, its bound) of the last run that returned an error code."""
        launch, index, extent, _ = self._failed
        return launch - 1, index, extent

    def set_extents(self, extents: Sequence[int]) -> None:
        """Set the run-time extents, in the declared order. Raises ValueError for the wrong number of them."""
        if len(extents) != len(self._symbols):
            raise ValueError(f"{len(extents)} extents given to a program that has {len(self._symbols)}")
        self._extents = tuple(extents)

    def call(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> int:
        """Run once on contiguous arrays, in the declared order: 0 or the code of an error."""
        if len(arrays) != self.buffer_count:
            raise ValueError(f"{len(arrays)} buffers given to a program that has {self.buffer_count}")
        with self.lock:
            for slot, array in enumerate(arrays):
                self.pointers[slot] = ffi.from_buffer(array)
            self.set_extents(extents)
            return self.run_again()

    def run_again(self) -> int:
        """Run once on the buffers in the table, with the extents that were set last."""
        with self.lock:
            if self._module is None:
                return 0
            pointers = self.pointers
            addresses = pointers.found
            apart = sorted(pointers.apart)
            if apart:
                addresses, places = self._sent(apart)
            table, given = self._table(), tuple(addresses)
            self._module.replay((self._extents, given), lambda: [row.with_addresses(given) for row in table])
            if apart and any(self._written[slot] for slot in apart):
                assert self._mirror is not None
                self._mirror.fetch()
                for slot, place in zip(apart, places, strict=True):
                    buffer = pointers.buffers[slot]
                    if self._written[slot]:
                        ffi.memmove(buffer, ffi.from_buffer(self._mirror.host[place:]), len(buffer))
            return self._code() if self._compiled.can_fail else 0

    def _sent(self, apart: Sequence[int]) -> tuple[list[int], list[int]]:
        """Copy buffers to the GPU; gives all addresses, and where in the mirror the copies are."""
        buffers = self.pointers.buffers
        places, end = [], 0
        for slot in apart:
            places.append(end)
            end += -(-len(buffers[slot]) // ALIGNMENT) * ALIGNMENT
        if self._mirror is None or self._mirror.host.size < end:
            self._mirror = self.gpu.mirror(end)
        addresses = list(self.pointers.found)
        for slot, place in zip(apart, places, strict=True):
            if self._read[slot]:
                ffi.memmove(ffi.from_buffer(self._mirror.host[place:]), buffers[slot], len(buffers[slot]))
            addresses[slot] = self._mirror.address + place
        self._mirror.send()
        return addresses, places

    def _code(self) -> int:
        """What the last run ended with. The words on the GPU are zero again for the next."""
        self._error.fetch()
        code = int(self._error_words[0])
        if code:
            self._failed = tuple(self._error_words.tolist())
            self._error_words[:] = 0
            self._error.send()
        return code

    def _table(self) -> list[_Row]:
        table = self._tables.get(self._extents)
        if table is None:
            if len(self._tables) >= MOST_SIZES:
                self._tables.clear()
            sizes = dict(zip(self._symbols, self._extents, strict=True))
            table = self._tables[self._extents] = [self._row(launch, sizes) for launch in self._compiled.launches]
        return table

    def _row(self, launch: CudaLaunch, sizes: dict[str, int]) -> _Row:
        arena = self._arena.__array_interface__["data"][0]
        plan = self._compiled.plan
        words: list[int] = []
        placed: list[tuple[int, int]] = []
        for argument in launch.arguments:
            word = 0
            if isinstance(argument, BufferArgument):
                start = int(substitute(argument.start, sizes))
                slot = self._slots.get(argument.buffer)
                if argument.buffer.startswith("scratch"):
                    word = arena + plan.offset(argument.buffer) + start
                else:
                    itemsize = self._compiled.program.buffer(argument.buffer).dtype.itemsize
                    if slot is None:
                        word = arena + plan.offset(argument.buffer) + start * itemsize
                    else:
                        word = start * itemsize
                        placed.append((len(words), slot))
            elif isinstance(argument, SizeArgument):
                word = sizes[argument.symbol]
            elif isinstance(argument, NumberArgument):
                word = argument.value
            elif isinstance(argument, ErrorArgument):
                word = self._error.address
            else:
                placed.append((len(words), len(self._buffers)))
            words.append(word)
        grid = tuple(max(1, int(substitute(extent, sizes))) for extent in launch.grid)
        return _Row(launch.kernel, grid, launch.block, launch.shared_bytes, tuple(words), tuple(placed), _told(launch))


@dataclass(frozen=True, slots=True)
class _Row:
    """A launch but for the caller's addresses: ``placed`` says which arguments are counted from which of them."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    words: tuple[int, ...]
    placed: tuple[tuple[int, int], ...]
    told: str

    def with_addresses(self, addresses: Sequence[int]) -> PreparedLaunch:
        words = list(self.words)
        for place, slot in self.placed:
            words[place] += addresses[slot]
        return PreparedLaunch(self.kernel, self.grid, self.block, self.shared_bytes, tuple(words), self.told)


def load_cuda(compiled: CudaProgram, gpu: Gpu) -> CudaExecutable:
    """Build a program's kernels for a GPU, or find them in the cache, and load them there.

    Raises graphc.runtime.CompilerNotFound where there is no compiler, CompileError where it refuses the text,
    GpuOutOfMemory where the arena does not fit.
    """
    return CudaExecutable(compiled, gpu)


def _told(launch: CudaLaunch) -> str:
    """What a launch computes and where that came from, for errors."""
    told = [f"{origin.operation}, at {origin.location}" for origin in launch.origins if origin.location is not None]
    return "; ".join(dict.fromkeys(told[:4]))
