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
class Cotangent:
    """An input of a backward graph: the cotangent of the result that is differentiated."""


@dataclass(frozen=True, slots=True)
class Saved:
    """An input of a backward graph: a value of the forward graph that it saves."""

    node: Node


@dataclass(frozen=True, slots=True)
class Kept:
    """An input of a backward graph: the input of the forward graph with this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward half of a graph, for one result.

    ``bindings`` says what each input of ``graph`` is. There is one output for each input of the forward graph that
    wants a gradient and has one; ``wanted`` names those inputs.
    """

    graph: Graph
    bindings: tuple[Cotangent | Saved | Kept, ...]
    wanted: tuple[str, ...]


def split_backward(
    builder: Builder,
    output: Node,
    wrt: Mapping[str, Sequence[Node]],
    *,
    forward: AbstractSet[Node],
    stopped: AbstractSet[Node] = frozenset(),
    overwritten: AbstractSet[Node] = frozenset(),
) -> Backward:
    """Differentiate an output of the graph in a builder, and cut off the backward part.

    Args:
        builder: holds the forward graph; the cotangent and backward nodes are appended to it.
        output: the result to differentiate.
        wrt: for each input that wants a gradient, by name, the values that it had where it was used: its own, and
            those that were written to it while gradients were off.
        forward: the nodes of the forward graph; the builder may hold backward nodes of other results beside them.
        stopped: nodes that were computed where gradients were switched off.
        overwritten: inputs whose value is gone after the forward program; it is saved where it is read.
    """
    cotangent = builder.input(_unused("cotangent", builder), output.type)
    values = [node for nodes in wrt.values() for node in nodes]
    found = pull_back(
        builder,
        [builder.symbol(output)],
        [cotangent],
        [builder.symbol(node) for node in values],
        stopped | set(values),
    )
    gradients: dict[str, Symbol] = {}
    pairs = zip([name for name, nodes in wrt.items() for _ in nodes], found, strict=True)
    for name, gradient in pairs:
        if gradient is not None:
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
    backward = Builder(f"{builder.name}_backward")
    bindings: list[Cotangent | Saved | Kept] = []
    made: dict[Node, Node] = {}

    def visit(node: Node) -> Node:
        pending = [node]
        while pending:
            current = pending[-1]
            if current in made:
                pending.pop()
                continue
            if current.is_input and current not in overwritten:
                is_cotangent = current is cotangent.node
                kind = "argument" if is_cotangent else "constant"
                made[current] = backward.input(_unused(current.name, backward), current.type, kind).node
                bindings.append(Cotangent() if is_cotangent else Kept(current.name))
            elif current.is_input or (current in forward and not _is_free(current)):
                made[current] = backward.input(_unused("saved", backward), current.type).node
                bindings.append(Saved(current))
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
    return Backward(graph, tuple(bindings), tuple(gradients))


def _unused(name: str, builder: Builder) -> str:
    """The name, or one like it that no input has."""
    taken = {node.name for node in builder.inputs}
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _is_free(node: Node) -> bool:
    """Whether making a forward value again costs nothing."""
    return isinstance(node.op, Source | View) and node.op.effect is None
