"""The structured operations and their rules.

The derivative of a repetition is a repetition in reverse. It reads what the first one computed on its way, so the rule
runs that again with more results; the pass ``merge_repetitions`` makes one of the two where both are in one graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.control.derivatives import (
    Linearized,
    derivative,
    graph_of,
    linearize,
    unused_name,
    zeros_of,
)
from graphc.ir.graph import Builder, Bundle, Graph, Location, Node
from graphc.ir.primitive import Attributes, register
from graphc.ir.structured import Choice, Region, Repetition, inline
from graphc.ir.types import TensorType
from graphc.recording import state

# Where a loop that goes on as long as it is told to keeps the number of its runs among the carried values.
RUNS = 1


class _Differentiable(Repetition):
    """A repetition with its rule."""

    def vjp(self, cotangent: Bundle, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any | None, ...]:
        body, carried, length = attrs["body"], attrs["carried"], attrs["length"]
        first = int(attrs.get("counted", False))
        floating = [p for p, type in enumerate(body.output_types[:carried]) if type.dtype.is_differentiable]
        stacked = [position for position in cotangent.parts if position >= carried]
        parts = linearize(body, [*floating, *stacked], carried)
        if not parts.found:
            return (None,) * len(inputs)
        if length is None:
            raise RuntimeError(
                f"the gradient of {body.graph.name} at {_line(inputs)} needs what every run computed, and how many "
                "there may be is not known: give it max_iterations="
            )
        results: Sequence[Any] = ()
        if parts.saved or attrs.get("conditional"):
            results = inputs[0].apply_several(self, inputs, {**attrs, "body": parts.extended})
        runs = [inputs[0]] if first else [results[RUNS]] if attrs.get("conditional") else []
        return _reversed(parts, cotangent, inputs[first:], results, runs, attrs, floating, stacked, first)


def _line(inputs: Sequence[Any]) -> Location | None:
    """The user's line of the operation that is being differentiated."""
    if state.location is not None:
        return Location(state.location.file, state.location.line, "backward")
    return getattr(getattr(inputs[0], "builder", None), "location", None)


def _reversed(
    parts: Linearized,
    cotangent: Bundle,
    given: Sequence[Any],
    results: Sequence[Any],
    runs: list[Any],
    attrs: Attributes,
    floating: Sequence[int],
    stacked: Sequence[int],
    first: int,
) -> tuple[Any | None, ...]:
    """The cotangents of a repetition's operands: what the repetition in reverse gives."""
    body, carried, sequences, length = attrs["body"], attrs["carried"], attrs["sequences"], attrs["length"]
    types = body.input_types
    rows = range(carried, carried + sequences)
    closed = [position for position in parts.found if position >= carried + sequences]
    moving = [position for position in parts.found if position in rows]
    still = [position for position in parts.read if position not in rows]
    turning = [position for position in parts.read if position in rows]
    builder = Builder(parts.backward.graph.name)
    builder.location = _line(given)

    def take(name: str, type: TensorType) -> Node:
        return builder.input(unused_name(builder, name), type).node

    names = [node.name for node in body.graph.inputs]
    states = {p: take(f"cotangent_{names[p]}", types[p]) for p in floating}
    sums = {p: take(f"cotangent_{names[p]}", types[p]) for p in closed}
    made = {p: take("cotangent_row", body.output_types[p]) for p in stacked}
    saved = {p: take("saved", parts.extended.output_types[p]) for p in parts.saved}
    read = {p: take(names[p], types[p]) for p in (*turning, *still)}
    operands = [*(saved[p] for p in parts.saved), *(read[p] for p in parts.read)]
    operands += [*states.values(), *made.values()]
    found = dict(zip(parts.found, inline(builder, parts.backward.graph, operands), strict=True))
    ends: list[Node] = []
    for position, node in states.items():
        nothing = zeros_of(builder.symbol(node), types[position].shape, types[position].dtype)
        ends.append(found.get(position, nothing.node))
    ends += [(builder.symbol(node) + builder.symbol(found[position])).node for position, node in sums.items()]
    ends += [found[position] for position in moving]
    region = Region(graph_of(builder.name, builder.inputs, builder.nodes, ends))

    def initial(position: int) -> Any:
        return zeros_of(given[position], given[position].shape, given[position].dtype)

    arguments = [
        *runs,
        *(cotangent.parts[p] if p in cotangent.parts else initial(p) for p in states),
        *(initial(p) for p in sums),
        *(cotangent.parts[p] for p in stacked),
        *(results[p] for p in parts.saved),
        *(given[p] for p in (*turning, *still)),
    ]
    back = {
        "body": region,
        "carried": len(states) + len(sums),
        "sequences": len(stacked) + len(parts.saved) + len(turning),
        "length": length,
        "reverse": not attrs.get("reverse", False),
        "counted": bool(runs),
    }
    cotangents = given[0].apply_several(Scan.instance, arguments, back)
    by_position = dict(zip([*states, *sums, *moving], cotangents, strict=True))
    return (*(None,) * first, *(by_position.get(position) for position in range(len(given))))


