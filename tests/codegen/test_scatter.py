"""Scatters run in the program: every reduction, bit for bit what eager mode computes, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.tensor import Tensor
from tests.codegen.lowering import normal
from tests.codegen.test_scan import assert_same_bits

REDUCTIONS = ("sum", "mean", "prod", "amax", "amin")


@pytest.mark.parametrize("dtype", [gc.float32, gc.float64, gc.bfloat16, gc.int32, gc.uint8, gc.bool], ids=str)
def test_every_reduction_has_the_bits_of_eager_mode(dtype: Any) -> None:
    """Along both dimensions, with and without what the base has; NaN and zeros of both signs among the elements."""
    generator = np.random.default_rng(5)
    index = gc.tensor(generator.integers(0, 6, (9, 5)))

    def function(values: list[Tensor]) -> list[Tensor]:
        base, source = values
        results = []
        for reduce in REDUCTIONS if dtype is not gc.bool else ("sum", "amax", "amin"):
            for include in (True, False):
                results.append(base.scatter_reduce(0, index, source, reduce, include_self=include))
                results.append(base.t().scatter_reduce(1, index.t(), source.t(), reduce, include_self=include))
        return results

    def make() -> list[Tensor]:
        generator = np.random.default_rng(6)
        base, source = generator.standard_normal((6, 5)) * 3, generator.standard_normal((9, 5)) * 3
        source[2, 2], source[3, 3], base[1, 1] = np.nan, -0.0, 0.0
        if not dtype.is_floating_point:
            base, source = (np.nan_to_num(np.abs(array)).astype(np.int64) for array in (base, source))
        return [Tensor.from_array(array).to(dtype) for array in (base, source)]

    assert_same_bits(function, make)


def test_gradients_of_reductions_are_native_too() -> None:
    """Ties share, single zeros get the product of the others, and nothing of it is the host's."""
    index = gc.tensor([0, 0, 1, 3, 3, 3])

    def function(values: list[Tensor]) -> list[Tensor]:
        base, source = (value.detach().requires_grad_() for value in values)
        results = []
        for reduce in REDUCTIONS:
            for include in (True, False):
                total = base.scatter_reduce(0, index, source, reduce, include_self=include)
                results += gc.autograd.grad((total * total).sum(), [base, source])
        return results

    def make() -> list[Tensor]:
        return [gc.tensor([1.0, 2.0, -3.0, 0.5]), gc.tensor([1.0, 0.0, 2.0, 0.5, 0.5, 0.25])]

    assert_same_bits(function, make)


def test_accumulation_at_large_sizes_does_not_depend_on_threads() -> None:
    """Rows that meet in one place are added in the order of the source, whoever adds them."""
    generator = np.random.default_rng(7)
    places = gc.tensor(generator.integers(0, 50, 4000))

    def function(values: list[Tensor]) -> list[Tensor]:
        (rows,) = values
        table = gc.zeros(50, 96)
        added = gc.zeros(50, 96).index_put((places,), rows, accumulate=True)
        embedded = rows[:50].detach().requires_grad_()
        (gradient,) = gc.autograd.grad((gc.nn.functional.embedding(places, embedded) * rows).sum(), embedded)
        counts = gc.zeros(50).scatter_add(0, places, rows[:, 0])
        return [table.index_add(0, places, rows), added, gradient, counts, gc.histc(rows, 20, -2.0, 2.0)]

    assert_same_bits(function, lambda: [Tensor.from_array(normal(4000, 96))])


def test_a_bad_index_is_an_error_before_anything_is_written() -> None:
    """As in eager mode; state is as it was."""
    state = gc.zeros(4)

    @gc.compile(fullgraph=True)
    def step(index: Tensor) -> Tensor:
        state.add_(1)
        return gc.ones(3).scatter_reduce(0, index, gc.ones(2), "amax")

    step(gc.tensor([0, 2]))
    with pytest.raises(RuntimeError, match="index 3 is out of bounds for dimension 0 with size 3"):
        step(gc.tensor([0, 3]))
    assert state.tolist() == [1.0] * 4
