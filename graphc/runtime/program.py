"""A compiled program, ready to be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.fork_safe import recursive_lock
from graphc.runtime.abi import ffi
from graphc.runtime.builds import Build
from graphc.runtime.memory import Arena
from graphc.runtime.native import NativeLibrary, load_library
from graphc.runtime.threads import quiet_numpy_threads
from graphc.thread_count import get_num_threads, setting

ERROR_WORDS = 4

_from_buffer = ffi.from_buffer


class NativeProgram:
    """One compiled program with its arena and its table of buffers.

    The interpreter lock is released while the C code runs. The arena and the table belong to the program, so two
    Python threads must not use it at once: `call` and `run` hold `lock`, which is re-entrant, and a caller that sets
    pointers one by one holds it around them and `run`::

        with program.lock:
            program.set_pointer(0, address)
            code = program.run()

    Attributes:
        lock: see above.
        pointers: the cffi ``void *[]`` table, in the program's declared order, for a caller in a hurry:
            ``program.pointers[i] = ffi.from_buffer(array)``.
        buffer_count: its length.
        arena: the program's own memory.
    """

    __slots__ = (
        "_acquire",
        "_addresses",
        "_arena_pointer",
        "_error",
        "_extents",
        "_library",
        "_release",
        "_run",
        "arena",
        "buffer_count",
        "extent_count",
        "lock",
        "pointers",
    )

    def __init__(
        self,
        library: NativeLibrary | Build,
        arena: Arena | int,
        buffer_count: int,
        extent_count: int = 0,
        own: Sequence[Any] = (),
    ) -> None:
        """Makes a program ready.

        Args:
            library: the loaded program, or its build, which is then loaded.
            arena: the memory it works in, or its size in bytes.
            buffer_count: how many buffers it declares: inputs, state, scalars and outputs together.
            extent_count: how many run-time extents it declares.
            own: addresses that stand in the table behind the buffers and never change.

        Raises:
            LoadError: the build can't be loaded.
        """
        quiet_numpy_threads()
        get_num_threads()
        self._library = load_library(library.path) if isinstance(library, Build) else library
        self.arena = arena if isinstance(arena, Arena) else Arena(arena)
        self._arena_pointer = self.arena.pointer
        self.buffer_count = buffer_count
        self.extent_count = extent_count
        self.lock = recursive_lock()
        self._acquire, self._release = self.lock.acquire, self.lock.release
        # One slot more than asked for: a program without buffers or extents still gets a valid address.
        self.pointers = ffi.new("void *[]", buffer_count + len(own) + 1)
        self.pointers[buffer_count : buffer_count + len(own)] = list(own)
        self._addresses = ffi.cast("intptr_t *", self.pointers)
        self._extents = ffi.new("int64_t[]", extent_count + 1)
        self._error = ffi.new("int64_t[]", ERROR_WORDS)
        self._run = self._library.run

    def set_pointer(self, index: int, address: int | Any) -> None:
        """Puts an address, a number or a cffi pointer, into the table. What it points to must outlive the run.

        Raises:
            IndexError: the program has no such buffer.
        """
        if not 0 <= index < self.buffer_count:
            raise IndexError(f"buffer {index} of a program that has {self.buffer_count}")
        if isinstance(address, int):
            self._addresses[index] = address
        else:
            self.pointers[index] = address

    def run(self, extents: Sequence[int] = ()) -> int:
        """Runs once on the buffers in the table; returns 0 or the program's error code (see `error`).

        Raises:
            ValueError: the wrong number of extents.
        """
        self._acquire()  # the lock's bound methods: 0.05 us less than a with statement, on a path of 0.55 us
        try:
            if extents or self.extent_count:
                self.set_extents(extents)
            return self._run(self.pointers, self._extents, self._arena_pointer, setting.count, self._error)
        finally:
            self._release()

    def run_again(self) -> int:
        """Runs once on the buffers in the table, with the extents that were set last. The caller holds `lock`."""
        return self._run(self.pointers, self._extents, self._arena_pointer, setting.count, self._error)

    def run_many(self, steps: int, strides: Mapping[int, int]) -> tuple[int, int]:
        """Runs many times, with the extents that were set last, in one call.

        Args:
            steps: how often.
            strides: for slots of the table, by how many bytes what stands there moves on after each run; others stay.

        Returns the code of the last run, and how many runs ended with 0.
        """
        count = self.buffer_count
        with self.lock:
            table = ffi.new("void *[]", list(self.pointers))
            moves = ffi.new("int64_t[]", [strides.get(slot, 0) for slot in range(count)] or [0])
            run = self._library.handle.graphc_run_many
            code = run(table, moves, count, steps, self._extents, self._arena_pointer, setting.count, self._error)
            return code, self._error[ERROR_WORDS - 1]

    def set_extents(self, extents: Sequence[int]) -> None:
        """Sets the run-time extents, in the declared order.

        Raises:
            ValueError: the wrong number of them.
        """
        if len(extents) != self.extent_count:
            raise ValueError(f"{len(extents)} extents given to a program that has {self.extent_count}")
        self._extents[0 : self.extent_count] = extents

    def call(self, arrays: Sequence[np.ndarray], extents: Sequence[int] = ()) -> int:
        """Puts all buffers into the table and runs once; what `run` returns.

        Args:
            arrays: one C-contiguous array per buffer, in the declared order. A program writes to its state and its
                outputs; whether those may be written is not checked here.
            extents: the run-time extents.

        Raises:
            ValueError: the wrong number of arrays or extents, or an array that is not C-contiguous.
        """
        if len(arrays) != self.buffer_count:
            raise ValueError(f"{len(arrays)} buffers given to a program that has {self.buffer_count}")
        with self.lock:
            try:
                self.pointers[0 : self.buffer_count] = map(_from_buffer, arrays)
            except ValueError as error:
                broken = next((i for i, array in enumerate(arrays) if not array.flags.c_contiguous), -1)
                raise ValueError(f"buffer {broken}: {error}") from error
            return self.run(extents)

    @property
    def error(self) -> tuple[int, int, int]:
        """(node number, offending index, its bound) of the last run that returned an error code."""
        return self._error[0], self._error[1], self._error[2]

    @property
    def library(self) -> NativeLibrary:
        """The loaded library that the program runs."""
        return self._library
