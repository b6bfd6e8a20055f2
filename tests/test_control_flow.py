"""Python code that decides by the values of tensors: each way through it is a program, chosen by what values are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.compiled.builds import observe_builds


class Builds:
    """Counts the builds made within the block."""

    def __enter__(self) -> Builds:
        self.count = 0
        self._observing = observe_builds(self._note)
        self._observing.__enter__()
        return self

    def _note(self, *_: Any) -> None:
        self.count += 1

    def __exit__(self, *exception: Any) -> None:
        self._observing.__exit__(*exception)


def halved(x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
    steps = 0
    while x.abs().sum() > 1:
        x = x / 2
        steps += 1
    return x.sum(), gc.full((), steps)


def branch(x: gc.Tensor) -> gc.Tensor:
    if x.sum() > 0:
        return x.exp()
    if x.max() > 1:
        return x.abs().sqrt()
    return -x


def by_integers(x: gc.Tensor) -> gc.Tensor:
    rows = int(x.sum()) % 3 + 1
    return x[:rows] * rows


def by_numbers(x: gc.Tensor) -> Any:
    loss = (x * x).mean()
    if loss.item() < 2:
        return loss, loss.item()
    return loss / 2, loss.item() * 3


def in_place(x: gc.Tensor) -> gc.Tensor:
    x = x.clone()
    while bool((x > 1).any()):
        x /= 2
        if x[0] < 0.3:
            break
    return x


@pytest.mark.parametrize("function", [halved, branch, by_integers, by_numbers, in_place])
def test_every_way_equals_eager(function: Callable[[gc.Tensor], Any]) -> None:
    """Random inputs take many ways; each call gives what eager gives, and a way is built once."""
    compiled = gc.compile(function)
    generator = np.random.default_rng(0)
    inputs = [gc.tensor(generator.standard_normal(5) * 10.0 ** generator.uniform(-1, 1)) for _ in range(12)]
    for x in (*inputs, *inputs):
        found, expected = compiled(x), function(x)
        for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, expected)), strict=True):
            assert type(one) is type(other)
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12)
    with Builds() as builds:
        for x in inputs:
            compiled(x)
    assert builds.count == 0


def test_a_missed_guard_leaves_no_trace() -> None:
    """A program that finds that it is on the wrong way has written nothing: no state, no random numbers."""
    weight, seen = gc.zeros(3), gc.zeros(())

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        seen.add_(1)
        noise = gc.rand(3)
        weight.add_(x)
        if weight.sum() > 4:
            weight.mul_(0.5)
            return noise
        return noise + 10

    def eager(x: gc.Tensor, weight: gc.Tensor) -> gc.Tensor:
        noise = gc.rand(3)
        weight.add_(x)
        if weight.sum() > 4:
            weight.mul_(0.5)
            return noise
        return noise + 10

    other = gc.zeros(3)
    gc.manual_seed(0)
    expected = [eager(gc.ones(3), other).tolist() for _ in range(9)]
    gc.manual_seed(0)
    assert [step(gc.ones(3)).tolist() for _ in range(9)] == expected
    assert weight.tolist() == other.tolist()
    assert seen.item() == 9


def test_what_fails_on_the_wrong_way_is_not_raised() -> None:
    """An index that is out of range only where the code would not have looked is no error; a real one still is."""
    table = gc.arange(4.0)

    @gc.compile
    def look(i: gc.Tensor) -> gc.Tensor:
        if i < 4:
            return table[i] * 2
        return gc.full((), -1.0)

    assert [look(gc.tensor(i)).item() for i in (1, 9, 3, 70, 2)] == [2.0, -1.0, 6.0, -1.0, 4.0]
    with pytest.raises(IndexError, match="index -5 is out of bounds"):
        look(gc.tensor(-5))


def test_too_many_ways_run_eagerly_with_one_warning() -> None:
    """The warning names the line; results stay right."""

    @gc.compile(max_paths=3)
    def count(x: gc.Tensor) -> gc.Tensor:
        steps = 0
        while x > steps:
            steps += 1
        return x * steps

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [count(gc.tensor(float(n))).item() for n in (1, 2, 3, 4, 5, 2, 4)]
    assert found == [n * n for n in (1, 2, 3, 4, 5, 2, 4)]
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 1
    assert "max_paths" in messages[0]
    assert "test_control_flow.py" in messages[0]


def test_a_training_step_that_decides() -> None:
    """Gradients are scaled only where they are long; losses and weights follow eager step by step."""

    def make() -> tuple[nn.Module, Callable[[gc.Tensor], float]]:
        gc.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(x: gc.Tensor) -> float:
            optimizer.zero_grad()
            loss = (net(x) - 1).square().sum()
            loss.backward()
            norm = sum(p.grad.square().sum() for p in net.parameters()).sqrt()
            if norm > 3:
                for parameter in net.parameters():
                    parameter.grad.mul_(3 / norm)
            optimizer.step()
            return loss.item()

        return net, step

    generator = np.random.default_rng(0)
    batches = [gc.tensor(generator.standard_normal((6, 4)), dtype=gc.float32) for _ in range(20)]
    net, step = make()
    expected = [step(x) for x in batches]
    other, plain = make()
    compiled = gc.compile(plain)
    assert [compiled(x) for x in batches] == pytest.approx(expected, rel=1e-4)
    for ours, theirs in zip(other.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_reading_many_values_is_refused() -> None:
    """A program per batch would be no program."""

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        return gc.tensor((x > 0).tolist())

    with pytest.raises(gc.CaptureError, match="tolist"):
        step(gc.ones(100))


def test_a_guard_after_a_scatter_stands_after_what_it_reads() -> None:
    """The copy that a scatter works on is no node of the graph, and must not make a later guard an earlier one."""

    @gc.compile
    def step(x: gc.Tensor, index: gc.Tensor) -> gc.Tensor:
        y = x.index_add(0, index, gc.ones(2))
        if x.sum() > 0:
            y = y * 2
        return y

    index = gc.tensor([0, 2])
    for numbers in ([1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [4.0, 5.0, 6.0]):
        x = gc.tensor(numbers)
        assert gc.equal(step(x, index), step.function(x, index))
