"""Checking that a graph is well formed, independent of how it was made."""

from __future__ import annotations

from graphc.ir.graph import Graph, Input, Node
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.structured import regions_of


class VerificationError(AssertionError):
    """A graph breaks an invariant of the IR: a fault of the compiler, never of the user."""


def verify(graph: Graph, checked: set[Node] | None = None) -> Graph:
    """Check order, types, names, and updates; gives the graph back. Raises VerificationError naming the node.

    Nodes never change: of those in ``checked`` only the order is looked at. The graph's nodes are added to it.
    """
    checked = set() if checked is None else checked
    seen: set[Node] = set()
    names: set[str] = set()
    for node in graph.inputs:
        if node.op is not Input.instance:
            _fail(graph, node, "stands among the inputs but is no input")
        if node.name in names:
            _fail(graph, node, "shares its name with another input")
        names.add(node.name)
        seen.add(node)
    for node in graph.nodes:
        if node in seen:
            _fail(graph, node, "stands twice")
        for operand in node.inputs:
            if operand not in seen:
                _fail(graph, node, f"reads {operand!r}, which does not stand before it")
        seen.add(node)
        if node in checked:
            continue
        if PRIMITIVES.get(node.op.name) is not node.op:
            _fail(graph, node, "applies a primitive that is not registered")
        if list(node.attributes) != sorted(node.attributes, key=lambda item: item[0]):
            _fail(graph, node, "has attributes out of order")
        for key, value in node.attributes:
            try:
                hash(value)
            except TypeError:
                _fail(graph, node, f"has an attribute {key} that is not hashable")
        for _, region in regions_of(node):
            verify(region.graph)
            if region.graph.updates:
                _fail(graph, node, "has a region that writes state")
        expected = node.op.infer(*(operand.type for operand in node.inputs), **node.attrs)
        if expected != node.type:
            _fail(graph, node, f"has type {node.type}, but its type rule gives {expected}")
        checked.add(node)
    for output in graph.outputs:
        if output.node not in seen:
            _fail(graph, output.node, f"is the output {output.name!r} but does not stand in the graph")
    updated: set[Node] = set()
    for update in graph.updates:
        if update.state not in graph.inputs or update.state.kind != "state":
            _fail(graph, update.state, "is updated but is no state")
        if update.state in updated:
            _fail(graph, update.state, "is updated twice")
        if update.node not in seen:
            _fail(graph, update.node, "is a new value of state but does not stand in the graph")
        if update.node.type != update.state.type:
            _fail(graph, update.state, f"of type {update.state.type} is updated with {update.node.type}")
        updated.add(update.state)
    return graph


def _fail(graph: Graph, node: Node, what: str) -> None:
    where = f" ({node.location})" if node.location is not None else ""
    raise VerificationError(f"graph {graph.name}: {node!r}{where} {what}")