@register
class Scan(_Differentiable):
    """A body that runs a known number of times, or as often as an operand says."""

    name = "scan"


@register
class WhileLoop(_Differentiable):
    """A body that runs as long as its first carried value is true. The second is the number of runs so far."""

    name = "while_loop"


@register
class Cond(Choice):
    """One of two branches. The derivative is one of two branches again, which computes anew what it reads."""

    name = "cond"

    def vjp(
        self, cotangent: Bundle, output: Any, *inputs: Any, then: Region, otherwise: Region
    ) -> tuple[Any | None, ...]:
        results = sorted(cotangent.parts)
        branches = [derivative(region, results) for region in (then, otherwise)]
        found = sorted({position for _, positions in branches for position in positions})
        if not found:
            return (None,) * len(inputs)
        line = _line(inputs)
        regions = [Region(_completed(graph, positions, found, line)) for graph, positions in branches]
        arguments = [*inputs, *(cotangent.parts[position] for position in results)]
        attrs = {"then": regions[0], "otherwise": regions[1]}
        cotangents = dict(zip(found, inputs[0].apply_several(self, arguments, attrs), strict=True))
        return (None, *(cotangents.get(position) for position in range(len(inputs) - 1)))


class _Drawing:
    """An operation whose regions draw random numbers: it runs once, and derivatives are given what it drew."""

    effect = "random"
    differentiable = False


@register
class DrawingScan(_Drawing, Scan):
    """A scan whose body draws."""

    name = "drawing_scan"


@register
class DrawingCond(_Drawing, Cond):
    """A choice of branches that draw; only the one that is taken does."""

    name = "drawing_cond"


@register
class DrawingWhileLoop(WhileLoop):
    """A while loop whose body draws. Without a bound there is no other one that is given what it drew."""

    name = "drawing_while_loop"
    effect = "random"

    def vjp(self, cotangent: Bundle, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any | None, ...]:
        bounded = attrs["length"] is not None
        return (None,) * len(inputs) if bounded else super().vjp(cotangent, output, *inputs, **attrs)


def _completed(graph: Graph, positions: Sequence[int], wanted: Sequence[int], location: Location | None) -> Graph:
    """A graph of cotangents with zeros for those that it does not give."""
    builder = Builder(graph.name)
    builder.location = location
    operands = [builder.input(node.name, node.type).node for node in graph.inputs]
    found = dict(zip(positions, inline(builder, graph, operands), strict=True))
    ends = []
    for position in wanted:
        operand = operands[position]
        zeros = zeros_of(builder.symbol(operand), operand.type.shape, operand.type.dtype)
        ends.append(found.get(position, zeros.node))
    return graph_of(builder.name, builder.inputs, builder.nodes, ends)
