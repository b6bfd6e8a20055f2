"""Choice between the elements of two arrays by a third: ``numpy.where`` without its branch for each element.

A branch that the processor can't foretell costs several nanoseconds. Here the condition becomes a mask of bits, which
the processor applies to many elements at once: measured on 2^19 float32 elements, 0.13 to 0.24 ms against 1.9.
"""

from __future__ import annotations

import numpy as np

# Signed integers as wide as an element, by the element's size in bytes.
_MASKS = {1: np.dtype(np.int8), 2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}
# Fewer elements than this cost less in one call.
_MANY = 2048


def choose(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x`` where the condition (bool) holds, else ``y``: bit for bit. The dtypes of x and y are one; all broadcast."""
    if (
        condition.size < _MANY
        or x.dtype != y.dtype
        or x.dtype.itemsize not in _MASKS
        or not condition.flags.c_contiguous
        or not all(_one(value) or value.shape == condition.shape for value in (x, y))
        or max(x.ndim, y.ndim) > condition.ndim
    ):
        return np.where(condition, x, y)
    integer = _MASKS[x.dtype.itemsize]
    truth = condition.view(np.int8)
    if _is_zero(x):
        mask = np.subtract(truth, 1, dtype=integer)
        mask &= _bits(y, integer)
        return mask.view(x.dtype)
    mask = np.negative(truth, dtype=integer)
    if _is_zero(y):
        mask &= _bits(x, integer)
        return mask.view(x.dtype)
    other = _bits(y, integer)
    mask &= _bits(x, integer) ^ other
    mask ^= other
    return mask.view(x.dtype)


def put_where(target: np.ndarray, condition: np.ndarray, value: int) -> None:
    """The integer written to the target (of signed integers) where the condition holds."""
    mask = np.negative(condition.view(np.int8), dtype=target.dtype)
    mask &= target ^ target.dtype.type(value)
    target ^= mask


def _one(x: np.ndarray) -> bool:
    """Whether an array is one number, perhaps stretched over a shape."""
    return x.size > 0 and not any(x.strides)


def _bits(x: np.ndarray, integer: np.dtype) -> np.ndarray:
    """The elements as integers; one number stretched over a shape stays one."""
    return (x[(slice(0, 1),) * x.ndim] if _one(x) else x).view(integer)


def _is_zero(x: np.ndarray) -> bool:
    """Whether an array is one number, all of whose bits are zero."""
    return _one(x) and not x[(0,) * x.ndim].tobytes().strip(b"\0")
