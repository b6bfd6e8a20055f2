"""A graph as a networkx graph: a view for min-cut, reachability, and drawing, never the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.ir.graph import Graph
from graphc.ir.printer import node_names

if TYPE_CHECKING:
    import networkx


def to_networkx(graph: Graph) -> networkx.MultiDiGraph:
    """The graph with one vertex for each value, named as in the printed text, and one edge for each operand.

    Vertices carry ``op``, ``type``, ``kind`` (of inputs), ``attrs``, ``location``, and ``node``; edges carry
    ``operand``, the position. The networkx graph's own attributes hold ``outputs`` and ``updates`` by vertex name.
    """
    import networkx  # takes 165 ms to import: only who asks for a view pays

    names = node_names(graph)
    network = networkx.MultiDiGraph(name=graph.name)
    for node, name in names.items():
        network.add_node(
            name,
            op=node.op.name,
            type=str(node.type),
            kind=node.kind if node.is_input else "operation",
            attrs={} if node.is_input else node.attrs,
            location=node.location,
            node=node,
        )
    for node in graph.nodes:
        for position, operand in enumerate(node.inputs):
            network.add_edge(names[operand], names[node], operand=position)
    network.graph["outputs"] = {output.name: names[output.node] for output in graph.outputs}
    network.graph["updates"] = {names[update.state]: names[update.node] for update in graph.updates}
    return network
