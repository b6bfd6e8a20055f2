"""Tensors that a compiled function makes of numbers are made anew by every call, and may be written to."""

from __future__ import annotations

import numpy as np

import graphc as gc

VALUES = np.arange(40, dtype=np.float32)  # too many to be written into a program

MAKERS = {
    "tensor": lambda x: gc.tensor([1.0, 2.0]),
    "a number": lambda x: gc.tensor(3),
    "complex": lambda x: gc.tensor(1 + 2j),
    "of an array": lambda x: gc.tensor(VALUES),
    "as_tensor": lambda x: gc.as_tensor([True, False]).to(gc.int64),
    "the type": lambda x: gc.LongTensor([1, 2]),
    "new_tensor": lambda x: x.new_tensor([1.0]),
    "eye": lambda x: gc.eye(2),
    "linspace": lambda x: gc.linspace(0, 1, 50),
    "indices": lambda x: gc.tril_indices(3, 3),
    "window": lambda x: gc.hann_window(4),
    "a view": lambda x: gc.tensor([1.0, 2, 3, 4]).as_strided((2, 2), (1, 2)),
    "an array of its own": lambda x: gc.from_numpy(VALUES * 2),
    "distribution": lambda x: gc.distributions.Normal(0.5, 1.0).loc,
}


def test_what_is_written_to_them_is_gone_at_the_next_call():
    """A counter starts anew, as in eager mode, where it is written before or after it is used."""

    def step(x):
        made = [make(x) for make in MAKERS.values()]
        before = [each * 2 for each in made]
        for each in made:
            each.add_(1)
        return [*before, *made, x + made[0].sum()]

    compiled = gc.compile(step)
    for call in range(3):
        for name, one, other in zip([*MAKERS] * 2, compiled(gc.ones(2)), step(gc.ones(2)), strict=False):
            assert one.tolist() == other.tolist(), (name, call)


def test_each_call_gives_tensors_of_its_own():
    """What a caller writes to a result is not in the next one."""

    def step(x):
        return x + 1, gc.tensor([1.0, 2.0]), gc.tensor(VALUES)

    compiled = gc.compile(step)
    for _ in range(3):
        _, few, many = compiled(gc.ones(2))
        assert few.tolist() == [1, 2]
        assert many.tolist() == VALUES.tolist()
        few.zero_(), many.zero_()


def test_leaves_among_them_have_gradients():
    """A tensor that wants a gradient is a leaf of the call."""

    def step(x):
        weight = gc.tensor([2.0, 3.0], requires_grad=True)
        (weight * weight * x).sum().backward()
        return weight.grad

    compiled = gc.compile(step)
    for call in range(3):
        assert compiled(gc.full((2,), call + 1.0)).tolist() == [4 * (call + 1), 6 * (call + 1)]


def test_an_array_of_the_users_is_memory_from_outside():
    """What is written through a tensor that shows it is there after every call."""
    outside = np.zeros(5000, np.float32)

    def step(x):
        shown = gc.from_numpy(outside)
        shown.add_(x)
        return shown.sum()

    compiled = gc.compile(step)
    for call in range(3):
        assert compiled(gc.ones(1)).item() == 5000 * (call + 1)
    assert outside[0] == 3


def test_in_bodies_of_loops():
    """A body makes them anew at every run."""

    def step(x):
        def body(carry, row):
            count = gc.tensor([0.0, 1.0])
            count.add_(row)
            return carry + count, carry * gc.eye(2).sum()

        return gc.scan(body, gc.zeros(2), x)

    compiled, x = gc.compile(step), gc.arange(6.0).reshape(3, 2)
    for _ in range(2):
        for one, other in zip(compiled(x), step(x), strict=True):
            assert one.tolist() == other.tolist()
