"""Loads under conditions, side by side with steps between them, give each place its own condition."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.tensor import Tensor
from tests.every_way import difference


def chosen(values: list[Tensor]) -> list[Tensor]:
    """Products that a condition on the row turned round takes or leaves."""
    t, a, b, c = values
    turned = t.flip(1)
    return [gc.where((turned >= -3) & (turned <= 3), a * b * 2, c) + t]


def nested(values: list[Tensor]) -> list[Tensor]:
    """Choices within choices, and in the branch of a padding."""
    t, a, b, c = values
    turned = t.flip(1)
    padded = gc.nn.functional.pad(a * b, (1, 0))[:, :-1]
    inner = gc.where(turned > 0, a.flip(1), b.flip(1))
    return [gc.where(t > 0, inner, c), gc.where(turned > 0, padded, c.flip(1)), padded.flip(1) + c]


@pytest.mark.parametrize("function", [chosen, nested])
def test_each_place_has_its_own_condition(function: object) -> None:
    """Short rows are written out, so that the loop over rows has steps of their length: bit for bit as eagerly."""
    generator = np.random.default_rng(0)
    for width in (2, 3, 4, 5):
        for dtype in (np.float64, np.float32, np.int32):
            arrays = [(generator.standard_normal((33, width)) * 4).astype(dtype) for _ in range(4)]
            program = gc.compile(function)
            for _ in range(2):
                results = program([Tensor.from_array(array) for array in arrays])
            expected = function([Tensor.from_array(array) for array in arrays])  # type: ignore[operator]
            for found, wanted in zip(results, expected, strict=True):
                assert difference(found.numpy(), wanted.numpy()) is None, (width, dtype)


def test_what_both_sides_may_read_is_read_before() -> None:
    """The loads stand in statements of their own, before the condition; one alone stays where it is."""
    program = gc.compile(chosen)
    program([gc.randn(33, 3) for _ in range(4)])
    assert "? v" in program.source
    lone = gc.compile(lambda x, y: gc.where(x.t() > 0, y.t(), x.t() * 2))
    lone(gc.randn(40, 33), gc.randn(40, 33))
    assert "? v" not in lone.source
