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


def test_the_number_of_runs_is_a_number() -> None:
    """A sequence of dynamic length is fixed, and the report says where."""
    compiled = graphc.compile(
        lambda x: graphc.scan(lambda c, r: (c + r, c), x[0] * 0, x)[0], dynamic={"x": {0: "T", 1: "N"}}
    )
    for length, batch in ((5, 4), (5, 4), (5, 3), (6, 4)):
        x = values(length, batch)
        np.testing.assert_allclose(compiled(x).numpy(), x.numpy().sum(0), rtol=1e-5, atol=1e-6)
    builds = compiled.report().builds
    assert len(builds) == 2
    assert any("T is fixed" in guard and "test_sizes.py" in guard for guard in builds[0].guards)


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
