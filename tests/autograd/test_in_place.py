"""Writes in place, views, and gradients together, against PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.autograd.scenarios import assert_like_torch


def matrix(t: Any) -> Any:
    return t.arange(6.0).reshape(2, 3).requires_grad_()


def write_to_leaf(t):
    matrix(t).add_(1)


def write_to_view_of_leaf(t):
    matrix(t)[0].add_(1)


def write_item_of_leaf(t):
    matrix(t)[0, 0] = 1.0


def write_to_leaf_under_no_grad(t):
    x = matrix(t)
    with t.no_grad():
        x.add_(1)
    (x * x).sum().backward()
    return x.grad, x._version


def saved_is_modified(t):
    x = matrix(t)
    y = x * 1
    z = y * y
    y.add_(1)
    z.sum().backward()


def saved_is_modified_through_view(t):
    x = matrix(t)
    y = x * 1
    z = (y * y).sum()
    y[0, 0] = 7.0
    z.backward()


def saved_is_modified_through_detached(t):
    x = matrix(t)
    y = x * 1
    z = (y * y).sum()
    y.detach().zero_()
    z.backward()


def saved_result_is_modified(t):
    x = matrix(t)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


def saved_constant_is_modified(t):
    x, c = matrix(t), t.ones(2, 3)
    z = (x * c).sum()
    c.add_(1)
    z.backward()


def unsaved_is_modified(t):
    x = matrix(t)
    y = x + 1
    z = (y + 3).sum()
    y.mul_(5)
    z.backward()
    return x.grad


def result_that_is_not_saved_is_modified(t):
    x = matrix(t)
    y = x * 3
    y += 1
    y *= 2
    y.sum().backward()
    return y, x.grad, y.is_leaf


def item_written(t):
    x = matrix(t)
    y = x * 1
    y[0] = 5.0
    (y * x).sum().backward()
    return y, x.grad


def item_written_with_gradient(t):
    x, v = matrix(t), t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1] = v * 2
    (y * y).sum().backward()
    return y, x.grad, v.grad


def item_changed(t):
    x = matrix(t)
    y = x * 1
    y[0] += 1
    y[:, 1] *= 3
    (y * y).sum().backward()
    return y, x.grad


def transposed_changed(t):
    x = matrix(t)
    y = x * 1
    y.t().mul_(2)
    (y * y).sum().backward()
    return y, x.grad


def view_of_view_changed(t):
    x = matrix(t)
    y = x * 1
    y.t()[1:].reshape(2, 2)[0].add_(10)
    z = y.view(6)[::2]
    z.mul_(-1)
    (y * y).sum().backward()
    return y, z, x.grad


def view_before_write(t):
    x = matrix(t)
    y = x * 1
    v = y[0]
    y.mul_(3)
    (v * v).sum().backward()
    return v, x.grad, v.grad_fn is not None


def sibling_views(t):
    x = matrix(t)
    y = x * 1
    v, w = y[0], y[:, 0]
    v.mul_(3)
    (w * w).sum().backward()
    return w, x.grad


def view_written_with_gradient_of_plain_base(t):
    y, v = t.zeros(2, 3), t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = y[1]
    y[0] = v * 2
    before = w.requires_grad
    (y * t.arange(6.0).reshape(2, 3)).sum().backward()
    return y, v.grad, y.requires_grad, before, w.requires_grad


def plain_tensor_takes_part(t):
    y, v = t.zeros(3), t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y += v
    y *= v
    y.sum().backward()
    return y, v.grad, y.is_leaf


def written_under_no_grad(t):
    x = matrix(t)
    y = x + 1
    with t.no_grad():
        y.mul_(10)
    y.sum().backward()
    return y, x.grad


def view_made_under_no_grad(t):
    x = matrix(t)
    y = x * 1
    with t.no_grad():
        v = y[0]
    return v.requires_grad


def overwritten_entirely(t):
    x = matrix(t)
    y = x * 2
    y.zero_()
    return t.autograd.grad(y.sum(), x), y.requires_grad, y.is_leaf


def overwritten_entirely_through_view(t):
    x = matrix(t)
    y = x * 2
    y[...] = 4.0
    y.view(6).fill_(2.0)
    return t.autograd.grad(y.sum(), x), y.requires_grad


def copied_over(t):
    x, v = matrix(t), t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y.copy_(v)
    return t.autograd.grad((y * y).sum(), [x, v])


def copied_with_another_dtype(t):
    y = t.zeros(3)
    v = t.tensor([1.0, 2.0, 3.0], dtype=t.float64, requires_grad=True)
    y.copy_(v * 2)
    y.sum().backward()
    return y, v.grad


def masked(t):
    x = matrix(t)
    y = x * 1
    y.masked_fill_(y > 2, 0.5)
    y[y > 4.5] = 9.0
    (y * x).sum().backward()
    return y, x.grad


def indexed_rows(t):
    x, v = matrix(t), t.ones(2, 3, requires_grad=True)
    y = x * 1
    y[t.tensor([1, 0])] = v * 2
    (y * y).sum().backward()
    return y, x.grad, v.grad


def indexed_columns_added(t):
    x = matrix(t)
    y = x * 1
    y[:, t.tensor([0, 2])] += 3
    (y * y).sum().backward()
    return y, x.grad


def write_to_expanded(t):
    t.ones(3, 1).expand(3, 4).add_(1)


def write_of_larger_shape(t):
    t.ones(3).add_(t.ones(2, 3))


def write_of_another_kind(t):
    t.tensor([1, 2]).add_(1.5)


def write_of_floats_to_float(t):
    x = t.tensor([1.0, 2.0])
    x.add_(t.tensor([1, 2]))
    x += t.tensor(0.5, dtype=t.float64)
    return x


def rows_in_a_loop(t):
    x = matrix(t)
    y = t.zeros(2, 3)
    for place in range(2):
        y[place] = x[place] * (place + 1)
    (y * y).sum().backward()
    return y, x.grad


def running_total(t):
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    total = t.zeros(())
    for place in range(3):
        total += x[place] ** 2
    total.backward()
    return total, x.grad


def detached_write_changes_the_values(t):
    x = matrix(t)
    y = x + 1
    y.detach().add_(5)
    y.sum().backward()
    return y, x.grad


def chain_of_updates(t):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    m = t.zeros(2)
    for _ in range(3):
        w.grad = None
        (w**3).sum().backward()
        with t.no_grad():
            m.mul_(0.9).add_(w.grad)
            w.sub_(m, alpha=0.1)
    return w, m, w._version


def same_tensor_both_sides(t):
    x = matrix(t)
    y = x * 1
    y += y
    y *= 2
    y.sum().backward()
    return y, x.grad


def overlapping_shift(t):
    x = t.arange(5.0)
    x[1:] = x[:-1].clone()
    return x


def base_retains_grad(t):
    x = matrix(t)
    y = x * 1
    y.retain_grad()
    y[0].mul_(2)
    (y * 3).sum().backward()
    return x.grad


def operand_of_a_softmax(t, name="softmax"):
    x = matrix(t)
    y = x * 1
    z = getattr(y, name)(1)
    y.masked_fill_(y > 3, -1e9)
    (first,) = t.autograd.grad((z * t.arange(6.0).reshape(2, 3)).sum(), x, create_graph=True)
    return z, first, t.autograd.grad((first * first).sum(), x)


def operand_of_a_log_softmax(t):
    return operand_of_a_softmax(t, "log_softmax")


def logits_of_a_loss(t):
    x = matrix(t)
    logits = x * 1
    loss = t.nn.functional.cross_entropy(logits, t.tensor([2, 0]))
    logits[:, 0] = -1e9
    loss.backward()
    return loss, x.grad, logits.argmax(1)


def result_of_a_softmax(t):
    z = (matrix(t) * 1).softmax(1)
    z.mul_(2)
    z.sum().backward()


SCENARIOS = [
    value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
    and name not in ("matrix",)
]  # fmt: skip

# The words differ where PyTorch names its own internals, after those that say what went wrong.
WORDS = {
    "saved_is_modified": 14,
    "saved_is_modified_through_view": 14,
    "saved_is_modified_through_detached": 14,
    "saved_result_is_modified": 14,
    "saved_constant_is_modified": 14,
    "result_of_a_softmax": 14,
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Values, gradients, and the words of errors are PyTorch's."""
    assert_like_torch(scenario, words=WORDS.get(scenario.__name__))
