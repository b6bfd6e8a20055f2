"""``graphc.scan``: one node with a region in a graph, a loop in C, and gradients of any order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._higher_order_ops.scan import scan as torch_scan

import graphc
from graphc import CaptureError, Tensor
from graphc.autograd.partition import split_backward
from graphc.ir.interp import interpret
from graphc.ir.passes.pipeline import optimize
from tests.control.agreement import assert_agrees, nodes_named, operations, parameter, values


def recurrence(w: Tensor, b: Tensor):
    """A step of a recurrent network that reads its parameters from around it."""

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = (h @ w + x + b).tanh()
        return h, h * 2

    return step


@pytest.mark.parametrize(("dim", "reverse"), [(0, False), (-2, True)])
def test_the_values_are_pytorch_s(dim: int, reverse: bool) -> None:
    """Eager and compiled, from either end; results with too few dimensions for ``dim`` are stacked along the first."""
    xs, init = values(4, 4, 3), values(4, 3)

    def run(init: Tensor, xs: Tensor):
        return graphc.scan(lambda c, x: ((c * x).tanh(), (c + x, x.sum())), init, xs, dim=dim, reverse=reverse)

    expected = torch_scan(
        lambda c, x: ((c * x).tanh(), (c + x, x.sum())),
        torch.from_numpy(init.numpy()),
        torch.from_numpy(xs.numpy()),
        dim=dim,
        reverse=reverse,
    )
    compiled = graphc.compile(run)
    for found in (run(init, xs), compiled(init, xs), compiled(init, xs)):
        for ours, theirs in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_gradients_of_everything_that_a_body_reads() -> None:
    """Of the carried value, the sequence, and parameters around, against the tape of the unrolled loop."""
    w, b, h, xs = parameter(3, 3), parameter(3), parameter(2, 3), parameter(5, 2, 3)

    def loss(h: Tensor, xs: Tensor) -> Tensor:
        last, ys = graphc.scan(recurrence(w, b), h, xs)
        return last.sum() + (ys**2).sum()

    assert_agrees(loss, [w, b, h, xs], h, xs)


def test_a_step_is_one_loop_forward_and_one_backward() -> None:
    """The loop that the gradient reads from and the one that gives the result are one, and the C has two loops."""
    w, b = parameter(3, 3), parameter(3)
    h, xs = values(2, 3), values(64, 2, 3)

    @graphc.compile
    def step(h: Tensor, xs: Tensor) -> Tensor:
        loss = graphc.scan(recurrence(w, b), h, xs)[1].sum()
        loss.backward()
        return loss.detach()

    step(h, xs)
    assert operations(step.stages.joint).count("scan") == 3
    assert operations(step.stages.optimized).count("scan") == 2
    text = step.stages.compiled.source
    assert "for (int64_t run0 = 0; run0 < 64; ++run0) {" in text
    assert "for (int64_t run1 = 64; run1-- > 0;) {" in text
    assert len(step.stages.compiled.program.launches) < 16


def test_the_gradient_of_data_is_not_computed() -> None:
    """What nothing reads leaves the loops: the sequence is data, so no row of its cotangent is made."""
    w, xs = parameter(3, 3), values(5, 2, 3)

    def step(xs: Tensor) -> Tensor:
        loss = graphc.scan(lambda h, x: ((h @ w + x).tanh(),) * 2, xs[0] * 0, xs)[0].sum()
        loss.backward()
        return loss.detach()

    graph = optimize(graphc.trace(step, xs)).graph
    forward, backward = (node for node in graph.nodes if node.op.name == "scan")
    assert all(type.shape != (5, 2, 3) for type in backward.type.fields)
    assert len(nodes_named(graph, "matmul")) == 3
    assert forward.attrs["sequences"] == 1


def test_second_derivatives() -> None:
    """A gradient penalty through a scan, compiled, against eager."""
    w, x0 = parameter(3, 3), parameter(3)
    xs = values(4, 3)

    def loss(xs: Tensor) -> Tensor:
        value = graphc.scan(lambda h, x: ((h @ w + x).tanh(), h * x), x0, xs)[1].pow(2).sum()
        (slope,) = graphc.autograd.grad(value, [x0], create_graph=True)
        return value + (slope**2).sum()

    step = assert_agrees(loss, [w, x0], xs)
    assert len(nodes_named(step.stages.optimized, "scan")) >= 3


def test_the_gradient_is_that_of_finite_differences() -> None:
    """In float64, by graphc.differentiate and the interpreter."""
    w, h, xs = values(3, 3).double(), values(2, 3).double(), values(4, 2, 3).double()

    def loss(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
        last, ys = graphc.scan(lambda c, x: ((c @ w * x).sin(), c * c), h, xs)
        return last.sum() + (ys * ys).sum()

    graph = graphc.trace(loss, w, h, xs)
    given = {"w": w.numpy(), "h": h.numpy(), "xs": xs.numpy()}
    found = interpret(graphc.differentiate(graph), given).outputs
    for name, array in given.items():
        for place in np.ndindex(array.shape):
            ends = []
            for change in (1e-6, -1e-6):
                moved = array.copy()
                moved[place] += change
                ends.append(interpret(graph, {**given, name: moved}).outputs["result"])
            assert found[f"{name}.grad"][place] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_trees_swaps_integers_and_constants() -> None:
    """Carried trees whose parts change places, a counter among them, and results that are what was given."""
    b, xs = parameter(3), parameter(5, 3)

    def loss(xs: Tensor) -> Tensor:
        def body(carry, x):
            h, (a, count) = carry["h"], carry["rest"]
            return {"h": a * 0.5, "rest": (h + x["x"], count + 1)}, [x["y"] * h, a, graphc.ones(2), x["x"]]

        start = {"h": b * 1, "rest": (b * 2, graphc.tensor(0))}
        end, results = graphc.scan(body, start, {"x": xs, "y": xs * xs})
        return end["h"].sum() + end["rest"][0].sum() + end["rest"][1] + sum((each**2).sum() for each in results)

    assert_agrees(loss, [b, xs], xs)


def test_a_scan_in_a_scan() -> None:
    """Both are loops, one in the other, forward and backward."""
    b, xs = parameter(3), parameter(4, 5, 3)

    def loss(xs: Tensor) -> Tensor:
        def outer(h: Tensor, rows: Tensor):
            def inner(c: Tensor, x: Tensor):
                c = (c * x + b).tanh()
                return c, c * 2

            h, ys = graphc.scan(inner, h, rows)
            return h, ys.sum(0)

        h, ys = graphc.scan(outer, b * 1.0, xs)
        return (h * h).sum() + (ys**2).sum()

    step = assert_agrees(loss, [b, xs], xs)
    program = step.stages.compiled.program
    assert len(program.blocks) == 4
    assert program.blocks[0].first <= program.blocks[1].first < program.blocks[1].stop <= program.blocks[0].stop


def test_what_only_the_host_can_do_and_what_may_fail_in_a_body() -> None:
    """Sorting and cumulative sums; an embedding, whose index is checked before it is used, in every run."""
    w, table = parameter(3), parameter(7, 3)

    def host(xs: Tensor) -> Tensor:
        last, ys = graphc.scan(lambda c, x: (c + graphc.sort(x)[0] * w, graphc.cumsum(c, 0)), w * 1, xs)
        return last.sum() + (ys * ys).sum()

    assert_agrees(host, [w], values(4, 3))

    def embedded(indices: Tensor) -> Tensor:
        def body(c: Tensor, i: Tensor):
            return (c + graphc.nn.functional.embedding(i, table)).tanh(), c

        last, ys = graphc.scan(body, w, indices)
        return last.sum() + (ys * ys).sum()

    step = assert_agrees(embedded, [w, table], graphc.tensor([1, 2, 3, 0, 6]))
    with pytest.raises(IndexError, match="index out of range"):
        step(graphc.tensor([1, 2, 3, 7, 6]))


def test_a_module_in_a_body_and_the_optimizer_after_it() -> None:
    """A whole training step: the parameters are updated in place after the loop that reads them."""

    def trained(compiled: bool) -> list[np.ndarray]:
        graphc.manual_seed(0)
        cell = graphc.nn.Linear(3, 3)
        optimizer = graphc.optim.SGD(cell.parameters(), lr=0.1, momentum=0.9)

        def step(xs: Tensor) -> Tensor:
            optimizer.zero_grad()
            last, ys = graphc.scan(lambda h, x: (graphc.nn.functional.layer_norm(cell(h) + x, (3,)), h), xs[0] * 0, xs)
            loss = (last**2).sum() + (ys**2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = graphc.compile(step) if compiled else step
        losses = [run(values(6, 2, 3)).numpy().copy() for _ in range(4)]
        return [*losses, *(each.detach().numpy().copy() for each in cell.parameters())]

    for found, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_gradients_stop_where_they_do_in_eager_mode() -> None:
    """At detach() and under no_grad() in a body."""
    b, xs = parameter(3), parameter(4, 3)

    def loss(xs: Tensor) -> Tensor:
        def body(c: Tensor, x: Tensor):
            with graphc.no_grad():
                scale = (c * x).sum()
            return c * scale + x.detach() * b, (c * x).detach() + c

        last, ys = graphc.scan(body, b, xs)
        return last.sum() + (ys * ys).sum()

    assert_agrees(loss, [b, xs], xs)


def test_a_gradient_inside_a_body() -> None:
    """Steps of gradient descent carried along: the derivative of the descent goes through the derivatives within."""
    target, start = parameter(4, 3), parameter(3)

    def loss(target: Tensor) -> Tensor:
        def descend(w: Tensor, row: Tensor):
            error = ((w - row) ** 4).sum()
            (slope,) = graphc.autograd.grad(error, [w], create_graph=True)
            return w - 0.05 * slope, error

        last, errors = graphc.scan(descend, start, target)
        return (last**2).sum() + errors.sum()

    assert_agrees(loss, [target, start], target)


def test_what_a_gradient_from_outside_reads_is_saved() -> None:
    """The backward program has the reversed loop alone, and the forward program one loop that gives what it reads."""
    w, b = parameter(3, 3), parameter(3)

    @graphc.compile
    def forward(h: Tensor, xs: Tensor) -> Tensor:
        return graphc.scan(recurrence(w, b), h, xs)[1].sum()

    h, xs = values(2, 3), values(5, 2, 3)
    forward(h, xs)
    assert operations(forward.stages.optimized).count("scan") == 1
    backward = split_backward(forward.stages.recording.differentiable)
    assert operations(optimize(backward.graph).graph).count("scan") == 1
    assert {tuple(node.type.shape) for node in backward.saved} == {(5, 2, 3)}
    forward(h, xs).backward()
    assert w.grad is not None


def test_results_have_memory_of_their_own() -> None:
    """Writing to them changes neither what was given nor what the gradient reads, in both modes."""
    b = parameter(3)

    def loss(xs: Tensor) -> Tensor:
        init = xs[0] * 2
        last, ys = graphc.scan(lambda c, x: (c, x * b), init, xs)
        last.add_(1)
        ys[0] = 0
        end, _ = graphc.scan(lambda c, x: ((c * b + x).tanh(), c), init, xs)
        end.mul_(2)
        chosen = graphc.cond(xs[0, 0] > -100, lambda x: x, lambda x: x * 2, (init,))
        chosen.mul_(3)
        (same,) = graphc.while_loop(lambda x: x[0] > 1000, lambda x: (x * 2,), (init,))
        same.sub_(1)
        return (last * init).sum() + (ys * ys).sum() + end.sum() + (chosen * init).sum() + (same * init).sum()

    assert_agrees(loss, [b], values(4, 3))


def test_what_a_body_may_not_do_is_refused_with_the_line() -> None:
    """Reading values, writing to what it is given or reads, and letting tensors out."""
    b, xs = values(3), values(4, 3)

    def keeps(c: Tensor, x: Tensor):
        keeps.product = c * x
        return c, x

    def writes(c: Tensor, x: Tensor):
        c += x
        return c, x

    def outside(c: Tensor, x: Tensor):
        b.add_(x)
        return c, x

    bodies = {
        "needs the value": lambda c, x: (c * 2 if x.sum() > 0 else c, x),
        "writes in place to carry": writes,
        "writes in place to b": outside,
    }
    for message, body in bodies.items():
        with pytest.raises(CaptureError, match=rf"test_scan.py:\d+: .*{message}"):
            graphc.compile(lambda xs, body=body: graphc.scan(body, b * 1, xs))(xs)

    def leaks(xs: Tensor) -> Tensor:
        last, _ = graphc.scan(keeps, b * 1, xs)
        return last + keeps.product

    with pytest.raises(CaptureError, match="made in the body of scan is used outside"):
        graphc.compile(leaks)(xs)


def test_wrong_bodies_and_arguments_are_told_what_was_expected() -> None:
    """In eager mode and inside a compiled function alike."""
    xs, init = values(4, 3), values(3)
    wrong = {
        r"gives carried values \(f32\[2\]\), expected \(f32\[3\]\) as in init": lambda c, x: (c[:2], x),
        r"gives carried values \(f64\[3\]\), expected \(f32\[3\]\)": lambda c, x: (c.double(), x),
        "in the same tree": lambda c, x: ([c], x),
        "gives the next carried value and a result; it gave f32": lambda c, x: c,
        "the result of combine_fn may hold tensors, .* it holds int 3": lambda c, x: (c, 3),
    }
    for message, body in wrong.items():
        for run in (graphc.scan, graphc.compile(graphc.scan)):
            with pytest.raises(TypeError, match=message):
                run(body, init, xs)
    with pytest.raises(RuntimeError, match="one size along dimension 0"):
        graphc.scan(lambda c, x: (c, c), init, (xs, values(5, 3)))
    for given, dim in ((xs[:0], 0), (xs, 2), ((xs, values(4)), 1), ((), 0)):
        with pytest.raises(RuntimeError, match="All xs leaves must at least have 'dim' number of dimensions"):
            graphc.scan(lambda c, x: (c, c), init, given, dim=dim)
    with pytest.raises(RuntimeError, match="writes in place to what it is given"):
        graphc.scan(lambda c, x: (c.add_(x), c), init, xs)


def test_a_body_that_reads_an_argument_is_one_build():
    """An argument that only the body has a variable for may be another tensor at every call."""

    @graphc.compile
    def step(x, rows):
        return graphc.scan(lambda carry, row: (carry + row * x, carry), graphc.zeros(3), rows)[0]

    given = [graphc.full((3,), number) for number in (0.0, 1.0, 2.0)]
    assert [step(x, graphc.ones(4, 3)).tolist() for x in given] == [[0.0] * 3, [4.0] * 3, [8.0] * 3]
    assert len(step.report().builds) == 1
