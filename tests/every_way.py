"""Running one function of tensors in every way there is: eagerly, recorded, interpreted before and after the passes,
and compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc
from graphc.capture.recorded import FromArgument, FromOutside, Recording
from graphc.capture.results import Shared
from graphc.capture.trees import flatten
from graphc.compiled.builds import observe_builds
from graphc.ir.graph import Graph
from graphc.ir.interp import interpret
from graphc.tensor import Tensor

SEED = 7


@dataclass(frozen=True)
class Outcome:
    """What one run left: the tensors it returned, in order, and its arguments as they are afterwards."""

    results: list[np.ndarray]
    arguments: list[np.ndarray]


@dataclass(frozen=True)
class EveryWay:
    """The outcomes of one function; ``returned`` is what the eager run gave, as it gave it."""

    returned: Any
    eager: Outcome
    recorded: Outcome
    captured: Outcome
    optimized: Outcome
    compiled: Outcome


def run_every_way(function: Callable[[list[Tensor]], Any], make: Callable[[], list[Tensor]]) -> EveryWay:
    """Run a function of a list of tensors on arguments that ``make`` makes anew (the same ones) for every run.

    Raises what capturing or building raises.
    """
    arguments = make()
    gc.manual_seed(SEED)
    returned = function(arguments)
    eager = _outcome(returned, arguments)

    program = gc.compile(function)
    builds: list[str] = []
    with observe_builds(lambda name, _: builds.append(name)):
        arguments = make()
        gc.manual_seed(SEED)
        recorded = _outcome(program(arguments), arguments)
        stages = program.stages
        arguments = make()
        gc.manual_seed(SEED)
        compiled = _outcome(program(arguments), arguments)
    assert len(builds) == 1, "the second call was recorded again"
    return EveryWay(
        returned,
        eager,
        recorded,
        interpreted(stages.recording, stages.joint, make()),
        interpreted(stages.recording, stages.optimized, make()),
        compiled,
    )


def _outcome(returned: Any, arguments: list[Tensor]) -> Outcome:
    return Outcome([_array(tensor) for tensor in flatten(returned)[0]], [_array(tensor) for tensor in arguments])


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach()._value("comparison"))  # `numpy()` has no bfloat16


def interpreted(recording: Recording, graph: Graph, arguments: list[Tensor]) -> Outcome:
    """Interpret a recording's graph (or what the passes made of it) on arguments."""
    gc.manual_seed(SEED)
    inputs: dict[str, np.ndarray] = {}
    for node, binding in zip(graph.inputs, recording.bindings, strict=True):
        if isinstance(binding, FromArgument):
            inputs[node.name] = _array(arguments[binding.position])
        elif isinstance(binding, FromOutside):
            inputs[node.name] = _array(binding.tensor)
        else:
            inputs[node.name] = np.array(binding.scalar.current(), node.type.dtype.numpy)
    found = interpret(graph, inputs)
    after = {name: found.updates.get(name, array) for name, array in inputs.items()}
    outputs = [
        value if order is None else value.transpose(order)
        for value, order in zip(found.outputs.values(), recording.orders, strict=True)
    ]
    results = []
    for result in recording.results:
        place = result.place
        value = after[graph.inputs[place.input].name] if isinstance(place, Shared) else outputs[place.output]
        for primitive, attrs in place.chain:
            value = primitive.evaluate(value, **attrs)
        results.append(np.array(value))
    names = {
        binding.position: node.name
        for node, binding in zip(graph.inputs, recording.bindings, strict=True)
        if isinstance(binding, FromArgument)
    }
    left = [after[names[place]] if place in names else _array(tensor) for place, tensor in enumerate(arguments)]
    return Outcome(results, left)


def difference(found: np.ndarray, expected: np.ndarray, relative: float = 0.0, absolute: float = 0.0) -> str | None:
    """How two arrays differ, in words; None where they agree.

    Without tolerances every bit counts, but for the payload and sign of a NaN. With them, an element may be off by
    ``relative`` of itself plus ``absolute``; infinities, NaN, and what is no float must agree exactly.
    """
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"{found.dtype}{list(found.shape)} instead of {expected.dtype}{list(expected.shape)}"
    if expected.dtype.name in ("float16", "bfloat16"):  # of these numpy knows less; every one is a float32
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    if expected.dtype.kind == "c":
        real = difference(found.real, expected.real, relative, absolute)
        return real or difference(found.imag, expected.imag, relative, absolute)
    if expected.dtype.kind != "f":
        wrong = found != expected
    else:
        with np.errstate(all="ignore"):
            both_nan = np.isnan(found) & np.isnan(expected)
            if relative or absolute:
                near = np.abs(found - expected) <= relative * np.abs(expected) + absolute
                wrong = ~(both_nan | (found == expected) | (near & np.isfinite(expected)))
            else:
                wrong = ~(both_nan | ((found == expected) & (np.signbit(found) == np.signbit(expected))))
    if not wrong.any():
        return None
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} elements differ, the first at {list(place)}: "
        f"{found[place]!r} instead of {expected[place]!r}"
    )
