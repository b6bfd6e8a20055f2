"""A CUDA program as something to call: what :class:`graphc.codegen.executable.Executable` is for C.

All that can be decided before a run is decided when the program is loaded or when sizes change: a run fills addresses
into a table of launches, and hands it to the GPU. Nobody waits for it there: what went wrong is raised where somebody
waits for the GPU, or by the next run.
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
from graphc.device_memory import settle_all, use
from graphc.fork_safe import recursive_lock
from graphc.ir.integers import substitute
from graphc.ir.primitive import PRIMITIVES
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
    waits = False

    def __init__(self, compiled: CudaProgram, gpu: Gpu):
        self.compiled = compiled
        self.gpu = gpu
        self.check: Callable[..., None] | None = None
        self.results = ResultMemory()
        self.program = GpuProgram(compiled, gpu)
        self.build = self.program.build

    def attempt(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> int:
        """As :meth:`graphc.codegen.executable.Runnable.attempt`, and waits. Raises the error of an operation."""
        code = super().attempt(arrays, extents)
        self.gpu.synchronize()
        return code

    def seconds(self, arrays: Sequence[np.ndarray], extents: Sequence[int], warm_ups: int, runs: int) -> np.ndarray:
        """The seconds that each launch of the loop program takes, on arrays that the GPU reaches, as the mean over some
        runs after others that are not counted. Raises the error of an operation."""
        seconds = np.zeros(len(self.compiled.program.launches))
        for _ in range(warm_ups):
            self.run(arrays, extents)
        for _ in range(runs):
            for launch, took in zip(self.compiled.launches, self.program.timed(), strict=True):
                seconds[launch.launch] += took / runs
        self.gpu.synchronize()
        return seconds

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

    def reach(self, slot: int, address: int) -> None:
        """Fill in an address of the GPU's own memory."""
        self.found[slot] = address
        self.apart.discard(slot)


