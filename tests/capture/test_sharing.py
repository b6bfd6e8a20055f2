"""Arguments of a compiled function that are parts of one memory, of each other's or of the function's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

Wrap = Callable[..., Any]


def windows(wrap: Wrap) -> list[Any]:
    """Three windows that overlap in various ways, and do not."""

    def step(a: gc.Tensor, b: gc.Tensor, c: gc.Tensor) -> Any:
        a.mul_(2)
        b += a.sum()
        c[0] = b[-1]
        return a + 0, b * 1, c.sum()

    step = wrap(step)
    found: list[Any] = []
    for start in (0, 2, 0):
        memory = gc.arange(12.0)
        found += [*step(memory[start : start + 4], memory[start + 2 : start + 6], memory.view(3, 4)[1]), memory]
    for _ in range(2):
        memory, alone = gc.arange(8.0), gc.arange(4.0)
        found += [*step(memory[:4], memory[4:], alone), memory, *step(memory[:4], alone, memory[4:]), memory, alone]
    return found


def own_memory(wrap: Wrap) -> list[Any]:
    """A part of a buffer that the function writes, at other places, the whole of it, and another tensor."""
    buffer = gc.arange(10.0)

    def step(x: gc.Tensor) -> Any:
        before = x * 3
        buffer.add_(1)
        x.mul_(2)
        return before + x, buffer.sum()

    step = wrap(step)
    found: list[Any] = []
    for start in range(3):
        found += [*step(buffer[start : start + 3]), buffer.clone()]
    return [*found, *step(gc.ones(3)), *step(buffer), buffer]


def other_layouts(wrap: Wrap) -> list[Any]:
    """Memory of numpy's that is not in one piece, and one memory as numbers of another kind."""
    array = np.arange(24, dtype=np.float32).reshape(4, 6)

    def step(a: gc.Tensor, b: gc.Tensor) -> gc.Tensor:
        a += 1
        b *= 2
        return a.sum() + b.sum()

    def bits(a: gc.Tensor, b: gc.Tensor) -> gc.Tensor:
        a *= 2
        return b >> 23

    step, bits = wrap(step), wrap(bits)
    strided, numbers = gc.from_numpy(array[:, 1:]), gc.arange(1.0, 5.0)
    found = [step(strided[0], strided[:, 0]), step(strided[1], strided[:, 1]), step(strided[1], strided[:, 1])]
    return [*found, array, bits(numbers, numbers.view(gc.int32)), bits(numbers, numbers.view(gc.int32)), numbers]


def handed_back(wrap: Wrap) -> list[Any]:
    """What is returned of such arguments shares their memory; gradients of others are taken within."""

    def step(a: gc.Tensor, b: gc.Tensor, w: gc.Tensor) -> Any:
        a += 1
        (gradient,) = gc.autograd.grad((a * b * w).sum(), w)
        return a, b[1:], gradient

    step = wrap(step)
    found: list[Any] = []
    for _ in range(3):
        memory = gc.arange(5.0)
        first, second, gradient = step(memory[:3], memory[1:4], gc.ones(3, requires_grad=True))
        first.mul_(3)
        second.add_(100)
        found += [memory, gradient]
    return found


@pytest.mark.parametrize("options", [{}, {"check": True}])
@pytest.mark.parametrize("program", [windows, own_memory, other_layouts, handed_back])
def test_arguments_that_are_parts_of_one_memory(program: Callable[[Wrap], list[Any]], options: dict[str, Any]) -> None:
    """Writes to one are seen in the others, as in eager mode, whichever parts they are at a call."""
    expected = program(lambda function: function)
    found = program(lambda function: gc.compile(function, **options))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-6)


def test_the_same_parts_are_one_build() -> None:
    """Another memory with the same parts needs no other program; other parts do."""

    @gc.compile
    def step(a: gc.Tensor, b: gc.Tensor) -> gc.Tensor:
        a += 1
        return (a * b).sum()

    for _ in range(3):
        memory = gc.arange(6.0)
        step(memory[:3], memory[2:5])
    assert len(step.report().builds) == 1
    step(memory[:3], memory[3:])
    assert len(step.report().builds) == 2


def test_parts_of_one_memory_that_want_a_gradient_are_refused_when_written() -> None:
    """With the line of the write."""
    memory = gc.arange(6.0, requires_grad=True) * 1

    @gc.compile
    def step(a: gc.Tensor, b: gc.Tensor) -> gc.Tensor:
        a += 1
        return (a * b).sum()

    with pytest.raises(gc.CaptureError, match=r"test_sharing\.py:\d+: \w is written in place while \w shows the same"):
        step(memory[:3], memory[2:5])
