"""Hooks of tensors and nodes, against PyTorch: their order, what they are given, and what they may give back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch, in_order


def leaf(t: Any, *values: float) -> Any:
    return t.tensor(values or (1.0, -2.0, 3.0), requires_grad=True)


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


def everything_in_its_order(t):
    x, seen = leaf(t), []
    accumulator = (x * 1).grad_fn.next_functions[0][0]
    accumulator.register_hook(lambda inputs, outputs: seen.append(("after", inputs, outputs)))
    accumulator.register_prehook(lambda outputs: seen.append(("before", outputs)))
    x.register_post_accumulate_grad_hook(lambda p: seen.append(("accumulated", p.grad.clone())))
    x.register_hook(lambda g: seen.append(("tensor", g.clone())))
    (x * 2).sum().backward()
    return seen


def leaves_run_as_soon_as_they_can(t):
    x, w, seen = leaf(t), leaf(t), []
    x.register_hook(lambda g: seen.append("x"))
    w.register_hook(lambda g: seen.append("w"))
    y = x * 2
    y.register_hook(lambda g: seen.append("y"))
    z = y * w
    z.register_hook(lambda g: seen.append("z"))
    (z * 3).sum().backward()
    return seen


def node_hook_sees_both_sides(t):
    x, seen = leaf(t), []
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    y.sum().backward()
    return seen


def node_hook_replaces(t):
    x = leaf(t)
    y = x * x
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, inputs[1]))
    y.sum().backward()
    return x.grad


def node_prehook_replaces(t):
    x = leaf(t)
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.sum().backward()
    return x.grad


def node_hook_removed(t):
    x = leaf(t)
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, None)).remove()
    y.sum().backward()
    return x.grad


def handle_is_a_context(t):
    x, seen = leaf(t), []
    y = x * 2
    with y.register_hook(lambda g: seen.append(1)):
        y.sum().backward(retain_graph=True)
    y.sum().backward()
    return seen


def node_is_called(t):
    x = leaf(t)
    return (x * 2).grad_fn(t.ones(3)), (x + 1).exp().grad_fn(t.ones(3))


def hook_gives_a_number(t):
    y = leaf(t) * 2
    y.register_hook(lambda g: 3)
    y.sum().backward()


def hook_gives_another_size(t):
    y = leaf(t) * 2
    y.register_hook(lambda g: g[:2])
    y.sum().backward()


def hook_gives_another_dtype(t):
    y = leaf(t) * 2
    y.register_hook(lambda g: g.double())
    y.sum().backward()


def node_hook_gives_no_tuple(t):
    y = leaf(t) * 2
    y.grad_fn.register_hook(lambda inputs, outputs: inputs[0])
    y.sum().backward()


def node_hook_gives_too_few(t):
    y = leaf(t) * 2
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0],))
    y.sum().backward()


def prehook_gives_a_list(t):
    y = leaf(t) * 2
    y.grad_fn.register_prehook(lambda outputs: [outputs[0]])
    y.sum().backward()


def post_accumulate_of_computed(t):
    (leaf(t) * 2).register_post_accumulate_grad_hook(print)


def post_accumulate_without_gradient(t):
    t.ones(2).register_post_accumulate_grad_hook(print)


def post_accumulate_is_not_for_grad(t):
    x, seen = leaf(t), []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(1))
    t.autograd.grad((x * 2).sum(), x)
    return seen


def optimizer_in_the_backward_pass(t):
    x = leaf(t)

    def step(p):
        with t.no_grad():
            p.sub_(0.1 * p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        (x * x).sum().backward()
    return x, x.grad


def retained_flags(t):
    x = leaf(t)
    y = x * 2
    before = y.retains_grad
    y.retain_grad()
    return before, y.retains_grad, x.retains_grad


def retained_and_accumulated(t):
    x = leaf(t)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    (y * 3).sum().backward()
    return y.grad


def retained_after_a_write(t):
    x = leaf(t)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.grad, x.grad


def hook_before_a_write_stays_there(t):
    x, seen = leaf(t), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.clone()))
    y.mul_(3)
    y.sum().backward()
    return seen


def gradients_of_several_tensors(t):
    x, w, seen = leaf(t), leaf(t), []
    t.autograd.graph.register_multi_grad_hook((x, w), lambda grads: seen.append([g.clone() for g in grads]))
    (x * w).sum().backward()
    (x * w * 2).sum().backward()
    return seen


def first_gradient_of_several(t):
    x, w, seen = leaf(t), leaf(t), []
    t.autograd.graph.register_multi_grad_hook((x, w), lambda g: seen.append(1), mode="any")
    (x * w).sum().backward()
    (x * w * 2).sum().backward()
    return seen


SCENARIOS = in_order(globals(), leaf)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """What hooks see, in which order, what they change, and the errors they cause are PyTorch's."""
    assert_like_torch(scenario)
