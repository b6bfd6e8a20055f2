"""Loops and branches in programs whose sizes are known at run time only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc
from graphc import Tensor
from tests.control.agreement import gradients, parameter, values


def program(w: Tensor, b: Tensor) -> Callable[[Tensor], Tensor]:
    """A loop, a branch, and a bounded loop, over a batch and its sums."""

    def loss(x: Tensor) -> Tensor:
        def body(c: Tensor, row: Tensor):
            c = graphc.cond(row.sum() > 0, lambda c, row: (c @ w + row).tanh(), lambda c, row: c * row * b, (c, row))
            (c,) = graphc.while_loop(
                lambda c: (c * c).mean() > 0.3, lambda c: (c * 0.7 * b.tanh(),), (c,), max_iterations=10
            )
            return c, (c * 2, c.sum(0) + graphc.zeros(row.shape[0], 3).sum(0))

        last, (rows, sums) = graphc.scan(body, graphc.zeros(x.shape[0], 3), x, dim=1)
        return last.sum() + (rows * rows).mean() + sums.sum()

    return loss


@pytest.mark.parametrize("twice", [False, True])
def test_one_build_serves_every_batch(twice: bool) -> None:
    """Forward, backward, and a second derivative; swept inside, and outside."""
    w, b = parameter(3, 3), parameter(3)
    inner = program(w, b)

    def loss(x: Tensor) -> Tensor:
        value = inner(x)
        if twice:
            (slope,) = graphc.autograd.grad(value, [w], create_graph=True)
            value = value + (slope * slope).sum()
        return value

    def swept(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            value = function(x)
            value.backward()
            return value.detach()

        return run

    step = graphc.compile(swept(loss), dynamic={"x": {0: "N"}})
    forward = graphc.compile(loss, dynamic={"x": {0: "N"}})
    for batch in (9, 4, 9, 2, 1, 7):
        x = values(batch, 5, 3)
        expected = gradients(swept(loss), [w, b], [x])
        for run in (step, swept(forward)):
            for found, wanted in zip(gradients(run, [w, b], [x]), expected, strict=True):
                near = 1e-4 * max(1.0, float(np.abs(wanted).max()))
                np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=near)
    assert {build.reason for build in step.report().builds} <= {"first call", "other arguments: f32[1,5,3]"}


@pytest.mark.parametrize("reverse", [False, True])
def test_one_build_serves_every_number_of_runs(reverse: bool) -> None:
    """Forward, backward, and a second derivative, inside and outside; the batch is of any size too, and the rows of two
    sequences that one loop walks along are as many."""
    w, b = parameter(3, 3), parameter(3)

    def loss(x: Tensor) -> Tensor:
        def body(c: Tensor, rows: tuple[Tensor, Tensor]):
            c = graphc.nn.functional.dropout((c @ w + rows[0]).tanh() * b, 0.3)
            return c, (c * rows[1], c.sum(0))

        last, (rows, sums) = graphc.scan(body, x[:, 0] * 0, (x, x.sin()), dim=1, reverse=reverse)
        (slope,) = graphc.autograd.grad((rows * rows).mean(), [w], create_graph=True)
        return last.sum() + (rows * rows).mean() + sums.sum() + (slope * slope).sum()

    def swept(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            value = function(x)
            value.backward()
            return value.detach()

        return run

    step, forward = (graphc.compile(each, dynamic={"x": {0: "N", 1: ("T", 12)}}) for each in (swept(loss), loss))
    for batch, length in ((4, 5), (4, 5), (2, 12), (4, 1), (3, 2), (1, 7), (4, 5)):
        x = values(batch, length, 3)
        graphc.manual_seed(length)
        expected = gradients(swept(loss), [w, b], [x])
        for run in (step, swept(forward)):
            graphc.manual_seed(length)
            for found, wanted in zip(gradients(run, [w, b], [x]), expected, strict=True):
                near = 1e-4 * max(1.0, float(np.abs(wanted).max()))
                np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=near)
    for compiled in (step, forward):
        assert len(compiled.report().builds) == 1
    assert "run0 < T; ++run0" in step.stages.compiled.source or "run0 = T; run0-- > 0;" in step.stages.compiled.source


def test_a_training_step_on_sequences_of_any_length() -> None:
    """An optimizer's update too; a bounded loop and a loop in a loop are of the length as well. No rows are refused, as
    in eager mode."""

    def trained(compiled: bool) -> list[np.ndarray]:
        graphc.manual_seed(0)
        cell = graphc.nn.LSTMCell(3, 4)
        optimizer = graphc.optim.Adam(cell.parameters(), lr=0.05)

        def step(xs: Tensor) -> Tensor:
            optimizer.zero_grad()

            def body(state: tuple[Tensor, Tensor], x: Tensor):
                h, c = cell(x, state)
                sums, _ = graphc.scan(lambda total, row: (total + row[:, 0] * h.mean(), total), h[:, 0] * 0, xs)
                return (h, c), h.sum(1) + sums

            start = (graphc.zeros(xs.shape[1], 4), graphc.zeros(xs.shape[1], 4))
            (last, _), sums = graphc.scan(body, start, xs)
            loss = (last**2).mean() + (sums**2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = graphc.compile(step, dynamic={"xs": {0: ("T", 9)}}) if compiled else step
        losses = [run(values(size, 2, 3)).numpy().copy() for size in (6, 6, 9, 1, 4)]
        assert not compiled or len(run.report().builds) == 1
        with pytest.raises(RuntimeError, match="scan dimension > 0"):
            run(values(0, 2, 3))
        return [*losses, *(each.detach().numpy().copy() for each in cell.parameters())]

    for found, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_body_that_takes_a_plain_number_fixes_it() -> None:
    """A carried value of a number that only looks like the batch's: right for each batch, by a build of its own."""

    def loss(x: Tensor) -> Tensor:
        def body(c: Tensor, row: Tensor):
            return (c + row).reshape(int(x.shape[0]), 3) * 2, row

        last, rows = graphc.scan(body, x[:, 0] * 1, x, dim=1)
        return last.sum() + rows.sum()

    compiled = graphc.compile(loss, dynamic={"x": {0: "N"}})
    for batch in (4, 4, 6):
        x = values(batch, 5, 3)
        np.testing.assert_allclose(compiled(x).item(), loss(x).item(), rtol=1e-5)
