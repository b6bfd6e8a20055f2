"""Gradients of compiled functions: those of arguments, held and accumulated ones, and sweeps from outside."""

import tracemalloc

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.checkpoint import checkpoint
from tests.test_compile import assert_equal_state, pair_of_nets, step_of


def test_gradient_accumulation_needs_two_builds():
    """Micro-batches with the optimizer outside: one program for the first gradient, one for those that are added."""
    net, twin = pair_of_nets(lambda: nn.Linear(3, 2))
    first, second = (optim.SGD(n.parameters(), lr=0.1) for n in (net, twin))

    def micro(x):
        loss = twin(x).square().mean()
        loss.backward()
        return loss

    micro = gc.compile(micro)
    for _ in range(6):
        for _ in range(3):
            x = gc.randn(4, 3)
            net(x).square().mean().backward(), micro(x)
        first.step(), second.step(), first.zero_grad(), second.zero_grad()
        assert_equal_state(net, twin)
    assert "2 builds" in repr(micro)


def test_gradients_of_arguments_go_to_the_argument_of_each_call():
    """backward() inside gives every call's own argument its gradient, and adds to one that is there."""
    compiled = gc.compile(lambda x: (x * x).sum().backward())
    kept = []
    for number in range(3):
        x = gc.full((2,), float(number + 1), requires_grad=True)
        compiled(x)
        kept.append(x)
    compiled(kept[2])
    compiled(kept[1])
    assert [x.grad.tolist() for x in kept] == [[2.0, 2.0], [8.0, 8.0], [12.0, 12.0]]


def test_backward_into_what_was_computed_before_is_refused():
    """Values from before the call would be built into the program: refused, with nothing changed."""
    u = gc.ones(2, requires_grad=True)

    def step(h):
        loss = (h * h).sum()
        loss.backward()
        return loss

    with pytest.raises(gc.CaptureError, match="computed before"):
        gc.compile(step)(u * 3.0)
    assert u.grad is None


def test_a_leaf_that_is_first_seen_through_a_view_keeps_its_gradient():
    """Writing to a parameter under no_grad before it is used through a view loses nothing."""
    results = []
    for make in (lambda f: f, gc.compile):
        w = gc.ones(2, 2, requires_grad=True)

        def step(x, w=w):
            with gc.no_grad():
                w.copy_(x)
            return (x @ w.t()).sum()

        step = make(step)
        for _ in range(3):
            w.grad = None
            step(gc.full((2, 2), 2.0)).backward()
        results.append(w.grad.tolist())
    assert results[0] == results[1]


def test_gradients_of_different_leaves_have_memory_of_their_own():
    """One cotangent that goes to two leaves is not one gradient."""
    a, b = gc.ones(2, requires_grad=True), gc.ones(2, requires_grad=True)
    for _ in range(2):
        ((a + b) * 2).sum().backward()
    a.grad.mul_(10)
    assert (a.grad.tolist(), b.grad.tolist()) == ([40.0, 40.0], [4.0, 4.0])


def test_gradients_that_someone_holds_are_not_overwritten():
    """A gradient kept from an earlier step keeps its values; unheld memory is used again."""
    net = nn.Linear(3, 2)
    compiled = gc.compile(step_of(net, optim.SGD(net.parameters(), lr=0.1)))
    compiled(gc.randn(4, 3), gc.randn(4, 2))
    compiled(gc.randn(4, 3), gc.randn(4, 2))
    for parameter in net.parameters():
        taken = parameter.grad
        parameter.grad = None
        before = taken.numpy().copy()
        compiled(gc.randn(4, 3), gc.randn(4, 2))
        np.testing.assert_array_equal(taken.numpy(), before)
    held = net.weight.grad
    values = held.numpy().copy()
    view = net.bias.grad[0:1]
    shown = view.numpy().copy()
    compiled(gc.randn(4, 3), gc.randn(4, 2))
    np.testing.assert_array_equal(held.numpy(), values)
    np.testing.assert_array_equal(view.numpy(), shown)
    assert not np.array_equal(net.weight.grad.numpy(), values)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_works_in_gradients_that_are_new_and_never_in_kept_ones(threads):
    """Values live where gradients are written later: each step does as eager, and kept gradients keep every bit."""
    net, twin = pair_of_nets(lambda: nn.Sequential(nn.Linear(600, 160), nn.ReLU(), nn.Linear(160, 160), nn.ReLU()))
    eager = step_of(net, optim.SGD(net.parameters(), lr=0.1))
    compiled = gc.compile(step_of(twin, optim.SGD(twin.parameters(), lr=0.1)))
    kept = []
    before = gc.get_num_threads()
    gc.set_num_threads(threads)
    try:
        for _ in range(3):
            x, y = gc.randn(96, 600), gc.randn(96, 160)
            np.testing.assert_allclose(eager(x, y).item(), compiled(x, y).item(), rtol=1e-5)
            kept += [(p.grad, p.grad.numpy().copy()) for p in twin.parameters()]
            for ours, theirs in zip(twin.parameters(), net.parameters(), strict=True):
                np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-3, atol=1e-6)
    finally:
        gc.set_num_threads(before)
    assert compiled.plan.rooms
    assert all(np.array_equal(gradient.numpy(), values) for gradient, values in kept)


