"""What a compiled function hands out is what eager mode would, besides its elements: strides, leaves, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.tensor import Tensor

LAYOUTS: dict[str, Callable[[Tensor], Any]] = {
    "pointwise of a transposed argument": lambda x: x.t().exp(),
    "view of a new value": lambda x: (2 * x).t(),
    "expanded": lambda x: x.sum(1, keepdim=True).expand(4, 5),
    "overlapping windows": lambda x: (x * 2).unfold(1, 3, 1),
    "permuted": lambda x: gc.relu((x * 2).view(2, 2, 6).permute(2, 0, 1)),
    "joined": lambda x: gc.cat([x.t(), x.t()]),
    "contiguous": lambda x: x.t().contiguous(),
    "chunks of one value": lambda x: (x * 2).t().chunk(2),
    "a value and its transpose": lambda x: (lambda y: (y.t(), y, y.t()[0]))((x * 2).exp()),
    "written through a view": lambda x: (lambda y: (y, y.t()[1].fill_(3)))(x.t() + 1),
    "no elements": lambda x: x[:0].t() * 2,
    "an argument seen otherwise": lambda x: x.t(),
}


def tensors_of(result: Any) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


def described(result: Any) -> list[tuple[Any, ...]]:
    return [(tuple(tensor.shape), tensor.stride(), tensor.storage_offset()) for tensor in tensors_of(result)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_results_have_the_strides_of_eager_mode_at_every_call(name: str) -> None:
    """The first call and later ones give the same strides, offsets, and elements as eager mode."""
    function = LAYOUTS[name]
    compiled = gc.compile(function)
    for number in range(3):
        x = gc.randn(4, 6)
        expected, found = function(x), compiled(x)
        assert described(found) == described(expected), number
        for ours, theirs in zip(tensors_of(found), tensors_of(expected), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("part", [lambda y: y[:, 1:3], lambda y: y[:, 1], lambda y: y.diagonal(), lambda y: y.t()[::2]])
def test_a_part_of_a_value_has_memory_of_its_own_at_every_call(part: Callable[[Tensor], Tensor]) -> None:
    """So that the rest need not be computed; the first call gives what later ones give, and can be differentiated."""

    @gc.compile
    def function(x):
        return part(x * x)

    for number in range(3):
        x = gc.randn(4, 6, requires_grad=True)
        found = function(x)
        assert (found.is_contiguous(), found.storage_offset()) == (True, 0), number
        found.sum().backward()
        shown = gc.zeros(4, 6)
        part(shown).fill_(1)
        np.testing.assert_allclose(x.grad.numpy(), (2 * x * shown).detach().numpy(), rtol=1e-6)


def test_gradients_lie_as_their_leaves_do() -> None:
    """In eager mode and in every call of a compiled function, as in PyTorch."""
    plain, turned = gc.randn(3, 6, requires_grad=True), gc.randn(3, 6).t().requires_grad_()

    def step(x):
        plain.grad = turned.grad = None
        ((x @ plain.t()) * (x @ turned)).sum().backward()

    compiled = gc.compile(step)
    for call in (step, compiled, compiled, compiled):
        call(gc.randn(2, 6))
        assert (plain.grad.stride(), turned.grad.stride()) == ((6, 1), (1, 6))


def test_a_gradient_that_shares_memory_with_a_result() -> None:
    """A gradient that the code set itself to a view of what it returns keeps its shape, strides, and the sharing."""
    turned, part = gc.zeros(6, 4, requires_grad=True), gc.zeros(4, 2, requires_grad=True)

    @gc.compile
    def function(x):
        y = x * 2
        turned.grad, part.grad = y.t(), y[:, 1:3]
        return y

    for _ in range(3):
        y = function(gc.randn(4, 6))
        np.testing.assert_array_equal(turned.grad.numpy(), y.t().numpy())
        np.testing.assert_array_equal(part.grad.numpy(), y[:, 1:3].numpy())
        y.fill_(7)
        assert turned.grad.max() == turned.grad.min() == part.grad.max() == part.grad.min() == 7


def test_leaves_that_the_function_makes() -> None:
    """They are new leaves at every call, with the gradients that the function left, and other results are
    differentiated by them."""

    def function(x):
        found = (x * 2).detach().requires_grad_()
        (found**2).sum().backward()
        made, view = nn.Parameter(x * 3), x.view(-1).detach().requires_grad_()
        constant = gc.zeros(4, requires_grad=True)
        inside = (x * 5).detach().requires_grad_()
        return found, made, view, constant, (found * made * (view + constant + gc.zeros(4)) * inside).sum()

    compiled = gc.compile(function)
    held: list[Tensor] = []
    for number in range(3):
        x = gc.randn(4)
        twice = []
        for call in (function, compiled):
            *leaves, result = call(x)
            assert [leaf.is_leaf and leaf.requires_grad for leaf in leaves] == [True] * 4, number
            assert [type(leaf) for leaf in leaves] == [Tensor, nn.Parameter, Tensor, Tensor]
            before = leaves[0].grad.clone()
            result.backward()
            twice.append([before, *leaves, *[leaf.grad for leaf in leaves], result.detach()])
            assert not any(leaf is other for leaf in leaves for other in held)
            assert leaves[2].data_ptr() == x.data_ptr()
            held += leaves
        for ours, theirs in zip(twice[1], twice[0], strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5)


def test_a_parameter_that_is_made_of_a_value_ends_a_sweep() -> None:
    """What is computed of it does not lead back to what the value was computed of, and the value itself still does."""

    @gc.compile
    def function(x):
        y = x * 2
        return (nn.Parameter(y) * 3 + y * 5).sum()

    for _ in range(3):
        x = gc.ones(3, requires_grad=True)
        function(x).backward()
        np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 10.0))