class GpuProgram:
    """The launches of a program on one GPU, with arena and table of buffers. As
    :class:`graphc.runtime.program.NativeProgram`, which says how ``lock`` and ``pointers`` are used.

    Buffers that are apart are copied before a run where they have changed. What it writes of them is owed: it is copied
    back when somebody waits for the GPU, at once if it is an output. A run that finds an index out of range writes no
    state, and later ones do nothing until that error has been raised.
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
        # Whether the caller goes another way by how a run ends.
        self._decides = any(
            PRIMITIVES[origin.operation].effect == "guard"
            for launch in compiled.program.launches
            for origin in launch.origins[:1]
        )
        self._mirror: Mirror | None = None  # of buffers that are apart
        self._written = [buffer.kind in ("state", "output") for buffer in self._buffers] + [True]
        self._output = [buffer.kind == "output" for buffer in self._buffers] + [False]
        self._apart: tuple[tuple[int, int], ...] = ()  # slots and sizes of the buffers that the mirror has places for
        self._places: dict[int, int] = {}
        self._sent = b""  # what the mirror's copies of buffers are that are only read
        self._owed: dict[int, tuple[tuple[int, int, Gpu], Any]] = {}
        self._watched = False
        self._small_lock = recursive_lock()  # of what is owed and watched; nothing is waited for within it
        self._slots = {buffer.name: slot for slot, buffer in enumerate(self._buffers)}
        self._tables: dict[tuple[int, ...], list[_Row]] = {}

    def set_extents(self, extents: Sequence[int]) -> None:
        """Set the run-time extents, in the declared order. Raises ValueError for the wrong number of them."""
        if len(extents) != len(self._symbols):
            raise ValueError(f"{len(extents)} extents given to a program that has {len(self._symbols)}")
        self._extents = tuple(extents)

    def call(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> int:
        """Run once on contiguous arrays, in the declared order: 0, without waiting."""
        if len(arrays) != self.buffer_count:
            raise ValueError(f"{len(arrays)} buffers given to a program that has {self.buffer_count}")
        with self.lock:
            for slot, array in enumerate(arrays):
                self.pointers[slot] = ffi.from_buffer(array)
            self.set_extents(extents)
            return self.run_again()

    def run_again(self) -> int:
        """Run once on the buffers in the table, with the extents that were set last: 0, without waiting. Raises what an
        earlier run has failed with."""
        with self.lock:
            if self._module is None:
                return 0
            if self._error_words[0]:
                self.gpu.synchronize()
            pointers = self.pointers
            addresses = pointers.found
            apart = sorted(pointers.apart)
            if apart or self._owed:
                addresses = self._send(apart)
            table, given = self._table(), tuple(addresses)
            self._module.replay((self._extents, given), lambda: [row.with_addresses(given) for row in table])
            written = [slot for slot in apart if self._written[slot]]
            if written or self._compiled.can_fail:
                self._watch(written)
                if self._decides or any(self._output[slot] for slot in written):
                    self.gpu.synchronize()
            return 0

    def start(self, addresses: Sequence[int], extents: Sequence[int]) -> None:
        """Run once on buffers at addresses that the GPU reaches, without waiting, and without a graph of the launches:
        for programs that are called with ever other ones. Raises as :meth:`run_again`."""
        with self.lock:
            if self._module is None:
                return
            if self._error_words[0]:
                self.gpu.synchronize()
            self._extents = tuple(extents)
            self._module.start([row.with_addresses(addresses) for row in self._table()])
            if self._compiled.can_fail:
                self._watch(())

    def timed(self) -> list[float]:
        """Run once on the buffers in the table, which the GPU must reach, and wait: the seconds of each launch."""
        with self.lock:
            if self._module is None:
                return []
            given = tuple(self.pointers.found)
            return self._module.timed([row.with_addresses(given) for row in self._table()])

    def _send(self, apart: Sequence[int]) -> list[int]:
        """Let the GPU have buffers that are apart as they are now; gives all addresses."""
        buffers, found = self.pointers.buffers, self.pointers.found
        self._make_places(apart)
        own = {slot: owed for slot, (owed, _) in tuple(self._owed.items())}
        if any(begin != found[slot] or slot not in self._places for slot, (begin, _, _) in own.items()):
            self.gpu.synchronize()
        for slot in apart:
            begin, end = found[slot], found[slot] + len(buffers[slot])
            # Another program may have the latest values of this memory.
            if any(low < end and begin < high for low, high, _ in set(use.owed) - {own.get(slot)}):
                settle_all()
        addresses = list(found)
        if self._mirror is None:
            return addresses
        read = bytearray()
        for slot in apart:
            place, values = self._places[slot], ffi.buffer(buffers[slot])
            addresses[slot] = self._mirror.address + place
            if not self._written[slot]:
                read += bytes(place - len(read))
                read += values
            elif self._output[slot] or slot in self._owed:
                continue
            elif self._mirror.host[place : place + len(values)].tobytes() != values[:]:
                self.gpu.upload(addresses[slot], np.frombuffer(values, np.uint8))
        if read != self._sent:
            self.gpu.upload(self._mirror.address, np.frombuffer(read, np.uint8))
            self._sent = bytes(read)
        return addresses

    def _make_places(self, apart: Sequence[int]) -> None:
        """Places in the mirror: first for what is only read, so that all of it is one copy."""
        wanted = tuple((slot, len(self.pointers.buffers[slot])) for slot in apart)
        if wanted == self._apart:
            return
        self.gpu.synchronize()
        self._places, end = {}, 0
        for slot, nbytes in sorted(wanted, key=lambda each: self._written[each[0]]):
            self._places[slot] = end
            end += -(-nbytes // ALIGNMENT) * ALIGNMENT
        self._mirror = self.gpu.mirror(end) if end else None
        self._apart, self._sent = wanted, b""

    def _watch(self, written: Sequence[int]) -> None:
        """Ask for what the CPU is to know of a run, and to be called when it is there."""
        if self._compiled.can_fail:
            self._error.fetch()
        if written:
            assert self._mirror is not None
            self._mirror.fetch()
        with self._small_lock:
            for slot in written:
                if slot not in self._owed:
                    buffer, begin = self.pointers.buffers[slot], self.pointers.found[slot]
                    self._owed[slot] = (begin, begin + len(buffer), self.gpu), buffer
                    use.owed.append(self._owed[slot][0])
            watched, self._watched = self._watched, True
        if not watched:
            self.gpu.when_done(self._settled)

    def _settled(self) -> None:
        """Copy back what is owed, once the GPU has been waited for. Raises the error that a run has ended with."""
        with self._small_lock:
            self._watched = False
            for slot, (owed, buffer) in self._owed.items():
                assert self._mirror is not None
                ffi.memmove(buffer, ffi.from_buffer(self._mirror.host[self._places[slot] :]), len(buffer))
                use.owed.remove(owed)
            self._owed.clear()
            launch, index, extent, _ = self._error_words.tolist()
            if launch:
                self._error_words[:] = 0
                self._error.send()
        if launch:
            raise index_failure(self._compiled.program, launch - 1, index, extent)

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
