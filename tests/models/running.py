"""Running a program eagerly and compiled, and comparing all that the two leave, turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, optim
from graphc.compiler import CompiledFunction
from graphc.tensor import Tensor

Compiled = Callable[..., Any]


@dataclass(frozen=True)
class Running:
    """A program that stands ready. ``turn(number)`` does one turn and gives its results; ``parts`` are the modules,
    optimizers, and tensors by whose state the runs are compared."""

    turn: Callable[[int], Any]
    parts: tuple[Any, ...]
    turns: int = 4


@dataclass
class Trace:
    """What a run leaves: after each turn every named array, and the generator's state; and the compiled functions."""

    turns: list[dict[str, np.ndarray]] = field(default_factory=list)
    generator: list[np.ndarray] = field(default_factory=list)
    functions: list[CompiledFunction] = field(default_factory=list)


def _named(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """All tensors within a value, gradients of parameters too, by names that tell where they are."""
    if isinstance(value, Tensor):
        yield name, value
        if value.is_leaf and value.grad is not None:
            yield f"{name}.grad", value.grad
    elif isinstance(value, nn.Module):
        for key, tensor in (*value.named_parameters(), *value.named_buffers()):
            yield from _named(f"{name}.{key}", tensor)
    elif isinstance(value, optim.Optimizer):
        for number, state in enumerate(value.state.values()):
            yield from _named(f"{name}.state[{number}]", dict(state))
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _named(f"{name}.{key}", part)
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value):
            yield from _named(f"{name}[{number}]", part)
    elif isinstance(value, bool | int | float):
        yield name, gc.tensor(value)


def trace(build: Callable[[Compiled], Running], compiled: bool, **options: Any) -> Trace:
    """Run a program from the same start. ``options`` are those of ``graphc.compile``."""
    found = Trace()

    def decorate(function: Callable[..., Any], **own: Any) -> Callable[..., Any]:
        if not compiled:
            return function
        found.functions.append(gc.compile(function, **{**options, **own}))
        return found.functions[-1]

    gc.manual_seed(0)
    running = build(decorate)
    for number in range(running.turns):
        results = running.turn(number)
        left = (*_named("result", results), *_named("part", running.parts))
        found.turns.append({name: tensor.detach().numpy().copy() for name, tensor in left})
        found.generator.append(gc.get_rng_state().numpy().copy())
    return found


def compare(compiled: Trace, eager: Trace, tolerance: float) -> None:
    """Every array of every turn agrees, relative to its largest magnitude; the generator's state does bit for bit."""
    for number, (ours, theirs) in enumerate(zip(compiled.turns, eager.turns, strict=True)):
        assert ours.keys() == theirs.keys()
        for name, expected in theirs.items():
            found = ours[name]
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape), f"turn {number}: {name}"
            scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) if expected.size else 0.0
            allowed = tolerance * max(float(scale), 1e-3) if expected.dtype.kind in "fc" else 0
            np.testing.assert_allclose(found, expected, rtol=0, atol=allowed, err_msg=f"turn {number}: {name}")
    for number, (ours, theirs) in enumerate(zip(compiled.generator, eager.generator, strict=True)):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"turn {number}: the generator's state")
