"""What a captured function hands out: outputs of the graph, and how the tensors of a call are seen in them.

A tensor in new memory has the strides that it has in eager mode: where its elements fill memory in another order than
row-major, the output holds them in that order. One that shows a part of memory that nothing else shows has memory of
its own instead, so that the rest need not be computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.capture.memories import Memory
from graphc.capture.recorder import GraphRecorder
from graphc.ir.graph import Node
from graphc.ir.primitive import PRIMITIVES
from graphc.layouts import order_in_memory
from graphc.tensor import Storage, Tensor, View


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor in new memory: that of the graph's output at this position, seen through views.

    ``part``: eager mode shows a part of some memory here, and this is memory of its own.
    """

    output: int
    chain: tuple[View, ...] = ()
    part: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """A tensor that shares the memory of the graph's input at this position, seen through views.

    ``same`` is the very tensor that was returned, where it came from outside.
    """

    input: int
    same: Tensor | None
    chain: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A returned tensor: where it is, and what it is besides its elements.

    Attributes:
        leaf: it was made as a leaf that wants a gradient.
        kind: its class.
        gradient: the ``grad`` that it was left with.
        number: the caller gets the number in it.
        twin: the position of the result that is the same tensor.
    """

    place: Seen | Shared
    leaf: bool = False
    kind: type[Tensor] = Tensor
    gradient: Seen | None = None
    number: bool = False
    twin: int | None = None


class Outputs:
    """The outputs of a graph, while they are found.

    ``named`` are their names and nodes; ``values`` the nodes before they were brought into the order of memory, and
    ``orders`` how the dimensions of an output are to be permuted to see its value, None where they need not be.
    """

    def __init__(self, recorder: GraphRecorder, tensors: Iterable[Tensor]):
        """``tensors`` are all that will be handed out."""
        self._recorder = recorder
        self._memories = [memory for memory in map(recorder.memory_of, tensors) if memory is not None]
        self._whole: dict[int, int] = {}  # memory that several tensors share is one output, by the memory's id
        self.named: list[tuple[str, Node]] = []
        self.values: list[Node] = []
        self.orders: list[tuple[int, ...] | None] = []
        # What the first call hands out of each output: an array that shows the value in the order of its memory, with
        # the memory that it is in; None for values that are saved alone.
        self.shown: list[tuple[np.ndarray, Storage] | None] = []

    def is_new(self, tensor: Tensor) -> bool:
        """Whether the function made a tensor, or the view of something outside that it is."""
        return self._recorder.made(tensor) or self._recorder.made_within(tensor)

    def place(self, tensor: Tensor, name: str, arguments: Sequence[Tensor] = ()) -> Seen | Shared:
        """Where a tensor is found after a call; ``name`` is for an output that holds it."""
        recorder = self._recorder
        memory = recorder.memory_of(tensor) or recorder.enter(tensor)
        if memory.input is None:
            return self._see(tensor, memory, name)
        found = not recorder.made(tensor) and not any(tensor is argument for argument in arguments)
        chain = recorder.symbolic(tensor._chain[len(memory.prefix) :])
        return Shared(recorder.builder.inputs.index(memory.input), tensor if found else None, chain)

    def _see(self, tensor: Tensor, memory: Memory, name: str) -> Seen:
        order = order_in_memory(tensor._array)
        alone = sum(other is memory for other in self._memories) == 1
        if alone and order is not None:
            return Seen(self._add(name, self._recorder.node_of(tensor), order, tensor, tensor._array))
        if alone and _distinct_elements(tensor._array) < tensor._storage.array.size:
            order = _as_is(tensor._array)
            return Seen(self._add(name, self._recorder.node_of(tensor), order, tensor, tensor._array), (), True)
        if id(memory) not in self._whole:
            whole = tensor._storage.array
            order = order_in_memory(whole) or _as_is(whole)
            self._whole[id(memory)] = self._add(name, memory.node, order, tensor, whole)
        return Seen(self._whole[id(memory)], self._recorder.symbolic(tensor._chain[len(memory.prefix) :]))

    def save(self, name: str, node: Node) -> int:
        """A value that is no result; gives the position of its output."""
        return self._add(name, node, tuple(range(node.type.rank)))

    def _add(
        self,
        name: str,
        value: Node,
        order: tuple[int, ...],
        holder: Tensor | None = None,
        array: np.ndarray | None = None,
    ) -> int:
        node, seen = value, None
        self.shown.append(None if holder is None else (array.transpose(order), holder._storage))
        if order != tuple(sorted(order)):
            node = self._recorder.builder.add(PRIMITIVES["permute"], [value], {"dims": order}, value.location)
            seen = tuple(int(dim) for dim in np.argsort(order))
        self.named.append((name, node))
        self.values.append(value)
        self.orders.append(seen)
        return len(self.named) - 1


def _as_is(array: np.ndarray) -> tuple[int, ...]:
    return tuple(range(array.ndim))


def _distinct_elements(array: np.ndarray) -> int:
    """How many elements of memory a view shows, or more where it shows some of them several times."""
    return math.prod(extent for extent, stride in zip(array.shape, array.strides, strict=True) if stride)


def give_own_memory(tensor: Tensor) -> None:
    """Move a tensor's elements into memory of its own, in row-major order; its history stays."""
    version = tensor._storage.version
    tensor._array, tensor._memory, tensor._chain, tensor._base = np.ascontiguousarray(tensor._array), None, (), None
    tensor._storage.version = version
