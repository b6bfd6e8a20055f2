"""Jacobians, Hessians, and their products, against PyTorch: shapes, values, flags, strictness, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *shape: int) -> Any:
    count = 1
    for extent in shape or (3,):
        count *= extent
    return (t.arange(float(count)) / 3 - 0.5).reshape(shape or (3,)).requires_grad_()


def cube(x):
    return x**3


def mixed(x, y):
    return (x * y).sum(), x.exp() + y


def scalar(x, y):
    return (x**3 * y).sum() + (y**2).sum()


def jacobian_of_one(t):
    return t.autograd.functional.jacobian(cube, leaf(t))


def jacobian_of_several(t):
    return t.autograd.functional.jacobian(mixed, (leaf(t, 2, 3), leaf(t, 3)))


def jacobian_of_a_tuple_of_one(t):
    return t.autograd.functional.jacobian(lambda x: (x * 2,), (leaf(t, 2),))


def jacobian_is_zero_where_independent(t):
    return t.autograd.functional.jacobian(lambda x, y: x * 2, (leaf(t, 2), leaf(t, 3)))


def jacobian_of_a_constant(t):
    return t.autograd.functional.jacobian(lambda x: t.ones(2), leaf(t, 3))


def jacobian_in_the_graph(t):
    x = leaf(t)
    j = t.autograd.functional.jacobian(cube, x, create_graph=True)
    j.sum().backward()
    return j.requires_grad, x.grad, t.autograd.functional.jacobian(cube, x).requires_grad


def jacobian_vectorized(t):
    return t.autograd.functional.jacobian(mixed, (leaf(t, 2, 3), leaf(t, 3)), vectorize=True)


def jacobian_forward(t):
    return t.autograd.functional.jacobian(cube, leaf(t), vectorize=True, strategy="forward-mode")


def jacobian_forward_alone(t):
    t.autograd.functional.jacobian(cube, leaf(t), strategy="forward-mode")


def jacobian_strictly_independent(t):
    t.autograd.functional.jacobian(lambda x, y: x * 2, (leaf(t), leaf(t)), strict=True)


def jacobian_strictly_constant(t):
    t.autograd.functional.jacobian(lambda x: t.ones(2), leaf(t), strict=True)


def jacobian_strictly_linear(t):
    t.autograd.functional.jacobian(lambda x: x * 2, leaf(t), strict=True, create_graph=True)


def jacobian_of_a_number(t):
    t.autograd.functional.jacobian(cube, 3.0)


def jacobian_of_numbers(t):
    t.autograd.functional.jacobian(mixed, (leaf(t), 3.0))


def jacobian_to_a_number(t):
    t.autograd.functional.jacobian(lambda x: 3.0, leaf(t))


def hessian_of_one(t):
    return t.autograd.functional.hessian(lambda x: (x**3).sum(), leaf(t, 2, 2))


def hessian_of_several(t):
    return t.autograd.functional.hessian(scalar, (leaf(t), leaf(t)))


def hessian_of_a_tuple_of_one(t):
    return t.autograd.functional.hessian(lambda x: (x**3).sum(), (leaf(t),))


def hessian_in_the_graph(t):
    x = leaf(t)
    h = t.autograd.functional.hessian(lambda x: (x**4).sum(), x, create_graph=True)
    h.sum().backward()
    return h, x.grad


def hessian_of_a_vector(t):
    t.autograd.functional.hessian(cube, leaf(t))


def hessian_of_a_tuple(t):
    t.autograd.functional.hessian(lambda x: (x.sum(), x.sum()), leaf(t))


def hessian_strictly_linear(t):
    t.autograd.functional.hessian(lambda x: x.sum(), leaf(t), strict=True)


def vjp_with_vector(t):
    return t.autograd.functional.vjp(cube, leaf(t), t.tensor([1.0, 2.0, 3.0]))


def vjp_of_a_scalar(t):
    return t.autograd.functional.vjp(lambda x: x.sum() * 2, leaf(t))


def vjp_of_several(t):
    v = (t.tensor(2.0), t.ones(3))
    return t.autograd.functional.vjp(mixed, (leaf(t), leaf(t)), v)


def vjp_in_the_graph(t):
    x = leaf(t)
    _, g = t.autograd.functional.vjp(cube, x, t.ones(3), create_graph=True)
    g.sum().backward()
    return x.grad


def vjp_without_vector(t):
    t.autograd.functional.vjp(cube, leaf(t))


def vjp_ill_shaped(t):
    t.autograd.functional.vjp(cube, leaf(t), t.ones(4))


def vjp_too_few(t):
    t.autograd.functional.vjp(mixed, (leaf(t), leaf(t)), (t.tensor(2.0),))


def vjp_strictly_independent(t):
    t.autograd.functional.vjp(lambda x, y: x, (leaf(t), leaf(t)), t.ones(3), strict=True)


def jvp_with_vector(t):
    return t.autograd.functional.jvp(cube, leaf(t), t.tensor([1.0, 2.0, 3.0]))


def jvp_of_several(t):
    return t.autograd.functional.jvp(mixed, (leaf(t), leaf(t)), (t.ones(3), t.tensor([1.0, 0.0, 2.0])))


def jvp_of_a_scalar_input(t):
    return t.autograd.functional.jvp(lambda x: x * 3, t.tensor(2.0))


def jvp_in_the_graph(t):
    x = leaf(t)
    _, g = t.autograd.functional.jvp(cube, x, t.ones(3), create_graph=True)
    g.sum().backward()
    return x.grad


def jvp_without_vector(t):
    t.autograd.functional.jvp(cube, leaf(t))


def vhp_with_vector(t):
    return t.autograd.functional.vhp(lambda x: (x**3).sum(), leaf(t), t.tensor([1.0, 2.0, 3.0]))


def vhp_of_several(t):
    return t.autograd.functional.vhp(scalar, (leaf(t), leaf(t)), (t.ones(3), t.zeros(3)))


def hvp_with_vector(t):
    return t.autograd.functional.hvp(lambda x: (x**3).sum(), leaf(t), t.tensor([1.0, 2.0, 3.0]))


def hvp_of_several(t):
    return t.autograd.functional.hvp(scalar, (leaf(t), leaf(t)), (t.ones(3), t.zeros(3)))


def hvp_of_a_vector(t):
    t.autograd.functional.hvp(cube, leaf(t), t.ones(3))


def hvp_in_the_graph(t):
    x = leaf(t)
    _, g = t.autograd.functional.hvp(lambda x: (x**4).sum(), x, t.ones(3), create_graph=True)
    g.sum().backward()
    return x.grad


SCENARIOS = in_order(globals(), leaf, cube, mixed, scalar)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Results in their tuples and shapes, and errors with all their words, are PyTorch's."""
    assert_like_torch(scenario)
