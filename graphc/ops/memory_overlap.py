"""Operands that share elements with what is written: refused, as in PyTorch, where a result would depend on the order.

Source: https://docs.pytorch.org/docs/stable/notes/broadcasting.html and PyTorch's ``MemoryOverlap``
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphc.ir.types import contiguous_strides

_REFUSAL = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
    "location. Please clone() the tensor before performing the operation."
)


def require_apart(written: Any, values: Iterable[Any], *, itself: bool = True) -> None:
    """Raise RuntimeError, in PyTorch's words, for a value among operands (or lists of them) that shares some of the
    elements of a tensor that is written to.

    ``itself``: the very elements, in the same places, are no hindrance. As in PyTorch nothing is said of operands with
    gaps or stretched dimensions.
    """
    memory = written._memory
    for value in values:
        if type(value) in (list, tuple):
            require_apart(written, value, itself=itself)
            continue
        if value is written:
            shares = not itself
        elif memory is None:
            # Views are made of a tensor's storage: without one nothing shares its memory.
            continue
        else:
            shares = getattr(value, "_memory", None) is memory and _overlap(written._array, value._array, itself)
        if shares and written._array.size:
            raise RuntimeError(_REFUSAL)


def _overlap(one: np.ndarray, other: np.ndarray, itself: bool) -> bool:
    if not (one.size and other.size and _is_dense(one) and _is_dense(other)):
        return False
    begin, start = (array.__array_interface__["data"][0] for array in (one, other))
    if begin == start and one.nbytes == other.nbytes:
        return not itself or one.strides != other.strides
    return begin < start + other.nbytes and start < begin + one.nbytes


def _is_dense(array: np.ndarray) -> bool:
    """Whether the elements lie in memory without gaps, in whatever order of dimensions."""
    sized = sorted(
        (step, extent) for extent, step in zip(array.shape, array.strides, strict=True) if extent > 1
    )  # from the narrowest on
    shape = tuple(extent for _, extent in reversed(sized))
    return tuple(step for step, _ in reversed(sized)) == tuple(
        step * array.itemsize for step in contiguous_strides(shape)
    )
