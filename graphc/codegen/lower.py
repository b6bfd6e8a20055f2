"""Lowering: from an optimized tensor graph to loop-nest kernels over buffers.

The way: choose the values that are computed as values of their own (:mod:`materialize`), put them into groups
(:mod:`fuse`), give results their buffers and groups their order (here), write each group's loops (:mod:`emit`), and
name parameters by position (:mod:`kernels`).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from graphc.codegen.anchors import Anchor, assembled_anchor, result_anchor, structured_anchor
from graphc.codegen.bind import bind
from graphc.codegen.emit import emit
from graphc.codegen.fuse import ALONE, Fusion
from graphc.codegen.groups import Group, Member, prefers_lanes
from graphc.codegen.kernels import make_kernel
from graphc.codegen.loops import Block, Buffer, Launch, Loop, LoopProgram, Origin, Repeat, Store
from graphc.codegen.materialize import (
    Targets,
    choose_anchors,
    choose_targets,
    initial_values,
    scatter_bases,
    structured_results,
)
from graphc.codegen.merging import merge_groups
from graphc.codegen.reuse import Attributes, Kernels, KnownKernels, KnownTraces
from graphc.codegen.storage import Draft, Storage
from graphc.codegen.structures import Inliner, lower_regions
from graphc.codegen.target import CPU, Target
from graphc.codegen.trace import Tracer, Values, index_variable, index_variables, walk_all
from graphc.ir.applications import applies
from graphc.ir.graph import Graph, Node, Projection
from graphc.ir.integers import Integer, bounds, product
from graphc.ir.primitive import Source, View
from graphc.ir.scalars import Constant, FromIndex, Index, Load, Scalar


@dataclass(frozen=True, slots=True)
class LoweringOptions:
    """The machine that loops are written for, and, for finding faults, what lowering may do: ``fuse`` False gives each
    value a kernel of its own; ``reuse`` False traces every value and writes every kernel anew, also where an equal one
    is known."""

    fuse: bool = True
    reuse: bool = True
    target: Target = CPU


def lower(graph: Graph, options: LoweringOptions | None = None) -> LoopProgram:
    """The loop program of a graph. Raises NotImplementedError naming a primitive of no family that can be lowered."""
    return _Lowering(graph, options or LoweringOptions()).program()


class _Lowering:
    def __init__(self, graph: Graph, options: LoweringOptions):
        self.graph = graph
        self.targets: Targets = choose_targets(graph)
        self.results = structured_results(graph)
        self.inner = {node: lower_regions(node, lambda region: lower(region, options)) for node in self.results}
        initial = initial_values(graph, self.targets, self.results)
        self.bases = scatter_bases(graph, self.targets) | initial
        self.values = Values()
        ordered, self.assembly = choose_anchors(graph, self.targets, self.bases, self.results)
        self.anchors = set(ordered)
        self.positions = {node: position for position, node in enumerate((*graph.nodes, *self.targets.copies))}
        self.fusion = Fusion(options.fuse, options.target)
        attributes = Attributes()
        traces = KnownTraces(self.anchors, self.values, attributes, options.reuse)
        self.checks: dict[Any, Group | None] = {}
        drawn: Group | None = None  # the last that drew random numbers: the stream has one order
        self.guard: Group | None = None  # the last one so far: what may fail after it must wait for it
        guards = deque(node for node in graph.nodes if node.op.effect in ("guard", "check"))
        for position, node in enumerate(ordered):
            if isinstance(node.op, Projection):
                self.fusion.add_result(result_anchor(node, position))
                continue
            # The copy that a scatter works on is no node of the graph; what reads it comes next.
            while guards and self.positions[guards[0]] < self.positions.get(node, -1):
                self._add_guard(guards.popleft())
            if node in self.results:
                anchor = structured_anchor(node, position, self._operands(node))
            elif node in self.assembly.parts:
                anchor = assembled_anchor(node, position, self.assembly.parts[node])
            else:
                anchor = traces.trace(node, position, self.bases.get(node))
            checks = list(self._checks_of(anchor))
            if self._fails(anchor) and self.guard is not None:
                checks.append(self.guard)
            if node.op.effect == "random" and drawn is not None:
                checks.append(drawn)
            self.fusion.add(anchor, checks)
            if node.op.effect == "random":
                drawn = self.fusion.group_of[node]
        for node in guards:
            self._add_guard(node)
        if options.fuse:
            merge_groups(self.fusion)
        self.readers: dict[Node, list[Group]] = {}  # of each input, the groups that read it
        for group in self.fusion.groups:
            for node in dict.fromkeys(node for member in group.members for node, _ in member.loads):
                if node.is_input:
                    self.readers.setdefault(node, []).append(group)
        self.failing = [
            group
            for group in self.fusion.groups
            if group.kind == "check" or any(self._fails(member.anchor) for member in group.members)
        ]
        self.storage = Storage(self.values, self.anchors, self.assembly.placements)
        self.buffers: dict[str, Buffer] = {}
        self.buffer_of: dict[str, str] = {}  # key of a value or a place -> buffer
        self.known = KnownKernels(self.storage, self.buffer_of, self.buffers, attributes, options.reuse)
        self.states: dict[str, str] = {}  # buffer of a state -> key of its value at entry
        self.late: list[tuple[Node, Node]] = []  # (state, node): copied at the end
        self.blocks: list[Block] = []

    def program(self) -> LoopProgram:
        """The finished program."""
        self._place_inputs()
        outputs = self._place_values()
        launches: list[Launch] = []
        for group in self._ordered():
            if group.kind == "merged":
                continue
            if group.kind == "structured":
                launches += self._structured(group, len(launches))
            else:
                launches += self._launches(group)
        for state, node in self.late:
            launches.append(self._copy(node, self.values.key(state)))
        buffers, blocks = tuple(self.buffers.values()), tuple(self.blocks)
        return LoopProgram(self.graph.name, self.graph, buffers, tuple(launches), outputs, blocks)

    # Structured operations.

    def _operands(self, node: Node) -> list[Node]:
        """The values in memory that a structured operation reads: for what is carried, that in the result's buffer."""
        operands = list(node.inputs)
        for number, result in enumerate(self.results[node]):
            if number < node.attrs.get("carried", 0):
                operands[int(node.attrs.get("counted", False)) + number] = self.bases[result]
            elif result in self.bases:
                operands.append(self.bases[result])
        return operands

    def _fails(self, anchor: Anchor) -> bool:
        """Whether the work for an anchor may end the program."""
        return anchor.form == "external" or (anchor.node in self.inner and self.inner[anchor.node].may_fail)

    def _structured(self, group: Group, first: int) -> list[Launch]:
        node = group.members[0].node

        def new_buffer(like: Buffer) -> str:
            name = self._partial_buffer(like.name)
            self.buffers[name] = replace(like, name=name)
            return name

        variables = sum(isinstance(block, Repeat) for block in self.blocks)
        inliner = Inliner(new_buffer, first, variables)
        operands = [self.buffer_of.get(self.values.key(operand), "") for operand in node.inputs]
        results = [self.buffer_of[self.values.key(result)] for result in self.results[node]]
        inliner.add(node, self.inner[node], operands, results)
        self.blocks += inliner.blocks
        copies = [
            self._copy(result, place) for result in self.results[node] for place in self.storage.places[result][1:]
        ]
        return [*inliner.launches, *copies]

    # Guards and index checks.

    def _add_guard(self, node: Node) -> None:
        check = self._check(node.inputs[0], 1, node)
        if check is not None:
            self.guard = check

    def _checks_of(self, anchor: Anchor) -> Iterable[Group]:
        # In the order of the graph, so that the first operation that eager mode would refuse is the one that is named.
        for node in sorted(anchor.visited, key=lambda node: self.positions.get(node, 0)):
            indices = getattr(node.op, "checked_indices", None)
            if indices is None:
                continue
            for operand, extent in indices([i.type for i in node.inputs], **node.attrs):
                check = self._check(node.inputs[operand], extent, node)
                if check is not None:
                    yield check

    def _check(self, index: Node, extent: Integer, user: Node) -> Group | None:
        key = (index, extent, type(user.op).checked_value, user.op.effect)
        if key not in self.checks:
            loads: list[tuple[Node, Index]] = []

            def leaf(source: Node, at: Index) -> Scalar | None:
                return self.values.load(source, at) if source.is_input or source in self.anchors else None

            element = user.op.checked_value(Tracer(leaf).element(index, index_variables("i", index.type.shape)))
            for scalar in walk_all((element,)):
                if isinstance(scalar, Load) and isinstance(scalar.source, str):
                    loads.append((self.values.node(scalar.source), scalar.index))
            valid = self._is_valid(element, extent) or index.type.size == 0
            self.checks[key] = None if valid else self.fusion.add_check(index, extent, user, loads, self.guard)
        return self.checks[key]

    def _is_valid(self, element: Scalar, extent: Integer) -> bool:
        """Whether an index is known to lie within its extent."""
        if isinstance(element, Constant):
            least = greatest = int(element.value)
        elif isinstance(element, FromIndex):
            least, greatest = bounds(element.value)  # type: ignore[assignment]
        elif isinstance(element, Load) and isinstance(element.source, str):
            node = self.values.node(element.source)
            below = None
            if not node.is_input:
                below = node.op.positions_below([operand.type for operand in node.inputs], **node.attrs)
            least, greatest = 0, None if below is None else below - 1
        else:
            return False
        if least is None or greatest is None:
            return False
        low, high = bounds(extent + least)[0], bounds(extent - greatest)[0]
        return low is not None and low >= 0 and high is not None and high > 0

    # Buffers.

    def _new_buffer(self, name: str, node: Node, kind: str) -> str:
        unique, number = name, 1
        while unique in self.buffers:
            unique, number = f"{name}_{number}", number + 1
        self.buffers[unique] = Buffer(unique, node.type.dtype, node.type.size, kind, (node,))
        return unique

    def _place_inputs(self) -> None:
        for node in self.graph.inputs:
            key = self.values.key(node)
            self.buffer_of[key] = self._new_buffer(node.name, node, node.kind)
            if node.kind == "state":
                self.states[self.buffer_of[key]] = key

    def _place_values(self) -> tuple[str, ...]:
        """Give each stored value its places; returns the buffers of the graph's outputs."""
        outputs = [
            self._new_buffer(output.name, node, "output")
            for output, node in zip(self.graph.outputs, self.targets.output_nodes, strict=True)
        ]
        read_elsewhere = self._read_elsewhere()
        # A chain of scatters works in one buffer, that of its last value.
        owner = {base: node for node, base in self.bases.items()}
        for group in self.fusion.groups:
            for member in group.members:
                node = member.node
                if node in self.inner:
                    continue
                last = node
                while last in owner:
                    last = owner[last]
                if last is not node or node in self.assembly.placements:
                    self.storage.places[node] = [self.values.key(node)]
                    continue
                buffers = [outputs[position] for position in self.targets.outputs.get(node, ())]
                for state in self.targets.states.get(node, ()):
                    if self._in_place(state, member, group):
                        buffers.insert(0, self.buffer_of[self.values.key(state)])
                    else:
                        self.late.append((state, node))
                late = any(other is node for _, other in self.late)
                if not buffers and (late or node in read_elsewhere or group.kind in ALONE):
                    buffers = [self._new_buffer(f"t{len(self.buffers)}", node, "temporary")]
                if buffers:
                    self._put(node, buffers)
        for base, node in owner.items():
            last = node
            while last in owner:
                last = owner[last]
            self.buffer_of[self.values.key(base)] = self.buffer_of[self.values.key(last)]
        for part, placement in self.assembly.placements.items():
            self.buffer_of[self.values.key(part)] = self.buffer_of[self.values.key(placement.whole)]
        return tuple(outputs)

    def _put(self, node: Node, buffers: list[str]) -> None:
        key = self.values.key(node)
        places = [key, *(f"{key}_{number}" for number in range(1, len(buffers)))]
        self.storage.places[node] = places
        for place, buffer in zip(places, buffers, strict=True):
            self.buffer_of[place] = buffer
            held = self.buffers[buffer]
            if node not in held.nodes:
                self.buffers[buffer] = replace(held, nodes=(*held.nodes, node))

    def _read_elsewhere(self) -> set[Node]:
        """Values that a group other than their own reads."""
        found: set[Node] = set()
        for group in self.fusion.groups:
            for member in group.members:
                for node, _ in member.loads:
                    if self.fusion.group_of.get(node) is not group:
                        found.add(node)
            for node in self._check_reads(group):
                found.add(node)
        return found

    def _check_reads(self, group: Group) -> set[Node]:
        """The stored values that a group of checks reads."""
        found: set[Node] = set()
        for index, _, _ in group.checked:
            pending = [index]
            while pending:
                node = pending.pop()
                if node.is_input or node in self.anchors:
                    found.add(node)
                else:
                    pending.extend(node.inputs)
        return found

    # Order and state.

    def _in_place(self, state: Node, member: Member, group: Group) -> bool:
        """Whether a new value of state may be written over the old one; then the groups are ordered so that it is.

        All that reads the old value must come before, or read the very element before it is overwritten.
        """
        if group.kind not in ("loops", "contraction"):
            return False
        later = {id(other) for other in group.members if group.kind == "loops" and _comes_after(other, member)}
        if later and (member.role != "outer" or prefers_lanes(group)):
            return False  # a later sweep may compute the value again
        # What may fail comes first too: then no state has changed.
        readers = [other for other in (*self.failing, *self.readers.get(state, ())) if other is not group]
        for other_member in group.members:
            for node, index in other_member.loads:
                if node is not state:
                    continue
                if other_member.role == "contraction" or index != member.index:
                    return False
                if id(other_member) in later:
                    return False
        if any((reader.before >> group.number) & 1 for reader in readers):
            return False
        if not applies("write state in place", member.node):
            return False
        before = 0
        for reader in readers:
            before |= reader.before | (1 << reader.number)
        self.fusion.order(group, before)
        return True

    def _ordered(self) -> list[Group]:
        """The groups in an order that respects ``before`` and otherwise stays close to the graph's."""
        groups = self.fusion.groups
        place = {}
        for group in groups:
            positions = [member.anchor.position for member in group.members]
            place[group.number] = max(positions) if positions else -1
        ready: list[tuple[int, int]] = []
        done: list[Group] = []
        finished = 0
        # Each group waits for one of those before it at a time; the last of them is the likeliest to be the last.
        waiting: dict[int, list[int]] = {}

        def wait(number: int) -> None:
            missing = groups[number].before & ~finished
            if missing:
                waiting.setdefault(missing.bit_length() - 1, []).append(number)
            else:
                heapq.heappush(ready, (place[number], number))

        for group in groups:
            wait(group.number)
        while ready:
            _, number = heapq.heappop(ready)
            done.append(groups[number])
            finished |= 1 << number
            for other in waiting.pop(number, ()):
                wait(other)
        if len(done) != len(groups):
            raise RuntimeError("fusion groups depend on each other in a circle")
        return done

    # Launches.

    def _launches(self, group: Group) -> list[Launch]:
        nodes = sorted(
            {node for member in group.members for node in member.anchor.visited}, key=lambda n: self.positions.get(n, 0)
        )
        if group.checked:
            nodes = [user for _, _, user in group.checked]
        working = [node for node in nodes if not isinstance(node.op, Source | View)] or nodes
        operations = tuple(node.op.name for node in working)
        if group.checked:
            operations = tuple("guard" if user.op.effect == "guard" else "check_index" for _, _, user in group.checked)
        origins = tuple(Origin(node.op.name, node.location, node.attributes) for node in nodes)
        written, work = self.known.kernels(group, lambda: self._written(group, operations), _work)
        launches = [Launch(kernel, buffers, origins, work, starts) for kernel, buffers, starts in written]
        if group.kind in ALONE:
            (member,) = group.members
            for place in self.storage.places[member.node][1:]:
                launches.append(self._copy(member.node, place))
        return launches

    def _written(self, group: Group, operations: tuple[str, ...]) -> Kernels:
        """The kernels of a group, written anew."""
        written = []
        for draft in emit(group, self.storage):
            for key, dtype, size in draft.partials:
                name = self._partial_buffer(key)
                self.buffers[name] = Buffer(name, dtype, size, "temporary")
                self.buffer_of[key] = name
            draft = Draft(bind(draft.body, self._overwritten(group)), draft.partials)
            written.append(make_kernel(draft, self.buffer_of, self.buffers, operations))
        return written

    def _overwritten(self, group: Group) -> dict[str, str]:
        """For each value that the group overwrites, the key of the place that is stored over it."""
        found = {}
        for member in group.members:
            for place in self.storage.places.get(member.node, ()):
                state = self.states.get(self.buffer_of[place])
                if state is not None:
                    found[state] = place
        return found

    def _partial_buffer(self, key: str) -> str:
        name, number = key, 1
        while name in self.buffers:
            name, number = f"{key}_{number}", number + 1
        return name

    def _copy(self, node: Node, place: str) -> Launch:
        """A launch that copies a stored value to another place."""
        size, dtype = node.type.size, node.type.dtype
        at = index_variable("i0", size)
        store = Store(place, at, Load(self.values.key(node), (at,), dtype), dtype)
        body = (Loop("i0", 0, size, (store,), "parallel"),) if size != 1 else (store,)
        kernel, buffers, starts = make_kernel(Draft(body), self.buffer_of, self.buffers, ("copy",))
        return Launch(kernel, buffers, (Origin("copy", node.location),), size, starts)


def _comes_after(other: Member, member: Member) -> bool:
    """Whether another member of a group of loops is computed by a sweep that begins once this one is stored."""
    return other.level > member.level or (
        member.role == "outer" and other.role != "outer" and other.level == member.level
    )


def _work(group: Group) -> Integer:
    """Scalar operations of a group, for reports."""
    total: Integer = 0
    outer = product(axis.extent for axis in group.outer)
    reduced = product(axis.extent for axis in group.reduced)
    for member in group.members:
        anchor = member.anchor
        cost = round(sum(node.op.cost for node in anchor.visited))
        size = product(axis.extent for axis in (*anchor.outer, *anchor.reduced))
        total = total + size * max(cost, 1)
    return total if group.members else outer * reduced
