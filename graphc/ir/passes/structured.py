"""Passes over structured operations: equal loops become one, and what nothing reads leaves the regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir.applications import applies
from graphc.ir.graph import Builder, Graph, Node, Output, Projection
from graphc.ir.rewrite import live_nodes, rebuild
from graphc.ir.structured import Region, Repetition, Structured, regions_of, without_regions


def merge_repetitions(graph: Graph) -> Graph:
    """One loop where two of the same operands differ only in that one gives more results than the other.

    The rule of a loop's derivative makes such a second loop: it also gives what the derivative reads.
    """
    groups: dict[Any, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Repetition):
            key = (node.op, node.inputs, tuple(sorted(without_regions(node.attrs).items())))
            groups.setdefault(key, []).append(node)
    merged: dict[Node, Node] = {}
    for nodes in groups.values():
        whole = max(nodes, key=lambda node: len(node.type.fields))
        merged |= {node: whole for node in nodes if _extends(whole.attrs["body"], node.attrs["body"])}
    if all(node is whole for node, whole in merged.items()):
        return graph

    def transform(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        whole = merged.get(node)
        return None if whole is None else builder.add(whole.op, operands, whole.attrs, node.location)

    return rebuild(graph, transform)


def _extends(whole: Region, part: Region) -> bool:
    """Whether the first results of one region are those of another."""
    if whole is part:
        return True
    builder = Builder()
    inputs = [builder.input(f"input_{number}", type).node for number, type in enumerate(whole.input_types)]
    results = []
    for region in (whole, part):
        made = dict(zip(region.graph.inputs, inputs, strict=True))
        for node in region.graph.nodes:
            made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs)
        results.append([made[output.node] for output in region.graph.outputs])
    return results[0][: len(results[1])] == results[1]


def join_draws(graph: Graph) -> Graph:
    """One operation where one draws random numbers and another, of the same operands, is given them: what it computes
    is computed where they are drawn, and they need not be kept for it."""
    joined: dict[Node, Node] = {}  # by the one that draws
    for node in graph.nodes:
        if isinstance(node.op, Structured) and node.op.effect is None:
            drawing = _drawing(node)
            if drawing is not None and drawing not in joined and applies(subject=drawing):
                joined[drawing] = node
    regions = {drawing: _joined(drawing, node) for drawing, node in joined.items()}
    regions = {drawing: found for drawing, found in regions.items() if found}
    if not regions:
        return graph
    owner = {joined[drawing]: drawing for drawing in regions}
    builder = Builder(graph.name)
    made: dict[Node, Node] = {node: builder.input(node.name, node.type, node.kind).node for node in graph.inputs}
    for node in graph.nodes:
        if node in owner:
            continue
        operands, attrs = node.inputs, node.attrs
        if node in regions:
            attrs = {**attrs, **regions[node]}
        elif isinstance(node.op, Projection) and operands[0] in owner:
            operands = (owner[operands[0]],)
        elif isinstance(node.op, Projection) and operands[0] in regions:
            first = operands[0].attrs.get("carried", 0)
            if attrs["index"] >= first:
                attrs = {"index": attrs["index"] - first + len(joined[operands[0]].type.fields)}
        made[node] = builder.add(node.op, [made[operand] for operand in operands], attrs, node.location)
    return builder.build(
        [(output.name, made[output.node]) for output in graph.outputs],
        [(made[update.state], made[update.node]) for update in graph.updates],
    )


def _is_drawn(node: Node, drawing: Node) -> bool:
    """Whether a value is one that another operation drew."""
    carried = drawing.attrs.get("carried", 0)
    return isinstance(node.op, Projection) and node.inputs[0] is drawing and node.attrs["index"] >= carried


def _drawing(node: Node) -> Node | None:
    """The operation that draws what another one is given, if that has the same operands besides."""
    sources = [each.inputs[0] for each in node.inputs if isinstance(each.op, Projection)]
    for drawing in sources:
        if drawing.op.effect == "random" and tuple(each for each in node.inputs if not _is_drawn(each, drawing)) == (
            drawing.inputs
        ):
            mine, others = (
                {name: value for name, value in without_regions(each.attrs).items() if name != "sequences"}
                for each in (node, drawing)
            )
            return drawing if mine == others else None
    return None


def _joined(drawing: Node, node: Node) -> dict[str, Any]:
    """The attributes that differ where what draws also computes; none where it can't."""
    carried = drawing.attrs.get("carried", 0)
    arguments = node.inputs[len(node.inputs) - len(next(regions_of(node))[1].graph.inputs) :]
    found: dict[str, Any] = {}
    others = dict(regions_of(node))
    for name, region in regions_of(drawing):
        builder = Builder(region.graph.name)
        made = builder.copy(region.graph)
        results = [made[output.node] for output in region.graph.outputs]
        own = iter(builder.inputs)
        other = others[name].graph
        for inner, outer in zip(other.inputs, arguments, strict=True):
            made[inner] = results[outer.attrs["index"]] if _is_drawn(outer, drawing) else next(own)
        for inner in other.nodes:
            made[inner] = builder.add(inner.op, [made[each] for each in inner.inputs], inner.attrs, inner.location)
        ends = [made[output.node] for output in other.outputs]
        if ends[:carried] != results[:carried]:
            return {}
        outputs = tuple(Output(f"result_{place}", end) for place, end in enumerate([*ends, *results[carried:]]))
        found[name] = Region(Graph(region.graph.name, tuple(builder.inputs), tuple(builder.nodes), outputs))
    return found


