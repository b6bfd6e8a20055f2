"""Join what was padded: a sum of values that were padded with zeros and do not overlap is a concatenation.

The gradient of a value that was cut into slices is such a sum: 64 steps of a sequence would be padded to its whole
length and added up one by one. Every bit stays: adding zeros only turns -0.0 into 0.0, so a zero is added still, where
that is not known to have happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from graphc.ir.graph import Builder, Graph, Node
from graphc.ir.primitive import PRIMITIVES, Gather
from graphc.ir.rewrite import rebuild


@dataclass(frozen=True, slots=True)
class _Padded:
    """Values among zeros along one dimension: the places where they begin and end, each with the node that pads it."""

    dim: int
    parts: tuple[tuple[int, int, Node], ...]


def join_padded(graph: Graph) -> Graph:
    """The graph with sums of padded values that do not overlap as concatenations of these, and of zeros between."""
    sums = _sums(graph)
    if not sums:
        return graph
    values: dict[Node, Node] = {}  # what a node pads, in the new graph
    settled: set[Node] = set()  # nodes of the new graph that hold no -0.0

    def transform(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        if _among_zeros(node) is not None:
            values[node] = operands[0]
        found = sums.get(node)
        if found is None:
            return None
        joined = _joined(builder, found, node, values, settled)
        settled.add(joined)
        return joined

    return rebuild(graph, transform)


def _sums(graph: Graph) -> dict[Node, _Padded]:
    """The sums to be written anew: those whose operands are padded values, or such sums that nothing else reads."""
    uses = Counter(operand for node in graph.nodes for operand in node.inputs)
    uses.update(graph.results)
    padded: dict[Node, _Padded] = {}
    sums: dict[Node, _Padded] = {}
    for node in graph.nodes:
        alone = _among_zeros(node)
        if alone is not None:
            dim, start = alone
            padded[node] = _Padded(dim, ((start, start + node.inputs[0].type.shape[dim], node),))
        elif node.op is PRIMITIVES["add"] and _is_plain(node):
            mine = [padded.get(operand) for operand in node.inputs if operand not in sums or uses[operand] == 1]
            both = _together(mine) if len(mine) == 2 else None
            if both is not None:
                padded[node] = sums[node] = both
                for operand in node.inputs:
                    sums.pop(operand, None)
    return sums


def _is_plain(node: Node) -> bool:
    dtype = node.type.dtype
    return dtype.is_integer or (dtype.is_floating_point and not dtype.is_half)


def _among_zeros(node: Node) -> tuple[int, int] | None:
    if not isinstance(node.op, Gather):
        return None
    return node.op.among_zeros([operand.type for operand in node.inputs], **node.attrs)


def _together(sides: list[_Padded | None]) -> _Padded | None:
    """What two padded values are together; None where they overlap or lie along different dimensions."""
    first, second = sides
    if first is None or second is None or first.dim != second.dim:
        return None
    parts = tuple(sorted((*first.parts, *second.parts), key=lambda part: part[:2]))
    if any(before[1] > after[0] for before, after in pairwise(parts)):
        return None
    return _Padded(first.dim, parts)


def _joined(builder: Builder, found: _Padded, node: Node, values: dict[Node, Node], settled: set[Node]) -> Node:
    """The concatenation that a sum is."""
    dtype, shape, dim = node.type.dtype, node.type.shape, found.dim
    zero = 0.0 if dtype.is_floating_point else 0

    def zeros(extent: int) -> Node:
        whole = (*shape[:dim], extent, *shape[dim + 1 :])
        return builder.add(PRIMITIVES["full"], (), {"value": zero, "shape": whole, "dtype": dtype}, node.location)

    parts: list[Node] = []
    reached = 0
    for start, stop, pad in found.parts:
        if start > reached:
            parts.append(zeros(start - reached))
        value = values[pad]
        if dtype.is_floating_point and value not in settled:
            value = builder.add(PRIMITIVES["add"], (value, zeros(stop - start)), {}, pad.location)
        parts.append(value)
        reached = stop
    if reached != shape[dim]:
        parts.append(zeros(shape[dim] - reached))
    return builder.add(PRIMITIVES["cat"], parts, {"dim": dim}, node.location)
