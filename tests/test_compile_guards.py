"""What a build rests on beside its arguments' shapes: modes, histories, hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from graphc.capture.errors import CaptureError
from graphc.compiled.binding import Inputs

Made = list[gc.Tensor]


def test_a_hook_that_only_the_first_call_would_register_is_refused() -> None:
    """On what the function computes, where the sweep comes from outside; inside, the hook is part of the step."""
    w = gc.ones(2, requires_grad=True)

    def outside(x: gc.Tensor) -> gc.Tensor:
        y = w * x
        y.register_hook(lambda gradient: gradient * 10)
        return y.sum()

    with pytest.raises(CaptureError, match="hook"):
        gc.compile(outside)(gc.ones(2))

    def inside(x: gc.Tensor) -> None:
        w.grad = None
        outside(x).backward()

    step = gc.compile(inside)
    for _ in range(3):
        step(gc.ones(2))
        assert w.grad.tolist() == [10.0, 10.0]


def test_the_default_dtype_is_part_of_a_build() -> None:
    """A compiled function makes new tensors of the dtype that is the default at the call."""
    step = gc.compile(lambda x: x.sum() + gc.zeros(2).sum())
    dtypes = []
    for dtype in (gc.float32, gc.float64, gc.float32):
        gc.set_default_dtype(dtype)
        try:
            dtypes.append(step(gc.ones(2, dtype=gc.float32)).dtype)
        finally:
            gc.set_default_dtype(gc.float32)
    assert dtypes == [gc.float32, gc.float64, gc.float32]


def test_a_view_that_came_to_a_history_is_another_kind_of_argument() -> None:
    """A build for a view that wants no gradient is none for the same view after its base was given a history."""
    step = gc.compile(lambda x: (x * x).sum())
    base = gc.ones(3)
    view = base[1:]
    step(view)
    leaf = gc.full((3,), 2.0, requires_grad=True)
    base.copy_(leaf)
    step(view).backward()
    assert leaf.grad.tolist() == [0.0, 4.0, 4.0]


def test_a_hook_on_a_leaf_runs_at_every_sweep() -> None:
    """It belongs to the leaf, and not to what the function computes."""
    w = gc.ones(2, requires_grad=True)
    w.register_hook(lambda gradient: gradient * 3)
    step = gc.compile(lambda x: (w * x).sum())
    for _ in range(3):
        w.grad = None
        step(gc.ones(2)).backward()
        assert w.grad.tolist() == [3.0, 3.0]


def test_a_tensor_from_outside_with_a_history_gets_its_gradient_at_every_call() -> None:
    """The sweep goes on through what it was computed from; where that is gone, PyTorch's error says so."""
    w = gc.full((3,), 2.0, requires_grad=True)
    hidden = w * 3
    step = gc.compile(lambda x: (hidden * x).sum())
    for call in range(1, 4):
        w.grad = None
        step(gc.full((3,), float(call))).backward(retain_graph=True)
        assert w.grad.tolist() == [3.0 * call] * 3
    step(gc.ones(3)).backward()
    with pytest.raises(RuntimeError, match="second time"):
        step(gc.ones(3)).backward()


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda x: gc.nn.functional.binary_cross_entropy(x, gc.ones(80)), 1.5),
        (lambda x: gc.nn.functional.gaussian_nll_loss(gc.ones(80), gc.zeros(80), x), -1.0),
        (lambda x: gc.bernoulli(x), 2.0),
        (lambda x: gc.normal(gc.zeros(80), x), -1.0),
    ],
    ids=["binary_cross_entropy", "gaussian_nll_loss", "bernoulli", "normal"],
)
def test_values_that_eager_mode_refuses_are_refused_by_a_build(function: Callable[..., Any], wrong: float) -> None:
    """With its error, and without a build for them; the next right values run as before."""
    step = gc.compile(function)
    right = gc.full((80,), 0.5)
    for value in (right, right, gc.full((80,), wrong), right):
        outcomes = []
        for call in (function, step):
            gc.manual_seed(0)
            try:
                outcomes.append(call(value).tolist())
            except (RuntimeError, ValueError) as error:
                outcomes.append(f"{type(error).__name__}: {error}")
        assert outcomes[0] == pytest.approx(outcomes[1]) if value is right else outcomes[0] == outcomes[1]
    assert len(step.report().builds) == 1


def test_a_build_under_autocast_is_eagers() -> None:
    """Its operators convert as eager ones do, forward and backward; without autocast it is another build."""
    net = gc.nn.Sequential(gc.nn.Linear(4, 8), gc.nn.ReLU(), gc.nn.Linear(8, 2))
    x = gc.randn(3, 4)

    def forward(x: gc.Tensor) -> gc.Tensor:
        with gc.autocast("cpu", dtype=gc.bfloat16):
            return net(x)

    step = gc.compile(forward)
    for _ in range(2):
        found, expected = step(x), forward(x)
        assert found.dtype == gc.bfloat16
        assert gc.equal(found, expected)
        gradients = []
        for result in (found, expected):
            net.zero_grad()
            result.float().sum().backward()
            gradients.append([parameter.grad.clone() for parameter in net.parameters()])
        assert all(gc.allclose(one, other, atol=1e-2) for one, other in zip(*gradients, strict=True))


