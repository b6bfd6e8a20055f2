"""gradcheck and gradgradcheck: right rules pass, wrong ones are named, as in PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *shape: int) -> Any:
    return t.linspace(0.3, 1.9, 6, dtype=t.float64).reshape(shape or (2, 3)).requires_grad_()


def wrong(t: Any) -> Any:
    class Wrong(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    return Wrong.apply


def wrong_twice(t: Any) -> Any:
    class WrongTwice(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * (x.detach() ** 2)

    return WrongTwice.apply


def right(t):
    return t.autograd.gradcheck(lambda x, y: (x * y).exp().sum(1), (leaf(t), leaf(t)))


def several_outputs(t):
    return t.autograd.gradcheck(lambda x: (x.sin(), x.sum()), leaf(t))


def other_arguments(t):
    return t.autograd.gradcheck(lambda x, n, y: x**n * y, (leaf(t), 3, t.ones(3, dtype=t.float64)))


def right_twice(t):
    return t.autograd.gradgradcheck(lambda x: x.tanh() * x, leaf(t))


def right_twice_with_cotangents(t):
    return t.autograd.gradgradcheck(lambda x: x**3, leaf(t), t.ones(2, 3, dtype=t.float64).requires_grad_())


def wrong_is_told(t):
    return t.autograd.gradcheck(wrong(t), leaf(t), raise_exception=False)


def wrong_is_raised(t):
    t.autograd.gradcheck(wrong(t), leaf(t))


def wrong_second_derivative(t):
    return t.autograd.gradcheck(wrong_twice(t), leaf(t)), t.autograd.gradgradcheck(
        wrong_twice(t), leaf(t), raise_exception=False
    )


def nothing_to_check(t):
    t.autograd.gradcheck(lambda x: x * 2, t.ones(2, dtype=t.float64))


def single_precision_warns(t):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t.autograd.gradcheck(lambda x: x * 2, t.ones(2, requires_grad=True), atol=1, rtol=1)
    return [str(each.message).split(". ")[0] for each in caught]


SCENARIOS = in_order(globals(), leaf, wrong, wrong_twice)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """What passes, what does not, and what is said first of it, as PyTorch."""
    # What follows are the two tables of numbers.
    assert_like_torch(scenario, words=8, kinds=False)
