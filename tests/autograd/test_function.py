"""Functions with a rule of their own, against PyTorch: results, gradients, ``ctx``, and the words of errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values or (1.0, -2.0, 3.0), requires_grad=True)


def define(t: Any, forward: Any, backward: Any = None, **members: Any) -> Any:
    """A function of a library from its two halves."""
    methods = {"forward": staticmethod(forward), **{name: staticmethod(value) for name, value in members.items()}}
    if backward is not None:
        methods["backward"] = staticmethod(backward)
    return type("Own", (t.autograd.Function,), methods)


def power(t: Any) -> Any:
    def forward(ctx, x, n=2):
        ctx.save_for_backward(x)
        ctx.n = n
        return x**n

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.n * x ** (ctx.n - 1), None

    return define(t, forward, backward)


def doubled(t: Any, backward: Any) -> Any:
    return define(t, lambda ctx, x: x * 2, backward)


# -- what it gives


def value_and_gradient(t):
    x = leaf(t)
    y = power(t).apply(x, 3)
    y.sum().backward()
    return y, x.grad, y.requires_grad


def keyword(t):
    return power(t).apply(leaf(t), n=3)


def context_is_the_node(t):
    x = leaf(t)
    node = power(t).apply(x, 3).grad_fn
    names = node.name(), type(node).__name__, node.n, node.needs_input_grad
    return names, node.saved_tensors[0] is x, [type(each).__name__ for each, _ in node.next_functions]


def prints(t):
    return repr(power(t).apply(leaf(t), 2))


def second_order(t):
    x = leaf(t)
    (g,) = t.autograd.grad(power(t).apply(x, 3).sum(), x, create_graph=True)
    (h,) = t.autograd.grad(g.sum(), x)
    return g, h


def separate_setup(t):
    x = leaf(t)

    def setup(ctx, inputs, output):
        ctx.n = inputs[1]
        ctx.save_for_backward(output)

    def backward(ctx, g):
        return g * ctx.n + 0 * ctx.saved_tensors[0], None

    define(t, lambda x, n: x * n, backward, setup_context=setup).apply(x, 4).sum().backward()
    return x.grad


def several_results(t):
    x, seen = leaf(t), []

    def backward(ctx, a, b):
        seen.append((a, b))
        return a * 2 + b * 3

    a, b = define(t, lambda ctx, x: (x * 2, x * 3), backward).apply(x)
    places = [place for _, place in (b * 2).grad_fn.next_functions]
    a.sum().backward()
    return a.grad_fn is b.grad_fn, places, seen, x.grad


def several_results_together(t):
    x = leaf(t)
    a, b = define(t, lambda ctx, x: (x * 2, x * 3), lambda ctx, a, b: a * 2 + b * 3).apply(x)
    (a * b).sum().backward()
    return x.grad


def no_zeros_for_what_is_not_used(t):
    x, seen = leaf(t), []

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    a, _ = define(t, forward, lambda ctx, a, b: seen.append(b is None) or a * 2).apply(x)
    a.sum().backward()
    return seen, x.grad


def results_without_gradient(t):
    x, seen = leaf(t), []

    def forward(ctx, x):
        rank = (x > 0).to(t.int64)
        other = x * 2
        ctx.mark_non_differentiable(rank, other)
        return x * 3, rank, other

    a, b, c = define(t, forward, lambda ctx, a, b, c: seen.append((b, c)) or a * 3).apply(x)
    a.sum().backward()
    return b.requires_grad, c.requires_grad, seen, x.grad


def results_that_are_no_tensors(t):
    x = leaf(t)
    y, number, nothing = define(t, lambda ctx, x: (x * 2, 5, None), lambda ctx, a, b, c: a).apply(x)
    y.sum().backward()
    return number, nothing, x.grad


def a_list_is_handed_on(t):
    result = define(t, lambda ctx, x: [x * 2, x]).apply(leaf(t))
    return type(result).__name__, result[0].requires_grad


def written_in_place(t):
    x = leaf(t)

    def forward(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    y = x * 1
    z = define(t, forward, lambda ctx, g: g * 5).apply(y)
    z.sum().backward()
    return z is y, z, type(y.grad_fn).__name__, x.grad


def two_written_in_place(t):
    x, v = leaf(t) * 1, t.ones(3)

    def forward(ctx, a, b):
        a.mul_(2)
        b.mul_(2)
        ctx.mark_dirty(a, b)
        return a, b

    first, second = define(t, forward, lambda ctx, g, h: (g * 2, h * 2)).apply(x, v)
    return first, second is v, v.requires_grad


def input_returned(t):
    x = leaf(t)
    y = define(t, lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    y.sum().backward()
    return y is x, y.data_ptr() == x.data_ptr(), x.grad


def input_returned_without_gradients(t):
    x = leaf(t)
    with t.no_grad():
        y = define(t, lambda ctx, x: x, lambda ctx, g: g).apply(x)
    return y is x, y.requires_grad


def view_returned(t):
    x = leaf(t)
    y = define(t, lambda ctx, x: x.view(3, 1), lambda ctx, g: g.view(3) * 7).apply(x)
    y.sum().backward()
    return y, x.grad


def flags_of_inputs(t):
    x, seen = leaf(t), []

    def backward(ctx, g):
        seen.append(ctx.needs_input_grad)
        return g, None, None

    def forward(ctx, x, w, b):
        seen.append(ctx.needs_input_grad)
        return x * 2

    define(t, forward, backward).apply(x, t.ones(3), None).sum().backward()
    return seen


def modes_within(t):
    x, seen = leaf(t), []

    def forward(ctx, x):
        seen.append((t.is_grad_enabled(), x.requires_grad))
        return x * 2

    define(t, forward, lambda ctx, g: seen.append(t.is_grad_enabled()) or g).apply(x).sum().backward()
    return seen


def gradient_of_none(t):
    x = leaf(t)
    doubled(t, lambda ctx, g: None).apply(x).sum().backward()
    return x.grad


def gradient_is_summed_and_converted(t):
    x = leaf(t)
    doubled(t, lambda ctx, g: g.double()[None].expand(4, 3)).apply(x).sum().backward()
    return x.grad


def without_gradients(t):
    return power(t).apply(t.ones(2)).requires_grad


def integer_result(t):
    return define(t, lambda ctx, x: x.to(t.int64), lambda ctx, g: g).apply(leaf(t)).requires_grad


def once(t):
    backward = t.autograd.function.once_differentiable(lambda ctx, g: g * 2 * ctx.saved_tensors[0])

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    x, w = leaf(t), leaf(t)
    (g,) = t.autograd.grad(define(t, forward, backward).apply(x) @ w, x, create_graph=True)
    g.sum().backward()


def hooks_of_the_node(t):
    x, seen = leaf(t), []
    a, b = define(t, lambda ctx, x: (x * 2, x * 3), lambda ctx, a, b: a * 2 + b * 3).apply(x)
    a.grad_fn.register_prehook(lambda grads: seen.append(len(grads)))
    a.grad_fn.register_hook(lambda inputs, outputs: seen.append((len(inputs), len(outputs))))
    a.register_hook(lambda g: g * 10)
    (a + b).sum().backward()
    return seen, x.grad


def saved_result(t):
    x = leaf(t)

    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    (g,) = t.autograd.grad(
        define(t, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x).sum(), x, create_graph=True
    )
    return g, t.autograd.grad(g.sum(), x)


# -- what is wrong


def too_few_gradients(t):
    define(t, lambda ctx, x, y: x * y, lambda ctx, g: g).apply(leaf(t), leaf(t)).sum().backward()


def too_many_gradients(t):
    define(t, lambda ctx, x: x * 2, lambda ctx, g: (g, g)).apply(leaf(t)).sum().backward()


def more_nones_are_fine(t):
    x = leaf(t)
    doubled(t, lambda ctx, g: (g, None)).apply(x).sum().backward()
    return x.grad


def gradient_for_a_number(t):
    define(t, lambda ctx, x, k: x * k, lambda ctx, g: (g, g)).apply(leaf(t), 2).sum().backward()


def ill_shaped_gradient(t):
    doubled(t, lambda ctx, g: g[:2]).apply(leaf(t)).sum().backward()


def gradient_is_a_number(t):
    doubled(t, lambda ctx, g: 2.0).apply(leaf(t)).sum().backward()


def gradient_is_a_list(t):
    doubled(t, lambda ctx, g: [g]).apply(leaf(t)).sum().backward()


def no_rule(t):
    define(t, lambda ctx, x: x * 2).apply(leaf(t)).sum().backward()


def no_forward(t):
    t.autograd.Function.forward(None)


def saves_a_number(t):
    def forward(ctx, x):
        ctx.save_for_backward(3)
        return x * 2

    define(t, forward, lambda ctx, g: g).apply(leaf(t))


def writes_to_a_leaf(t):
    def forward(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x

    define(t, forward, lambda ctx, g: g).apply(leaf(t))


def dirty_is_not_returned(t):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x * 2

    define(t, forward, lambda ctx, g: g).apply(leaf(t) * 1)


def write_to_a_view_made_within(t):
    define(t, lambda ctx, x: x.view(3, 1), lambda ctx, g: g.view(3)).apply(leaf(t) * 1).add_(1)


def called_as_an_object(t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        power(t)()(leaf(t))


def twice(t):
    y = power(t).apply(leaf(t), 3).sum()
    y.backward()
    y.backward()


def saved_after_the_sweep(t):
    y = power(t).apply(leaf(t), 3)
    y.sum().backward()
    return y.grad_fn.saved_tensors


def saved_is_modified(t):
    z = leaf(t) * 1
    y = power(t).apply(z, 3)
    z.add_(1)
    y.sum().backward()


def error_in_forward(t):
    def forward(ctx, x):
        raise ValueError("in forward")

    define(t, forward).apply(leaf(t))


def error_in_backward(t):
    def backward(ctx, g):
        raise ValueError("in backward")

    doubled(t, backward).apply(leaf(t)).sum().backward()


SCENARIOS = in_order(globals(), leaf, define, power, doubled)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, gradients, what was seen on the way, and errors with all their words are PyTorch's."""
    assert_like_torch(scenario)


# -- inside a compiled function


class _Cube(gc.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, scale: float) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


def test_forward_and_backward_are_recorded() -> None:
    """A compiled step with such a function computes its forward and its own backward rule, call after call."""
    w = gc.tensor([1.0, 2.0], requires_grad=True)

    @gc.compile
    def step(x: Any) -> Any:
        w.grad = None
        loss = _Cube.apply(w * x, 2.0).sum()
        loss.backward()
        with gc.no_grad():
            w.sub_(0.001 * w.grad)
        return loss

    expected = w.detach().clone()
    for call in range(3):
        x = gc.tensor([1.0 + call, -2.0])
        loss = step(x)
        reference = 2 * (expected * x) ** 3
        np.testing.assert_allclose(loss.item(), reference.sum().item(), rtol=1e-6)
        expected = expected - 0.001 * 6 * (expected * x) ** 2 * x
        np.testing.assert_allclose(w.detach().numpy(), expected.numpy(), rtol=1e-5)
