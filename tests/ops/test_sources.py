"""Sources: numbers, ranges, literals, and random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphc.ir.graph import Builder, Symbol
from graphc.ir.types import TensorType, bool_, float32, float64, int32, int64, uint8
from graphc.ops.functions.creation import full_like
from graphc.ops.operators import bind_operators
from graphc.ops.sources import (
    Constant,
    Full,
    Iota,
    Literal,
    RandomBernoulli,
    RandomNormal,
    RandomUniform,
    as_number,
    number_like,
)
from graphc.randomness.generator import default_generator
from graphc.tensor import Tensor

bind_operators(Tensor)


def test_full_takes_one_element_of_memory() -> None:
    """However large, a number costs no memory and cannot be written to; -0.0 and 0.0, 1 and True stay apart."""
    array = Full.instance.evaluate(value=2.5, shape=(1000, 1000), dtype=float32)
    assert array.strides == (0, 0)
    assert not array.flags.writeable
    assert (array.dtype, array.min(), array.max()) == (np.float32, 2.5, 2.5)
    for value in (0.0, -0.0):
        single = Full.instance.evaluate(value=value, shape=(2,), dtype=float64)
        assert math.copysign(1, single[0]) == math.copysign(1, value)
    assert Full.instance.evaluate(value=True, shape=(2,), dtype=bool_).dtype == bool
    assert Full.instance.evaluate(value=1, shape=(2,), dtype=int64).dtype == np.int64
    assert math.isnan(Full.instance.evaluate(value=math.nan, shape=(), dtype=float32))


def test_full_like_can_be_written_to() -> None:
    """What the user asks for has memory of its own."""
    x = full_like(Tensor.from_array(np.zeros((2, 3), np.float32)), 7)
    x += 1
    assert x.tolist() == [[8.0] * 3] * 2


def test_numbers_that_do_not_fit() -> None:
    """A number too large for an integer dtype is refused; floats are taken as the dtype's kind."""
    assert as_number(2, float32) == 2.0
    assert isinstance(as_number(2, float32), float)
    assert as_number(3.0, int32) == 3
    with pytest.raises(RuntimeError, match="type uint8_t without overflow"):
        as_number(300, uint8)


def test_iota() -> None:
    """Counts along one dimension, contiguous."""
    array = Iota.instance.evaluate(shape=(2, 3), dim=1, dtype=int32)
    assert array.tolist() == [[0, 1, 2]] * 2
    assert array.flags.c_contiguous
    assert Iota.instance.evaluate(shape=(3, 2), dim=0, dtype=float32).tolist() == [[0, 0], [1, 1], [2, 2]]
    with pytest.raises(ValueError, match="dim=2"):
        Iota.instance.infer(shape=(3, 2), dim=2, dtype=float32)


def test_literal() -> None:
    """Compared bit for bit, immutable, prints short."""
    assert Literal([1.0, 0.0], float32) == Literal([1.0, 0.0], float32)
    assert hash(Literal([1.0], float32)) == hash(Literal([1.0], float32))
    assert Literal([0.0], float32) != Literal([-0.0], float32)
    assert Literal([1.0], float32) != Literal([1.0], float64)
    assert repr(Literal([1, 2], int64)) == "literal([1, 2])"
    assert len(repr(Literal(np.arange(10000), int64))) < 60
    assert not Constant.instance.evaluate(literal=Literal([1.0], float32)).flags.writeable


def test_random_numbers_come_from_the_default_stream() -> None:
    """The primitives draw from the one generator, in order; random nodes are never merged."""
    default_generator.manual_seed(3)
    first = RandomUniform.instance.evaluate(shape=(4,), dtype=float32)
    second = RandomNormal.instance.evaluate(shape=(4,), dtype=float64)
    third = RandomBernoulli.instance.evaluate(probability=0.5, shape=(8,), dtype=float32)
    default_generator.manual_seed(3)
    np.testing.assert_array_equal(first, default_generator.uniform((4,)))
    np.testing.assert_array_equal(second, default_generator.normal((4,), np.float64))
    np.testing.assert_array_equal(third, default_generator.bernoulli(0.5, (8,)))
    builder = Builder(simplify=True)
    x = Symbol(builder, builder.input("x", TensorType(float32, (2,))).node)
    attrs = {"shape": (2,), "dtype": float32}
    assert x.apply(RandomUniform.instance, (), attrs).node is not x.apply(RandomUniform.instance, (), attrs).node
    assert number_like(x, 1).node is number_like(x, 1.0).node


def test_random_errors() -> None:
    """Probabilities outside [0, 1] and integer dtypes are refused."""
    with pytest.raises(ValueError, match=r"p=1\.5"):
        RandomBernoulli.instance.infer(probability=1.5, shape=(2,), dtype=float32)
    with pytest.raises(TypeError, match="floating dtype, got int64"):
        RandomNormal.instance.infer(shape=(2,), dtype=int64)
