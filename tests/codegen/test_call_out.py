"""Primitives that no loop can say run in a compiled program through its host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.primitive import PRIMITIVES, External, register
from graphc.ir.types import TensorType
from tests.every_way import difference, run_every_way


class _Ordered(External):
    """The elements of a vector in order; refuses a NaN, so that a host's failure can be seen."""

    name = "ordered_for_test"
    differentiable = False

    def infer(self, x: TensorType, **attrs: Any) -> TensorType:
        return x

    def evaluate(self, x: np.ndarray, *, descending: bool) -> np.ndarray:
        if np.isnan(x).any():
            raise ArithmeticError("a NaN has no place in an order")
        ordered = np.sort(x)
        return ordered[..., ::-1] if descending else ordered


if _Ordered.name not in PRIMITIVES:
    register(_Ordered)
ORDERED = PRIMITIVES[_Ordered.name]


def ordered(x: gc.Tensor, descending: bool = False) -> gc.Tensor:
    return x.apply(ORDERED, (x,), {"descending": descending})


@pytest.mark.parametrize("rows", [3, 4096])
def test_agrees_every_way(rows: int) -> None:
    """Between pointwise work, on views, twice in one program, in a small program and in one that runs on threads."""

    def function(arguments: list[gc.Tensor]) -> Any:
        (x,) = arguments
        first = ordered((x * 2).t())
        return ordered(first.exp(), descending=True) + 1, first.sum(), ordered(x)

    ways = run_every_way(function, lambda: [gc.tensor(np.random.default_rng(0).standard_normal((rows, 40)))])
    for outcome in (ways.recorded, ways.captured, ways.optimized, ways.compiled):
        for found, expected in zip(outcome.results, ways.eager.results, strict=True):
            assert difference(found, expected, 1e-12, 1e-12) is None


def test_the_program_says_what_it_asks() -> None:
    """The loops name the primitive; in C equal calls are one kernel."""

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        return ordered(ordered(x) * -1.0)

    step(gc.ones(5))
    assert "= host ordered_for_test(" in step.stages.loops
    assert step.source.count("host->call_out(launch, operands)") == 1


@pytest.mark.parametrize("rows", [2, 40000])
def test_a_failure_changes_nothing(rows: int) -> None:
    """What the host raises comes out as in eager mode, with the line; state is as it was; the next call works."""
    weight = gc.zeros(rows)

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        weight.add_(x)
        return ordered(x)

    step(gc.ones(rows))
    step(gc.ones(rows))
    x = gc.full((rows,), float("nan"))
    with pytest.raises(ArithmeticError, match="a NaN has no place") as caught:
        step(x)
    assert any("test_call_out.py" in note for note in caught.value.__notes__)
    assert weight.tolist() == [2.0] * rows
    assert step(gc.ones(rows)).tolist() == [1.0] * rows
    assert weight.tolist() == [3.0] * rows
