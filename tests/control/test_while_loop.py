"""``graphc.while_loop``: as many runs as the values ask for, in one program, and bounded gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._higher_order_ops.while_loop import while_loop as torch_while_loop

import graphc
from graphc import CaptureError, Tensor
from tests.control.agreement import assert_agrees, operations, parameter, values


def halve(x: Tensor) -> Tensor:
    """Halve until the sum of magnitudes is at most 1."""
    return graphc.while_loop(lambda x: x.abs().sum() > 1, lambda x: (x / 2,), (x,))[0]


def test_any_number_of_runs_is_one_program() -> None:
    """None, few, and many runs, by values alone: one build without guards, and a C loop."""
    compiled = graphc.compile(halve)
    for scale in (1.0, 1e-3, 1e6, 3.0):
        x = values(2, 3) * scale
        np.testing.assert_array_equal(compiled(x).numpy(), halve(x).numpy())
    (build,) = compiled.report().builds
    assert build.path == ()
    assert operations(compiled.stages.joint).count("while_loop") == 1
    assert "while (" in compiled.stages.compiled.source.split("graphc_run(")[2]


def test_the_values_are_pytorch_s() -> None:
    """A counter and a matrix, eager and compiled."""

    def run(i: Tensor, x: Tensor):
        return graphc.while_loop(lambda i, x: i < 4, lambda i, x: (i + 1, (x * 2).sin()), (i, x))

    x = values(2, 3)
    expected = torch_while_loop(
        lambda i, x: i < 4, lambda i, x: (i + 1, (x * 2).sin()), (torch.tensor(0), torch.from_numpy(x.numpy()))
    )
    compiled = graphc.compile(run)
    for function in (run, compiled, compiled):
        for ours, theirs in zip(function(graphc.tensor(0), x), expected, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_bounded_gradients(scale: float) -> None:
    """No run, some, and many: the history has a row for each run that there was, the rest of it is never read."""
    w, x = parameter(3, 3), values(4, 3) * scale
    x.requires_grad_()

    def loss(x: Tensor) -> Tensor:
        (last,) = graphc.while_loop(
            lambda x: x.abs().sum() > 1, lambda x: ((x @ w).tanh() * 0.4,), (x,), max_iterations=50
        )
        return (last**2).sum()

    assert_agrees(loss, [w, x], x)


def test_second_derivatives() -> None:
    """A gradient penalty through a loop."""
    b = parameter(3)

    def loss(x: Tensor) -> Tensor:
        (last,) = graphc.while_loop(
            lambda x: x.abs().sum() > 1, lambda x: (x * b.tanh() * 0.6,), (x * b,), max_iterations=20
        )
        (slope,) = graphc.autograd.grad((last**2).sum(), [b], create_graph=True)
        return (last**2).sum() + (slope**2).sum()

    assert_agrees(loss, [b], values(3) * 5)


def test_loops_in_loops() -> None:
    """A while in a scan, whose number of runs is another at each step; a scan in a while; a while in a while."""
    w, b, xs = parameter(3, 3), parameter(3), parameter(6, 3)

    def in_a_scan(xs: Tensor) -> Tensor:
        def body(c: Tensor, x: Tensor):
            (c,) = graphc.while_loop(
                lambda c: (c * c).sum() > 1, lambda c: (c * 0.7 * b.tanh(),), (c,), max_iterations=30
            )
            return c + x, c * x

        last, ys = graphc.scan(body, b * 2, xs)
        return last.sum() + (ys * ys).sum()

    assert_agrees(in_a_scan, [b, xs], xs)

    def around_a_scan(xs: Tensor) -> Tensor:
        def body(i: Tensor, xs: Tensor):
            last, ys = graphc.scan(lambda c, x: ((c + x @ w).tanh(), c * x), b, xs)
            return i + 1, ys + last

        return graphc.while_loop(lambda i, xs: i < 3, body, (graphc.tensor(0), xs), max_iterations=4)[1].sum()

    assert_agrees(around_a_scan, [w, b, xs], xs)

    def in_a_while(x: Tensor) -> Tensor:
        def body(i: Tensor, x: Tensor):
            (x,) = graphc.while_loop(
                lambda x: x.abs().max() > 0.5, lambda x: (x * b.sigmoid(),), (x,), max_iterations=30
            )
            return i + 1, x * 3

        return graphc.while_loop(lambda i, x: i < 3, body, (graphc.tensor(0), x), max_iterations=5)[1].sum()

    assert_agrees(in_a_while, [b], values(3))


def test_too_many_runs_are_an_error_in_both_modes() -> None:
    """With max_iterations a loop that would go on raises, and leaves state as it was."""
    total = graphc.zeros(3)

    def run(x: Tensor) -> Tensor:
        (x,) = graphc.while_loop(lambda x: x.sum() < 100, lambda x: (x + 1,), (x,), max_iterations=3)
        total.add_(x)
        return x

    compiled = graphc.compile(run)
    near, far = graphc.full((3,), 33.0), graphc.zeros(3)
    run(near)
    compiled(near)
    compiled(near)
    before = total.numpy().copy()
    for function in (run, compiled):
        with pytest.raises(RuntimeError, match="ran 3 times, its max_iterations, and its condition is still true"):
            function(far)
        np.testing.assert_array_equal(total.numpy(), before)


def test_a_gradient_without_a_bound_is_refused_with_the_line() -> None:
    """Inside a compiled function and of its result; eager mode has it from the tape."""
    w = parameter(3)

    def loss(x: Tensor) -> Tensor:
        return graphc.while_loop(lambda x: x.abs().sum() > 1, lambda x: (x * w.tanh(),), (x,))[0].sum()

    def step(x: Tensor) -> Tensor:
        value = loss(x)
        value.backward()
        return value

    step(values(3) * 3)
    assert w.grad is not None
    for run in (graphc.compile(step), graphc.compile(loss)):
        with pytest.raises(RuntimeError, match=r"while_loop at .*test_while_loop.py:\d+.* give it max_iterations="):
            run(values(3) * 3)


def test_a_loop_that_does_not_begin_is_recorded() -> None:
    """Its body would fail on the values that keep it from running."""
    rows = values(4, 3)

    def total(i: Tensor) -> Tensor:
        begin = (i, graphc.zeros(3))
        return graphc.while_loop(lambda i, c: i < 4, lambda i, c: (i + 1, c + rows[i]), begin)[1]

    compiled = graphc.compile(total)
    for start in (9, 0, 2, 4):
        np.testing.assert_allclose(
            compiled(graphc.tensor(start)).numpy(), rows.numpy()[start:].sum(0), rtol=1e-5, atol=1e-6
        )
    assert len(compiled.report().builds) == 1


def test_what_is_carried_is_checked() -> None:
    """Shapes, dtypes, trees, conditions that are no bool, and conditions that would never change."""
    x = values(3)
    for run in (graphc.while_loop, graphc.compile(graphc.while_loop)):
        with pytest.raises(TypeError, match=r"body_fn gives carried values \(f32\[2\]\), expected \(f32\[3\]\)"):
            run(lambda x: x.sum() < 100, lambda x: (x[:2],), (x,))
        with pytest.raises(TypeError, match="must return a boolean scalar tensor or a boolean but got f32"):
            run(lambda x: x.sum(), lambda x: (x,), (x,))
        with pytest.raises(TypeError, match="carries a tuple or list"):
            run(lambda x: x.sum() < 1, lambda x: x, x)
        assert run(lambda x: False, lambda x: (x + 1,), (x,))[0].tolist() == x.tolist()
    with pytest.raises(TypeError, match="a Python bool would never change"):
        graphc.compile(lambda x: graphc.while_loop(lambda x: True, lambda x: (x,), (x,)))(x)
    with pytest.raises(CaptureError, match=r"test_while_loop.py:\d+: .* needs the value"):
        graphc.compile(lambda x: graphc.while_loop(lambda x: x.sum() < 9, lambda x: (x + x.max().item(),), (x,)))(x)
