"""Random numbers in the bodies of scan, cond, and while_loop: the stream is eager mode's, and so are the gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc
import graphc.nn.functional as F
from graphc import Tensor
from graphc.ir.graph import Builder
from graphc.ir.passes.pipeline import optimize
from graphc.ir.structured import Region
from tests.control.agreement import gradients, nodes_named, operations, parameter, values


def assert_draws_alike(loss: Callable[..., Tensor], wrt: Sequence[Tensor], *arguments: Any, runs: int = 3) -> Any:
    """Hold value, gradients, and the stream after each of several runs, with the gradient inside and outside the
    compiled function, against eager mode. Gives the compiled step and forward function."""

    def with_gradient(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def step(*given: Any) -> Tensor:
            value = function(*given)
            value.backward()
            return value.detach()

        return step

    def everything(run: Callable[..., Tensor]) -> list[np.ndarray]:
        graphc.manual_seed(3)
        found: list[np.ndarray] = []
        for _ in range(runs):
            found += [*gradients(run, wrt, arguments), graphc.get_rng_state().numpy().copy()]
        return found

    step, forward = graphc.compile(with_gradient(loss), check=True), graphc.compile(loss, check=True)
    expected = everything(with_gradient(loss))
    for run in (step, with_gradient(forward)):
        for found, wanted in zip(everything(run), expected, strict=True):
            if wanted.dtype == np.uint8:
                np.testing.assert_array_equal(found, wanted)
            else:
                np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
    return step, forward


@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrent_network_with_dropout(reverse: bool) -> None:
    """Its derivative reads the masks that the forward run drew; the loop that draws is the one that computes."""
    w, h, xs = parameter(3, 3), parameter(2, 3), parameter(5, 2, 3)

    def loss(h: Tensor, xs: Tensor) -> Tensor:
        def body(h: Tensor, x: Tensor):
            h = (F.dropout(h, 0.5) @ w + x).tanh()
            return h, F.dropout(h, 0.3) + graphc.randn(2, 3)

        last, ys = graphc.scan(body, h, xs, reverse=reverse)
        return last.sum() + (ys**2).sum()

    step, forward = assert_draws_alike(loss, [w, h, xs], h, xs)
    graph = step.stages.optimized
    assert [name for name in operations(graph) if "scan" in name] == ["drawing_scan", "scan"]
    assert len(nodes_named(graph, "random_bernoulli")) == 2
    assert operations(forward.stages.optimized).count("drawing_scan") == 1
    assert "scan" not in operations(forward.stages.optimized)


def test_without_a_gradient_no_numbers_are_kept() -> None:
    """A loop that samples has one buffer for what a run draws."""
    w = values(8, 8)

    def sample(h: Tensor, xs: Tensor) -> Tensor:
        return graphc.scan(lambda h, x: (((h + graphc.randn(8)) @ w + x).tanh(), h[0]), h, xs)[0]

    h, xs = values(8), values(500, 8)
    compiled = graphc.compile(sample)
    for _ in range(2):
        graphc.manual_seed(0)
        found = compiled(h, xs).numpy()
    graphc.manual_seed(0)
    np.testing.assert_allclose(found, sample(h, xs).numpy(), rtol=1e-4, atol=1e-5)
    assert compiled.stages.compiled.plan.arena_bytes < 2000


def test_the_branch_that_is_not_taken_draws_nothing() -> None:
    """Draws around, in one branch, in both, of different counts; by values that change from call to call."""
    w = parameter(3)

    def loss(x: Tensor) -> Tensor:
        first = graphc.rand(2).sum()
        y = graphc.cond(
            x.sum() > 0,
            lambda x: F.dropout(x * w, 0.5) + graphc.randn(3),
            lambda x: (x * w).sin() * graphc.rand(5).sum(),
            (x,),
        )
        z = graphc.cond(x[0] > 0, lambda y: y * 2, lambda y: y * graphc.randn(3), (y,))
        return (z * graphc.rand(3)).sum() + first

    for x in (values(3).abs(), -values(3).abs(), graphc.tensor([-0.5, 1.0, 2.0])):
        assert_draws_alike(loss, [w], x, runs=2)


@pytest.mark.parametrize("bound", [None, 9])
def test_a_loop_that_goes_on_by_what_it_drew(bound: int | None) -> None:
    """The number of runs follows from the numbers: with a bound there is a gradient, without one there is none."""
    w = parameter(3)

    def walk(x: Tensor) -> Tensor:
        (end,) = graphc.while_loop(
            lambda x: (x.abs().sum() < 4) & (graphc.rand(()) < 0.95),
            lambda x: (x * w.exp() + graphc.randn(3),),
            (x,),
            max_iterations=bound,
        )
        return end.sum()

    x = values(3) * 0.1
    if bound is not None:
        assert_draws_alike(walk, [w], x, runs=6)
        return
    compiled = graphc.compile(walk)
    found = []
    for run in (walk, compiled):
        graphc.manual_seed(5)
        with graphc.no_grad():
            found.append([*(run(x).numpy().copy() for _ in range(6)), graphc.get_rng_state().numpy()])
    for ours, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match=r"the gradient of while_loop at .* give it max_iterations="):
        compiled(x).backward()


def test_loops_and_branches_within_each_other() -> None:
    """Draws at each level, before and after what lies within, in the order of the code."""
    b, xs = parameter(3), parameter(4, 2, 3)

    def loss(xs: Tensor) -> Tensor:
        def outer(h: Tensor, rows: Tensor):
            h = F.dropout(h, 0.2)

            def inner(c: Tensor, x: Tensor):
                c = graphc.cond(x[0] > 0, lambda c: c + graphc.randn(3) * b, lambda c: c.tanh(), (c,))
                return F.dropout(c * x + b, 0.4), c

            h, ys = graphc.scan(inner, h, rows)
            (h,) = graphc.while_loop(
                lambda h: h.abs().sum() > 2, lambda h: (h * graphc.rand(3) * b.sigmoid(),), (h,), max_iterations=50
            )
            return h, ys.sum(0) * graphc.rand(3)

        h, ys = graphc.scan(outer, b * 1.0, xs)
        return (h * h).sum() + (ys**2).sum() + graphc.rand(())

    step, _ = assert_draws_alike(loss, [b, xs], xs)
    assert len(step.stages.compiled.program.blocks) >= 6


def test_numbers_of_many_kinds() -> None:
    """Those whose distribution follows from what is carried, those that the host draws, whole numbers, permutations,
    and such as nothing reads."""
    w, xs = parameter(4), values(3, 4)

    def loss(xs: Tensor) -> Tensor:
        def body(c: Tensor, x: Tensor):
            graphc.rand(3)
            c = c + graphc.poisson(c.abs() + 1) * w + graphc.bernoulli(c.sigmoid()) * w
            c = c * F.rrelu(x + c, training=True).sigmoid()
            picked = graphc.multinomial(c.abs() + 0.1, 2)
            return c * 0.1, c[graphc.randperm(4)] * w + graphc.randint(0, 5, (4,)) + c[picked].sum()

        last, ys = graphc.scan(body, w * 1.0, xs)
        return last.sum() + ys.sum()

    assert_draws_alike(loss, [w], xs)


def test_what_an_operator_requires_of_values_is_checked_in_every_run() -> None:
    """With the words of eager mode, though a body is recorded once; a branch that is not taken checks nothing."""

    def walk(xs: Tensor) -> Tensor:
        return graphc.scan(lambda c, x: (c + graphc.poisson(x), c), xs[0], xs)[0]

    def choose(x: Tensor) -> Tensor:
        return graphc.cond(x.sum() >= 0, lambda x: graphc.poisson(x), lambda x: x, (x,))

    wrong = graphc.tensor([[1.0, 2.0], [3.0, -1.0]])
    compiled = graphc.compile(walk)
    compiled(wrong.abs())
    for run in (walk, compiled, graphc.compile(walk)):
        with pytest.raises(RuntimeError, match="invalid Poisson rate, expected rate to be non-negative"):
            run(wrong)
    chosen = graphc.compile(choose)
    for x in (-wrong[0], wrong[0], -wrong[0]):
        graphc.manual_seed(1)
        expected = choose(x)
        graphc.manual_seed(1)
        assert graphc.equal(chosen(x), expected)
    with pytest.raises(RuntimeError, match="invalid Poisson rate"):
        chosen(wrong[1])


def test_second_derivatives() -> None:
    """A gradient penalty through loops with dropout: every derivative sees the same masks."""
    w, start = parameter(3, 3), parameter(3)
    xs = values(4, 3)

    def loss(xs: Tensor) -> Tensor:
        def body(h: Tensor, x: Tensor):
            return (F.dropout(h, 0.4) @ w + x).tanh(), F.dropout(h * x, 0.4)

        value = graphc.scan(body, start, xs)[1].pow(2).sum()
        (slope,) = graphc.autograd.grad(value, [start], create_graph=True)
        return value + (slope**2).sum()

    assert_draws_alike(loss, [w, start], xs)


def test_a_derivative_of_a_graph_is_given_the_numbers() -> None:
    """Symbolically, where no operand asks for a gradient: the scan that draws comes once."""
    w, xs = values(3), values(4, 3)

    def loss(w: Tensor, xs: Tensor) -> Tensor:
        return graphc.scan(lambda c, x: (F.dropout(c * w, 0.5) + x, c), w * 1.0, xs)[0].sum()

    graph = optimize(graphc.differentiate(graphc.trace(loss, w, xs), ["w"])).graph
    assert operations(graph).count("drawing_scan") == 1
    assert len(nodes_named(graph, "random_bernoulli")) == 1


def test_a_module_in_a_training_step_with_any_batch() -> None:
    """Dropout between cells, an optimizer, and a batch whose size is known at run time only."""

    def trained(compiled: bool) -> list[np.ndarray]:
        graphc.manual_seed(0)
        cell, drop = graphc.nn.Linear(3, 3), graphc.nn.Dropout(0.5)
        optimizer = graphc.optim.Adam(cell.parameters(), lr=0.1)

        def step(xs: Tensor) -> Tensor:
            optimizer.zero_grad()
            last, _ = graphc.scan(lambda h, x: (drop(cell(h).tanh()) + x, h[0]), xs[0] * 0, xs)
            loss = (last**2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = graphc.compile(step, dynamic={"xs": {1: "N"}}) if compiled else step
        losses = [run(values(4, size, 3)).numpy().copy() for size in (6, 6, 3, 5)]
        assert not compiled or len(run.report().builds) == 1
        return [*losses, *(each.detach().numpy().copy() for each in cell.parameters()), graphc.rand(2).numpy()]

    for found, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_capture_that_is_refused_gives_the_numbers_back() -> None:
    """Recording a body draws nothing of the stream, also where it fails."""
    xs = values(4, 3)

    def refused(xs: Tensor) -> Tensor:
        return graphc.scan(lambda c, x: (c + graphc.randn(3) if (x + graphc.rand(3)).sum() > 0 else c, x), xs[0], xs)[0]

    before = graphc.get_rng_state().numpy().copy()
    with pytest.raises(graphc.CaptureError, match="needs the value"):
        graphc.compile(refused)(xs)
    np.testing.assert_array_equal(graphc.get_rng_state().numpy(), before)


def test_only_an_operation_with_the_effect_may_have_regions_that_draw() -> None:
    """Otherwise it could be dropped, merged, or run again."""
    graph = graphc.trace(lambda: graphc.rand(3))
    body = Builder("body")
    carried = body.input("c", graph.outputs[0].node.type).node
    drawn = body.copy(graph)[graph.outputs[0].node]
    region = Region(body.build([("result", drawn)]))
    outer = Builder("outer")
    given = outer.input("c", carried.type).node
    attrs = {"body": region, "carried": 1, "sequences": 0, "length": 3}
    with pytest.raises(TypeError, match="scan has no effect, and its regions draw"):
        outer.add(graphc.ir.primitive.PRIMITIVES["scan"], [given], attrs)
    assert outer.add(graphc.ir.primitive.PRIMITIVES["drawing_scan"], [given], attrs).type.fields == (carried.type,)
