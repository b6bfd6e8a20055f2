"""Gathers and indexing: bounds, PyTorch's errors, simplification, and what a graph refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Builder
from graphc.ir.types import TensorType, bool_, float32, int64
from graphc.ops.functions import indexing
from graphc.ops.functions.registry import FUNCTIONS
from graphc.ops.gathers import Cat, CheckIndex, Pad, first_outside
from graphc.ops.sources import Full, number_like
from graphc.tensor import Tensor


def index(*values: int, dtype: str = "int64") -> Tensor:
    return Tensor.from_array(np.array(values, dtype))


def tensor(*shape: int) -> Tensor:
    return Tensor.from_array(np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape))


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_the_first_index_outside_is_found(dtype: str) -> None:
    """Of several, the first in row-major order; None where all lie within, also for none."""
    assert first_outside(np.array([[0, 4], [2, 9]], dtype), 5) == 9
    assert first_outside(np.array([0, 4], dtype), 5) is None
    assert first_outside(np.array([], dtype), 0) is None
    if dtype != "uint8":
        assert first_outside(np.array([3, -2, 7], dtype), 5) == -2


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: gc.gather(x, 0, index(7)), RuntimeError, "index 7 is out of bounds for dimension 0 with size 5"),
        (lambda x: gc.gather(x, 0, index(-1)), RuntimeError, "index -1 is out of bounds for dimension 0 with size 5"),
        (lambda x: gc.index_select(x, 0, index(7)), IndexError, "index out of range in self"),
        (lambda x: gc.index_select(x, 0, index(-1)), IndexError, "index out of range in self"),
        (
            lambda x: FUNCTIONS["embedding"](index(-1), tensor(5, 2)),
            IndexError,
            "index out of range in self",
        ),
        (lambda x: x[index(7)], IndexError, "index 7 is out of bounds for dimension 0 with size 5"),
        (lambda x: x[index(-7)], IndexError, "index -7 is out of bounds for dimension 0 with size 5"),
        (lambda x: x[7], IndexError, "index 7 is out of bounds for dimension 0 with size 5"),
        (lambda x: x[1, 2], IndexError, "too many indices for tensor of dimension 1"),
        (lambda x: x[::-1], ValueError, "step must be greater than zero"),
        (lambda x: x[::0], ValueError, "slice step cannot be zero"),
        (lambda x: x[1.0], IndexError, "only integers, slices"),
        (lambda x: x[tensor(2)], IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
        (lambda x: x[index(1, 0, dtype="bool")], IndexError, r"The shape of the mask \[2\] at index 0 does not match"),
        (lambda x: tensor(5, 3)[index(1, 2), index(0, 1, 2)], IndexError, "shape mismatch: indexing tensors"),
        (lambda x: tensor()[0], IndexError, "invalid index of a 0-dim tensor"),
        (lambda x: FUNCTIONS["one_hot"](index(5), 3), RuntimeError, "Class values must be smaller than num_classes"),
        (lambda x: FUNCTIONS["one_hot"](index(-1), 3), RuntimeError, "Class values must be non-negative"),
        (lambda x: x.masked_fill(x, 1), RuntimeError, "masked_fill_ only supports boolean masks"),
    ],
)
def test_errors_are_pytorchs(call: Any, kind: type[Exception], words: str) -> None:
    """Class and first words are PyTorch's, for indices out of range and indices of a wrong kind."""
    with pytest.raises(kind, match=words):
        call(tensor(5))


def test_a_graph_refuses_shapes_that_depend_on_values() -> None:
    """Selecting by truth values and counting classes need eager mode; masked_fill and where do not."""
    builder = Builder()
    x = builder.input("x", TensorType(float32, (3,)))
    mask = builder.input("mask", TensorType(bool_, (3,)))
    labels = builder.input("labels", TensorType(int64, (3,)))
    with pytest.raises(TypeError, match="which a graph cannot hold"):
        indexing.getitem(x, mask)
    with pytest.raises(TypeError, match="without num_classes gives a size that depends on the values"):
        indexing.one_hot(labels)
    with pytest.raises(TypeError, match="a value in a graph cannot be written to"):
        indexing.setitem(x, 0, 1.0)
    assert indexing.masked_fill(x, mask, 0.0).shape == (3,)


def test_simplification() -> None:
    """A border of nothing vanishes, one number within the same number is a number, empty parts of a cat drop out."""
    builder = Builder(simplify=True)
    x, nothing = (builder.input(name, TensorType(float32, shape)) for name, shape in (("x", (3,)), ("none", (0,))))
    assert Pad.bind(x, low=(0,), high=(0,), value=1.0).node is x.node
    zeros = number_like(x, 0)
    assert Pad.bind(zeros, low=(2,), high=(1,), value=0.0).node.op is Full.instance
    # -0.0 and 0.0 are not the same number.
    assert Pad.bind(zeros, low=(2,), high=(1,), value=-0.0).node.op is Pad.instance
    assert Cat.bind(nothing, x, nothing, dim=0).node is x.node
    assert len(Cat.bind(x, nothing, x, dim=0).node.inputs) == 2
    places = builder.input("index", TensorType(int64, (2,)))
    checked = CheckIndex.bind(places, extent=5, dim=0)
    assert CheckIndex.bind(checked, extent=5, dim=1).node is checked.node
    assert CheckIndex.bind(checked, extent=4, dim=1).node is not checked.node


def test_a_wrong_index_leaves_the_tensor_as_it_was() -> None:
    """An assignment that fails writes nothing."""
    x = tensor(5)
    with pytest.raises(IndexError):
        x[index(0, 9)] = 1.0
    np.testing.assert_array_equal(x.numpy(), np.arange(5))
