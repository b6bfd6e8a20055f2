"""Memory from outside that a compiled function writes with values that want gradients is left with their history."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import graphc as gc
from graphc import Tensor

W = gc.ones(3, requires_grad=True)


def gradients(
    how: Callable[..., Callable[..., Tensor]], make: Callable[[], tuple], given: Callable[..., Tensor]
) -> list:
    """What three calls leave: the gradients of sweeps through the result and through what was written."""
    function, outside = make()
    step = how(function)
    found = []
    for number in range(3):
        W.grad = None
        x = given(number + 1.0)
        result = step(x)
        written = outside if outside is not None else x if x._base is None else x._base
        (result.sum() + (written * written).sum()).backward()
        found.append((W.grad.tolist(), x.requires_grad, written.requires_grad, written.is_leaf))
        written.detach_()
    return found


def scaled() -> tuple:
    def function(x):
        x.mul_(W)
        return (x * x).sum()

    return function, None


def one_element() -> tuple:
    def function(x):
        x[0] = W.sum()
        return x.sum() * 2

    return function, None


def from_outside() -> tuple:
    outside = gc.zeros(3)

    def function(x):
        outside.copy_(W * x)
        return outside.sum() * 3

    return function, outside


@pytest.mark.parametrize("make", [scaled, one_element, from_outside])
@pytest.mark.parametrize("kind", ["whole", "row"])
def test_a_sweep_from_outside_goes_through_what_was_written(make, kind):
    """An argument, a view that is one, and a variable: as in eager mode, at every call."""
    if kind == "whole":
        given = lambda number: gc.full((3,), number) * 1  # noqa: E731
    else:
        given = lambda number: (gc.full((2, 3), number) * 1)[1]  # noqa: E731
    assert gradients(gc.compile, make, given) == gradients(lambda function: function, make, given)


def test_history_of_the_call_before_is_no_part_of_a_sweep():
    """Eager mode goes on into the call before: the program can't, and says so, where it gave a wrong gradient."""
    average = gc.ones(2, 3)

    def step(x):
        W.grad = None
        loss = (W * x - average).sum()
        average[:] = W
        loss.backward()

    compiled = gc.compile(step)
    compiled(gc.ones(1))
    with pytest.raises(gc.CaptureError, match=r"test_histories\.py:\d+ .*goes on into CopySlices"):
        compiled(gc.ones(1))


def test_memory_that_others_show_is_refused():
    """A view among the variables: its base would be left without the history."""
    row = gc.zeros(2, 3)[1]

    def step(x):
        row.copy_(W * x)

    with pytest.raises(gc.CaptureError, match=r"test_histories\.py:\d+: row shows memory that other tensors show too"):
        gc.compile(step)(gc.ones(3))
    assert row.tolist() == [0, 0, 0]


def test_a_name_that_is_gone_is_no_matter():
    """A value that wants a gradient, written by a tensor that the function made and let go: only memory is left."""

    def step(x, scale):
        x.detach().add_(W.sum())
        return x * scale

    compiled = gc.compile(step)
    for number in range(3):
        assert compiled(gc.full((2,), number + 0.0), gc.ones(1)).tolist() == [number + 3, number + 3]
