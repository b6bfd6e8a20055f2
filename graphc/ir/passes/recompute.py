"""Values of the forward part that the backward part computes again rather than have them kept from one to the other.

What the backward part reads of the forward part lives through most of a step, and is most of what a step needs of
memory. A pointwise value need not be kept where all that it is computed of is kept anyway, or is small: the backward
kernels that read it compute it themselves. Where several kept values are computed of one that is not, keeping that one
instead may take less: the choice of what passes from one part to the other is the cut of Jia et al. (2019), here found
by going through the values in order rather than by a flow, since nearly all cuts are of a few nodes.

The pass stands last. The nodes that it doubles are equal to others, and would be merged again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graphc.ir.graph import Graph, Node
from graphc.ir.integers import bounds
from graphc.ir.primitive import Pointwise, Source, View
from graphc.ir.types import TensorType

# Smaller values are kept: they cost little, and fusion does better with whole graphs.
FEWEST_BYTES = 1 << 14
# A leaf that is so much smaller than the value may be kept for it.
MUCH_SMALLER = 8
# Scalar operations for an element, as the primitives' `cost` counts them: one exponential or error function, and some
# sums and products around it, are cheaper than to write a value and read it again much later.
MOST_OPERATIONS = 40.0
# How far a value is followed back in search of what to keep instead.
FARTHEST = 24


def recompute(graph: Graph) -> Graph:
    """Let the backward part compute again what it can of the forward part's values."""
    early = {node for node in graph.nodes if phase_of(node) == "forward"}
    if len(early) == len(graph.nodes):
        return graph
    choice = _Choice(graph, early)
    choice.drop_what_others_give()
    choice.keep_others_instead()
    return _rewritten(graph, early, choice.stored) if choice.dropped else graph


def phase_of(node: Node) -> str:
    """The phase of the step that a node belongs to."""
    return "forward" if node.location is None else node.location.phase


def nbytes_of(node: Node) -> int:
    """The most bytes of a value; 0 for one that is no single array."""
    if not isinstance(node.type, TensorType):
        return 0
    return (bounds(node.type.size)[1] or 0) * node.type.dtype.itemsize


def shown(node: Node) -> Node:
    """The value that a view shows."""
    while isinstance(node.op, View) and node.inputs:
        node = node.inputs[0]
    return node


class _Choice:
    """Which values of the forward part are kept for the backward part: ``stored``, in the order of the graph."""

    def __init__(self, graph: Graph, early: set[Node]):
        self._early = early
        self._place = {node: place for place, node in enumerate(graph.nodes)}
        self._readers: dict[Node, list[Node]] = {}
        for node in graph.nodes:
            if node not in early and not isinstance(node.op, View):
                for operand in dict.fromkeys(map(shown, node.inputs)):
                    if operand in early and not isinstance(operand.op, Source):
                        self._readers.setdefault(operand, []).append(node)
        # Views of the backward part are read by nodes of it; the values under them by the same.
        self._fixed = {shown(output.node) for output in graph.outputs}
        self.stored: dict[Node, None] = dict.fromkeys(sorted(self._readers, key=self._place.__getitem__))
        self.dropped = False

    def drop_what_others_give(self) -> None:
        """Keep no value that can be computed of other kept ones."""
        for node in list(self.stored):
            self._drop(node, self.stored)

    def keep_others_instead(self) -> None:
        """Where values can be computed of one that is not kept, and which is smaller than all of them, keep that."""
        for candidate, computed in self._candidates():
            if candidate in self.stored:
                continue
            trial = dict(self.stored) | {candidate: None}
            freed = sum(nbytes_of(node) for node in computed if node in self.stored and self._drop(node, trial))
            if freed > nbytes_of(candidate):
                self.stored, self.dropped = trial, True

    def _candidates(self) -> Iterable[tuple[Node, list[Node]]]:
        """Values of the forward part that several kept ones are computed of, and those."""
        computed: dict[Node, list[Node]] = {}
        for node in self.stored:
            if nbytes_of(node) < FEWEST_BYTES or not isinstance(node.op, Pointwise):
                continue
            seen, pending = {node}, [node]
            while pending and len(seen) < FARTHEST:
                for operand in map(shown, pending.pop().inputs):
                    if operand in self._early and operand not in seen and operand not in self.stored:
                        seen.add(operand)
                        if isinstance(operand.op, Pointwise):
                            pending.append(operand)
            for found in seen - {node}:
                if not isinstance(found.op, Source) and nbytes_of(found) * MUCH_SMALLER > nbytes_of(node):
                    computed.setdefault(found, []).append(node)
        several = [(node, kept) for node, kept in computed.items() if len(kept) > 1]
        return sorted(several, key=lambda each: self._place[each[0]])

    def _drop(self, node: Node, stored: dict[Node, None]) -> bool:
        """Keep a value no longer, where it can be computed of the others; small ones that this takes are kept."""
        if node not in self._readers or node in self._fixed or nbytes_of(node) < FEWEST_BYTES:
            return False
        found = self._leaves(node, stored)
        if found is None:
            return False
        del stored[node]
        stored.update(dict.fromkeys(found))
        if stored is self.stored:
            self.dropped = True
        return True

    def _leaves(self, node: Node, stored: dict[Node, None]) -> set[Node] | None:
        """The small values that must be kept besides those that are, to compute a value; None where it can't be, or
        costs too much."""
        if not _can_run_again(node):
            return None
        cost, small = node.op.cost, set()
        pending, seen = list(node.inputs), {node}
        while pending:
            operand = shown(pending.pop())
            if operand in seen or operand.is_input or operand in stored or isinstance(operand.op, Source):
                continue
            seen.add(operand)
            if nbytes_of(operand) and nbytes_of(operand) * MUCH_SMALLER <= nbytes_of(node):
                small.add(operand)
                continue
            cost += operand.op.cost
            if operand not in self._early or not _can_run_again(operand) or cost > MOST_OPERATIONS:
                return None
            pending += operand.inputs
        return small if cost <= MOST_OPERATIONS else None


def _can_run_again(node: Node) -> bool:
    return isinstance(node.op, Pointwise) and node.op.effect is None and isinstance(node.type, TensorType)


def _rewritten(graph: Graph, early: set[Node], stored: dict[Node, None]) -> Graph:
    """The graph whose backward part reads of the forward part what is stored alone."""
    nodes: list[Node] = []
    new: dict[Node, Node] = {}
    again: dict[Node, Node] = {}

    def computed_again(node: Node) -> Node:
        """The value of a node, for the backward part."""
        if node not in early or node in stored or isinstance(node.op, Source):
            return new.get(node, node)
        if node not in again:
            operands = tuple(computed_again(operand) for operand in node.inputs)
            if isinstance(node.op, View) and operands == tuple(new.get(operand, operand) for operand in node.inputs):
                again[node] = new.get(node, node)
            else:
                location = None if node.location is None else replace(node.location, phase="backward")
                again[node] = Node(node.op, operands, node.attributes, node.type, location)
                nodes.append(again[node])
        return again[node]

    for node in graph.nodes:
        read = new.get if node in early else computed_again
        operands = tuple(read(operand) or operand for operand in node.inputs)
        if operands != node.inputs:
            new[node] = Node(node.op, operands, node.attributes, node.type, node.location)
        nodes.append(new.get(node, node))
    return Graph(
        graph.name,
        graph.inputs,
        tuple(nodes),
        tuple(replace(output, node=new.get(output.node, output.node)) for output in graph.outputs),
        tuple(replace(update, node=new.get(update.node, update.node)) for update in graph.updates),
    )
