"""Recording a function that is the body of a structured operation, while a program is being recorded, as a region.

The body runs once, on tensors that stand for those of every run. What it reads beside them, tensors of the user's and
values that the program computed before, becomes inputs of the region. It may neither write to those nor read values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.capture.errors import CaptureError
from graphc.capture.memories import Memory
from graphc.capture.names import outside_names
from graphc.capture.recorder import GraphRecorder
from graphc.capture.surroundings import Surroundings
from graphc.ir.graph import Builder, Graph, Node, Output
from graphc.ir.integers import Dimension, IntegerExpression
from graphc.ir.primitive import PRIMITIVES
from graphc.ir.rewrite import live_nodes
from graphc.ir.structured import Region
from graphc.ir.types import TensorType, int64
from graphc.ops.checks import CheckHolds
from graphc.randomness.generator import default_generator
from graphc.recording import state
from graphc.tensor import Size, Tensor


class RegionRecorder(GraphRecorder):
    """The recorder of a body, within that of the function (or body) that runs it."""

    def __init__(self, outer: GraphRecorder, operation: str, names: Mapping[int, str]):
        super().__init__(operation, lambda: {**outer._names, **names})
        outer.postponed.carry_out()  # a body runs on values
        outer._named_by_bodies |= names.keys() - outer._names.keys()
        outer._names = self._names
        self.outer = outer
        self.operation = operation
        self.closed: list[Tensor] = []  # what the body reads beside its arguments
        self.guards = outer.guards
        self._objects = outer._objects
        self.streams = outer.streams
        self.records_rules, self.add_rule = True, outer.add_rule
        self.symbols, self.fixed, self.fixed_values = dict(outer.symbols), dict(outer.fixed), dict(outer.fixed_values)

    def enter_outside(self, tensor: Tensor) -> Memory:
        self.outer.refuse_leaked(tensor)
        self.closed.append(tensor)
        node = self.outer.node_of(tensor)
        name = self.outer.name_of(tensor)
        made = self.builder.input(self._unique(name), node.type, "argument").node
        memory = Memory(tensor, made, made, tensor._chain)
        self._memories.setdefault(tensor._storage, []).append(memory)
        return memory

    def argument(
        self, tensor: Tensor, name: str, symbols: Mapping[int, IntegerExpression] = MappingProxyType({})
    ) -> Memory:
        return self._enter(tensor, tensor._chain, name, "argument", symbols)

    def assign(self, target: Tensor, value: Tensor) -> None:
        memory = self._find(target) or self.enter(target)
        if memory.input is not None:
            raise CaptureError(
                f"the body of {self.operation} writes in place to {memory.input.name}, which it was given or reads "
                "from outside; give the new value as a result",
                self.location(),
            )
        super().assign(target, value)

    def gradient_read(self, tensor: Tensor) -> None:
        self._refuse("the grad of a tensor is read")

    def gradient_written(self, tensor: Tensor) -> None:
        self._refuse("the grad of a tensor is written")

    def flag_written(self, tensor: Tensor) -> None:
        memory = self._find(tensor)
        if memory is None or memory.input is not None:
            self._refuse("requires_grad of a tensor from outside is changed")
        super().flag_written(tensor)

    def refuse_value(self, tensor: Tensor, what: str) -> None:
        self._refuse(f"{what} needs the value of a tensor of shape {list(tensor._array.shape)}")

    def value_read(self, tensor: Tensor, what: str) -> None:
        self.refuse_value(tensor, what)

    def require(self, holds: Tensor, error: Exception) -> None:
        # The values that are there stand for those of every run: nothing is known yet.
        words = {"error": type(error).__name__, "message": str(error)}
        self.builder.add(CheckHolds.instance, [self.node_of((~holds).to(int64))], words, self.location())

    def number_read(self, tensor: Tensor) -> Tensor:
        self.refuse_value(tensor, "item()")
        raise AssertionError

    def _refuse(self, what: str) -> None:
        raise CaptureError(
            f"{what} in the body of {self.operation}, which is recorded once for all runs: a body computes with "
            "tensors alone (graphc.cond and graphc.where choose between values)",
            self.location(),
        )

    def scalar(self, holder: Any, key: Any, value: float) -> Tensor:
        return self.outer.scalar(holder, key, value)

    def guard(self, holder: Any, key: Any, value: Any, truth: bool = False) -> None:
        self.outer.guard(holder, key, value, truth)

    def attribute_written(self, holder: Any, name: str, value: Any) -> None:
        self.outer.attribute_written(holder, name, value)

    def data_written(self, tensor: Tensor, value: Tensor) -> None:
        self._refuse("a tensor is given other data")

    def attribute_replaced(self, holder: Any, table: dict[str, Any], name: str, before: Any) -> bool:
        if id(holder) in self._objects:
            return False
        self._refuse(f"{type(holder).__name__}.{name} is given a value")
        raise AssertionError

    def shape_of(self, tensor: Tensor) -> Size:
        known = self._find(tensor) is not None
        return super().shape_of(tensor) if known else self.outer.shape_of(tensor)

    def fix_sizes(self, names: Iterable[str], reason: str) -> None:
        self.outer.fix_sizes([name for name in names if name in self.outer.symbols], reason)
        self._follow_sizes(reason)

    def size_decided(self, sign: str, expression: IntegerExpression, value: int, outcome: bool) -> None:
        self.outer.size_decided(sign, expression, value, outcome)
        self._follow_sizes(f"it decides at {self.location()}")

    def _follow_sizes(self, reason: str) -> None:
        """Fix here what has been fixed around."""
        names = [name for name in self.symbols if name not in self.outer.symbols]
        if names:
            super().fix_sizes(names, reason)

    def refuse_leaked(self, tensor: Tensor) -> None:
        super().refuse_leaked(tensor)
        self.outer.refuse_leaked(tensor)

    def leave(self) -> None:
        """What the body made can't be read after it."""
        for storage, memories in self._memories.items():
            if any(memory.input is None for memory in memories):
                self.outer.leaked[storage] = self.operation


