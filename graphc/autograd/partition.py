"""Cutting a differentiated graph in two: a forward program that also gives what the backward program will read.

What is saved is what the rules read of the forward pass; sources and views are made again. Inputs that the forward
program does not write are read again where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from graphc.autograd.reverse import pull_back
from graphc.ir.graph import Builder, Graph, Node, Symbol
from graphc.ir.primitive import Source, View


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward half of a graph.

    Inputs of ``graph`` are, by name: inputs of the forward graph, ``saved_<k>`` for its saved values, and
    ``cotangent_<k>`` for those of its differentiable outputs. There is one output for each input that wants a gradient
    and has one; ``wanted`` names those inputs.
    """

    graph: Graph
    saved: tuple[Node, ...]  # nodes of the forward graph
    wanted: tuple[str, ...]


def split_backward(
    builder: Builder,
    outputs: Sequence[Node],
    wrt: Mapping[str, Sequence[Node]],
    *,
    stopped: AbstractSet[Node] = frozenset(),
    overwritten: AbstractSet[Node] = frozenset(),
) -> Backward:
    """Differentiate outputs of the graph in a builder, and cut off the backward part.

    Args:
        builder: holds the forward graph; cotangent inputs and backward nodes are appended to it.
        outputs: the differentiable outputs.
        wrt: for each input that wants a gradient, by name, the values that it had where it was used: its own, and
            those that were written to it while gradients were off.
        stopped: nodes that were computed where gradients were switched off.
        overwritten: inputs whose value is gone after the forward program; it is saved where it is read.
    """
    forward = set(builder.nodes)
    cotangents = [builder.input(f"cotangent_{k}", node.type) for k, node in enumerate(outputs)]
    values = [node for nodes in wrt.values() for node in nodes]
    found = pull_back(
        builder,
        [builder.symbol(node) for node in outputs],
        cotangents,
        [builder.symbol(node) for node in values],
        stopped | set(values),
    )
    gradients: dict[str, Symbol] = {}
    pairs = zip([name for name, nodes in wrt.items() for _ in nodes], found, strict=True)
    for name, gradient in pairs:
        if gradient is not None:
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
    given = {cotangent.node for cotangent in cotangents}
    backward = Builder(f"{builder.name}_backward")
    saved: list[Node] = []
    made: dict[Node, Node] = {}

    def visit(node: Node) -> Node:
        pending = [node]
        while pending:
            current = pending[-1]
            if current in made:
                pending.pop()
                continue
            if current.is_input and current not in overwritten:
                kind = "argument" if current in given else "constant"
                made[current] = backward.input(current.name, current.type, kind).node
            elif current.is_input or (current in forward and not _is_free(current)):
                made[current] = backward.input(f"saved_{len(saved)}", current.type).node
                saved.append(current)
            else:
                missing = [operand for operand in current.inputs if operand not in made]
                if missing:
                    pending.extend(missing)
                    continue
                operands = [made[operand] for operand in current.inputs]
                made[current] = backward.add(current.op, operands, current.attrs, current.location)
            pending.pop()
        return made[node]

    graph = backward.build([(f"{name}.grad", visit(gradient.node)) for name, gradient in gradients.items()])
    return Backward(graph, tuple(saved), tuple(gradients))


def _is_free(node: Node) -> bool:
    """Whether making a forward value again costs nothing."""
    return isinstance(node.op, Source | View) and node.op.effect is None
