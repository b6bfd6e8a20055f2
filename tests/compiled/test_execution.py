"""The way of a call from Python into a compiled program and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.ops.promotion import get_default_dtype


def python_calls(function: Callable[..., Any], *arguments: Any) -> int:
    """How many Python functions run during a call."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


def test_a_call_runs_few_python_functions() -> None:
    """What can be settled before a call is settled: instructions are not counted here, but functions are."""
    double = gc.compile(lambda x: x * 2)
    x = gc.ones(4)
    double(x)
    double(x)
    assert python_calls(double, x) <= 9
    layer = nn.Linear(3, 3)
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = layer(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = gc.ones(2, 3)
    step(x)
    step(x)
    assert python_calls(step, x) <= 20


def test_every_change_of_kind_is_seen() -> None:
    """A call that differs from the latest in one thing alone is not taken for it, and going back costs no build."""

    def function(x: gc.Tensor) -> gc.Tensor:
        return x * 2 + gc.ones(3).sum()

    compiled = gc.compile(function, dynamic=False)
    leaf = gc.ones(2, 3, requires_grad=True)
    calls = [
        gc.ones(3),
        gc.ones(3, dtype=gc.float64),
        leaf,
        (leaf * 1.5)[:, 1:],
        gc.ones(2, 3)[:, 1:],
    ]
    for _ in range(2):
        for x in calls:
            for _ in range(2):
                ours, theirs = compiled(x), function(x)
                assert (ours.dtype, ours.shape, ours.requires_grad) == (
                    theirs.dtype,
                    theirs.shape,
                    theirs.requires_grad,
                )
                assert gc.equal(ours, theirs)
        builds = len(compiled.report().builds)
    assert builds == len(calls)
    with gc.no_grad():
        assert not compiled(leaf).requires_grad
    assert compiled(leaf).requires_grad
    compiled = gc.compile(function, dynamic=False)
    before = get_default_dtype()
    gc.set_default_dtype(gc.float64)
    try:
        assert compiled(gc.arange(3)).dtype == function(gc.arange(3)).dtype == gc.float64
    finally:
        gc.set_default_dtype(before)
    assert compiled(gc.arange(3)).dtype == function(gc.arange(3)).dtype == gc.float32


@pytest.mark.parametrize("order", ["C", "F"])
def test_arguments_that_do_not_lie_in_order_are_brought_into_order(order: str) -> None:
    """A call whose arguments must be copied first gives the same as one whose arguments need not, and writes back."""

    def function(x: gc.Tensor, into: gc.Tensor) -> gc.Tensor:
        into += x
        return into * 2

    compiled = gc.compile(function)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    for layout in ("C", order, "C"):
        x, into = gc.from_numpy(values.copy(layout)), gc.from_numpy(np.ones((3, 4), np.float32, layout))
        result = compiled(x, into)
        np.testing.assert_array_equal(into.numpy(), values + 1)
        np.testing.assert_array_equal(result.numpy(), 2 * (values + 1))