def test_accumulating_gradients_over_calls():
    """Without zero_grad inside, gradients add up as in eager, whether or not they were there."""
    net, twin = pair_of_nets(lambda: nn.Linear(3, 2))

    def accumulate(module):
        def step(x):
            loss = module(x).sum()
            loss.backward()
            return loss

        return step

    eager, compiled = accumulate(net), gc.compile(accumulate(twin))
    for round in range(3):
        for _ in range(3):
            x = gc.randn(4, 3)
            eager(x), compiled(x)
            np.testing.assert_allclose(net.weight.grad.numpy(), twin.weight.grad.numpy(), rtol=1e-5)
        if round == 0:
            net.zero_grad(), twin.zero_grad()


def test_backward_from_outside():
    """A compiled model inside an eager training loop trains as the eager model does, dropout included."""

    def make():
        return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 3))

    net, twin = pair_of_nets(make)
    compiled = gc.compile(twin)
    first, second = (optim.SGD(n.parameters(), lr=0.1, momentum=0.9) for n in (net, twin))
    for seed in range(5):
        x, y = gc.randn(6, 5), gc.randn(6, 3)
        for optimizer, call in ((first, net), (second, compiled)):
            gc.manual_seed(seed)
            optimizer.zero_grad()
            F.mse_loss(call(x), y).backward()
            optimizer.step()
        assert_equal_state(net, twin)


def test_gradients_of_several_results_and_arguments_from_outside():
    """Each result has its own cotangent; one that is not used counts as zero; arguments have gradients too."""
    weight = gc.randn(4, 3, requires_grad=True)

    def function(x, y):
        hidden = (x @ weight).tanh()
        with gc.no_grad():
            scale = hidden.abs().mean()
        return hidden * scale, hidden.sum() * y, hidden.detach()

    compiled = gc.compile(function)
    compiled(gc.ones(2, 4), gc.ones(()))
    for use in (lambda a, b, c: a.sum() + b * 2, lambda a, b, c: b, lambda a, b, c: (a * c).sum()):
        grads = []
        for call in (function, compiled):
            x, y = gc.full((2, 4), 0.3, requires_grad=True), gc.tensor(1.5, requires_grad=True)
            weight.grad = None
            use(*call(x, y)).backward()
            grads.append([t.grad if t.grad is None else t.grad.numpy() for t in (x, y, weight)])
        for eager, ours in zip(*grads, strict=True):
            if eager is None:
                assert ours is None or not ours.any()
            else:
                np.testing.assert_allclose(ours, eager, rtol=1e-5)


def test_results_are_differentiated_independently():
    """backward() of one result leaves what only another depends on alone, and the other can follow: as in eager."""
    w, v = gc.ones(2, requires_grad=True), gc.ones(2, requires_grad=True)
    compiled = gc.compile(lambda x: ((w * x).sum(), (v * x).sum()))
    compiled(gc.ones(2))
    first, second = compiled(gc.full((2,), 3.0))
    first.backward()
    assert v.grad is None
    second.backward()
    assert (w.grad.tolist(), v.grad.tolist()) == ([3.0, 3.0], [3.0, 3.0])


