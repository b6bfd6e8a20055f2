"""Rebuilding a graph: the one way in which passes change one."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.applications import applies
from graphc.ir.graph import Builder, Graph, Node, exact_key

# Called with the new builder, the old node, and the new inputs; gives the new node, or None to copy the old one.
Transform = Callable[[Builder, Node, tuple[Node, ...]], Node | None]


def rebuild(graph: Graph, transform: Transform | None = None, *, simplify: bool = False) -> Graph:
    """The graph made anew node by node, so that equal nodes merge and ``transform`` can replace any; the graph itself
    where that changes nothing."""
    builder = Builder(graph.name, simplify=simplify)
    mapping: dict[Node, Node] = {node: builder.input(node.name, node.type, node.kind).node for node in graph.inputs}
    for node in graph.nodes:
        operands = tuple(mapping[operand] for operand in node.inputs)
        builder.location = node.location
        new = transform(builder, node, operands) if transform is not None else None
        if new is not None and not applies(subject=node):
            new = None
        mapping[node] = new if new is not None else builder.add(node.op, operands, node.attrs, node.location)
    if _is_copy(graph, builder.nodes, mapping):
        return graph
    return builder.build(
        [(output.name, mapping[output.node]) for output in graph.outputs],
        [(mapping[update.state], mapping[update.node]) for update in graph.updates],
    )


def _is_copy(graph: Graph, nodes: list[Node], mapping: dict[Node, Node]) -> bool:
    """Whether nodes are those of a graph once more, one for each, in the same order."""
    return len(nodes) == len(graph.nodes) and all(
        mapping[old] is new
        and old.op is new.op
        and len(old.inputs) == len(new.inputs)
        and all(mapping[mine] is other for mine, other in zip(old.inputs, new.inputs, strict=True))
        and old.location == new.location
        and (old.attributes is new.attributes or _exactly(old) == _exactly(new))
        for old, new in zip(graph.nodes, nodes, strict=True)
    )


def _exactly(node: Node) -> list[tuple[str, object]]:
    """Attributes, such that 1 is not 1.0."""
    return [(name, exact_key(value)) for name, value in node.attributes]


def live_nodes(graph: Graph) -> set[Node]:
    """Inputs and nodes that a result or an effect depends on."""
    live: set[Node] = set()
    pending = [*graph.results, *(node for node in graph.nodes if node.op.effect is not None)]
    while pending:
        node = pending.pop()
        if node not in live:
            live.add(node)
            pending.extend(node.inputs)
    return live
