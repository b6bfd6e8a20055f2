"""How what one call is given, and what it gives, comes into a program's table of buffers.

Every way to run a program binds here: one call, and many steps in one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from graphc.capture.places import Placed
from graphc.capture.recorded import FromArgument, FromArgumentMemory, FromGradient, FromOutside, FromScalar, Recording
from graphc.device_memory import gpu_of, settle, use
from graphc.ir.types import DType
from graphc.runtime import ResultMemory
from graphc.runtime.abi import ffi
from graphc.tensor import Storage, Tensor

_from_buffer, _new = ffi.from_buffer, object.__new__
# With a type given, cffi takes the third argument by its position, which costs half of a keyword.
_BYTES = ffi.typeof("char[]")

# An array that a program can't work on where it is, the copy that it works on, and whether it writes to it.
Staged = tuple[np.ndarray, np.ndarray, bool]


def _filled(staged: Sequence[Staged]) -> Sequence[Staged]:
    """The copies, with what the originals hold now."""
    for original, copy, _ in staged:
        settle(original, copy)
        np.copyto(copy, original)
    return staged


class Inputs:
    """The inputs of a recording's graph as slots of a program's table: arguments and gradients anew at every call, what
    is from outside and run-time scalars when something has changed.

    Attributes:
        outside: the slot, tensor, and whether it is written, of each tensor from outside.
        placed: which of them are whatever certain places hold, by their positions in ``outside``.
        scalars: the run-time numbers and where the program reads them.
        arguments: the slot, position, and whether it is written, of each argument.
        memories: the same of arguments that are given with all of their memory.
        gradients: the same of gradients, by their owners.
        writes: whether the program writes to any of these.
        written_arguments: the positions of the arguments that it writes to.
    """

    def __init__(self, recording: Recording, pointers: Any):
        graph = recording.graph
        written = {update.state for update in graph.updates}
        self._pointers = pointers
        self._types = [node.type for node in graph.inputs]
        self.arguments: list[tuple[int, int, bool]] = []
        self.memories: list[tuple[int, int, bool]] = []
        self.outside: list[tuple[int, Tensor, bool]] = []
        self.placed: list[tuple[int, Placed]] = []
        # Of a gradient's owner the tensor, or None and the position among the arguments.
        self.gradients: list[tuple[int, Tensor | None, int, bool]] = []
        self.scalars: list[tuple[FromScalar, np.ndarray]] = []
        for slot, (node, binding) in enumerate(zip(graph.inputs, recording.bindings, strict=True)):
            changed = node in written
            if isinstance(binding, FromArgument):
                self.arguments.append((slot, binding.position, changed))
            elif isinstance(binding, FromArgumentMemory):
                self.memories.append((slot, binding.position, changed))
            elif isinstance(binding, FromGradient):
                self.gradients.append((slot, binding.owner.tensor, binding.owner.position, changed))
            elif isinstance(binding, FromOutside):
                if binding.placed is not None:
                    self.placed.append((len(self.outside), binding.placed))
                self.outside.append((slot, binding.tensor, changed))
            else:
                value = np.zeros((), node.type.dtype.numpy)
                self.scalars.append((binding, value))
                pointers[slot] = _from_buffer(value)
        self.writes = bool(written)
        self._homes = [gpu_of(tensor._array) for _, tensor, _ in self.outside]
        self._written: list[Storage] = []  # of what is from outside
        given = (*self.arguments, *self.memories)
        self.written_arguments = [position for _, position, changed in given if changed]
        self._written_gradients = [(tensor, position) for _, tensor, position, changed in self.gradients if changed]
        self._staged: list[Staged] = []

    def outside_fits(self) -> bool:
        """Whether tensors from outside still have the shapes, dtypes, and devices that the program was built for."""
        if use.active and [gpu_of(tensor._array) for _, tensor, _ in self.outside] != self._homes:
            return False
        types = self._types
        return all(
            tensor._array.shape == types[slot].shape and tensor.dtype == types[slot].dtype
            for slot, tensor, _ in self.outside
        )

    def follow_places(self) -> bool:
        """Take the tensors that certain places hold now. Whether the program may be bound to them."""
        for at, placed in self.placed:
            tensor = placed.tensor()
            if tensor is None:
                return False
            slot, _, changed = self.outside[at]
            self.outside[at] = (slot, tensor, changed)
        storages = [tensor._storage for _, tensor, _ in self.outside]
        return all(storages.count(self.outside[at][1]._storage) == 1 for at, _ in self.placed)

    def bind_outside(self) -> None:
        """Take the addresses of tensors from outside, as they are now."""
        self._staged = []
        for slot, tensor, changed in self.outside:
            array = tensor._array
            if not array.flags.c_contiguous:
                settle(array)
                self._staged.append((array, np.ascontiguousarray(array), changed))
                array = self._staged[-1][1]
            self._pointers[slot] = _from_buffer(array)
        self._written = [tensor._storage for _, tensor, changed in self.outside if changed]

    def read_scalars(self) -> None:
        """Take the values of run-time scalars, as they are now."""
        for binding, value in self.scalars:
            value[()] = binding.scalar.current()

    def bind(self, tensors: Sequence[Tensor]) -> Sequence[Staged]:
        """Put the addresses of one call's arguments and gradients into the table. Gives the copies that the program
        works on in place of what does not lie in order or must not be written; see :meth:`write_back`."""
        pointers = self._pointers
        try:
            for slot, position, changed in self.arguments:
                pointers[slot] = _from_buffer(_BYTES, tensors[position]._array, changed)
            for slot, position, changed in self.memories:
                pointers[slot] = _from_buffer(_BYTES, tensors[position]._storage.array, changed)
            for slot, tensor, position, changed in self.gradients:
                gradient = (tensors[position] if tensor is None else tensor)._grad
                pointers[slot] = _from_buffer(_BYTES, gradient._array, changed)
        except (ValueError, BufferError):  # one of them can't be taken as it is
            return self._bind_copies(tensors)
        return _filled(self._staged) if self._staged else ()

    def _bind_copies(self, tensors: Sequence[Tensor]) -> Sequence[Staged]:
        """As :meth:`bind`, with copies of what can't be taken as it is. Raises RuntimeError, as eager mode does, for
        what is written and lies in memory that must not be."""
        staged = list(self._staged)
        arguments = [(slot, tensors[position], changed) for slot, position, changed in self.arguments]
        for slot, owner, position, changed in self.gradients:
            arguments.append((slot, (tensors[position] if owner is None else owner)._grad, changed))
        memories = [(slot, tensors[position], changed) for slot, position, changed in self.memories]
        for _, tensor, changed in (*arguments, *memories):
            if changed:
                tensor._refuse_write()
        found = [(slot, tensor._array, changed) for slot, tensor, changed in arguments]
        found += [(slot, tensor._storage.array, changed) for slot, tensor, changed in memories]
        for slot, array, changed in found:
            if not array.flags.c_contiguous:
                settle(array)
                staged.append((array, np.ascontiguousarray(array), changed))
                array = staged[-1][1]
            self._pointers[slot] = _from_buffer(array)
        return _filled(staged)

    def moves(self, strides: Sequence[int]) -> dict[int, int]:
        """For the slots of arguments, by how many bytes each moves on from one step to the next; ``strides`` are those
        of the arguments of all steps, by their positions."""
        return {slot: strides[position] for slot, position, _ in self.arguments}

    def count_writes(self, tensors: Sequence[Tensor]) -> None:
        """Let the tape see which memory a run has written."""
        for storage in self._written:
            storage.version += 1
        for position in self.written_arguments:
            tensors[position]._storage.version += 1
        for tensor, position in self._written_gradients:
            (tensors[position] if tensor is None else tensor)._grad._storage.version += 1


class Output:
    """An output of a program as a slot of its table, and what it is.

    Small memory that nothing shows any more is taken again, that of the latest call or else of the one before: a loop
    holds the result of a call until it has the next one.
    """

    __slots__ = ("dtype", "earlier", "keeps", "kind", "latest", "order", "shape", "slot", "source")

    def __init__(
        self, slot: int, shape: tuple[int, ...], dtype: DType, order: tuple[int, ...] | None, results: ResultMemory
    ):
        """``order``: how its dimensions are permuted to see it; ``results`` makes its memory."""
        self.slot = slot
        self.shape = shape
        self.dtype = dtype
        self.kind = dtype.numpy
        self.order = order
        self.source = results.source(shape, dtype.numpy)
        self.keeps = self.source is np.empty
        self.latest = self.earlier = _NO_MEMORY

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return math.prod(self.shape) * self.kind.itemsize


def make(outputs: Sequence[Output], pointers: Any) -> list[Tensor]:
    """New memory for outputs, put into the table: each as it is seen."""
    made = []
    for output in outputs:
        memory = output.latest
        if getrefcount(memory[0]) != _FREE:
            memory = output.earlier
            if getrefcount(memory[0]) != _FREE:
                memory = _with_address(output.source(output.shape, output.kind))
            if output.keeps:
                output.earlier, output.latest = output.latest, memory
        array, pointers[output.slot] = memory
        tensor = _new(Tensor)
        tensor._array = array if output.order is None else array.transpose(output.order)
        tensor.dtype = output.dtype
        made.append(tensor)
    return made


def make_side_by_side(outputs: Sequence[Output], pointers: Any, together: Sequence[int], results: Any) -> list[Tensor]:
    """As :func:`make`, on a GPU, where allocations of many outputs would take longer than a step: some of them, by
    their numbers, are made in one."""
    found: dict[int, np.ndarray] = {}
    for output, array, address in results.several([outputs[number] for number in together]):
        pointers.reach(output.slot, address)
        found[output.slot] = array
    made = []
    for output in outputs:
        array = found.get(output.slot)
        if array is None:
            array, pointers[output.slot] = _with_address(output.source(output.shape, output.kind))
        tensor = _new(Tensor)
        tensor._array = array if output.order is None else array.transpose(output.order)
        tensor.dtype = output.dtype
        made.append(tensor)
    return made


def _with_address(array: np.ndarray) -> tuple[np.ndarray, Any]:
    return array, _from_buffer(array)


# How often an array is referred to that an output alone holds. Without the interpreter's lock counts say nothing.
_ALONE = _with_address(np.empty(0, np.uint8))
_FREE = getrefcount(_ALONE[0]) if getattr(sys, "_is_gil_enabled", lambda: True)() else -1
_NO_MEMORY: tuple[Any, Any] = (None, None)


def write_back(staged: Sequence[Staged]) -> None:
    """Give what a run has written in copies to what they are copies of."""
    for original, copy, changed in staged:
        if changed:
            settle(original, copy)
            np.copyto(original, copy)
