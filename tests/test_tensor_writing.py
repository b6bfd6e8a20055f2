"""Writing in place: an update goes to the tensor's own memory, as the function and a write would leave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

UPDATES: dict[str, tuple[Callable[[gc.Tensor, object], object], Callable[[gc.Tensor, object], gc.Tensor]]] = {
    "add_": (lambda x, y: x.add_(y), lambda x, y: x + y),
    "sub_": (lambda x, y: x.sub_(y), lambda x, y: x - y),
    "mul_": (lambda x, y: x.mul_(y), lambda x, y: x * y),
    "div_": (lambda x, y: x.div_(y), lambda x, y: x / y),
}
OPERANDS = {
    "tensor": gc.linspace(0.1, 3.0, 12).reshape(3, 4),
    "row": gc.linspace(0.1, 3.0, 4),
    "0-d": gc.tensor(0.7),
    "float": 0.1,
    "integer": 3,
    "wider": gc.linspace(0.1, 3.0, 4, dtype=gc.float64),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("name", UPDATES)
def test_updates(name: str, operand: str) -> None:
    """The memory is the same one, it holds what the function gives, and its version counts one write."""
    update, function = UPDATES[name]
    base = gc.linspace(-1.0, 2.0, 24).reshape(3, 8)
    for x in (base.clone(), base.clone()[:, ::2]):
        x = x if x.shape == (3, 4) else x[:, :4]
        expected, address, version = function(x, OPERANDS[operand]).float(), x.data_ptr(), x._version
        assert update(x, OPERANDS[operand]) is x
        assert (x.data_ptr(), x._version) == (address, version + 1)
        np.testing.assert_array_equal(x.numpy(), expected.numpy())


def test_update_by_an_overlapping_view() -> None:
    """An operand that shares some of the elements is refused; one with gaps is read before it is overwritten."""
    x = gc.arange(6.0)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        x[1:].add_(x[:-1])
    x[1::2].add_(x[::2])
    assert x.tolist() == [0.0, 1.0, 2.0, 5.0, 4.0, 9.0]


def test_saved_operand_of_an_update() -> None:
    """An update that writes over what a rule has saved is seen, though no tensor is made."""
    x = gc.ones(3, requires_grad=True)
    factor = gc.ones(3)
    result = (x * factor).sum()
    factor.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


def test_updates_are_refused() -> None:
    """A leaf that requires a gradient, stretched memory, and a result of a higher category refuse an update."""
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        gc.ones(2, requires_grad=True).add_(1.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        gc.ones(1).expand(3).mul_(2.0)
    with pytest.raises(RuntimeError, match="can't be cast"):
        gc.ones(2, dtype=gc.int64).add_(0.5)


def test_followed_update() -> None:
    """Where gradients are recorded the update is on the tape."""
    x = gc.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1.0
    y.mul_(x).add_(x)
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_copy_of_a_number() -> None:
    """A 0-d tensor is copied to every place, one of another dtype converted."""
    x = gc.zeros(2, 2)
    x.copy_(gc.tensor(1.5))
    assert x.tolist() == [[1.5, 1.5], [1.5, 1.5]]
    x.copy_(gc.tensor([[1, 2], [3, 4]]))
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


WRITES_TO_PLACES = {
    "by a mask": lambda t, x: x.__setitem__(t.tensor([True, False, False]), 2.0),
    "by an index": lambda t, x: x.__setitem__(t.tensor([0]), 2.0),
    "masked_fill_": lambda t, x: x.masked_fill_(t.tensor([True, False, False]), 2.0),
    "index_fill_": lambda t, x: x.index_fill_(0, t.tensor([0]), 2.0),
    "index_put_": lambda t, x: x.index_put_((t.tensor([0]),), t.tensor(2.0)),
}


@pytest.mark.parametrize("name", WRITES_TO_PLACES)
def test_single_places_of_a_stretched_tensor_may_be_written_to(name: str) -> None:
    """As in PyTorch: the write shows in every element that shares the memory, whatever writes to all are."""
    torch = pytest.importorskip("torch")
    found = []
    for t in (gc, torch):
        base = t.ones(1)
        x = base.expand(3)
        WRITES_TO_PLACES[name](t, x)
        found.append((x.tolist(), base.tolist()))
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            x.add_(1)
    assert found[0] == found[1]


def test_gradients_that_are_stretched_may_be_written_to_in_places() -> None:
    """A hook, and a rule, that writes by a mask to the gradient of a sum."""
    torch = pytest.importorskip("torch")

    def run(t: Any) -> list[Any]:
        mask = t.tensor([True, False, True])

        def write(gradient: Any) -> Any:
            gradient[mask] = 5.0
            return gradient

        x = t.ones(3, requires_grad=True)
        doubled = x * 2
        doubled.register_hook(write)
        doubled.sum().backward()
        (gradient,) = t.autograd.grad(x.sum(), x)
        write(gradient)
        return [x.grad.tolist(), gradient.tolist()]

    assert run(gc) == run(torch)
