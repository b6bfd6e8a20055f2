"""What a capture holds of memory while the function runs: what eager mode holds, and no more."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from graphc.capture.trace import capture

SIDE = 512
MATRIX = 4 * SIDE * SIDE


def peak(function: Callable[[], Any]) -> int:
    """The most bytes that are held at a time beyond what was held before."""
    function()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def made_for_a_chain(x: gc.Tensor) -> gc.Tensor:
    with gc.no_grad():
        for _ in range(20):
            x = gc.tanh(x) * 1.5
        return x.sum()


def views_of_what_was_made(x: gc.Tensor) -> gc.Tensor:
    for _ in range(20):
        x = (x + 1).t().reshape(SIDE, SIDE).t()[:, :]
    return x.sum()


def writes_to_what_was_made(x: gc.Tensor) -> gc.Tensor:
    for _ in range(20):
        x = x * 2
        x[0] += 1
        x.mul_(0.5)
    return x.sum()


@pytest.mark.parametrize("function", [made_for_a_chain, views_of_what_was_made, writes_to_what_was_made])
def test_values_that_nobody_needs_are_let_go_at_once(function: Callable[[gc.Tensor], gc.Tensor]) -> None:
    """Twenty values one after the other take the memory of a few."""
    x = gc.randn(SIDE, SIDE)
    assert peak(lambda: capture(function, (x,), {})) < 5 * MATRIX


def test_a_step_that_is_recorded_holds_what_eager_mode_holds() -> None:
    """Saved values go as the sweep passes, and cotangents and temporaries of the update as they are used."""
    weights = [gc.randn(SIDE, SIDE).mul_(0.04).requires_grad_() for _ in range(8)]
    x = gc.randn(SIDE, SIDE)

    def step(x: gc.Tensor) -> gc.Tensor:
        for weight in weights:
            weight.grad = None
        hidden = x
        for weight in weights:
            hidden = gc.tanh(hidden @ weight) * 1.5 + 0.25
        loss = (hidden * hidden).mean()
        loss.backward()
        return loss

    assert peak(lambda: capture(step, (x,), {})) < peak(lambda: step(x)) + 2 * MATRIX


def test_results_that_show_memory_whose_maker_is_gone_are_found() -> None:
    """The tensor that an operation gave is gone, and a view of its memory is handed out, with its history and what was
    written through another view."""

    def function(x: gc.Tensor, w: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        first = (x * w).detach()[1:]
        second = (x + w).t()
        second[0] *= 3
        return first, second[:, 1:]

    x, w = gc.randn(3, 4), gc.randn(3, 4, requires_grad=True)
    compiled = gc.compile(function)
    for _ in range(2):
        for ours, theirs in zip(compiled(x, w), function(x, w), strict=True):
            assert gc.equal(ours, theirs)
            assert (ours.stride(), ours.requires_grad) == (theirs.stride(), theirs.requires_grad)
    w.grad = None
    compiled(x, w)[1].sum().backward()
    ours, w.grad = w.grad, None
    function(x, w)[1].sum().backward()
    assert gc.equal(ours, w.grad)
