"""Steps that are hard to compile, each run eagerly and compiled on twins, call by call: aliasing, mutation, containers.

A case is a function that makes a step, its arguments for each call, and the state to look at afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.capture.trees import flatten

Case = tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]], Callable[[], Any]]


def normal(*shape: int) -> Callable[[int], tuple[Any, ...]]:
    """One argument of the shape, another at each call."""
    return lambda call: (gc.from_numpy(np.random.default_rng(call).standard_normal(shape).astype(np.float32)),)


def nothing() -> list[Any]:
    return []


def arg_backward() -> Case:
    def step(x):
        (x * x).sum().backward()

    return step, lambda i: (gc.from_numpy(np.arange(3.0) + i).requires_grad_(),), nothing


def copy_state() -> Case:
    kept = gc.zeros(3)

    def step(x):
        kept.copy_(x)
        return kept * 2

    return step, normal(3), lambda: [kept]


def bn_dropout_train_eval() -> Case:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))

    def step(x):
        return net(x)

    def args(i):
        net.train(i % 2 == 0)
        return normal(5, 3)(i)

    return step, args, lambda: [dict(net.state_dict())]


def weight_tying() -> Case:
    net = nn.Linear(3, 3)
    tied = nn.Linear(3, 3)
    tied.weight = net.weight
    opt = optim.Adam([*net.parameters(), tied.bias], lr=0.1)

    def step(x):
        opt.zero_grad()
        loss = tied(net(x).tanh()).square().mean()
        loss.backward()
        opt.step()
        return loss.detach()

    return step, normal(5, 3), lambda: [dict(net.state_dict()), dict(tied.state_dict())]


def two_optimizers() -> Case:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    o1 = optim.SGD(a.parameters(), lr=0.1, momentum=0.9)
    o2 = optim.AdamW(b.parameters(), lr=0.01)

    def step(x):
        o1.zero_grad()
        o2.zero_grad()
        loss = b(a(x)).square().mean()
        loss.backward()
        o1.step()
        l2 = b(a(x).detach()).abs().mean()
        o2.zero_grad()
        l2.backward()
        o2.step()
        return {"loss": loss.detach(), "m": (l2.detach(), None)}

    return step, normal(5, 3), lambda: [dict(a.state_dict()), dict(b.state_dict())]


def closure() -> Case:
    a = nn.Linear(3, 3)
    o = optim.SGD(a.parameters(), lr=0.1)

    def step(x):
        def closure():
            o.zero_grad()
            loss = a(x).square().mean()
            loss.backward()
            return loss

        return o.step(closure).detach()

    return step, normal(5, 3), lambda: [dict(a.state_dict())]


def same_tensor_twice_written() -> Case:
    def step(x, y):
        x.add_(1)
        return x * y

    def args(i):
        t = gc.ones(3) * i
        return (t, t)

    return step, args, nothing


def same_tensor_twice_later_different() -> Case:
    def step(x, y):
        return x * y + x

    def args(i):
        t = gc.ones(3) * i
        return (t, t) if i < 2 else (t, t + 1)

    return step, args, nothing


def different_later_same() -> Case:
    def step(x, y):
        return x * y + x

    def args(i):
        t = gc.ones(3) * i
        return (t, t) if i >= 2 else (t, t + 1)

    return step, args, nothing


def different_later_same_written() -> Case:
    def step(x, y):
        x.add_(y)
        return x * y

    def args(i):
        t = gc.ones(3) * i
        return (t, t) if i >= 2 else (t, t + 1)

    return step, args, nothing


def state_passed_as_argument_later() -> Case:
    st = gc.zeros(4)

    def step(x):
        st.add_(x)
        return st.clone()

    def args(i):
        return (gc.ones(4),) if i < 2 else (st,)

    return step, args, lambda: [st]


def python_kwargs() -> Case:
    net = nn.Linear(3, 2)

    def step(x, *, scale=1.0, flag=False):
        return net(x).detach() * scale if flag else net(x).detach()

    return (lambda x, k: step(x, **k)), lambda i: (normal(5, 3)(i)[0], {"scale": float(i), "flag": i % 2 == 1}), nothing


def nested() -> Case:
    def step(d):
        return {"s": d["a"] + d["b"][0], "t": [d["b"][1], (d["a"],)], "n": None, "k": 3}

    return step, lambda i: ({"a": gc.ones(2) * i, "b": [gc.ones(2), gc.zeros(1)]},), nothing


def views_out() -> Case:
    def step(x):
        return x.t(), x[0], x.view(-1), x.detach(), x

    return step, normal(3, 4), nothing


def state_views_out() -> Case:
    st = gc.arange(12.0).reshape(3, 4)

    def step(x):
        st.mul_(2)
        return st.t(), st[0], st.view(-1), st

    return step, normal(1), lambda: [st]


def alias_among_results() -> Case:
    def step(x):
        y = x * 2
        v = y[0]
        v.add_(1)
        return y, v

    return step, normal(3, 4), nothing


def bound_method() -> Case:
    class C:
        def __init__(s):
            s.w = gc.ones(3)

        def step(s, x):
            s.w.add_(x)
            return s.w * 1

    c = C()
    return c.step, normal(3), lambda: [c.w]


def module() -> Case:
    net = nn.Linear(3, 2)
    return net, normal(5, 3), nothing


def exception_inside() -> Case:
    def step(x):
        if x.shape[0] > 3:
            raise ValueError("too long")
        return x * 2

    return step, lambda i: (gc.ones(2 if i % 2 else 5),), nothing


def exception_after_write() -> Case:
    w = gc.ones(3)

    def step(x):
        w.add_(1)
        if x.shape[0] > 3:
            raise ValueError("too long")
        return x * 2

    return step, lambda i: (gc.ones(2 if i % 2 else 5),), lambda: [w]


def index_error() -> Case:
    emb = nn.Embedding(5, 3)
    o = optim.SGD(emb.parameters(), lr=0.1, momentum=0.9)

    def step(i):
        o.zero_grad()
        loss = emb(i).square().sum()
        loss.backward()
        o.step()
        return loss.detach()

    return step, lambda i: (gc.tensor([1, 2, 1, 0] if i != 2 else [1, 7, 1, 0]),), lambda: [dict(emb.state_dict())]


def empty() -> Case:
    return (lambda x: x.sum(0)), lambda i: (gc.zeros(0, 3),), nothing


def python_scalar_args() -> Case:
    def step(x, s):
        return x * s, s

    return step, lambda i: (gc.ones(2), float(i)), nothing


def manual_sgd_zero() -> Case:
    w = gc.ones(3, requires_grad=True)

    def step(x):
        y = (w * x).sum()
        y.backward()
        with gc.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad.zero_()
        return y.detach()

    return step, normal(3), lambda: [w, w.grad]


def manual_sgd_none() -> Case:
    w = gc.ones(3, requires_grad=True)

    def step(x):
        y = (w * x).sum()
        y.backward()
        with gc.no_grad():
            for p in [w]:
                p -= 0.1 * p.grad
                p.grad = None
        return y.detach()

    return step, normal(3), lambda: [w, w.grad]


def double_backward_accumulate() -> Case:
    w = gc.ones(3, requires_grad=True)

    def step(x):
        (g,) = gc.autograd.grad((w**3 * x).sum(), w, create_graph=True)
        (g * g).sum().backward()
        return g.detach()

    return step, normal(3), lambda: [w, w.grad]


def result_requires_grad() -> Case:
    w = gc.ones(3, requires_grad=True)

    def step(x):
        return (w * x).sum()

    def args(i):
        return normal(3)(i)

    return step, args, nothing


def zero_grad_false() -> Case:
    w = gc.ones(3, requires_grad=True)
    o = optim.SGD([w], lr=0.1)

    def step(x):
        o.zero_grad(set_to_none=False)
        loss = (w * x).sum()
        loss.backward()
        o.step()
        return loss.detach()

    def args(i):
        o.param_groups[0]["lr"] = 0.1 / (i + 1)
        return normal(3)(i)

    return step, args, lambda: [w, w.grad]


def hook_inside_accumulates_hooks() -> Case:
    w = gc.ones(3, requires_grad=True)

    def step(x):
        w.register_hook(lambda g: g.clamp(-0.5, 0.5))
        (w * x).sum().backward()
        return None

    return step, normal(3), lambda: [w.grad]


def hook_outside() -> Case:
    w = gc.ones(3, requires_grad=True)
    w.register_hook(lambda g: g.clamp(-0.5, 0.5))

    def step(x):
        (w * x).sum().backward()

    return step, normal(3), lambda: [w.grad]


def module_hook() -> Case:
    net = nn.Linear(3, 2)
    net.register_forward_hook(lambda m, i, o: o * 2)
    return (lambda x: net(x).detach()), normal(5, 3), nothing


def random() -> Case:
    def step(x):
        return gc.randn(3) * x, gc.rand(2), F.dropout(x, 0.5)

    return step, normal(3), nothing


def noncontig_param() -> Case:
    w = nn.Parameter(gc.ones(3, 4).t())
    o = optim.SGD([w], lr=0.1, momentum=0.9)

    def step(x):
        o.zero_grad()
        loss = (w * x).square().sum()
        loss.backward()
        o.step()
        return loss.detach()

    return step, normal(4, 3), lambda: [w, w.grad]


def views_of_outside_state() -> Case:
    base = gc.zeros(2, 3)
    a = base[0]
    b = base[1]

    def step(x):
        a.add_(x)
        b.sub_(a)
        return base * 1

    return step, normal(3), lambda: [base]


def dtypes_out() -> Case:
    def step(x):
        return x.to(gc.float64) * 2, x.to(gc.int32), (x > 0), (x > 0).sum()

    return step, normal(3, 4), nothing


def constants_made_inside() -> Case:
    def step(x):
        return gc.tensor([1.0, 2.0, 3.0]) * x, gc.arange(3) + x

    return step, normal(3), nothing


def compiled_within_compiled() -> Case:
    f = gc.compile(lambda x: x * 2)

    def step(x):
        return f(x) + 1

    return step, normal(3), nothing


CASES = [
    arg_backward,
    copy_state,
    bn_dropout_train_eval,
    weight_tying,
    two_optimizers,
    closure,
    same_tensor_twice_written,
    same_tensor_twice_later_different,
    different_later_same,
    different_later_same_written,
    state_passed_as_argument_later,
    python_kwargs,
    nested,
    views_out,
    state_views_out,
    alias_among_results,
    bound_method,
    module,
    exception_inside,
    exception_after_write,
    index_error,
    empty,
    python_scalar_args,
    manual_sgd_zero,
    manual_sgd_none,
    double_backward_accumulate,
    result_requires_grad,
    zero_grad_false,
    hook_inside_accumulates_hooks,
    hook_outside,
    module_hook,
    random,
    noncontig_param,
    views_of_outside_state,
    dtypes_out,
    constants_made_inside,
    compiled_within_compiled,
]


def assert_same(found: Any, expected: Any, where: str) -> None:
    """Equal trees of tensors and plain values, with equal flags."""
    if isinstance(expected, gc.Tensor):
        assert isinstance(found, gc.Tensor), where
        assert found.dtype == expected.dtype, where
        assert found.requires_grad == expected.requires_grad, where
        one, other = found.detach().numpy(), expected.detach().numpy()
        assert one.shape == other.shape, where
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=where)
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected), where
        assert len(found) == len(expected), where
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{place}]")
    elif isinstance(expected, dict):
        assert type(found) is type(expected), where
        assert list(found) == list(expected), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}[{key!r}]")
    else:
        assert found == expected, where


def outcome(step: Callable[..., Any], arguments: tuple[Any, ...], call: int) -> tuple[Any, type | None]:
    gc.manual_seed(call + 5)
    try:
        return step(*arguments), None
    except (ValueError, IndexError) as error:
        return None, type(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_compiled_follows_eager(case: Callable[[], Case]) -> None:
    """Results, errors, arguments, their gradients, and state are the same after each of several calls."""
    gc.manual_seed(0)
    step, arguments, state = case()
    gc.manual_seed(0)
    twin, twin_arguments, twin_state = case()
    compiled = gc.compile(twin)
    for call in range(5):
        given, twin_given = arguments(call), twin_arguments(call)
        expected, error = outcome(step, given, call)
        found, twin_error = outcome(compiled, twin_given, call)
        assert twin_error is error
        assert_same(found, expected, f"call {call}: result")
        assert_same(list(twin_given), list(given), f"call {call}: arguments")
        assert_same(twin_state(), state(), f"call {call}: state")
        for one, other in zip(flatten(twin_given)[0], flatten(given)[0], strict=True):
            assert_same(one.grad, other.grad, f"call {call}: gradient of an argument")


def test_arguments_that_overlap_later_are_one_memory() -> None:
    """A program that writes two arguments is not run on two that share memory; what is recorded for these is right."""

    def step(x, y):
        x.add_(1)
        y.mul_(2)
        return x * y

    compiled = gc.compile(step)
    memory, twin = gc.arange(8.0), gc.arange(8.0)
    for one, other in [(0, 4), (0, 4), (0, 2), (0, 2), (1, 0), (0, 4)]:
        found = compiled(memory[one : one + 4], memory[other : other + 4])
        assert_same(step(twin[one : one + 4], twin[other : other + 4]), found, f"from {one} and from {other}")
        assert_same(twin, memory, f"the memory, from {one} and from {other}")


def test_state_that_comes_as_an_argument_later_is_one_memory() -> None:
    """A part of the state that a program writes is read as an argument as eager mode reads it."""

    def make(state):
        def step(x):
            state.add_(x)
            return x * 1

        return step

    state, twin = gc.zeros(4), gc.zeros(4)
    compiled, step = gc.compile(make(state)), make(twin)
    for _ in range(2):
        assert_same(step(gc.ones(4)), compiled(gc.ones(4)), "apart")
    for _ in range(2):
        assert_same(step(twin[1:2].expand(4)), compiled(state[1:2].expand(4)), "a part of the state")
        assert_same(twin, state, "the state")


def test_a_view_of_an_argument_is_that_of_the_call() -> None:
    """A returned view shares the memory of the argument of its own call, not of the first one."""
    compiled = gc.compile(lambda x: x.t())
    compiled(gc.ones(2, 3))
    x = gc.zeros(2, 3)
    view = compiled(x)
    x.add_(4)
    np.testing.assert_array_equal(view.numpy(), np.full((3, 2), 4.0, np.float32))


def test_state_given_new_memory_is_followed() -> None:
    """Assigning ``data`` moves the state; the program reads, writes, and returns it where it is now."""
    state = gc.zeros(3)

    @gc.compile
    def step(x):
        state.add_(x)
        return state[1:]

    step(gc.ones(3))
    step(gc.ones(3))
    state.data = gc.full((3,), 10.0)
    version = state._version
    result = step(gc.ones(3))
    np.testing.assert_array_equal(state.numpy(), np.full(3, 11.0, np.float32))
    np.testing.assert_array_equal(result.numpy(), np.full(2, 11.0, np.float32))
    assert state._version > version


def test_strided_loads_side_by_side_under_a_condition() -> None:
    """gcc 12.2 makes one masked vector load of another place of these, so they are printed as loads at places that are
    there: padded rows of two columns, and the gradient of a part of such rows."""

    @gc.compile
    def padded(x: gc.Tensor) -> gc.Tensor:
        return F.pad(x, (0, 0, 1, 1))

    for rows in (3, 7, 40):
        x = gc.arange(1.0, 2 * rows + 1).reshape(rows, 2)
        padded(x)
        assert gc.equal(padded(x), F.pad(x, (0, 0, 1, 1)))
