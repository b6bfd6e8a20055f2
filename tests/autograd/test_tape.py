"""The tape against PyTorch's: accumulation, freed graphs, higher orders, ``grad``, and the words of errors."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order


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


SCENARIOS = in_order(globals(), leaf)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, flags, and the words of errors are PyTorch's."""
    assert_like_torch(scenario)


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