def of_a_part() -> Made:
    whole = gc.arange(1.0, 7.0).reshape(3, 2)
    return [gc.nn.Parameter(whole[:2])]


def of_data() -> Made:
    return [gc.nn.Parameter(gc.arange(1.0, 5.0).reshape(2, 2).requires_grad_().data)]


def of_a_transpose() -> Made:
    return [gc.nn.Parameter(gc.arange(1.0, 5.0).reshape(2, 2).t())]


def with_other_data() -> Made:
    parameter = gc.nn.Parameter(gc.zeros(2, 2))
    parameter.data = gc.arange(1.0, 5.0).reshape(2, 2).t()
    return [parameter]


def of_a_detached() -> Made:
    return [gc.arange(1.0, 5.0).reshape(2, 2).requires_grad_().detach().requires_grad_()]


def two_in_one_buffer() -> Made:
    flat = gc.arange(1.0, 9.0)
    return [gc.nn.Parameter(flat[:4].view(2, 2)), gc.nn.Parameter(flat[4:].view(2, 2))]


def two_of_two_shapes_in_one_buffer() -> Made:
    flat = gc.arange(1.0, 7.0)
    return [gc.nn.Parameter(flat[:4].view(2, 2)), gc.nn.Parameter(flat[4:])]


WAYS = (
    of_a_part,
    of_data,
    of_a_transpose,
    with_other_data,
    of_a_detached,
    two_in_one_buffer,
    two_of_two_shapes_in_one_buffer,
)


@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_every_way_of_making_a_leaf_gets_its_gradient_at_every_call(make: Callable[[], Made]) -> None:
    """Swept from outside: leaves that show a part of some memory, share it, or were given other data."""
    leaves = make()

    def forward(x: gc.Tensor) -> gc.Tensor:
        return sum(((x @ leaf) ** 2).sum() for leaf in leaves)

    step = gc.compile(forward)
    for call in range(3):
        x = gc.full((3, 2), 1.0 + call)
        gradients = []
        for function in (forward, step):
            for leaf in leaves:
                leaf.grad = None
            function(x).backward()
            gradients.append([leaf.grad.tolist() for leaf in leaves])
        assert gradients[0] == gradients[1]


def test_threads_that_draw_share_one_stream() -> None:
    """Compiled functions that draw, in threads of their own, leave the generator where the same draws in turn do."""
    functions = [gc.compile(lambda x: gc.nn.functional.dropout(x, 0.5)) for _ in range(3)]
    x = gc.ones(3001)
    for function in functions:
        function(x)
    gc.manual_seed(0)
    for function in functions:
        for _ in range(40):
            function(x)
    expected = gc.rand(1)
    gc.manual_seed(0)
    threads = [threading.Thread(target=lambda f=f: [f(x) for _ in range(40)]) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.equal(gc.rand(1), expected)


def test_a_change_while_the_guards_are_looked_at_is_seen_at_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another thread makes it: after the guard that it breaks was looked at, before the tensors were bound."""
    layer = gc.nn.Dropout(p=1.0)
    step = gc.compile(lambda x: layer(x))
    x = gc.ones(1)
    assert [step(x).item(), step(x).item()] == [0.0, 0.0]
    original = Inputs.outside_fits

    def meanwhile(self: Inputs) -> bool:
        layer.eval()
        return original(self)

    layer.eval().train()
    with monkeypatch.context() as patched:
        patched.setattr(Inputs, "outside_fits", meanwhile)
        step(x)
    assert step(x).item() == 1.0


def test_the_mode_of_a_module_that_is_only_asked_for_it() -> None:
    """The function reads the flag and does not call the module, or calls only a part of it."""
    net = gc.nn.Sequential(gc.nn.Linear(1, 1), gc.nn.Identity())
    step = gc.compile(lambda x: x * 2 if net.training else x * 3)
    part = gc.compile(lambda x: net[1](x) * (2 if net[0].training else 3))
    x = gc.ones(1)
    for mode, expected in ((True, 2.0), (False, 3.0), (True, 2.0)):
        net.train(mode)
        assert [step(x).item(), part(x).item()] == [expected, expected]


def test_a_mode_that_the_function_sets_itself_causes_one_build() -> None:
    """What the guards hold of a mode is what the function leaves."""
    net = gc.nn.Sequential(gc.nn.Linear(1, 1), gc.nn.Dropout(1.0)).eval()

    def function(x: gc.Tensor) -> gc.Tensor:
        net.train()
        return net[1](x)

    step = gc.compile(function)
    assert [step(gc.ones(1)).item() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert len(step.report().builds) == 1
