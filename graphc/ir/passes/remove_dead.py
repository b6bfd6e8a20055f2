"""Remove dead nodes: those that no output, no new state, and no effect depends on."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.rewrite import live_nodes


def remove_dead(graph: Graph) -> Graph:
    """Keep live nodes alone. Inputs stay, used or not: they are the program's signature."""
    live = live_nodes(graph)
    return Graph(
        graph.name,
        graph.inputs,
        tuple(node for node in graph.nodes if node in live),
        graph.outputs,
        graph.updates,
    )
