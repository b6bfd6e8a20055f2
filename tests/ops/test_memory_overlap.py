"""Operands that share memory with what is written to: refused where PyTorch refuses them, computed elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch


def _places(t: Any) -> Any:
    return t.zeros(3, 3, dtype=t.long)


def _set(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


# Of a 3 by 3 matrix in memory that other tensors share.
CASES: dict[str, Callable[[Any, Any], Any]] = {
    "a part to the next": lambda t, x: x[1:].copy_(x[:-1]),
    "a part to the one before": lambda t, x: x[:-1].add_(x[1:]),
    "a row to all": lambda t, x: x.copy_(x[0]),
    "a row to others": lambda t, x: x[1:].copy_(x[0]),
    "itself": lambda t, x: x.add_(x).copy_(x),
    "itself transposed": lambda t, x: x.add_(x.t()),
    "itself converted": lambda t, x: x.copy_(x.long()),
    "itself by another view": lambda t, x: x.mul_(x.view(3, 3)),
    "one element": lambda t, x: x.mul_(x[2, 2]),
    "one element, by an operator": lambda t, x: x.__itruediv__(x[2, 2]),
    "one element fills": lambda t, x: x.fill_(x[2, 2]),
    "a computed row": lambda t, x: x.div_(x.max(0)[0]),
    "three operands": lambda t, x: x[1:].addcmul_(x[:-1], x[:-1]),
    "a keyword": lambda t, x: x[1:].clamp_(min=x[:-1]),
    "a part of a slice": lambda t, x: _set(x, slice(0, 2), x[1:]),
    "a row of a slice": lambda t, x: _set(x, slice(None), x[0]),
    "all of a slice": lambda t, x: _set(x, slice(None), x),
    "transposed into a slice": lambda t, x: _set(x, slice(None), x.T),
    "rows by places": lambda t, x: _set(x, [0, 1], x[1:]),
    "rows swapped": lambda t, x: _set(x, [0, 1], x[[1, 0]]),
    "places of a mask": lambda t, x: _set(x, x > 3, x[1, 0]),
    "added by index": lambda t, x: x.index_add_(0, t.tensor([0, 1, 2]), x),
    "copied by index": lambda t, x: x.index_copy_(0, t.tensor([0, 1, 2]), x),
    "scattered": lambda t, x: x.scatter_(0, _places(t), x),
    "put": lambda t, x: x.put_(t.arange(9), x),
    "out of a part": lambda t, x: t.exp(x[1:], out=x[:-1]),
    "out of itself": lambda t, x: t.exp(x, out=x),
    "out of a choice": lambda t, x: t.where(x[1:] > 0, x[1:], x[:-1], out=x[:-1]),
    "out of joined parts": lambda t, x: t.cat([x[:1], x[:1]], out=x[:2]),
    "out of what is gathered": lambda t, x: t.gather(x, 0, _places(t), out=x),
    "out of running sums": lambda t, x: t.cumsum(x, 0, out=x),
    "a stretched row filled": lambda t, x: x[0].expand(2, 3).fill_(7.0),
    "a stretched row zeroed": lambda t, x: x[0].expand(2, 3).zero_(),
    "a stretched row added to": lambda t, x: x[0].expand(2, 3).add_(1),
    "a stretched row set": lambda t, x: _set(x[0].expand(2, 3), slice(None), 1.0),
    "a row of a stretched row set": lambda t, x: _set(x[0].expand(2, 3), 0, 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_shared_memory_is_treated_as_in_pytorch(case: str) -> None:
    """The operation's result and all that the memory holds then, or PyTorch's error."""

    def scenario(t: Any) -> Any:
        x = t.arange(9.0).view(3, 3)
        return CASES[case](t, x), x

    assert_like_torch(scenario)


def test_products_read_before_they_write() -> None:
    """Where PyTorch says nothing and gives what the order of its writes makes of it, the product is right."""
    x = gc.arange(9.0).view(3, 3)
    expected = x @ x
    assert gc.equal(gc.mm(x, x, out=x), expected)
