"""A loop program as C, and the C as something to call."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.c.parts import cut
from graphc.codegen.c.program import (
    ScratchNeeds,
    caller_buffers,
    count_of_kernels,
    draws_random,
    print_kernels,
    print_program,
    scratch_of,
)
from graphc.codegen.host import Host, calls_out
from graphc.codegen.inplace import reuse_in_place
from graphc.codegen.loops import Buffer, LoopProgram
from graphc.codegen.memory import ROOM_ALIGNMENT, MemoryPlan, check_plan, plan_memory
from graphc.codegen.ordering import order_for_memory
from graphc.codegen.rematerialize import Rematerialization, fit
from graphc.codegen.units import collapse, expand
from graphc.ir.applications import applies
from graphc.ir.integers import substitute
from graphc.ir.primitive import PRIMITIVES
from graphc.runtime import LoadError, NativeProgram, ResultMemory, build_library, cpu_features, forget_build
from graphc.runtime.abi import ffi

MOST_THREADS = 64
# So many bytes of the arena are worth another order of launches than the program's own.
WORTH_AN_ORDER = 1 << 14
# Where so many launches share a kernel, they are to become loops, whose turns find their values in like places.
MANY_LAUNCHES = 3


@dataclass(frozen=True)
class CompiledProgram:
    """A loop program with its memory plan and its C text."""

    program: LoopProgram
    plan: MemoryPlan
    source: str
    draws_random: bool
    timed: bool = False
    rematerialization: Rematerialization | None = None  # where the arena has a limit
    parts: tuple[str, ...] = ()  # of a large program: its translation units, which make up the same library

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """The buffers of the entry in order: the graph's inputs, then its outputs. The random state comes after."""
        return caller_buffers(self.program)


def default_threads() -> int:
    """The most threads that a program is planned for: the processors that this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MOST_THREADS)


def default_vector_bytes() -> int:
    """The width of this machine's vector registers."""
    features = cpu_features()
    return 64 if "avx512f" in features else 32 if "avx2" in features else 16


def compile_loops(
    program: LoopProgram,
    threads: int | None = None,
    vector_bytes: int | None = None,
    *,
    timed: bool = False,
    memory_limit: int | None = None,
    roll: bool = True,
) -> CompiledProgram:
    """The C text and memory plan of a loop program, planned for at most ``threads`` threads and for vectors of
    ``vector_bytes`` bytes (by default those of this machine). With ``timed`` it notes the seconds of each launch. With
    ``roll`` launches that repeat are loops of the C program; what it computes is the same.

    Raises MemoryLimitError where the arena can't be made to fit into ``memory_limit`` bytes.
    """
    threads = default_threads() if threads is None else max(1, min(threads, MOST_THREADS))
    if threads > 1 and not applies("run on several threads", "the program as a whole"):
        threads = 1
    width = vector_bytes or default_vector_bytes()

    scratch_needs: ScratchNeeds = {}

    def planned(given: LoopProgram) -> MemoryPlan:
        shared = reuse_in_place(given)
        scratch = scratch_of(shared, width, scratch_needs)
        return plan_memory(shared, scratch, threads=threads, in_outputs=not _repeats(shared))

    done: Rematerialization | None = None
    if applies("order launches", "the program as a whole"):
        program, shared = _in_better_order(program)
    else:
        shared = reuse_in_place(program)
    if memory_limit is not None and applies("compute values again", "the program as a whole"):
        fitting, done = fit(program, memory_limit, planned)
        shared = shared if fitting is program else reuse_in_place(fitting)
    kernels = print_kernels(shared, width)
    plan = plan_memory(shared, kernels.scratch, threads=threads, in_outputs=not _repeats(shared))
    program = shared
    check_plan(program, plan)
    roll = roll and applies("make loops of launches that repeat", "the program as a whole")
    source = print_program(program, plan, kernels, timed=timed, roll=roll)
    parts = cut(source, [text.definition for text in kernels.texts], default_threads())
    return CompiledProgram(program, plan, source, draws_random(program), timed, done, parts)


