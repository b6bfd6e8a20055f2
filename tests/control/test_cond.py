"""``graphc.cond``: both branches in one program, one of them run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import graphc
from graphc import CaptureError, Tensor
from graphc.ir.interp import interpret
from tests.control.agreement import assert_agrees, gradients, nodes_named, operations, parameter, values


def test_both_ways_are_one_program() -> None:
    """Values as eager mode gives them for either outcome, without a guard and without a second build."""
    w = values(3, 3)

    def choose(x: Tensor) -> Tensor:
        return graphc.cond(x.sum() > 0, lambda x: (x @ w).tanh(), lambda x: x * 2, (x,))

    compiled = graphc.compile(choose)
    for sign in (1, -1, 1, -1):
        x = values(2, 3).abs() * sign
        np.testing.assert_allclose(compiled(x).numpy(), choose(x).numpy(), rtol=1e-5)
    assert len(compiled.report().builds) == 1
    assert operations(compiled.stages.joint).count("cond") == 1
    text = compiled.stages.compiled.source
    assert "if (" in text.split("graphc_run")[-1]
    assert "} else {" in text


def test_the_gradients_are_pytorch_s() -> None:
    """Of what a branch is given and of what it reads; zeros for what only the other branch reads."""
    for sign in (1, -1):
        x, w, v = parameter(3), parameter(3), values(3) + 1
        v.requires_grad_()
        theirs = [torch.from_numpy(each.detach().numpy().copy()).requires_grad_() for each in (x, w, v)]
        chosen = torch.cond(
            torch.tensor(sign > 0), lambda a, w, v: (a * w).sin(), lambda a, w, v: (a * v).exp(), tuple(theirs)
        )
        (chosen**2).sum().backward()

        @graphc.compile(check=True)
        def step(x: Tensor, positive: Tensor, w: Tensor = w, v: Tensor = v) -> Tensor:
            loss = (graphc.cond(positive, lambda a: (a * w).sin(), lambda a: (a * v).exp(), (x,)) ** 2).sum()
            loss.backward()
            return loss.detach()

        for _ in range(2):
            found = gradients(step, [x, w, v], [x, graphc.tensor(sign > 0)])
        for ours, tensor in zip(found[1:], theirs, strict=True):
            np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_trees_and_second_derivatives(sign: int) -> None:
    """Branches that give a dict, differentiated twice."""
    w, x = parameter(3), values(3) * sign

    def loss(x: Tensor) -> Tensor:
        def yes(x: Tensor, rest: dict[str, Tensor]):
            return {"a": (x * w).tanh(), "b": (rest["y"] ** 3).sum()}

        def no(x: Tensor, rest: dict[str, Tensor]):
            return {"a": (x * w * w).sin(), "b": (w**3).sum()}

        given = graphc.cond(x[0] > 0, yes, no, (x, {"y": w * 2}))
        value = given["a"].sum() + given["b"]
        (slope,) = graphc.autograd.grad(value, [w], create_graph=True)
        return value + (slope**2).sum()

    assert_agrees(loss, [w], x)


def test_branches_within_branches_and_loops() -> None:
    """A cond in a scan, whose derivative chooses anew for each step; a scan and a cond in a branch."""
    w, b, xs = parameter(3, 3), parameter(3), parameter(6, 3)

    def in_a_scan(xs: Tensor) -> Tensor:
        def body(c: Tensor, x: Tensor):
            c = graphc.cond(x.sum() > 0, lambda c, x: (c @ w + x).tanh(), lambda c, x: c * x, (c, x))
            return c, c

        last, ys = graphc.scan(body, b * 2, xs)
        return last.sum() + (ys * ys).sum()

    assert_agrees(in_a_scan, [w, b, xs], xs)

    def in_a_branch(xs: Tensor) -> Tensor:
        def yes(xs: Tensor) -> Tensor:
            last, ys = graphc.scan(lambda c, x: ((c + x @ w).tanh(), c * x), b, xs)
            return graphc.cond(last[0] > 0, lambda y: y * 2, lambda y: y * y, (last + ys.sum(0),))

        return graphc.cond(xs.sum() > -100, yes, lambda xs: xs.sum(0) * b, (xs,)).sum()

    assert_agrees(in_a_branch, [w, b, xs], xs)


def test_a_branch_that_gives_what_it_was_given() -> None:
    """Results that are an operand, the same one twice, or numbers; and a branch without operands."""
    b = parameter(3)

    def loss(x: Tensor) -> Tensor:
        one, two = graphc.cond(x.sum() > 0, lambda x: (x, x), lambda x: (graphc.zeros(3), x * b), (x,))
        three = graphc.cond(x.sum() > 100, lambda: b * 1, lambda: graphc.ones(3))
        return (one * two).sum() + (three * b).sum()

    for sign in (1, -1):
        assert_agrees(loss, [b], values(3).abs() * sign)


def test_state_is_written_after_the_branches() -> None:
    """A running value that is chosen anew by a branch that reads it, in place, over several calls."""

    def run(compiled: bool) -> list[float]:
        best = graphc.full((3,), 10.0)

        def keep(x: Tensor) -> Tensor:
            best.copy_(graphc.cond(x.sum() < best.sum(), lambda x: x * 1, lambda x: best * 1, (x,)))
            return best.sum()

        step = graphc.compile(keep) if compiled else keep
        return [step(values(3) * scale).item() for scale in (1.0, 3.0, -2.0, 0.5, -7.0)]

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5)


def test_a_failing_index_ends_the_branch_that_is_taken_alone() -> None:
    """The index of an embedding is looked at only where the branch runs."""
    table = values(4, 3)

    def look_up(i: Tensor, safe: Tensor) -> Tensor:
        return graphc.cond(
            safe, lambda i: graphc.nn.functional.embedding(i, table), lambda i: table[: i.shape[0]] * 0, (i,)
        )

    good, bad = graphc.tensor([1, 2]), graphc.tensor([1, 9])
    compiled = graphc.compile(look_up)
    assert compiled(bad, graphc.tensor(False)).tolist() == [[0, 0, 0], [0, 0, 0]]  # recorded while it keeps out
    assert compiled(good, graphc.tensor(True)).tolist() == table[1:3].tolist()
    assert compiled(bad, graphc.tensor(False)).tolist() == [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(IndexError):
        compiled(bad, graphc.tensor(True))


def test_the_interpreter_chooses_too() -> None:
    """The graph of a choice and that of its derivative, evaluated by numpy for both outcomes."""
    graph = graphc.trace(
        lambda x: graphc.cond(x.sum() > 0, lambda x: (x**2).sum(), lambda x: x.exp().sum(), (x,)), values(3)
    )
    derivative = graphc.differentiate(graph)
    assert len(nodes_named(derivative, "cond")) == 1
    for x in (np.ones(3, np.float32), -np.ones(3, np.float32)):
        found = interpret(derivative, {"x": x}).outputs["x.grad"]
        np.testing.assert_allclose(found, 2 * x if x.sum() > 0 else np.exp(x), rtol=1e-6)


def test_what_a_branch_may_not_do_is_refused() -> None:
    """Branches that do not give the like, or that write in place; and a pred of many elements."""
    x, b = values(3), values(3)
    compiled = graphc.compile(lambda x, f, g: graphc.cond(x.sum() > 0, f, g, (x,)))
    with pytest.raises(TypeError, match=r"true_fn gave \(f32\[3\]\), false_fn \(f32\[2\]\)"):
        compiled(x, lambda x: x * 1, lambda x: x[:2])
    with pytest.raises(TypeError, match="in another tree"):
        compiled(x, lambda x: (x,), lambda x: [x])
    with pytest.raises(CaptureError, match=r"test_cond.py:\d+: the body of cond writes in place to b"):
        compiled(x, lambda x: b.add_(1), lambda x: x)
    with pytest.raises(RuntimeError, match="single-element tensor"):
        graphc.cond(x > 0, lambda: x, lambda: x)
    with pytest.raises(TypeError, match="operands as a tuple or list"):
        graphc.cond(x.sum() > 0, lambda x: x, lambda x: x, x)