def test_names_of_arguments_do_not_matter_to_the_backward_program():
    """An argument may be called as the compiler calls its own values."""

    def function(saved, cotangent, saved_0):
        return (saved.exp() * cotangent).sum() + saved_0.sin().sum()

    grads = []
    compiled = gc.compile(function)
    for call in (function, compiled, compiled):
        inputs = [gc.full((2,), value, requires_grad=True) for value in (0.5, 2.0, 0.3)]
        call(*inputs).backward()
        grads.append([tensor.grad.numpy() for tensor in inputs])
    for found in grads[1:]:
        for ours, eager in zip(found, grads[0], strict=True):
            np.testing.assert_allclose(ours, eager, rtol=1e-5)


def test_errors_of_a_backward_from_outside_are_those_of_the_tape():
    """A second sweep and a parameter written in between are refused in words."""
    net = nn.Linear(3, 2)
    compiled = gc.compile(lambda x: net(x).square().sum())
    x = gc.ones(1, 3, requires_grad=True)
    compiled(x)
    loss = compiled(x)
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    loss = compiled(x)
    with gc.no_grad():
        net.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_requires_grad_that_the_function_changes_is_so_after_every_call():
    """An argument, a parameter that is frozen for a part of the step, and one that stays frozen: flags and gradients
    after each call are eager's, also where the result is differentiated outside."""

    def run(decorate):
        gc.manual_seed(0)
        weight, gate = (gc.randn(3, requires_grad=True) for _ in range(2))

        @decorate
        def step(x):
            x.requires_grad_()
            gate.requires_grad_(False)
            inner = (x * weight * gate).sin().sum()
            (slope,) = gc.autograd.grad(inner, x, create_graph=True)
            gate.requires_grad_(True)
            weight.requires_grad = len(x) == 3
            return (slope**2).sum() + (gate * x).sum()

        left = []
        for number in range(3):
            x = gc.randn(3)
            weight.grad = gate.grad = None
            step(x).backward()
            left += [x.grad, weight.grad, gate.grad]
            assert [x.requires_grad, weight.requires_grad, gate.requires_grad] == [True] * 3, number
        return left

    for found, expected in zip(run(gc.compile), run(lambda function: function), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)


def test_requires_grad_is_given_back_where_a_capture_is_refused():
    """What a refused call changed is as it was."""
    x = gc.ones(2)

    @gc.compile
    def step(x):
        x.requires_grad_()
        return float(x.sum().detach().numpy())

    with pytest.raises(gc.CaptureError):
        step(x)
    assert not x.requires_grad


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("wants", [False, True])
def test_checkpoints_with_random_numbers_in_a_compiled_step(reentrant, wants):
    """Dropout within checkpoint(): the masks of the forward pass, one draw, and gradients where eager mode has them."""
    net = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.ELU())
    last = nn.Linear(6, 1)

    def step(x):
        net.zero_grad()
        last.zero_grad()
        loss = (last(checkpoint(net, x, use_reentrant=reentrant)) ** 2).sum()
        loss.backward()
        return loss

    compiled = gc.compile(step)
    for number in range(3):
        left = []
        for call in (step, compiled):
            gc.manual_seed(number)
            loss = call(gc.ones(5, 4, requires_grad=wants))
            gradients = [parameter.grad for parameter in (*net.parameters(), *last.parameters())]
            left.append((loss.item(), gradients, gc.get_rng_state().tolist()))
        assert left[0][2] == left[1][2]
        np.testing.assert_allclose(left[0][0], left[1][0], rtol=1e-5)
        for ours, theirs in zip(left[0][1], left[1][1], strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_old_gradients_are_let_go_before_new_ones_get_memory():
    """A step that cannot fail holds one set of gradients at a time; one that can fail keeps the old till the end."""
    layer = nn.Linear(256, 256)
    table = nn.Embedding(4, 256)

    def step(x):
        layer.zero_grad()
        table.zero_grad()
        layer(x if x.is_floating_point() else table(x)).sum().backward()

    compiled = gc.compile(step)
    x = gc.randn(2, 256)
    for _ in range(3):
        compiled(x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            compiled(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The first traced run frees what was allocated before: from then on one set of gradients comes and goes.
    assert peak - before < 1.5 * layer.weight.grad.nbytes
    places = gc.tensor([1, 2])
    compiled(places)
    compiled(places)
    held = layer.weight.grad.clone()
    with pytest.raises(IndexError):
        compiled(gc.tensor([1, 9]))
    np.testing.assert_array_equal(layer.weight.grad.numpy(), held.numpy())