def trim_structured(graph: Graph) -> Graph:
    """Structured operations without results that nothing reads, and without operands that they then need not read."""
    live = live_nodes(graph)
    if not any(isinstance(node.op, Structured) for node in graph.nodes):
        return graph
    read: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node in live and isinstance(node.op, Projection):
            read.setdefault(node.inputs[0], set()).add(node.attrs["index"])
    builder = Builder(graph.name)
    made: dict[Node, Node] = {node: builder.input(node.name, node.type, node.kind).node for node in graph.inputs}
    places: dict[Node, Mapping[int, int]] = {}
    for node in graph.nodes:
        if node not in live:
            continue
        attrs, inputs = node.attrs, node.inputs
        if isinstance(node.op, Structured):
            trim = _trim_repetition if isinstance(node.op, Repetition) else _trim_choice
            trimmed = trim(node, read.get(node, set()))
            attrs, inputs, places[node] = trimmed.attrs, trimmed.inputs, trimmed.places
        elif isinstance(node.op, Projection):
            attrs = {"index": places[node.inputs[0]][attrs["index"]]}
        made[node] = builder.add(node.op, [made[operand] for operand in inputs], attrs, node.location)
    return builder.build(
        [(output.name, made[output.node]) for output in graph.outputs],
        [(made[update.state], made[update.node]) for update in graph.updates],
    )


@dataclass(frozen=True, slots=True)
class _Trimmed:
    """What remains of a structured operation; ``places`` are the new positions of the results that remain."""

    attrs: dict[str, Any]
    inputs: tuple[Node, ...]
    places: dict[int, int]


def _trim_repetition(node: Node, read: Iterable[int]) -> _Trimmed:
    attrs = node.attrs
    body, carried, sequences = attrs["body"].graph, attrs["carried"], attrs["sequences"]
    kept = set(read) | ({0} if attrs.get("conditional") else set())
    while True:
        live = live_nodes(_with_outputs(body, sorted(kept)))
        needed = kept | {position for position, value in enumerate(body.inputs[:carried]) if value in live}
        if needed == kept:
            break
        kept = needed
    inputs = [p for p, value in enumerate(body.inputs) if (p in kept if p < carried else value in live)]
    region = _with_inputs(_with_outputs(body, sorted(kept)), inputs)
    first = int(attrs.get("counted", False))
    new = {
        **attrs,
        "body": Region(region),
        "carried": sum(position < carried for position in inputs),
        "sequences": sum(carried <= position < carried + sequences for position in inputs),
    }
    operands = (*node.inputs[:first], *(node.inputs[first + position] for position in inputs))
    return _Trimmed(new, operands, {old: place for place, old in enumerate(sorted(kept))})


def _trim_choice(node: Node, read: Iterable[int]) -> _Trimmed:
    kept = sorted(read)
    arms = {name: _with_outputs(node.attrs[name].graph, kept) for name in ("then", "otherwise")}
    alive = [live_nodes(arm) for arm in arms.values()]
    count = len(node.inputs) - 1
    inputs = [
        position
        for position in range(count)
        if any(arm.inputs[position] in live for arm, live in zip(arms.values(), alive, strict=True))
    ]
    new = {name: Region(_with_inputs(arm, inputs)) for name, arm in arms.items()}
    operands = (node.inputs[0], *(node.inputs[1 + position] for position in inputs))
    return _Trimmed(new, operands, {old: place for place, old in enumerate(kept)})


def _with_outputs(graph: Graph, kept: Sequence[int]) -> Graph:
    """The graph with some of its outputs, and the nodes that these need."""
    outputs = tuple(Output(graph.outputs[position].name, graph.outputs[position].node) for position in kept)
    whole = Graph(graph.name, graph.inputs, graph.nodes, outputs)
    live = live_nodes(whole)
    return Graph(graph.name, graph.inputs, tuple(node for node in graph.nodes if node in live), outputs)


def _with_inputs(graph: Graph, kept: Sequence[int]) -> Graph:
    return Graph(graph.name, tuple(graph.inputs[position] for position in kept), graph.nodes, graph.outputs)
