"""Values with a rule of the user's own are the values: once derivatives are made, nothing needs the rule."""

from __future__ import annotations

from graphc.ir.graph import Builder, Graph, Node, Projection
from graphc.ir.rewrite import rebuild
from graphc.ir.structured import Ruled


def drop_rules(graph: Graph) -> Graph:
    """The graph with what is behind a rule in place of each value with one."""
    if not any(isinstance(node.op, Ruled) for node in graph.nodes):
        return graph

    def transform(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        if isinstance(node.op, Projection) and isinstance(operands[0].op, Ruled):
            return operands[0].inputs[node.attrs["index"]]
        return None

    return rebuild(graph, transform)
