"""What a group is, apart from which values it works on: groups of one structure have the same kernels.

A deep network is many groups of few structures. Lowering writes the kernels of each structure once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from graphc.codegen.anchors import Anchor, trace_anchor
from graphc.codegen.groups import Group
from graphc.codegen.loops import Buffer, Kernel
from graphc.codegen.storage import Storage
from graphc.codegen.trace import Values
from graphc.ir.graph import Node, exact_key
from graphc.ir.integers import Integer
from graphc.ir.scalars import Index

Kernels = list[tuple[Kernel, tuple[str, ...], tuple[int, ...]]]  # with their buffers and where they begin in them


class Attributes:
    """What the operations of nodes are: their names and attributes, as keys."""

    def __init__(self) -> None:
        self._known: dict[Node, Hashable] = {}

    def __call__(self, node: Node) -> Hashable:
        found = self._known.get(node)
        if found is None:
            attributes = tuple((name, exact_key(value)) for name, value in node.attributes)
            found = self._known[node] = (node.op.name, attributes)
        return found


@dataclass(frozen=True, slots=True)
class _Written:
    """A kernel, which of the structure's buffers it is given, and where in them it begins."""

    kernel: Kernel
    buffers: tuple[int, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Traced:
    """An anchor whose values are numbers: ``read`` are those that it loads in the order in which it met them."""

    anchor: Anchor
    loads: tuple[tuple[int, Index], ...]
    visited: tuple[int, ...]
    read: tuple[int, ...]


# The forms of anchors whose reads are found by tracing them.
_LOADING = ("elementwise", "reduction", "contraction")


@dataclass(eq=False)
class KnownTraces:
    """Anchors that were traced, by structure."""

    anchors: set[Node]
    values: Values
    attributes: Attributes
    reuse: bool = True
    _traced: dict[Hashable, _Traced] = field(default_factory=dict)

    def trace(self, node: Node, position: int, base: Node | None = None) -> Anchor:
        """The anchor of a node, as :func:`trace_anchor` gives it."""
        key, inside = self._structure(node)
        known = self._traced.get(key)
        if known is not None:
            for number in known.read:
                self.values.key(inside[number])
            loads = [(inside[number], index) for number, index in known.loads]
            loads.sort(key=lambda load: self.values.order(load[0]))
            visited = tuple(inside[number] for number in known.visited)
            return replace(known.anchor, node=node, position=position, loads=tuple(loads), visited=visited)
        read: dict[Node, None] = {}
        anchor = trace_anchor(node, position, self.anchors, self.values, base, read)
        if self.reuse and anchor.form in _LOADING:
            numbers = {each: number for number, each in enumerate(inside)}
            loads = tuple((numbers[each], index) for each, index in anchor.loads)
            visited = tuple(numbers[each] for each in anchor.visited)
            self._traced[key] = _Traced(anchor, loads, visited, tuple(numbers[each] for each in read))
        return anchor

    def _structure(self, anchor: Node) -> tuple[Hashable, list[Node]]:
        """What decides how an anchor is traced, and the values at and below it, down to those in memory."""
        numbers = {anchor: 0}
        inside = [anchor]
        told: list[Hashable] = []
        for node in inside:  # grows meanwhile
            leaf = node is not anchor and (node.is_input or node in self.anchors)
            told.append((node.type, leaf))
            if leaf:
                continue
            told.append(self.attributes(node))
            for operand in node.inputs:
                if operand not in numbers:
                    numbers[operand] = len(inside)
                    inside.append(operand)
                told.append(numbers[operand])
        return tuple(told), inside


@dataclass(eq=False)
class KnownKernels:
    """The kernels that were written, by structure."""

    storage: Storage
    buffer_of: Mapping[str, str]
    buffers: Mapping[str, Buffer]
    attributes: Attributes
    reuse: bool = True
    _written: dict[Hashable, tuple[tuple[_Written, ...], Integer]] = field(default_factory=dict)

    def kernels(
        self, group: Group, write: Callable[[], Kernels], work: Callable[[Group], Integer]
    ) -> tuple[Kernels, Integer]:
        """The kernels of a group, and the group's operations.

        ``write`` writes them, and ``work`` counts operations, where no group of this structure came before.
        """
        if not self.reuse or group.kind not in ("loops", "contraction") or group.split:
            return write(), work(group)
        key, names, starts = self._structure(group)
        known = self._written.get(key)
        if known is None:
            written, operations = write(), work(group)
            numbers = {name: number for number, name in enumerate(names)}
            found = []
            for kernel, given, at in written:
                places = tuple(numbers[name] for name in given)
                found.append(_Written(kernel, places, tuple(a - starts[n] for n, a in zip(places, at, strict=True))))
            # A kernel that begins before what it works on counts from the buffer's start: it fits no other place.
            if all(start >= 0 for each in found for start in each.starts):
                self._written[key] = (tuple(found), operations)
            return written, operations
        kernels = [
            (
                each.kernel,
                tuple(names[n] for n in each.buffers),
                tuple(start + starts[n] for n, start in zip(each.buffers, each.starts, strict=True)),
            )
            for each in known[0]
        ]
        return kernels, known[1]

    def _structure(self, group: Group) -> tuple[Hashable, list[str], list[int]]:
        """What decides a group's kernels, the buffers that they work on, and where in these the first value lies.

        Values and buffers are numbered as they are met, so that only how they hang together is told.
        """
        numbers: dict[Node, int] = {}
        buffers: dict[str, int] = {}
        told: list[Hashable] = [group.kind, group.swapped, group.outer, group.reduced, group.parts]

        def number(node: Node) -> int:
            return numbers.setdefault(node, len(numbers))

        for member in group.members:
            told.append((number(member.node), member.role, member.level, member.index, member.reduced_index))
            for node in member.anchor.visited:
                told.append((number(node), self.attributes(node), *(number(operand) for operand in node.inputs)))
            if member.anchor.parts is not None:
                told.append(("parts", number(member.anchor.parts)))
        starts = self._starts(numbers)
        for node in numbers:
            placement = self.storage.placements.get(node)
            if placement is not None:
                told.append(
                    (placement.start - starts[self.buffer_of[self.storage.values.key(node)]], placement.strides)
                )
            key = self.storage.values.known(node)
            places = self.storage.places.get(node, ())
            where = [self.buffer_of.get(place) for place in ((key, *places) if key is not None else places)]
            told.append((node.type, node.is_input or node in self.storage.anchors, len(places)))
            for name in where:
                told.append(None if name is None else buffers.setdefault(name, len(buffers)))
        for name in buffers:
            buffer = self.buffers[name]
            told.append((buffer.dtype, buffer.size, buffer.kind == "state"))
        return tuple(told), list(buffers), [starts.get(name, 0) for name in buffers]

    def _starts(self, nodes: Iterable[Node]) -> dict[str, int]:
        """For each buffer of values with a place within it where the first of these begins; 0 where others use it."""
        starts: dict[str, int] = {}
        for node in nodes:
            placement = self.storage.placements.get(node)
            key = self.storage.values.known(node)
            start = 0 if placement is None or not isinstance(placement.start, int) else placement.start
            for name in {
                self.buffer_of[place] for place in (key, *self.storage.places.get(node, ())) if place in self.buffer_of
            }:
                starts[name] = min(start, starts.get(name, start))
        return starts
