"""Lowering of structured operations: each region is lowered as a program of its own, whose launches then stand within a
block of the program around it, on buffers of that program.

What a repetition carries lies in one buffer for each carried value, which the launches of its body update in place as
those of a program update its state. A row of a sequence, or of stacked results, is a window of the whole that moves on
from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphc.codegen.loops import (
    Block,
    Branch,
    Buffer,
    CallOut,
    CheckIndex,
    Contract,
    Element,
    Launch,
    LoopProgram,
    Origin,
    Repeat,
)
from graphc.ir.graph import Builder, Graph, Node
from graphc.ir.integers import Integer, bounds, product, substitute, variable
from graphc.ir.structured import Choice, Repetition

Lower = Callable[[Graph], LoopProgram]


@dataclass(frozen=True, slots=True)
class Inner:
    """The lowered regions of a structured operation, in the order of its attributes."""

    programs: tuple[LoopProgram, ...]

    @property
    def may_fail(self) -> bool:
        """Whether a launch may end the program."""
        return any(may_fail(launch) for program in self.programs for launch in program.launches)


def may_fail(launch: Launch) -> bool:
    """Whether a launch may end the program."""
    body = launch.kernel.body
    return not isinstance(body, Contract) and any(_holds_check(statement) for statement in body)


def _holds_check(statement: object) -> bool:
    inner = getattr(statement, "body", ())
    return isinstance(statement, CallOut | CheckIndex) or any(_holds_check(each) for each in inner)


def lower_regions(node: Node, lower: Lower) -> Inner:
    """Lower the regions of a structured operation."""
    attrs = node.attrs
    if isinstance(node.op, Repetition):
        return Inner((lower(_with_state(attrs["body"].graph, attrs["carried"])),))
    if isinstance(node.op, Choice):
        return Inner((lower(attrs["then"].graph), lower(attrs["otherwise"].graph)))
    raise NotImplementedError(f"{node.op.name} ({node.location}) is no structured operation that can be lowered")


def _with_state(body: Graph, carried: int) -> Graph:
    """A body whose carried values are state, which it updates, and whose other results are outputs."""
    builder = Builder(body.name)
    made: dict[Node, Node] = {}
    for position, node in enumerate(body.inputs):
        kind = "state" if position < carried else "argument"
        made[node] = builder.input(node.name, node.type, kind).node
    for node in body.nodes:
        made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
    ends = [made[output.node] for output in body.outputs]
    states = [made[node] for node in body.inputs[:carried]]
    outputs = [(output.name, made[output.node]) for output in body.outputs[carried:]]
    return builder.build(outputs, list(zip(states, ends[:carried], strict=True)))


class Inliner:
    """Puts the launches of lowered regions into a program.

    ``new_buffer`` makes a temporary of the program like a given one and gives its name; ``launches`` and ``variables``
    are how many launches stand before, and how many variables blocks have.
    """

    def __init__(self, new_buffer: Callable[[Buffer], str], launches: int, variables: int):
        self._new_buffer = new_buffer
        self._first = launches
        self._variables = variables
        self.launches: list[Launch] = []
        self.blocks: list[Block] = []

    def add(self, node: Node, inner: Inner, operands: Sequence[str], results: Sequence[str]) -> None:
        """Add a structured operation on buffers: those of its operands (of carried values none is used), and those of
        its results, which hold what is carried at first."""
        if isinstance(node.op, Repetition):
            self._repeat(node, inner.programs[0], operands, results)
        else:
            self._branch(node, inner.programs, operands, results)

    def _repeat(self, node: Node, body: LoopProgram, operands: Sequence[str], results: Sequence[str]) -> None:
        attrs = node.attrs
        counted, carried, length = attrs.get("counted", False), attrs["carried"], attrs["length"]
        conditional = attrs.get("conditional", False)
        if length == 0:
            return
        name = f"run{self._variables}"
        self._variables += 1
        most = None if length is None else bounds(length)[1]
        run = variable(name, 0, None if most is None else most - 1)
        given = operands[int(counted) :]
        first = self._next
        count, going = Element(operands[0]) if counted else length, Element(results[0]) if conditional else None
        origin = Origin(node.op.name, node.location)
        block = Repeat(first, first, name, count, going, attrs.get("reverse", False), origin)
        at = len(self.blocks)
        self.blocks.append(block)
        names: dict[str, str] = {}
        starts: dict[str, Integer] = {}
        inputs = [buffer.name for buffer in _callers(body)]
        for position, inner in enumerate(inputs):
            names[inner] = results[position] if position < carried else given[position]
            if carried <= position < carried + attrs["sequences"]:
                starts[inner] = run * product(body.graph.inputs[position].type.shape)
        for inner, outer, output in zip(body.outputs, results[carried:], body.graph.outputs, strict=True):
            names[inner] = outer
            starts[inner] = run * product(output.node.type.shape)
        self._inline(body, names, starts)
        if self._next == first:
            del self.blocks[at:]
        else:
            self.blocks[at] = replace(block, stop=self._next)

    def _branch(self, node: Node, arms: Sequence[LoopProgram], operands: Sequence[str], results: Sequence[str]) -> None:
        first = self._next
        at = len(self.blocks)
        block = Branch(first, first, first, Element(operands[0]), Origin(node.op.name, node.location))
        self.blocks.append(block)
        middles = []
        for arm in arms:
            names = dict(zip((buffer.name for buffer in _callers(arm)), operands[1:], strict=True))
            self._inline(arm, names | dict(zip(arm.outputs, results, strict=True)), {})
            middles.append(self._next)
        if self._next == first:
            del self.blocks[at:]
        else:
            self.blocks[at] = replace(block, middle=middles[0], stop=middles[1])

    @property
    def _next(self) -> int:
        return self._first + len(self.launches)

    def _inline(self, program: LoopProgram, names: Mapping[str, str], starts: Mapping[str, Integer]) -> None:
        """Add the launches of a region's program; ``names`` are the program's own names of the buffers that the region
        is given, and ``starts`` where it finds them in there."""
        known = dict(names)
        for buffer in program.buffers:
            if buffer.kind == "temporary":
                known[buffer.name] = self._new_buffer(buffer)
        shift = self._next
        variables: dict[str, Integer] = {}

        def moved_element(value: Any) -> Any:
            if not isinstance(value, Element):
                return value
            return Element(known[value.buffer], substitute(value.start, variables) + starts.get(value.buffer, 0))

        for block in program.blocks:
            moved: Block = replace(block, first=block.first + shift, stop=block.stop + shift)
            if isinstance(moved, Branch):
                moved = replace(moved, middle=moved.middle + shift, condition=moved_element(moved.condition))
            else:
                name = f"run{self._variables}"
                self._variables += 1
                variables[moved.variable] = variable(name)
                count, going = moved_element(moved.count), moved_element(moved.going)
                moved = replace(moved, variable=name, count=count, going=going)
            self.blocks.append(moved)
        for launch in program.launches:
            places: list[Integer] = []
            for number, name in enumerate(launch.buffers):
                own = launch.start(number)
                own = substitute(own, variables) if variables else own
                places.append(own + starts.get(name, 0))
            moved_starts = tuple(places) if any(place != 0 for place in places) else ()
            self.launches.append(
                replace(launch, buffers=tuple(known[name] for name in launch.buffers), starts=moved_starts)
            )


def _callers(program: LoopProgram) -> list[Buffer]:
    """The buffers of a region's inputs, in order."""
    by_node = {node: buffer for buffer in program.buffers for node in buffer.nodes if node.is_input}
    return [by_node[node] for node in program.graph.inputs]
