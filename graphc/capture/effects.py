"""Recording the body of a loop that writes: to parameters, state, and gradients, as the steps within a step do.

Such a body computes nothing that it would give: it changes memory. What it changes of the memory around it becomes
what the loop carries, found while it is recorded; what it only reads becomes further inputs of the region.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.capture.errors import CaptureError
from graphc.capture.memories import Memory, whole_of
from graphc.capture.names import outside_names
from graphc.capture.recorder import GraphRecorder
from graphc.capture.regions import RegionRecorder, without_stopped
from graphc.capture.surroundings import Surroundings
from graphc.ir.graph import Builder, Node
from graphc.ir.structured import Region
from graphc.randomness.generator import default_generator
from graphc.recording import state
from graphc.tensor import Tensor


class EffectRecorder(RegionRecorder):
    """The recorder of a body that may write to memory around it, and replace gradients that are there."""

    def __init__(self, outer: GraphRecorder, operation: str, names: dict[int, str]):
        super().__init__(outer, operation, names)
        self.records_rules = False  # sweeps run within
        self.replaced: dict[int, tuple[Tensor, Tensor | None]] = {}  # tensors whose grad was looked at, and it at first

    def enter_outside(self, tensor: Tensor) -> Memory:
        self.outer.refuse_leaked(tensor)
        known = self.outer.memory_of(tensor) or self.outer.enter(tensor)
        whole = known.whole(tensor)
        if whole._chain != known.prefix:
            whole = whole_of(tensor)
        made = self.builder.input(
            self._unique(self.outer.name_of(whole)), self.outer.node_of(whole).type, "argument"
        ).node
        memory = Memory(whole, made, made, known.prefix)
        self._memories.setdefault(whole._storage, []).append(memory)
        return memory

    def assign(self, target: Tensor, value: Tensor) -> None:
        GraphRecorder.assign(self, target, value)

    def gradient_read(self, tensor: Tensor) -> None:
        self.outer.gradient_read(tensor)
        self.replaced.setdefault(id(tensor), (tensor, tensor._grad))

    def gradient_written(self, tensor: Tensor) -> None:
        self.gradient_read(tensor)

    def settle_gradients(self) -> None:
        """Take gradients that were replaced as written to the memory of those before, which then are there again."""
        for tensor, before in self.replaced.values():
            after, tensor._grad = tensor._grad, before
            if after is before:
                continue
            if before is None or after is None:
                raise CaptureError(
                    f"the body of {self.operation} {'makes' if before is None else 'drops'} the grad of a tensor of "
                    f"shape {list(tensor._array.shape)}, which is {'not' if before is None else ''} there before it",
                    self.location(),
                )
            self.assign(before, after)

    def give_back(self) -> None:
        """Give memory around, and gradients, what they held before the body ran."""
        for memory in reversed(self._saved):
            np.copyto(memory.tensor._array, memory.at_entry)
        for tensor, before in self.replaced.values():
            tensor._grad = before


@dataclass(frozen=True, slots=True)
class RecordedEffects:
    """A body as a region: it is given its arguments, what it ``carried``, and what it ``closed`` over, and gives the
    results of its function and then the new values of what it carried."""

    region: Region
    carried: tuple[Tensor, ...]
    closed: tuple[Tensor, ...]


def record_effects(
    operation: str,
    function: Callable[..., Sequence[Tensor]],
    arguments: Sequence[Tensor],
    names: Sequence[str],
    written: Sequence[Callable[..., object]],
) -> RecordedEffects:
    """Record a function as the body of an operation. It runs on the memory that is there, which is then given back.

    ``written`` are the functions of the user's that it calls. Raises CaptureError, with the user's line, for what a
    region can't express.
    """
    outer = state.recorder
    assert isinstance(outer, GraphRecorder)
    recorder = EffectRecorder(outer, operation, outside_names(*written))
    surroundings = [Surroundings(each) for each in written]
    for tensor, name in zip(arguments, names, strict=True):
        recorder.argument(tensor, name)
    stream = default_generator.buffer.copy()  # what it draws is drawn when it runs
    state.recorder = recorder
    try:
        ends = [recorder.node_of(tensor) for tensor in function(*arguments)]
        recorder.settle_gradients()
        for each in surroundings:
            each.refuse_changes(recorder)
    finally:
        state.recorder = outer
        np.copyto(default_generator.buffer, stream)
        recorder.give_back()
        recorder.leave()
    entered = [memory for memory in recorder.memories() if memory.input not in recorder.builder.inputs[: len(names)]]
    carried = [memory for memory in entered if memory.node is not memory.input]
    closed = [memory for memory in entered if memory.node is memory.input]
    inputs = [*recorder.builder.inputs[: len(names)], *(memory.input for memory in (*carried, *closed))]
    return RecordedEffects(
        _region(recorder, inputs, [*ends, *(memory.node for memory in carried)]),
        tuple(memory.tensor for memory in carried),
        tuple(memory.tensor for memory in closed),
    )


def _region(recorder: EffectRecorder, inputs: Sequence[Node], ends: Sequence[Node]) -> Region:
    """The body with its inputs in this order."""
    graph = without_stopped(recorder, ends)
    builder = Builder(graph.name)
    order = {node: number for number, node in enumerate(recorder.builder.inputs)}
    made = {graph.inputs[order[node]]: builder.input(node.name, node.type, node.kind).node for node in inputs}
    for node in graph.nodes:
        made[node] = builder.add(node.op, [made[operand] for operand in node.inputs], node.attrs, node.location)
    region = Region(builder.build([(output.name, made[output.node]) for output in graph.outputs]))
    fixed = recorder.outer.fixed_values
    return region.bind(fixed) if fixed else region
