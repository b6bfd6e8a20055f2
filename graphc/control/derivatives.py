"""Derivatives of regions: the cotangents of what a region reads, for those of its results, as regions again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphc.autograd.reverse import pull_back
from graphc.ir.graph import Builder, Graph, Node, Output, Projection, Symbol
from graphc.ir.primitive import Source, View
from graphc.ir.rewrite import live_nodes
from graphc.ir.structured import Region
from graphc.ops.sources import number_like


@dataclass(frozen=True, slots=True)
class Linearized:
    """A region cut in two: one that also gives what its derivative reads, and the derivative.

    Attributes:
        extended: the region with more results at its end.
        saved: which results of ``extended`` the derivative reads.
        read: which inputs of the region it reads.
        backward: takes the saved values, the inputs that it reads, and the cotangents; gives one cotangent for each
            input in ``found``.
        found: the inputs that have a cotangent, by position.
    """

    extended: Region
    saved: tuple[int, ...]
    read: tuple[int, ...]
    backward: Region
    found: tuple[int, ...]


def linearize(region: Region, results: Sequence[int], carried: int) -> Linearized:
    """Differentiate some results of a region by all its inputs.

    The first ``carried`` inputs and results change from run to run: their values in a run are saved like others.
    """
    builder, outputs, cotangents, found = _differentiated(region, results)
    inputs = builder.inputs[: len(region.graph.inputs)]
    original = len(region.graph.nodes)
    varying = set(cotangents)
    for node in builder.nodes:
        if not varying.isdisjoint(node.inputs):
            varying.add(node)
    first = set(builder.nodes[:original])

    def is_savable(node: Node) -> bool:
        if node in inputs[:carried]:
            return True
        # What another structured operation gives for its own derivative is saved too, or it would run again.
        known = node in first or (isinstance(node.op, Projection) and node not in varying)
        return known and not (isinstance(node.op, Source | View) and node.op.effect is None)

    cut = _Cut(f"{builder.name}_backward", is_savable)
    ends = [cut.node(gradient) for gradient in found.values()]
    given = [node for node in cut.inputs if node not in varying]
    saved = [node for node in given if is_savable(node)]
    read = [node for node in given if not is_savable(node)]
    stacked = {output: position for position, output in enumerate(outputs) if position >= carried}
    more = [node for node in saved if node not in stacked]
    places = stacked | {node: len(outputs) + number for number, node in enumerate(more)}
    extended = graph_of(builder.name, inputs, builder.nodes, [*outputs, *more])
    parameters = [cut.inputs[node] for node in (*saved, *read)]
    parameters += [cut.inputs.get(cotangent) or cut.input(cotangent) for cotangent in cotangents]
    backward = graph_of(cut.builder.name, parameters, cut.builder.nodes, ends)
    return Linearized(
        Region(extended),
        tuple(places[node] for node in saved),
        tuple(inputs.index(node) for node in read),
        Region(backward),
        tuple(found),
    )


def derivative(region: Region, results: Sequence[int]) -> tuple[Graph, tuple[int, ...]]:
    """The cotangents of a region's inputs as a graph of those inputs and of the cotangents of some results; and which
    inputs have one. What the derivative reads is computed again."""
    builder, _, _, found = _differentiated(region, results)
    graph = graph_of(f"{builder.name}_backward", builder.inputs, builder.nodes, list(found.values()))
    return graph, tuple(found)


def _differentiated(region: Region, results: Sequence[int]) -> tuple[Builder, list[Node], list[Node], dict[int, Node]]:
    """A builder with the region and its reverse sweep: the region's results, the cotangents, and by the positions of
    inputs what their cotangents are."""
    builder = Builder(region.graph.name)
    mapping = builder.copy(region.graph)
    outputs = [mapping[output.node] for output in region.graph.outputs]
    inputs = list(builder.inputs)
    wanted = [position for position, node in enumerate(inputs) if node.type.dtype.is_differentiable]
    cotangents = [builder.input(unused_name(builder, f"cotangent_{p}"), outputs[p].type) for p in results]
    gradients = pull_back(
        builder,
        [builder.symbol(outputs[position]) for position in results],
        cotangents,
        [builder.symbol(inputs[position]) for position in wanted],
    )
    found = {p: gradient.node for p, gradient in zip(wanted, gradients, strict=True) if gradient is not None}
    return builder, outputs, [cotangent.node for cotangent in cotangents], found


class _Cut:
    """Copies nodes into a builder of their own; at inputs and at what is saved it ends."""

    def __init__(self, name: str, is_saved: Callable[[Node], bool]):
        self.builder = Builder(name)
        self.inputs: dict[Node, Node] = {}
        self._is_saved = is_saved
        self._made: dict[Node, Node] = {}

    def input(self, node: Node) -> Node:
        """A new input that stands for a node."""
        name = node.name if node.is_input else "saved"
        made = self.builder.input(unused_name(self.builder, name), node.type).node
        self.inputs[node] = self._made[node] = made
        return made

    def node(self, wanted: Node) -> Node:
        """The new node for an old one."""
        pending = [wanted]
        while pending:
            current = pending[-1]
            if current in self._made:
                pending.pop()
                continue
            missing = [operand for operand in current.inputs if operand not in self._made]
            if current.is_input or self._is_saved(current):
                self.input(current)
            elif missing:
                pending += missing
                continue
            else:
                operands = [self._made[operand] for operand in current.inputs]
                self._made[current] = self.builder.add(current.op, operands, current.attrs, current.location)
            pending.pop()
        return self._made[wanted]


def graph_of(name: str, inputs: Iterable[Node], nodes: Iterable[Node], results: Sequence[Node]) -> Graph:
    """A graph of the nodes that some results depend on."""
    outputs = tuple(Output(f"result_{position}", node) for position, node in enumerate(results))
    whole = Graph(name, tuple(inputs), tuple(nodes), outputs)
    live = live_nodes(whole)
    return Graph(name, whole.inputs, tuple(node for node in whole.nodes if node in live), outputs)


def unused_name(builder: Builder, name: str) -> str:
    """The name, or one like it that no input of the builder has."""
    taken = {node.name for node in builder.inputs}
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def zeros_of(reference: Symbol, shape: Sequence[int], dtype: object) -> Symbol:
    """Zeros, in the graph or among the tensors of a reference."""
    return number_like(reference, 0, shape=tuple(shape), dtype=dtype)
