"""Sums of products: those of alike operands become one product of concatenations; others stay sums."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.interp import interpret
from graphc.ir.passes.canonicalize import canonicalize
from graphc.ir.passes.join_products import join_products
from graphc.ir.passes.remove_dead import remove_dead
from graphc.ir.verify import verify
from tests.ir.passes.test_passes import names, trace

STEPS, BATCH, WIDTH = 6, 3, 20
ARRAY = np.random.default_rng(0).standard_normal((STEPS, BATCH, WIDTH)).astype(np.float32)


def _joined(function: Callable[[gc.Tensor], gc.Tensor]) -> list[str]:
    """The operations after the pass, once it was seen that results stay the same but for rounding."""
    graph = canonicalize(trace(function, ARRAY))
    joined = remove_dead(join_products(graph))
    verify(joined)
    (before,), (after,) = (interpret(each, {each.inputs[0].name: ARRAY}).outputs.values() for each in (graph, joined))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
    return names(joined)


def _added(values: Iterable[gc.Tensor]) -> gc.Tensor:
    return functools.reduce(operator.add, values)


def _recurrent(x: gc.Tensor, state: gc.Tensor) -> gc.Tensor:
    """The gradient of a weight that every step of a sequence uses."""
    weight = (x[0].T @ x[1] * 0.1).detach().requires_grad_()
    for step in range(STEPS):
        state = (x[step] + state @ weight).tanh()
    return gc.autograd.grad(state.sum(), weight)[0]


JOINED: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "a recurrent weight": lambda x: _recurrent(x, x[0] * 2),
    "a first state of zeros": lambda x: _recurrent(x, gc.zeros(BATCH, WIDTH)),
    "in any order": lambda x: (x[0].T @ x[1] + x[2].T @ x[3]) + (x[1].T @ x[0] + (x[4].T @ x[5] + x[2].T @ x[2])),
    "of different lengths": lambda x: _added(x[i, : 1 + i % 3].T @ x[i, : 1 + i % 3].exp() for i in range(STEPS)),
}


@pytest.mark.parametrize("name", JOINED)
def test_products_become_one(name: str) -> None:
    """Many products and their additions become two concatenations and one product."""
    found = _joined(JOINED[name])
    assert found.count("cat") == 2
    last = len(found) - 1 - found[::-1].index("matmul")
    assert "add" not in found[last:]


LEFT: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "few": lambda x: x[0].T @ x[1] + x[2].T @ x[3] + x[4].T @ x[5],
    "with other views over them": lambda x: x[0].T @ x[1] + x[2].T @ x[3] + x[4].T @ x[5] + _turned(x[0]) @ x[1],
    "read by others": lambda x: _with_readers([x[i].T @ x[i].exp() for i in range(STEPS)]),
    "larger than their sum": lambda x: _added(x[i] @ x[i].T for i in range(STEPS)),
}


def _turned(x: gc.Tensor) -> gc.Tensor:
    return x.exp().reshape(WIDTH, BATCH)


def _with_readers(products: list[gc.Tensor]) -> gc.Tensor:
    return _added(products) + _added(each.exp() for each in products)


@pytest.mark.parametrize("name", LEFT)
def test_others_stay(name: str) -> None:
    """Products that are few, unlike, read by others, or larger than what they add to."""
    assert "cat" not in _joined(LEFT[name])


def test_a_concatenation_that_is_there_is_the_operand() -> None:
    """Values that were concatenated anyway, in another order than they are added in, are not concatenated once more."""

    def both(x: gc.Tensor) -> gc.Tensor:
        values = [x[i].exp() for i in range(STEPS)]
        total = _added(values[i].T @ x[i].sin() for i in reversed(range(STEPS)))
        return total + gc.cat(values).sum(0)

    assert _joined(both).count("cat") == 2
