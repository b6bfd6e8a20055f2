"""Random training steps give the same results, state, gradients, and random stream compiled as eagerly, and what
PyTorch gives.

``GRAPHC_PROGRAMS=5000`` runs that many, new ones; without it, the same few each time. A step that can't be captured is
no failure: the tests of captures say what must be.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.step_programs import Step
from tests.step_runs import difference_of, outcomes, outcomes_in_pytorch, reduced_step, step_difference
from tests.step_writing import write_step

REQUESTED = int(os.environ.get("GRAPHC_PROGRAMS", "0"))
FIRST = random.randrange(2**40) if REQUESTED else 0
COMPILED = range(FIRST, FIRST + max(REQUESTED, 10))
AGAINST_PYTORCH = range(FIRST, FIRST + max(REQUESTED, 24))


def options_of(step: Step) -> dict[str, Any]:
    """How a step is compiled: every kind of build has its turn."""
    batches = {
        name: {0: ("N", 16)}
        for name, shape, _ in step.arguments
        if shape[0] is None and not (name == "y" and step.shared)
    }
    choices: tuple[dict[str, Any], ...] = (
        {},
        {"dynamic": batches},
        {"dynamic": False},
        {"check": True},
        {"max_paths": 2},
        {"memory_limit": 2**18},
    )
    return choices[step.seed % len(choices)]


def report(step: Step, words: str) -> str:
    """A failing step as something to run."""
    given = f"# arguments: {step.arguments}, batches: {step.batches}, shared: {step.shared}"
    return f"\nwrite_step({step.seed}), {options_of(step)}:\n{words}\n{given}\n{step.source}"


@pytest.mark.parametrize("seed", COMPILED)
def test_compiled_steps_agree_with_eager_ones(seed: int) -> None:
    """At every call, whatever it shares memory with and whatever changes in between."""
    step = write_step(seed)
    options = options_of(step)
    words = step_difference(step, **options)
    if words:
        small = reduced_step(step, lambda step: bool(step_difference(step, **options)))
        raise AssertionError(report(small, step_difference(small, **options) or words))


def test_eager_steps_agree_with_pytorch() -> None:
    """Where PyTorch accepts a step, what it computes, keeps, and draws."""
    pytest.importorskip("torch")

    def difference(step: Step) -> str:
        expected, found = outcomes_in_pytorch(step), outcomes(step)
        return "" if expected is None or found is None else difference_of(step, expected, found, 2e-3)

    compared = 0
    for seed in AGAINST_PYTORCH:
        step = write_step(seed)
        words = difference(step)
        if words:
            small = reduced_step(step, lambda step: bool(difference(step)))
            raise AssertionError(report(small, difference(small) or words))
        compared += outcomes_in_pytorch(step) is not None
    assert compared > len(AGAINST_PYTORCH) * 3 // 4


def test_steps_are_what_they_claim() -> None:
    """The generator reaches modules, shared memory, random numbers, ways by value, derivatives, several functions."""
    steps = [write_step(seed) for seed in range(26)]
    text = "\n".join(step.source for step in steps)
    for expected in (
        "net(", "memory(", "dropout", ".item()", "autograd.grad", "requires_grad_", "no_grad", "+= ", "lerp_",
        "gc.float16", "gc.complex", "optim.Adam", "clip_grad", "BatchNorm1d", "stack(",
    ):  # fmt: skip
        assert expected in text, expected
    assert sum(bool(step.shared) for step in steps) >= 3
    assert {batch for step in steps for batch in step.batches} >= {0, 1, 5}
    assert len({step.optimizer for step in steps}) > 8


def test_a_wrong_step_is_found_and_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that loses its writes to state, on purpose, is noticed, and the step shown is one that needs them."""
    from graphc.capture import trace

    step = Step(
        5,
        (("x", (None, 4), "float32"),),
        (("w", (4, 4), "float32"), ("b", (4,), "float32")),
        ("v0 = x @ w", "v1 = F.dropout(v0 + b, 0.4)", "v2 = v1.sin()"),
        batches=(3, 3, 3),
    )
    refusals: list[str] = []
    assert step_difference(step, refusals) == ""
    assert not refusals
    right = trace._finish

    def lose_writes(*arguments: Any) -> trace.Recording:
        recording = right(*arguments)
        return replace(recording, graph=replace(recording.graph, updates=()))

    monkeypatch.setattr(trace, "_finish", lose_writes)
    assert step_difference(step).startswith("call 1: ")
    small = reduced_step(step, lambda step: bool(step_difference(step)))
    assert small.statements == ("v0 = x @ w",)