def _in_better_order(program: LoopProgram) -> tuple[LoopProgram, LoopProgram]:
    """The program with its launches in an order that frees memory early, or as it is where that saves little; and the
    same with results written over values that are read for the last time."""
    shared, ordered = reuse_in_place(program), expand(order_for_memory(collapse(program)))
    if ordered.launches == program.launches:
        return program, shared
    other = reuse_in_place(ordered)
    # Scratch memory, which needs the kernels' text, is about the same in both.
    own, better = (plan_memory(given, in_outputs=False).arena_bytes for given in (shared, other))
    if own - better >= WORTH_AN_ORDER:
        return ordered, other
    return program, shared


def _repeats(program: LoopProgram) -> bool:
    """Whether many launches of a program do the same to other buffers."""
    return len(program.launches) >= MANY_LAUNCHES * count_of_kernels(program)


class Runnable:
    """A built program, whatever it runs on: its :class:`CompiledProgram` or what stands in for it on a GPU, and
    ``program``, which a caller may use who sets pointers itself."""

    compiled: Any
    program: Any
    # Called after a run with the inputs and results by name, and the sizes that are known at run time only.
    check: Callable[..., None] | None

    def failure(self) -> BaseException:
        """What the last run ended with, where it gave a code other than 0."""
        raise NotImplementedError

    def set_sizes(self, extents: Sequence[int]) -> None:
        """Tell the program the sizes that are known at run time only, for the runs that follow."""
        raise NotImplementedError

    # Whether its program runs many steps in one call.
    runs_many = False
    # Whether a run is over when a call of it returns, and GPUs must be done with what it reads before.
    waits = True
    # The outputs in whose memory it works before they are written.
    rooms: frozenset[str] = frozenset()
    # Memory for results, where the tensors are that the program is given: see ResultMemory; and a new array there, of a
    # shape and a numpy dtype.
    results: Any
    empty: Callable[..., np.ndarray] = staticmethod(np.empty)

    def run(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> None:
        """Run once on the caller's arrays, in the order of ``compiled.buffers``, then the random state if there is one.

        ``extents`` are the sizes that are known at run time only, in the order of the loop program's ``symbols``.

        Arrays are contiguous, of the buffers' dtypes and sizes; outputs and state are written in place. Raises
        IndexError for an index out of range; then no state has changed.
        """
        with self.program.lock:
            if self.attempt(arrays, extents):
                raise self.failure()

    def attempt(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> int:
        """As :meth:`run`, and gives the code that the program ended with, 0 where it ended well, rather than raise."""
        self._check(arrays, extents)
        with self.program.lock:
            self.set_sizes(extents)
            return self.program.call(arrays, extents)

    def _check(self, arrays: Sequence[np.ndarray], extents: Sequence[int]) -> None:
        buffers, sizes = self.compiled.buffers, self._sizes(extents)
        if len(arrays) != len(buffers) + self.compiled.draws_random:
            raise ValueError(f"the program takes {len(buffers)} buffers, {len(arrays)} were given")
        for buffer, array in zip(buffers, arrays, strict=False):
            if (
                array.dtype != buffer.dtype.numpy
                or array.size != substitute(buffer.size, sizes)
                or not array.flags.c_contiguous
            ):
                raise ValueError(
                    f"buffer {buffer.name} takes a contiguous array of {buffer.size} {buffer.dtype.name}; given: "
                    f"{array.dtype}{list(array.shape)}, contiguous: {array.flags.c_contiguous}"
                )
            if buffer.name in self.rooms and array.ctypes.data % ROOM_ALIGNMENT:
                raise ValueError(
                    f"buffer {buffer.name}, where the program works before it is written, takes memory that begins at "
                    f"a multiple of {ROOM_ALIGNMENT} bytes; given: {array.ctypes.data:#x}"
                )

    def _sizes(self, extents: Sequence[int]) -> dict[str, int]:
        return dict(zip(self.compiled.program.symbols, extents, strict=True))

    def __call__(
        self, random_state: np.ndarray | None = None, extents: Sequence[int] = (), **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Run on copies of the inputs, given by name; the outputs and the state as it is after, by name.

        An output has its graph's name and shape where the graph tells them.
        """
        arrays: list[np.ndarray] = []
        sizes = self._sizes(extents)
        for buffer in self.compiled.buffers:
            if buffer.kind == "output":
                arrays.append(np.empty(substitute(buffer.size, sizes), buffer.dtype.numpy))
            elif buffer.name in inputs or (buffer.nodes and buffer.nodes[0].name in inputs):
                name = buffer.name if buffer.name in inputs else buffer.nodes[0].name
                arrays.append(np.array(inputs[name], buffer.dtype.numpy, order="C", ndmin=1, copy=True))
            else:
                raise TypeError(f"no value given for {buffer.name}; given: {', '.join(inputs)}")
        results = {
            buffer.name: array
            for buffer, array in zip(self.compiled.buffers, arrays, strict=True)
            if buffer.kind in ("state", "output")
        }
        if self.compiled.draws_random:
            if random_state is None:
                raise TypeError("the program draws random numbers; give it a random_state")
            arrays.append(random_state)
        self.run(arrays, extents)
        return results


class Executable(Runnable):
    """A built C program. Made by :func:`load`.

    ``program`` is the :class:`graphc.runtime.NativeProgram`, for a caller that sets pointers itself.
    """

    runs_many = True

    def __init__(self, compiled: CompiledProgram, build: Any):
        self.compiled = compiled
        self.build = build
        self.check = None
        self.results = ResultMemory()
        self.rooms = compiled.plan.rooms
        count = len(compiled.buffers) + compiled.draws_random
        self.host = Host(compiled.program) if calls_out(compiled.program) else None
        # What the caller never sets: the host's table, and where the launches' seconds go.
        self.seconds = np.zeros(len(compiled.program.launches))
        own = [ffi.cast("void *", self.host.table)] if self.host is not None else []
        if compiled.timed:
            own.append(ffi.cast("void *", self.seconds.ctypes.data))
        symbols = compiled.program.symbols
        self.program = NativeProgram(build, compiled.plan.arena_bytes, count, len(symbols), own=own)

    def failure(self) -> BaseException:
        """What the last run ended with, where it gave a code other than 0: the operation's own error for an index that
        is out of range, as in eager mode, or what the host's work raised, with the operation's Python line as a note.
        """
        launch, index, extent = self.program.error
        origin = self.compiled.program.launches[launch].origins[0]
        failure = None if self.host is None else self.host.take_failure()
        if failure is not None:
            if origin.location is not None and isinstance(failure, Exception):
                failure.add_note(f"in {origin.operation}, at {origin.location}")
            return failure
        return index_failure(self.compiled.program, launch, index, extent)

    def set_sizes(self, extents: Sequence[int]) -> None:
        """Tell the program the sizes that are known at run time only, for the runs that follow."""
        if not extents:
            return
        self.program.set_extents(extents)
        if self.host is not None:
            self.host.sizes = self._sizes(extents)


def index_failure(program: LoopProgram, launch: int, index: int, extent: int) -> BaseException:
    """The error of the operation whose check a launch is, for an index that is out of range, as in eager mode."""
    origin = program.launches[launch].origins[0]
    error = PRIMITIVES[origin.operation].index_error(index, extent, **dict(origin.attributes))
    if origin.location is not None:
        error.add_note(f"in {origin.operation}, at {origin.location}")
    return error


def load(compiled: CompiledProgram) -> Executable:
    """Build a program's C, or find it in the cache, and load it.

    Raises graphc.runtime.CompilerNotFound where there is no compiler, CompileError where it makes no library that can
    be loaded.
    """
    level = "-O3" if applies("optimize in the C compiler", "the program as a whole") else "-O0"
    try:
        return _loaded(compiled, level)
    except LoadError:  # perhaps the library was lost or damaged since the cache looked at it
        return _loaded(compiled, level)


def _loaded(compiled: CompiledProgram, optimization: str) -> Executable:
    name = compiled.program.name
    build = build_library(compiled.source, name=name, optimization=optimization, parts=compiled.parts)
    try:
        return Executable(compiled, build)
    except LoadError:
        forget_build(build)  # what can't be loaded does not stay in the cache
        raise
