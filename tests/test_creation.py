"""Tensors of Python's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

TOO_GREAT: list[Any] = [
    2**63,
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    [2**63],
    [[2**63]],
    [1, 2**63],
    [2**63, -1],
    [2**100],
]


@pytest.mark.parametrize("data", TOO_GREAT, ids=str)
@pytest.mark.parametrize("function", ["tensor", "as_tensor"])
def test_integers_beyond_int64_are_refused(data: Any, function: str) -> None:
    """ValueError in PyTorch's words, and no other dtype that would hold the number."""
    for t in (gc, torch):
        with pytest.raises(ValueError, match=r"^Overflow when unpacking long long"):
            getattr(t, function)(data)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "uint32", "int64"])
def test_integers_beyond_int64_are_refused_in_integer_dtypes(dtype: str) -> None:
    """As without a dtype."""
    for t in (gc, torch):
        with pytest.raises(ValueError, match=r"^Overflow when unpacking long long"):
            t.tensor([2**63], dtype=getattr(t, dtype))


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (2**63 - 1, None),
        (-(2**63), None),
        ([1.0, 2**63], None),
        (2**63, "uint64"),
        ([2**64 - 1], "uint64"),
        (2**63, "float32"),
        (2**63, "bool"),
        ([[1, 2.5], [3, 4]], None),
        ([], None),
    ],
)
def test_integers_that_fit_are_taken(data: Any, dtype: str | None) -> None:
    """Values and dtypes are PyTorch's where the dtype holds the number."""
    ours, theirs = (t.tensor(data, dtype=None if dtype is None else getattr(t, dtype)) for t in (gc, torch))
    assert str(ours.dtype) == str(theirs.dtype)
    assert ours.tolist() == theirs.tolist()


def test_numbers_of_numpy_keep_their_dtype() -> None:
    """Unsigned numbers of an array in an integer dtype: only those beyond int64 are too great."""
    assert gc.tensor([np.uint64(3)], dtype=gc.int32).tolist() == [3]
    assert gc.tensor([np.uint8(3), np.uint8(4)], dtype=gc.int64).tolist() == [3, 4]


@pytest.mark.parametrize("function", ["empty", "zeros", "ones", "rand", "randn"])
@pytest.mark.parametrize("sizes", [(2**62,), (2**61,), (2**33, 2**33)])
def test_more_bytes_than_can_be_counted(function: str, sizes: tuple[int, ...]) -> None:
    """RuntimeError in PyTorch's words, with the sizes."""
    for t in (gc, torch):
        with pytest.raises(RuntimeError) as caught:
            getattr(t, function)(*sizes)
        assert str(caught.value) == f"Storage size calculation overflowed with sizes={list(sizes)}"


def test_more_bytes_than_can_be_counted_in_a_result() -> None:
    """A tensor that is stretched too far to be copied: PyTorch's class of error, and its first words."""
    for t in (gc, torch):
        with pytest.raises(RuntimeError, match=r"^Storage size calculation overflowed"):
            t.ones(1).expand(2**62).clone()
        with pytest.raises(RuntimeError, match=r"^Storage size calculation overflowed"):
            t.ones(1).repeat(2**62)


def test_more_bytes_than_there_are() -> None:
    """What PyTorch's allocator says, as a RuntimeError; Python's programs may expect a MemoryError, which it is too."""
    words = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 2305843009213693952 bytes"
    for t in (gc, torch):
        with pytest.raises(RuntimeError, match=words):
            t.empty(2**61, dtype=t.uint8)
    with pytest.raises(MemoryError, match=words):
        gc.zeros(2**61, dtype=gc.uint8)


def test_a_size_beyond_int64() -> None:
    """TypeError, as PyTorch says of a size that it can't take out of its arguments."""
    for t in (gc, torch):
        with pytest.raises(TypeError, match=r"^empty\(\): argument 'size' failed to unpack the object at pos 1 with"):
            t.empty(2**63)
