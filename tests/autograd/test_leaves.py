"""Leaves and their flags against PyTorch: ``requires_grad``, ``grad``, detaching, copies, and versions of memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values or (1.0, -2.0, 3.0), requires_grad=True)


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


SCENARIOS = in_order(globals(), leaf)
# PyTorch goes on about things that are not here: complex numbers, distributed training, weight_norm.
WORDS = {"flag_of_made_integers": 0, "detach_view_in_place": 7, "deep_copy_of_computed": 16}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, flags, and the words of errors are PyTorch's."""
    assert_like_torch(scenario, words=WORDS.get(scenario.__name__))
