"""Choice by masks of bits is numpy's choice, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ops.choosing import choose, put_where

DTYPES = ["float32", "float64", "int64", "int32", "int16", "uint8", "bool", "float16", "complex64", "complex128"]
MANY = 3000


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(MANY,), (60, 50), (3,), (0,), ()], ids=str)
def test_choice_is_numpys(dtype: str, shape: tuple[int, ...]) -> None:
    """Of arrays, of numbers stretched or not, of zero on either side, and of transposed ones."""
    generator = np.random.default_rng(0)
    x, y = (np.asarray(generator.integers(-5, 5, shape)).astype(dtype) for _ in range(2))
    condition = np.asarray(generator.random(shape) > 0.5)
    numbers = [np.asarray(number, dtype) for number in (0, 3)]
    stretched = [np.broadcast_to(number, shape) for number in numbers]
    pairs = [(x, y)] + [pair for other in (*numbers, *stretched) for pair in ((x, other), (other, y))]
    pairs += [(numbers[0], numbers[1]), (x.T.copy().T, y)]
    for one, other in pairs:
        found, expected = choose(condition, one, other), np.where(condition, one, other)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()


def test_bits_of_floats_stay() -> None:
    """NaN with its payload, infinities, and the sign of zero: as stretched numbers too."""
    x = np.tile(np.array([np.nan, -0.0, np.inf, 1.0], np.float32), MANY)
    x.view(np.uint32)[::4] |= 7
    condition = np.random.default_rng(0).random(x.shape) > 0.5
    for other in (np.float32(-0.0), np.float32(np.nan), np.float32(0.0)):
        stretched = np.broadcast_to(other, x.shape)
        assert choose(condition, x, stretched).tobytes() == np.where(condition, x, other).tobytes()
        assert choose(condition, stretched, x).tobytes() == np.where(condition, other, x).tobytes()


def test_an_integer_is_put_where_the_condition_holds() -> None:
    """Into a view too; what the condition does not hold for stays."""
    generator = np.random.default_rng(0)
    target = generator.integers(-100, 100, (6, 8)).astype(np.int8)
    expected = target.copy()
    condition = generator.random((3, 4)) > 0.5
    put_where(target[::2, 1::2], condition, -7)
    np.copyto(expected[::2, 1::2], -7, where=condition)
    np.testing.assert_array_equal(target, expected)
