"""Modes against PyTorch: gradients off and on, inference, as blocks, as functions, and as decorators."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values or (1.0, -2.0, 3.0), requires_grad=True)


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


def generator_under_no_grad(t):
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


def flags(t):
    x = leaf(t)
    before = t.is_inference_mode_enabled()
    with t.inference_mode():
        y = x * 2
        inside = t.is_inference_mode_enabled(), t.is_grad_enabled(), y.is_inference(), x.is_inference()
        with t.inference_mode(False):
            z = x * 2
            normal = t.is_inference_mode_enabled(), t.is_grad_enabled(), z.requires_grad
    return before, inside, normal, t.is_inference_mode_enabled(), y.is_inference(), t.is_inference(y), y.requires_grad


def decorators(t):
    @t.inference_mode()
    def called(x):
        return (x * 2).is_inference(), t.is_grad_enabled()

    @t.inference_mode
    def bare(x):
        return (x * 2).is_inference()

    return called(leaf(t)), bare(leaf(t)), t.is_grad_enabled(), bare.__name__


def decorated_generator(t):
    @t.inference_mode()
    def f():
        yield t.is_inference_mode_enabled()
        yield t.is_inference_mode_enabled()

    return [(inside, t.is_inference_mode_enabled()) for inside in f()]


def result_is_saved(t):
    with t.inference_mode():
        y = t.ones(3) * 2
    return leaf(t) * y


def result_is_not_saved(t):
    with t.inference_mode():
        y = t.ones(3) * 2
    return (leaf(t) + y).requires_grad


def clone_is_saved(t):
    x = leaf(t)
    with t.inference_mode():
        y = t.ones(3) * 2
    (x * y.clone()).sum().backward()
    return x.grad


def result_is_written(t):
    with t.inference_mode():
        y = t.ones(3) * 2
    y.add_(1)


def result_is_written_within(t):
    with t.inference_mode():
        y = t.ones(3) * 2
        y.add_(1)
    return y


def parameter_is_written_within(t):
    x = leaf(t)
    with t.inference_mode():
        x.add_(1)
    return x, x.requires_grad


def computed_on_later(t):
    with t.inference_mode():
        y = t.ones(3) * 2
    return (y * 3).sum(), (y * 3).is_inference()


def backward_in_no_grad_mode(t):
    x = leaf(t)
    y = (x * x).sum()
    with t.no_grad():
        y.backward()
    return x.grad, x.grad.requires_grad


def methods_are_decorated(t):
    class Model:
        @t.no_grad()
        def run(self, x):
            return (x * 2).requires_grad

    return Model().run(leaf(t))


def set_grad_as_decorator(t):
    @t.set_grad_enabled(False)
    def f(x):
        return (x * 2).requires_grad

    return f(leaf(t)), t.is_grad_enabled()


def exception_in_a_decorated_function(t):
    @t.no_grad()
    def f():
        raise KeyError("x")

    with contextlib.suppress(KeyError):
        f()
    return t.is_grad_enabled()


def closed_generator(t):
    seen = []

    @t.no_grad()
    def f():
        try:
            yield 1
        finally:
            seen.append(t.is_grad_enabled())

    iterator = f()
    next(iterator)
    iterator.close()
    return seen, t.is_grad_enabled()


SCENARIOS = in_order(globals(), leaf)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Flags, results, and the words of errors are PyTorch's."""
    assert_like_torch(scenario)
