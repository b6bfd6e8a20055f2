"""Recording the backward rule of a function of the user's, so that its results may be differentiated as a graph is:
from outside of the program, or within the body of a structured operation.

A sweep within the program needs none of this: it calls the rule, which is recorded as it runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.autograd.function_node import FunctionNode, Refusal
from graphc.autograd.modes import enable_grad
from graphc.capture.errors import CaptureError
from graphc.capture.recorder import GraphRecorder
from graphc.capture.regions import RegionRecorder, without_stopped
from graphc.ir.graph import Bundle, Graph, Node, Projection
from graphc.ir.structured import Region
from graphc.ops.own_rules import DifferentiatedOnce, OwnRule
from graphc.randomness.generator import default_generator
from graphc.recording import state
from graphc.tensor import Tensor


class _RuleRecorder(RegionRecorder):
    """The recorder of a rule, which knows of each value that it reads whether it is one of the results."""

    def __init__(self, outer: GraphRecorder, operation: str):
        super().__init__(outer, operation, {})
        self.first_sequence = outer.first_sequence


def record_rule(
    recorder: GraphRecorder,
    arguments: Sequence[Node],
    node: FunctionNode,
    results: Sequence[tuple[int, Tensor]],
    single: bool,
) -> None:
    """Record the rule of a call that has run. Of a whole program only those count that a sweep from outside meets: for
    others nothing is recorded where that can't be done. In a body it is refused, with the line."""
    if not results:
        return
    try:
        if node.dirty or not all(_is_whole_and_new(recorder, tensor) for _, tensor in results):
            raise CaptureError(
                f"{node.name()} gives memory that it was given, so that its rule is no part of the program",
                recorder.location(),
            )
        _add_rule(recorder, node, arguments, results, single)
        recorder.ruled.add(node)
    except CaptureError:
        if isinstance(recorder, RegionRecorder):
            raise


def _add_rule(
    recorder: GraphRecorder,
    node: FunctionNode,
    arguments: Sequence[Node],
    results: Sequence[tuple[int, Tensor]],
    single: bool,
) -> None:
    """Give the results of a call, each with its place among all of them, their rule in the graph.

    ``arguments`` are the values of the tensors that the call was given, ``single``: it has one result alone. Raises
    CaptureError, with the user's line, for a rule that a region can't express.
    """
    memories = [recorder.memory_of(tensor) for _, tensor in results]
    graph, closed, found = _recorded(recorder, node, results, single)
    values = [memory.node for memory in memories]
    read = [recorder.node_of(tensor) for tensor in closed]
    storages = [tensor._storage for _, tensor in results]
    own = tuple(
        storages.index(tensor._storage) if tensor._storage in storages and not tensor._chain else -1
        for tensor in closed
    )
    attrs = {
        "rule": Region(graph),
        "results": len(values),
        "arguments": len(arguments),
        "found": found,
        "own": own,
    }
    several = recorder.builder.add(OwnRule.instance, [*values, *arguments, *read], attrs, recorder.location())
    for place, memory in enumerate(memories):
        memory.node = recorder.builder.add(Projection.instance, [several], {"index": place}, recorder.location())


def _recorded(
    outer: GraphRecorder, node: FunctionNode, results: Sequence[tuple[int, Tensor]], single: bool
) -> tuple[Graph, list[Tensor], tuple[int, ...]]:
    """The rule as a graph of the results' cotangents and of what it reads; and which arguments it gives cotangents."""
    recorder = _RuleRecorder(outer, node.name())
    parts: dict[int, Tensor] = {}
    for place, tensor in results:
        shape = dict(enumerate(outer.node_of(tensor).type.shape))
        parts[place] = Tensor.from_array(np.ones_like(tensor._array))
        parts[place]._requires_grad = True
        recorder.argument(parts[place], "cotangent", {d: e for d, e in shape.items() if not isinstance(e, int)})
    stream = default_generator.buffer.copy()
    state.recorder = recorder
    try:
        with enable_grad():
            given = node.pull_back(next(iter(parts.values())) if single else Bundle(parts))
            ends: list[Node] = []
            found: list[int] = []
            for position, cotangent in enumerate(given):
                if cotangent is None:
                    continue
                once = isinstance(cotangent._grad_fn, Refusal)
                cotangent = node.unstretched(cotangent, position)
                end = recorder.node_of(cotangent)
                ends.append(recorder.builder.add(DifferentiatedOnce.instance, [end], {}) if once else end)
                found.append(position)
    finally:
        state.recorder = outer
        np.copyto(default_generator.buffer, stream)
        recorder.leave()
    return without_stopped(recorder, ends), recorder.closed, tuple(found)


def _is_whole_and_new(recorder: GraphRecorder, tensor: Tensor) -> bool:
    """Whether a result is memory of its own that the function made."""
    memory = recorder.memory_of(tensor)
    return memory is not None and memory.input is None and not tensor._chain
