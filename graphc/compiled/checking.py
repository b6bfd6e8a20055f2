"""``compile(check=True)``: every call computed again, node by node, and the first value that differs told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.codegen.executable import compile_loops, load
from graphc.codegen.lower import lower
from graphc.compiled.execution import BoundProgram
from graphc.device_memory import settle_all
from graphc.ir.graph import Graph, Location, Node, Output
from graphc.ir.integers import bind_attribute
from graphc.ir.interp import interpret
from graphc.ir.types import TensorType
from graphc.randomness.generator import default_generator
from graphc.tensor import Tensor

# Relative to the largest magnitude of a value: sums are taken in another order than numpy's.
TOLERANCE = {
    np.dtype(np.float32): 1e-3,
    np.dtype(np.float64): 1e-9,
    np.dtype(np.complex64): 1e-3,
    np.dtype(np.complex128): 1e-9,
}


class CheckError(RuntimeError):
    """A compiled call gave another value than numpy does; the message names node, Python line, and both values."""

    def __init__(self, message: str, location: Location | None):
        self.location = location
        super().__init__(f"{location}: {message}" if location is not None else message)


def checked_call(bound: BoundProgram, tensors: Sequence[Tensor]) -> Any:
    """Run a program, and its recording in numpy on the same values. Raises CheckError where they differ."""
    graph = bound.recording.graph
    inputs = {name: np.array(tensor._settled, order="C") for name, tensor in bound.inputs(tensors).items()}
    stream = default_generator.buffer.copy()

    def look(memories: list[Tensor]) -> None:
        settle_all()
        after = default_generator.buffer.copy()
        np.copyto(default_generator.buffer, stream)
        expected = interpret(graph, inputs)
        np.copyto(default_generator.buffer, after)
        now = {name: tensor._array for name, tensor in bound.inputs(tensors).items()}
        found = {output.name: array for output, array in zip(graph.outputs, bound.values(memories), strict=True)}
        states = {update.state.name: now[update.state.name] for update in graph.updates}
        right = all(_difference(found[name], value) is None for name, value in expected.outputs.items())
        if not right or any(_difference(states[name], value) is not None for name, value in expected.updates.items()):
            _find_difference(graph, inputs, stream, found | states, bound.sizes(tensors))

    return bound.call(tensors, look)


def check_run(
    graph: Graph, inputs: Mapping[str, np.ndarray], results: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> None:
    """Compute a graph that draws no random numbers again, in numpy. Raises CheckError where results differ."""
    expected = interpret(graph, inputs).outputs
    if any(_difference(results[name], value) is not None for name, value in expected.items()):
        _find_difference(graph, inputs, default_generator.buffer, results, sizes)


def _difference(found: np.ndarray, expected: np.ndarray, scale: float = 0.0) -> str | None:
    """How two arrays differ beyond rounding, in words; None where they do not.

    Rounding is relative to the largest magnitude of the value and to ``scale``, that of what it was computed from.
    """
    if found.dtype.kind not in "fc":
        wrong = found != expected
    else:
        relative = TOLERANCE.get(expected.dtype, 1e-2)
        scale = max(scale, _magnitude(expected))
        with np.errstate(all="ignore"):
            near = np.abs(found - expected) <= relative * np.maximum(np.abs(expected), scale)
            wrong = ~(near | (found == expected) | (np.isnan(found) & np.isnan(expected)))
    if not wrong.any():
        return None
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} elements differ, the first at {list(place)}: compiled {found[place]!r}, "
        f"numpy {expected[place]!r}"
    )


def _magnitude(array: np.ndarray) -> float:
    if array.dtype.kind not in "fc":
        return 0.0
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 0.0


def _find_difference(
    graph: Graph,
    inputs: Mapping[str, np.ndarray],
    stream: np.ndarray,
    results: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
) -> None:
    """Raise CheckError for the first node that is wrong, in a program that keeps the value of every node.

    Each node is computed in numpy from the compiled values of its operands: a difference that only rounding has grown
    to, as in a quotient of two sums that cancel, is none.
    """
    kept = [node for node in graph.nodes if node.op.effect not in ("guard", "check")]
    last = [(update.state.name, update.node) for update in graph.updates]
    ends = (*graph.outputs, *(Output(f"new {name}", node) for name, node in last))
    extra = tuple(
        Output(f"value {position}", node) for position, node in enumerate(kept) if isinstance(node.type, TensorType)
    )
    compiled = load(compile_loops(lower(Graph(graph.name, graph.inputs, graph.nodes, (*ends, *extra), ()))))
    extents = [sizes[symbol] for symbol in compiled.compiled.program.symbols]
    found = compiled(stream.copy() if compiled.compiled.draws_random else None, extents, **inputs)
    after = default_generator.buffer.copy()
    np.copyto(default_generator.buffer, stream)  # what draws is computed from where the program's stream began
    given = {node: inputs[node.name] for node in graph.inputs}
    try:
        reached = _compare_nodes(kept, {output.node: found[output.name] for output in extra}, given, sizes)
    finally:
        np.copyto(default_generator.buffer, after)
    for output in ends:
        name = output.name.removeprefix("new ")
        value = results[name]
        difference = _difference(value, found[output.name].reshape(value.shape), reached[output.node])
        if difference is not None:
            raise CheckError(
                f"{name}, made by {output.node.op.name} ({output.node.type}): {difference} (there computed node by "
                "node); every node alone is right, so the fault lies in how the program joins them (`graphc bisect` "
                "finds the change that makes it)",
                output.node.location,
            )


def _compare_nodes(
    nodes: Sequence[Node],
    found: Mapping[Node, np.ndarray],
    given: Mapping[Node, np.ndarray],
    sizes: Mapping[str, int],
) -> dict[Node, float]:
    """Compute nodes one by one of the values that were found, and of the inputs' that were given. Raises CheckError for
    the first that differs; gives for each the largest magnitude on the way to it."""
    values: dict[Node, Any] = dict(given)
    reached = {node: _magnitude(value) for node, value in given.items()}
    for node in nodes:
        operands = [values[operand] for operand in node.inputs]
        attrs = {name: bind_attribute(value, sizes) for name, value in node.attrs.items()}
        expected = node.op.compute(*operands, **attrs)
        reached[node] = max((reached[operand] for operand in node.inputs), default=0.0)
        if node not in found:  # what is several values is looked at one by one
            values[node] = expected
            continue
        values[node] = found[node].reshape(node.type.bind(sizes).shape)
        reached[node] = max(_magnitude(values[node]), reached[node])
        arrays = [each for operand in operands for each in (operand if isinstance(operand, tuple) else (operand,))]
        scale = max(map(_magnitude, arrays), default=0.0)
        difference = _difference(values[node], np.asarray(expected), scale)
        if difference is not None:
            raise CheckError(f"{node.op.name} ({node.type}): {difference}", node.location)
    return reached
