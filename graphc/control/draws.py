"""Random numbers in regions: what a body draws is drawn by one operation, and given to another that computes.

A derivative runs a body again, and must see the numbers that the first run drew. So a body that draws is recorded as
two operations: one that draws, and gives all that it drew, and one of the same operands that is given the numbers and
has no effect. Derivatives are those of the second. The pass ``join_draws`` makes one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from graphc.control.derivatives import graph_of, unused_name
from graphc.ir.graph import Builder, Graph, Node, Projection
from graphc.ir.structured import Region
from graphc.ir.types import TensorType
from graphc.ops.sources import Full, as_number


def separate(region: Region, first: int, kept: int) -> tuple[Region, Region]:
    """A region that draws, as two: one that gives the first ``kept`` of its results and then what it draws, and one
    that is given this by more inputs, which stand before number ``first``."""
    drawn = _drawn(region.graph)
    given = _given(region.graph, first, [node.type for node in drawn], drawn, 0)
    ends = [output.node for output in region.graph.outputs[:kept]]
    return Region(graph_of(region.graph.name, region.graph.inputs, region.graph.nodes, [*ends, *drawn])), given


def separate_branches(regions: Sequence[Region]) -> tuple[list[Region], list[Region]]:
    """Branches as two lists: those that give what any of them draws, zeros for what another one does, and those that
    are given this behind their other inputs."""
    drawn = [_drawn(region.graph) for region in regions]
    types = [node.type for nodes in drawn for node in nodes]
    drawing, given = [], []
    for region, mine, stop in zip(regions, drawn, accumulate(map(len, drawn)), strict=True):
        start = stop - len(mine)
        builder = Builder(region.graph.name)
        mapping = builder.copy(region.graph)
        ends = [
            mapping[mine[place - start]] if start <= place < stop else _zeros(builder, type)
            for place, type in enumerate(types)
        ]
        drawing.append(Region(graph_of(builder.name, builder.inputs, builder.nodes, ends)))
        given.append(_given(region.graph, len(region.graph.inputs), types, mine, start))
    return drawing, given


def _zeros(builder: Builder, type: TensorType) -> Node:
    attrs = {"value": as_number(0, type.dtype), "shape": type.shape, "dtype": type.dtype}
    return builder.add(Full.instance, (), attrs)


def _drawn(graph: Graph) -> list[Node]:
    """The values that a graph draws, in order, among them those that operations within it give."""

    def draws(node: Node) -> bool:
        return node.op.effect == "random"

    return [
        node
        for node in graph.nodes
        if isinstance(node.type, TensorType)
        and (draws(node) or (isinstance(node.op, Projection) and draws(node.inputs[0])))
    ]


def _given(graph: Graph, first: int, types: Sequence[TensorType], drawn: Sequence[Node], start: int) -> Region:
    """A graph with inputs of these types before number ``first``. Those from number ``start`` on are what it drew."""
    builder = Builder(graph.name)
    made: dict[Node, Node] = {}

    def take(nodes: Sequence[Node]) -> None:
        for node in nodes:
            made[node] = builder.input(unused_name(builder, node.name), node.type, node.kind).node

    take(graph.inputs[:first])
    more = [builder.input(unused_name(builder, "drawn"), type).node for type in types]
    made |= dict(zip(drawn, more[start : start + len(drawn)], strict=True))
    take(graph.inputs[first:])
    for node in graph.nodes:
        if node not in made and node.op.effect != "random":
            made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
    return Region(graph_of(graph.name, builder.inputs, builder.nodes, [made[output.node] for output in graph.outputs]))
