"""Cutting a differentiated graph in two: a forward program that also gives what the backward program will read.

What is saved is what the rules read of the forward pass; sources and views are made again. Inputs that the forward
program does not write are read again where they are.

The backward part is a function of the same inputs and of the cotangents, and stays part of one graph with the forward
nodes. So it is differentiated as the forward part was: through the values that were saved of it to the inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from graphc.autograd.reverse import pull_back
from graphc.ir.graph import Builder, Graph, Node, Output, Projection, Symbol
from graphc.ir.primitive import Source, View
from graphc.ir.structured import Repetition


@dataclass(frozen=True, slots=True)
class Saved:
    """An input of a backward graph: a value of the forward graph that it saves."""

    node: Node


@dataclass(frozen=True, slots=True)
class Kept:
    """An input of a backward graph: the input of the forward graph, or the cotangent, with this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Differentiable:
    """A graph whose results may be differentiated.

    Attributes:
        builder: holds the nodes; it is never added to.
        outputs: the results that may have a cotangent.
        wrt: for each input that may want a gradient, by name, the values that it had where it was used: its own, and
            those that were written to it while gradients were off.
        savable: the nodes whose values the run of the graph can give; others are computed again where they are read.
        stopped: nodes that were computed where gradients were switched off.
        overwritten: inputs whose value is gone after the run; it is saved where it is read.
        zeros: for each result, by the names of inputs, those on which its gradients depend with a derivative of zero.
    """

    builder: Builder
    outputs: tuple[Node, ...]
    wrt: Mapping[str, tuple[Node, ...]]
    savable: AbstractSet[Node]
    stopped: AbstractSet[Node] = frozenset()
    overwritten: AbstractSet[Node] = frozenset()
    zeros: tuple[Mapping[str, AbstractSet[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward part of a graph, for the cotangents of some results and the gradients of some inputs.

    ``bindings`` says what each input of ``graph`` is; ``cotangents`` is the name of the cotangent of each result, by
    the result's position. There is one output for each input that is wanted and has a gradient, named by ``found``;
    ``gradients`` are the same values in the builder, which goes on from that of the forward part. ``made`` is the node
    of ``graph`` for each node of the builder that it computes or is given.
    """

    graph: Graph
    bindings: tuple[Saved | Kept, ...]
    cotangents: Mapping[int, str]
    found: tuple[str, ...]
    builder: Builder = field(repr=False)
    gradients: tuple[Node, ...] = field(repr=False)
    made: Mapping[Node, Node] = field(repr=False)

    @property
    def saved(self) -> tuple[Node, ...]:
        """What it reads of the values that the forward part computed."""
        return tuple(binding.node for binding in self.bindings if isinstance(binding, Saved))


def split_backward(
    whole: Differentiable, positions: Iterable[int] | None = None, wanted: Iterable[str] | None = None
) -> Backward:
    """Differentiate results of a graph, and cut off the backward part.

    Args:
        positions: which results have a cotangent; all of them by default.
        wanted: the names of the inputs whose gradients are asked for; all in ``wrt`` by default.

    Raises:
        RuntimeError: where the backward part needs random numbers, or an input since overwritten, that nothing saved.
    """
    builder = whole.builder.fork()
    names = tuple(whole.wrt) if wanted is None else tuple(wanted)
    roots: list[Symbol] = []
    cotangents: list[Symbol] = []
    cotangent_names: dict[int, str] = {}
    for position in range(len(whole.outputs)) if positions is None else positions:
        output = whole.outputs[position]
        name = cotangent_names[position] = _unused("cotangent", builder)
        roots.append(builder.symbol(output))
        cotangents.append(builder.input(name, output.type))
    every_value = {node for nodes in whole.wrt.values() for node in nodes}
    values = [(name, node) for name in names for node in whole.wrt[name]]
    found = pull_back(
        builder, roots, cotangents, [builder.symbol(node) for _, node in values], whole.stopped | every_value
    )
    gradients: dict[str, Symbol] = {}
    for (name, _), gradient in zip(values, found, strict=True):
        if gradient is not None:
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
    ends = tuple(gradient.node for gradient in gradients.values())
    cut = _Cut(whole, f"{builder.name}_backward", {node.name for node in builder.inputs})
    outputs = [(f"{name}.grad", cut.node(end)) for name, end in zip(gradients, ends, strict=True)]
    return Backward(
        cut.builder.build(outputs),
        tuple(cut.bindings),
        cotangent_names,
        tuple(gradients),
        builder,
        ends,
        cut.made,
    )


def take_over_loops(builder: Builder, half: Backward) -> bool:
    """Add to a forward part the loops that the rules of its own loops run once more, with more results: what these give
    is then saved. Gives whether there are any."""
    known = {*builder.inputs, *builder.nodes}
    found = False
    for node in half.builder.nodes:
        again = isinstance(node.op, Repetition) and node not in known and known.issuperset(node.inputs)
        if again:
            several = builder.add(node.op, node.inputs, node.attrs, node.location)
            for index in range(len(several.type.fields)):
                builder.add(Projection.instance, [several], {"index": index}, node.location)
            found = True
    return found


def differentiated_again(
    whole: Differentiable, backward: Backward, names: Sequence[str], held: AbstractSet[Node]
) -> Differentiable:
    """The backward part of a graph as a graph whose results, the gradients, may be differentiated in their turn.

    ``names`` are the inputs and cotangents that may want a gradient. What was saved of the forward part, ``held``, can
    be read again, and what the backward part computes can be saved.
    """
    inputs = {node.name: node for node in backward.builder.inputs}
    # What a gradient of these depends on is not known so exactly: on no less than the gradients themselves do.
    merged: dict[str, AbstractSet[str]] = {}
    for each in (whole.zeros[position] for position in backward.cotangents if whole.zeros):
        for name, others in each.items():
            merged[name] = merged.get(name, frozenset()) | others
    cotangents = {name: (inputs[name],) for name in backward.cotangents.values()}
    wrt = {**whole.wrt, **cotangents}
    return Differentiable(
        backward.builder,
        backward.gradients,
        {name: wrt[name] for name in names},
        held | {node for node in backward.made if not node.is_input},
        whole.stopped,
        whole.overwritten,
        (merged,) * len(backward.gradients),
    )


def with_saved(backward: Backward, nodes: Iterable[Node]) -> Graph:
    """The backward graph with more outputs: the values that were made for these nodes."""
    graph = backward.graph
    more = (Output(f"saved_{number}", backward.made[node]) for number, node in enumerate(nodes))
    return Graph(graph.name, graph.inputs, graph.nodes, (*graph.outputs, *more), graph.updates)


def reaches(whole: Differentiable) -> list[frozenset[str]]:
    """For each result the names of the inputs whose gradients it may have."""
    names: dict[Node, frozenset[str]] = {}
    for name, nodes in whole.wrt.items():
        for node in nodes:
            names[node] = names.get(node, frozenset()) | {name}
    nothing: frozenset[str] = frozenset()
    for node in whole.builder.nodes:
        passes = node.op.differentiable and node.type.dtype.is_differentiable and node not in whole.stopped
        if node not in names and passes:
            found = nothing.union(*(names.get(operand, nothing) for operand in node.inputs))
            if found:
                names[node] = found
    return [names.get(output, nothing) for output in whole.outputs]


class _Cut:
    """Copies backward nodes into a graph of their own. At what was saved, and at inputs, it ends."""

    def __init__(self, whole: Differentiable, name: str, taken: AbstractSet[str]):
        self.whole = whole
        self.builder = Builder(name)
        self.bindings: list[Saved | Kept] = []
        self.made: dict[Node, Node] = {}
        self._taken = taken

    def node(self, wanted: Node) -> Node:
        """The node of the new graph for a node of the old one."""
        pending = [wanted]
        while pending:
            current = pending[-1]
            if current in self.made:
                pending.pop()
                continue
            missing = [operand for operand in current.inputs if operand not in self.made]
            if current in self.whole.savable and not _is_free(current):
                self.made[current] = self._saved(current)
            elif current.is_input:
                self.made[current] = self._input(current)
            elif missing:
                pending.extend(missing)
                continue
            else:
                if current.op.effect is not None:
                    raise RuntimeError(
                        f"a derivative of a compiled function needs what {current.op.name} at {current.location} gave, "
                        "which was not saved"
                    )
                operands = [self.made[operand] for operand in current.inputs]
                self.made[current] = self.builder.add(current.op, operands, current.attrs, current.location)
            pending.pop()
        return self.made[wanted]

    def _saved(self, node: Node) -> Node:
        number = 0
        while (name := f"saved_{number}") in self._taken or any(each.name == name for each in self.builder.inputs):
            number += 1
        self.bindings.append(Saved(node))
        return self.builder.input(name, node.type).node

    def _input(self, node: Node) -> Node:
        if node in self.whole.overwritten:
            raise RuntimeError(
                f"a derivative of a compiled function needs the value that {node.name} had, which the function has "
                "overwritten and did not save"
            )
        self.bindings.append(Kept(node.name))
        return self.builder.input(node.name, node.type, node.kind).node


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
