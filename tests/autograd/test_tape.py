"""The tape against PyTorch's: accumulation, freed graphs, leaves, hooks, modes, and the words of errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values or (1.0, -2.0, 3.0), requires_grad=True)


# -- gradients and their accumulation


def accumulates(t):
    x = leaf(t)
    (x * x).sum().backward()
    first = x.grad.clone()
    (x * 3).sum().backward()
    return first, x.grad


def accumulates_in_place(t):
    x = leaf(t)
    x.sum().backward()
    kept = x.grad
    x.sum().backward()
    return kept is x.grad, kept


def used_twice(t):
    x = leaf(t)
    y = x * 2
    (y * y + y).sum().backward()
    return x.grad


def gradient_given(t):
    x = leaf(t)
    (x * x).backward(t.tensor([1.0, 10.0, 100.0]))
    return x.grad


def several_roots(t):
    x, y = leaf(t), leaf(t)
    t.autograd.backward([(x * y).sum(), (x * 2)], [None, t.ones(3)])
    return x.grad, y.grad


def only_some_inputs(t):
    x, y = leaf(t), leaf(t)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad is None


def non_leaf_as_input(t):
    x = leaf(t)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    return x.grad is None, y.grad


def own_gradient_is_no_alias(t):
    x = leaf(t)
    g = t.ones(3)
    (x * 1).backward(g)
    x.grad.mul_(5)
    return g


def gradients_of_views_are_separate(t):
    x, y = leaf(t), leaf(t)
    (x + y).sum().backward()
    x.grad.add_(1)
    return x.grad, y.grad


def zero_dimensional(t):
    x = t.tensor(3.0, requires_grad=True)
    (x**3).backward()
    return x.grad, x.grad.shape == ()


def empty(t):
    x = t.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    return tuple(x.grad.shape)


def mixed_dtypes(t):
    x = leaf(t)
    y = t.tensor([1.0, 2.0, 3.0], dtype=t.float64, requires_grad=True)
    (x * y).sum().backward()
    return x.grad, y.grad


def deep_chain(t):
    x = t.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    y.backward()
    return x.grad


# -- freed graphs, second order


def second_backward(t):
    x = leaf(t)
    y = (x * x).sum()
    y.backward()
    y.backward()


def second_backward_without_saved_values(t):
    x = leaf(t)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


def retained(t):
    x = leaf(t)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def shared_part_is_freed(t):
    x = leaf(t)
    y = x.exp()
    y.sum().backward()
    (y * 2).sum().backward()


def second_order(t):
    x = leaf(t)
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    g.sum().backward()
    return g, x.grad, g.requires_grad


def third_order(t):
    x = leaf(t)
    g = (x**4).sum()
    for _ in range(3):
        (g,) = t.autograd.grad(g.sum(), x, create_graph=True)
    return g


def penalty(t):
    x, w = leaf(t), t.tensor([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0]], requires_grad=True)
    y = (w @ x).tanh().sum()
    (g,) = t.autograd.grad(y, x, create_graph=True)
    (y + (g * g).sum()).backward()
    return w.grad, x.grad


def accumulated_gradient_has_history(t):
    x = leaf(t)
    (x**2).sum().backward(create_graph=True)
    return x.grad.requires_grad, x.grad


def first_order_has_no_history(t):
    x = leaf(t)
    (x**2).sum().backward()
    return x.grad.requires_grad, x.grad.grad_fn is None


# -- grad


def unused(t):
    x, y = leaf(t), leaf(t)
    t.autograd.grad((x * 2).sum(), [x, y])


def unused_allowed(t):
    x, y = leaf(t), leaf(t)
    return t.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)


def unused_made(t):
    x, y = leaf(t), leaf(t)
    return t.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)


def grad_leaves_grad_alone(t):
    x = leaf(t)
    t.autograd.grad((x * 2).sum(), x)
    return x.grad is None


def grad_of_non_leaf(t):
    x = leaf(t)
    y = x * 2
    return t.autograd.grad((y * y).sum(), [y, x])


def grad_of_itself(t):
    x = leaf(t)
    y = x.sum()
    return t.autograd.grad(y, y)


def grad_with_cotangents(t):
    x = leaf(t)
    return t.autograd.grad([x * 2, x * x], [x], [t.ones(3), t.tensor([1.0, 0.0, 2.0])])


def grad_of_what_needs_none(t):
    x, y = leaf(t), t.ones(3)
    t.autograd.grad((x * y).sum(), [y])


def backward_of_what_needs_none(t):
    t.ones(3).sum().backward()


def backward_of_many_elements(t):
    (leaf(t) * 2).backward()


def backward_of_ill_shaped(t):
    (leaf(t) * 2).backward(t.ones(4))


def backward_of_no_inputs(t):
    leaf(t).sum().backward(inputs=[])


# -- leaves and flags


def flags(t):
    x, y = leaf(t), t.ones(3)
    z = x * y
    w = y * 2
    return [(v.is_leaf, v.requires_grad, v.grad_fn is None) for v in (x, y, z, w, z.detach(), x.detach(), x[1:])]


def flag_of_integers(t):
    t.tensor([1, 2]).requires_grad_()


def flag_of_made_integers(t):
    t.tensor([1, 2], requires_grad=True)


def flag_off_for_computed(t):
    (leaf(t) * 2).requires_grad_(False)


def flag_off_by_assignment(t):
    x = leaf(t) * 2
    x.requires_grad = False


def flag_on_for_computed(t):
    return (leaf(t) * 2).requires_grad_().requires_grad


def integer_results_need_none(t):
    x = leaf(t)
    return [v.requires_grad for v in (x > 0, x.argmax(), x.to(t.int64), x.max(0)[0], x.max(0)[1])]


def set_grad(t):
    x = leaf(t)
    x.grad = t.ones(3)
    x.sum().backward()
    return x.grad


def set_grad_ill_shaped(t):
    x = leaf(t)
    x.grad = t.ones(4)


def detached_shares(t):
    x = t.ones(3)
    y = x.detach()
    y[0] = 5
    return x, y.requires_grad


def detach_in_place(t):
    x = leaf(t)
    y = x * 2
    y.detach_()
    z = (y * leaf(t)).sum()
    z.backward()
    return y.is_leaf, y.requires_grad, x.grad is None


def detach_view_in_place(t):
    x = leaf(t) * 1
    x[1:].detach_()


def deep_copy(t):
    x = leaf(t)
    x.sum().backward()
    y = copy.deepcopy(x)
    y.grad.mul_(3)
    return y, y.requires_grad, y.is_leaf, x.grad, y.grad


def deep_copy_of_computed(t):
    copy.deepcopy(leaf(t) * 2)


def data_is_out_of_the_graph(t):
    x = leaf(t)
    y = x * x
    x.data.add_(1)
    y.sum().backward()
    return x, x.grad


def numpy_of_gradient(t):
    leaf(t).numpy()


def versions(t):
    x = t.ones(3)
    first = x._version
    x.add_(1)
    y = x[1:]
    y.mul_(2)
    x.detach().zero_()
    return first, x._version, y._version


# -- hooks


def hook_changes(t):
    x = leaf(t)
    x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    return x.grad


def hook_of_computed(t):
    x, seen = leaf(t), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.clone()))
    (y * y).sum().backward()
    return seen, x.grad


def hook_replaces_in_the_middle(t):
    x = leaf(t)
    y = x * 2
    y.register_hook(lambda g: g * 0 + 1)
    (y * y).sum().backward()
    return x.grad


def hooks_in_order(t):
    x, seen = leaf(t), []
    y = x * 2
    y.register_hook(lambda g: seen.append("first") or g * 2)
    y.register_hook(lambda g: seen.append("second") or g + 1)
    y.sum().backward()
    return seen, x.grad


def hook_removed(t):
    x = leaf(t)
    handle = x.register_hook(lambda g: g * 10)
    handle.remove()
    (x * 2).sum().backward()
    return x.grad


def hook_sees_the_sum(t):
    x, seen = leaf(t), []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.clone()))
    (y * 2 + y * 3).sum().backward()
    return seen


def hook_without_gradient(t):
    t.ones(3).register_hook(lambda g: g)


def hook_in_grad(t):
    x = leaf(t)
    x.register_hook(lambda g: g * 10)
    return t.autograd.grad((x * 2).sum(), x)


def retain_grad(t):
    x = leaf(t)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    return y.grad, x.grad


def retain_grad_after_hook(t):
    x = leaf(t)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * y).sum().backward()
    return y.grad, x.grad


def retain_grad_of_leaf(t):
    x = leaf(t)
    x.retain_grad()
    x.sum().backward()
    return x.grad


def retain_grad_without_gradient(t):
    t.ones(3).retain_grad()


# -- modes


def no_grad_block(t):
    x = leaf(t)
    with t.no_grad():
        y = x * 2
        inside = t.is_grad_enabled()
    return y.requires_grad, inside, t.is_grad_enabled(), (x * 2).requires_grad


def enable_within_no_grad(t):
    x = leaf(t)
    with t.no_grad():
        with t.enable_grad():
            y = x * 2
        z = x * 2
    return y.requires_grad, z.requires_grad


def set_enabled_as_function(t):
    x = leaf(t)
    t.set_grad_enabled(False)
    y = x * 2
    t.set_grad_enabled(True)
    return y.requires_grad, (x * 2).requires_grad


def set_enabled_as_block(t):
    x = leaf(t)
    with t.set_grad_enabled(False):
        y = x * 2
    return y.requires_grad, t.is_grad_enabled()


def decorated(t):
    @t.no_grad()
    def f(x):
        return (x * 2).requires_grad, t.is_grad_enabled()

    @t.no_grad
    def bare(x):
        return (x * 2).requires_grad

    @t.enable_grad()
    def g(x):
        return (x * 2).requires_grad

    @t.set_grad_enabled(False)
    def h(x):
        return (x * 2).requires_grad

    x = leaf(t)
    with t.no_grad():
        enabled = g(x)
    return f(x), bare(x), enabled, h(x), t.is_grad_enabled(), f.__name__


def decorated_generator(t):
    @t.no_grad()
    def f(x):
        for _ in range(2):
            yield (x * 2).requires_grad

    x, seen = leaf(t), []
    for inside in f(x):
        seen.append((inside, t.is_grad_enabled()))
    return seen


def generator_receives(t):
    @t.no_grad()
    def f():
        got = yield t.is_grad_enabled()
        while True:
            got = yield (got, t.is_grad_enabled())

    iterator = f()
    return next(iterator), iterator.send(3), iterator.send(4), t.is_grad_enabled()


def generator_catches(t):
    @t.no_grad()
    def f():
        try:
            yield 1
        except ValueError:
            yield ("caught", t.is_grad_enabled())

    iterator = f()
    next(iterator)
    return iterator.throw(ValueError("x")), t.is_grad_enabled()


def mode_after_an_exception(t):
    try:
        with t.no_grad():
            raise KeyError("x")
    except KeyError:
        pass
    return t.is_grad_enabled()


def reused_context(t):
    mode = t.no_grad()
    with mode:
        with t.enable_grad():
            pass
        inside = t.is_grad_enabled()
    with mode:
        again = t.is_grad_enabled()
    return inside, again, t.is_grad_enabled()


def nested_same_context(t):
    with t.no_grad():
        with t.no_grad():
            pass
        return t.is_grad_enabled()


def inference(t):
    x = leaf(t)
    with t.inference_mode():
        y = x * 2
    return y.requires_grad, t.is_grad_enabled()


def grad_mode_of_backward(t):
    x = leaf(t)
    y = (x * x).sum()
    with t.no_grad():
        y.backward()
    return x.grad, x.grad.requires_grad


def parameter_update_under_no_grad(t):
    x = leaf(t)
    (x * x).sum().backward()
    with t.no_grad():
        x -= 0.1 * x.grad
        x.grad.zero_()
    return x, x.grad, x.requires_grad, x.is_leaf


SCENARIOS = [
    value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
    and name not in ("leaf",)
]  # fmt: skip


# PyTorch goes on about things that are not here: complex numbers, distributed training, weight_norm.
WORDS = {"flag_of_made_integers": 0, "detach_view_in_place": 7, "deep_copy_of_computed": 16}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, flags, and the words of errors are PyTorch's."""
    assert_like_torch(scenario, words=WORDS.get(scenario.__name__))


def test_names_of_nodes() -> None:
    """A result names what made it, and leads to what made its operands."""
    x = gc.ones(2, requires_grad=True)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    assert "ExpBackward0" in repr(y.grad_fn)
    product = y.grad_fn.next_functions[0][0]
    assert product.name() == "MulBackward0"
    assert product.next_functions[0][0].variable is x


def test_leaves_are_reached_in_one_order() -> None:
    """The order in which gradients are accumulated does not depend on where objects lie in memory."""
    orders = []
    for _ in range(20):
        leaves = [gc.ones(2, requires_grad=True) for _ in range(12)]
        order: list[int] = []
        total = leaves[0] * 1
        for place, one in enumerate(leaves):
            one.register_hook(lambda gradient, place=place, order=order: order.append(place))
            total = total + one
        total.sum().backward()
        orders.append(tuple(order))
    assert len(set(orders)) == 1
