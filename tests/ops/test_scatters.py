"""Scatters and assignment to items: order, errors, and agreement with numpy and PyTorch over many forms of index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.ops.scatters import IndexAdd, ScatterAdd, ScatterPut
from graphc.tensor import Tensor


def tensor(values: Any, dtype: str = "float32") -> Tensor:
    return Tensor.from_array(np.array(values, dtype))


def grid(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def test_sums_have_the_order_of_the_source() -> None:
    """Additions to one place happen in row-major order of the source: in float32 the order shows."""
    source = np.array([1e8, 1.0, -1e8, 1.0], np.float32)
    places = np.zeros(4, np.int64)
    expected = np.float32(0)
    for value in source:
        expected = expected + value
    for primitive in (ScatterAdd, IndexAdd):
        assert primitive.instance.evaluate(np.zeros(1, np.float32), places, source, dim=0)[0] == expected


def test_the_last_of_several_puts_wins() -> None:
    """Places are taken in row-major order of the source."""
    values = np.array([1, 2, 3, 4], np.float32)
    found = ScatterPut.instance.evaluate(np.zeros(2, np.float32), np.array([0, 1, 0, 0]), values, dim=0)
    np.testing.assert_array_equal(found, [4, 2])


def test_the_base_stays_as_it_was() -> None:
    """The primitives give new values."""
    base = tensor([1.0, 2.0])
    base.scatter_add(0, tensor([1], "int64"), tensor([5.0]))
    base.index_copy(0, tensor([1], "int64"), tensor([5.0]))
    assert base.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda x: x.scatter_add(0, tensor([7], "int64"), tensor([1.0])),
            RuntimeError,
            "index 7 is out of bounds for dimension 0 with size 5",
        ),
        (
            lambda x: x.scatter(0, tensor([-1], "int64"), tensor([1.0])),
            RuntimeError,
            "index -1 is out of bounds for dimension 0 with size 5",
        ),
        (lambda x: x.index_add(0, tensor([-1], "int64"), tensor([1.0])), IndexError, "index out of range in self"),
        (
            lambda x: x.scatter_add(0, tensor([0, 1], "int64"), tensor([1.0])),
            RuntimeError,
            r"Expected index \[2\] to be no larger than self \[5\] apart from dimension 0",
        ),
        (
            lambda x: x.scatter_add(0, tensor([0], "int64"), tensor([1.0], "float64")),
            RuntimeError,
            r"scatter\(\): Expected self.dtype to be equal to src.dtype",
        ),
        (
            lambda x: x.index_add(0, tensor([1, 2], "int64"), tensor([1.0])),
            RuntimeError,
            r"index_add_\(\): Number of indices \(2\) should be equal to source.size\(dim\): \(1\)",
        ),
    ],
)
def test_errors_are_pytorchs(call: Any, kind: type[Exception], words: str) -> None:
    """Class and first words are PyTorch's."""
    with pytest.raises(kind, match=words):
        call(tensor(np.arange(5)))


# An index and a value for a base of shape (4, 3, 5): arrays stand for tensors in both.
ASSIGNMENTS: dict[str, tuple[Any, Any]] = {
    "int": (1, 7.0),
    "row": (-1, grid(3, 5) * 10),
    "slices": ((slice(None, None, 2), slice(1, 3)), grid(2, 5) * 10),
    "leading one too many": ((0, 0), grid(1, 5) * 10),
    "ellipsis": ((..., 2), 9.0),
    "none": ((None, 1), grid(1, 3, 5) * 10),
    "list": ([0, 2], 5.0),
    "tensor": ((np.array([3, -4]),), grid(2, 3, 5) * 10),
    "second dim": ((slice(None), np.array([2, 0])), grid(2, 5) * 10),
    "two tensors": ((np.array([0, 1, 3]), np.array([2, 0, -1])), grid(5) * 10),
    "apart": ((np.array([0, 3]), slice(None), np.array([[1], [4]])), grid(2, 2, 3) * 10),
    "scalar tensor": ((np.array(2), slice(0, 2)), grid(5) * 10),
    "scalar tensor in the middle": ((slice(None), np.array(1)), grid(4, 5) * 10),
    "int and tensor": ((1, slice(None), np.array([0, 3])), grid(3, 2) * 10),
    "mask": ((grid(4, 3, 5) % 2 == 0,), -1.0),
    "mask of rows": ((np.array([True, False, False, True]),), grid(3, 5) * 10),
    "mask and values": ((grid(4, 3, 5) > 56,), grid(3) * 10),
    "mask of the middle": ((slice(None), np.array([True, False, True])), grid(4, 2, 5) * 10),
    "mask of nothing": ((np.zeros(4, bool),), 3.0),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_assignment_to_items_is_pytorchs(name: str) -> None:
    """Values, and the gradients of what was there before and of what was assigned, equal PyTorch's."""
    torch = pytest.importorskip("torch")
    index, value = ASSIGNMENTS[name]

    def assigned(make: Any) -> tuple[Any, Any, Any]:
        def convert(part: Any) -> Any:
            return make(part) if isinstance(part, np.ndarray) else part

        before = make(grid(4, 3, 5)).requires_grad_()
        new = convert(value)
        if isinstance(value, np.ndarray):
            new.requires_grad_()
        x = before * 1.0
        x[tuple(map(convert, index)) if isinstance(index, tuple) else index] = new
        (x * x).sum().backward()
        return x, before.grad, new.grad if isinstance(value, np.ndarray) else None

    found = assigned(lambda array: Tensor.from_array(array.copy()))
    expected = assigned(lambda array: torch.from_numpy(array.copy()) if array.ndim else torch.tensor(array.item()))
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is not None:
            np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


def test_an_assigned_value_takes_the_dtype() -> None:
    """A float assigned to integers is truncated, as in PyTorch; where a tensor looks the place up, a tensor of another
    dtype is refused."""
    x = tensor([1, 2, 3], "int64")
    x[1] = 7.9
    x[2:] = tensor([-1.5])
    x[tensor([0], "int64")] = 2.7
    assert x.tolist() == [2, 7, -1]
    with pytest.raises(RuntimeError, match="Index put requires the source and destination dtypes match, got Long for"):
        x[tensor([2], "int64")] = tensor([-1.5])


def test_a_value_that_does_not_fit_is_refused() -> None:
    """The message names both shapes."""
    x = tensor(grid(4, 3))
    with pytest.raises(RuntimeError, match=r"The expanded size of the tensor \(3\) must match the existing size \(2\)"):
        x[0] = tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"shape mismatch: value tensor of shape \[2\].*shape \[1, 3\]"):
        x[tensor([0], "int64")] = tensor([1.0, 2.0])
