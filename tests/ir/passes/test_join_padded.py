"""Sums of padded values: those that do not overlap become concatenations, bit for bit; others stay sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc.ir.passes.canonicalize import canonicalize
from graphc.ir.passes.join_padded import join_padded
from graphc.ir.passes.remove_dead import remove_dead
from tests.ir.passes.test_passes import SPECIAL, bits, names, trace

WHOLE = np.concatenate([SPECIAL, SPECIAL * 2, SPECIAL[::-1]], axis=0)  # (6, 3), with zeros of both signs and NaN


def _joined(function: Callable[[gc.Tensor], gc.Tensor], array: np.ndarray = WHOLE) -> list[str]:
    """The operations after the pass, once it was seen that it keeps every bit."""
    graph = canonicalize(trace(function, array))
    joined = remove_dead(join_padded(graph))
    assert bits(joined, array) == bits(graph, array)
    return names(joined)


def _gradient_of_slices(x: gc.Tensor) -> gc.Tensor:
    """The cotangent of each row of six goes back into its place."""
    y = x.clone().requires_grad_()
    total = sum((y[i].exp() * x[5 - i]).sum() for i in range(6))
    return gc.autograd.grad(total, y)[0]


def test_the_gradient_of_slices_is_one_concatenation() -> None:
    """Six padded cotangents and five sums of whole arrays become one value; -0.0 still becomes 0.0."""
    found = _joined(_gradient_of_slices)
    assert found.count("cat") == 1
    assert "pad" not in found


JOINED: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "a gap between": lambda x: F.pad(x[:2], (0, 0, 0, 4)) + F.pad(x[4:], (0, 0, 4, 0)),
    "gaps at the ends": lambda x: F.pad(x[:2], (0, 0, 1, 3)) + F.pad(x[4:], (0, 0, 3, 1)),
    "columns": lambda x: F.pad(x[:, :1], (2, 0)) + F.pad(x[:, 1:], (0, 1)),
    "in any order": lambda x: F.pad(x[:2], (0, 0, 4, 0)) + (F.pad(x[2:4], (0, 0, 0, 4)) + F.pad(x[4:], (0, 0, 2, 2))),
    "whole numbers": lambda x: F.pad((x[:2] > 0).long(), (0, 0, 0, 4)) + F.pad((x[2:] > 1).long(), (0, 0, 2, 0)),
}


@pytest.mark.parametrize("name", JOINED)
def test_what_does_not_overlap_is_joined(name: str) -> None:
    """Along any dimension, in any order, with zeros where there is nothing."""
    found = _joined(JOINED[name])
    assert "cat" in found
    assert "pad" not in found


LEFT: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "overlapping": lambda x: F.pad(x[:4], (0, 0, 0, 2)) + F.pad(x[3:], (0, 0, 3, 0)),
    "padded with ones": lambda x: F.pad(x[:2], (0, 0, 0, 4), value=1.0) + F.pad(x[2:], (0, 0, 2, 0)),
    "two dimensions": lambda x: F.pad(x[:2, :1], (0, 2, 0, 4)) + F.pad(x[2:, 1:], (1, 0, 2, 0)),
    "other dimensions": lambda x: F.pad(x[:2], (0, 0, 0, 4)) + F.pad(x[:, 1:], (1, 0)),
    "a dense one": lambda x: F.pad(x[:2], (0, 0, 0, 4)) + x,
}


@pytest.mark.parametrize("name", LEFT)
def test_other_sums_stay(name: str) -> None:
    """Nothing is joined where an element would need a sum, or where it is not zeros that are added."""
    assert "cat" not in _joined(LEFT[name])


def test_a_sum_that_others_read_is_joined_by_itself() -> None:
    """A part of a sum that is read elsewhere too is a value of its own, and so part of no other."""

    def function(x: gc.Tensor) -> gc.Tensor:
        pair = F.pad(x[:2], (0, 0, 0, 4)) + F.pad(x[2:4], (0, 0, 2, 2))
        return pair.exp() + (pair + F.pad(x[4:], (0, 0, 4, 0)))

    found = _joined(function)
    assert found.count("cat") == 1
    assert found.count("pad") == 1
