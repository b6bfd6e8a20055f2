"""Symbolic differentiation: a graph in, the graph of its gradient out, by the primitives' own rules.

The result is an ordinary graph of the same primitives, so it can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from graphc.ir.graph import Builder, Graph, Location, Node, Symbol
from graphc.ir.rewrite import live_nodes
from graphc.ops.functions.creation import full_like


def differentiate(graph: Graph, wrt: Iterable[str] | None = None, output: str | None = None) -> Graph:
    """The graph of the gradient of a scalar output.

    Args:
        graph: with one floating output of one element, or several of which ``output`` names one.
        wrt: names of floating inputs; all of them by default.
        output: the name of the output to differentiate; may be left out where there is one.

    Returns:
        a graph with the same inputs and, for each name in ``wrt``, an output ``<name>.grad`` of the input's shape. An
        input that the output does not depend on has a gradient of zeros.

    Raises:
        ValueError: naming the output or input that can't be differentiated, and why.
    """
    chosen = _scalar_output(graph, output)
    names = [node.name for node in graph.inputs if node.type.dtype.is_differentiable] if wrt is None else list(wrt)
    for name in names:
        if not _input(graph, name).type.dtype.is_differentiable:
            raise ValueError(f"input {name!r} is {graph.input(name).type}; only floating inputs have gradients")
    builder = Builder(f"{graph.name}_gradient")
    mapping = builder.copy(graph)
    root = builder.symbol(mapping[chosen])
    targets = [builder.symbol(mapping[graph.input(name)]) for name in names]
    gradients = pull_back(builder, [root], [_full_like(root, 1.0)], targets)
    outputs = [
        (f"{name}.grad", (gradient if gradient is not None else _full_like(target, 0.0)).node)
        for name, target, gradient in zip(names, targets, gradients, strict=True)
    ]
    built = builder.build(outputs)
    live = live_nodes(built)
    return Graph(built.name, built.inputs, tuple(node for node in built.nodes if node in live), built.outputs)


def pull_back(
    builder: Builder,
    outputs: Sequence[Symbol],
    cotangents: Sequence[Symbol],
    targets: Sequence[Symbol],
    stopped: AbstractSet[Node] = frozenset(),
) -> list[Symbol | None]:
    """Append the reverse sweep to a builder: the cotangent of each target, or None where it is zero.

    The nodes appended carry the Python lines of their forward nodes. No cotangent passes through nodes in ``stopped``.
    """
    wanted = {target.node for target in targets}
    useful = _depending_on(builder.nodes, wanted)
    total: dict[Node, Symbol] = {}

    def receive(node: Node, cotangent: Symbol) -> None:
        total[node] = total[node] + cotangent if node in total else cotangent

    for output, cotangent in zip(outputs, cotangents, strict=True):
        receive(output.node, cotangent)
    outer = builder.location
    for node in reversed(list(builder.nodes)):
        if node not in total or node not in useful or node in stopped or not node.op.differentiable:
            continue
        if node.location is not None:
            builder.location = Location(node.location.file, node.location.line, "backward")
        operands = [builder.symbol(operand) for operand in node.inputs]
        results = node.op.vjp(total[node], builder.symbol(node), *operands, **node.attrs)
        for operand, result in zip(node.inputs, results, strict=True):
            if result is None or operand not in useful or not operand.type.dtype.is_differentiable:
                continue
            value = result() if callable(result) else result
            if value is not None:
                receive(operand, value)
    builder.location = outer
    return [total.get(target.node) for target in targets]


def _depending_on(nodes: Sequence[Node], targets: set[Node]) -> set[Node]:
    depending = set(targets)
    for node in nodes:
        if any(operand in depending for operand in node.inputs):
            depending.add(node)
    return depending


def _full_like(reference: Symbol, value: float) -> Symbol:
    return full_like(reference, value)


def _input(graph: Graph, name: str) -> Node:
    try:
        return graph.input(name)
    except KeyError as error:
        raise ValueError(error.args[0]) from None


def _scalar_output(graph: Graph, name: str | None) -> Node:
    available = [output.name for output in graph.outputs]
    if name is None and len(graph.outputs) != 1:
        raise ValueError(f"graph {graph.name} has outputs {available}; name the one to differentiate with output=")
    matching = [output.node for output in graph.outputs if name in (None, output.name)]
    if not matching:
        raise ValueError(f"graph {graph.name} has no output {name!r}; it has {available}")
    node = matching[0]
    if node.type.size != 1 or not node.type.dtype.is_floating_point:
        raise ValueError(f"only a floating output of one element has a gradient; {graph.name}'s is {node.type}")
    return node