@dataclass(frozen=True, slots=True)
class RecordedBody:
    """A body that was recorded: its graph, whose inputs are its arguments and then what it ``closed`` over."""

    graph: Graph
    closed: tuple[Tensor, ...]


def record_body(
    operation: str,
    function: Callable[..., Sequence[Tensor]],
    arguments: Sequence[Tensor],
    names: Sequence[str],
    shapes: Sequence[Sequence[Dimension]],
    written: Sequence[Callable[..., Any]],
) -> RecordedBody:
    """Record a function from tensors to tensors as the body of an operation. ``shapes`` are those of the arguments,
    with sizes as what they stand for; ``written`` are the functions of the user's that it calls.

    Raises CaptureError, with the user's line, for what a region can't express.
    """
    outer = state.recorder
    assert isinstance(outer, GraphRecorder)
    recorder = RegionRecorder(outer, operation, outside_names(*written))
    surroundings = [Surroundings(each) for each in written]
    for tensor, name, shape in zip(arguments, names, shapes, strict=True):
        recorder.argument(
            tensor, name, {dim: extent for dim, extent in enumerate(shape) if not isinstance(extent, int)}
        )
    stream = default_generator.buffer.copy()  # what it draws is drawn when it runs
    state.recorder = recorder
    try:
        ends = [recorder.node_of(tensor) for tensor in function(*arguments)]
        for each in surroundings:
            each.refuse_changes(recorder)
    finally:
        state.recorder = outer
        np.copyto(default_generator.buffer, stream)
        recorder.leave()
    graph = without_stopped(recorder, ends)
    return RecordedBody(graph, tuple(recorder.closed))


def without_stopped(recorder: RegionRecorder, ends: Sequence[Node]) -> Graph:
    """The graph of a body in which ``detach`` stands where gradients were switched off."""
    builder = Builder(recorder.builder.name)
    made: dict[Node, Node] = {}
    for node in recorder.builder.inputs:
        made[node] = builder.input(node.name, node.type, node.kind).node
    for node in recorder.builder.nodes:
        new = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
        if node in recorder.stopped and isinstance(node.type, TensorType) and node.op.differentiable:
            new = builder.add(PRIMITIVES["detach"], [new], {}, node.location)
        made[node] = new
    outputs = tuple(Output(f"result_{position}", made[node]) for position, node in enumerate(ends))
    whole = Graph(builder.name, tuple(builder.inputs), tuple(builder.nodes), outputs)
    live = live_nodes(whole)
    return Graph(whole.name, whole.inputs, tuple(node for node in whole.nodes if node in live), outputs)


def with_closed(bodies: Sequence[RecordedBody], arguments: int, closed: Sequence[Tensor]) -> list[Region]:
    """The regions of bodies with the same inputs: the arguments, then all that any of them reads beside those."""
    regions = []
    for body in bodies:
        builder = Builder(body.graph.name)
        made: dict[Node, Node] = {}
        for node in body.graph.inputs[:arguments]:
            made[node] = builder.input(node.name, node.type, "argument").node
        own = dict(zip(map(id, body.closed), body.graph.inputs[arguments:], strict=True))
        for number, tensor in enumerate(closed):
            node = own.get(id(tensor))
            type = node.type if node is not None else state.recorder.node_of(tensor).type
            name = f"closed_{number}" if node is None else node.name
            taken = {each.name for each in builder.inputs}
            made_node = builder.input(name if name not in taken else f"{name}.{number}", type, "argument").node
            if node is not None:
                made[node] = made_node
        for node in body.graph.nodes:
            made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
        regions.append(Region(builder.build([(o.name, made[o.node]) for o in body.graph.outputs])))
    # A size that one body has fixed is a number in the others too.
    fixed = state.recorder.fixed_values
    return [region.bind(fixed) for region in regions] if fixed else regions
