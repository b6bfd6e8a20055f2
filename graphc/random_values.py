"""Tensors of random values for tests, as ``torch.testing.make_tensor`` draws them.

Source: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.make_tensor
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from graphc.creation import empty, randint
from graphc.ir.types import DType
from graphc.ops.functions.complex_numbers import view_as_real
from graphc.ops.number_limits import finfo, iinfo
from graphc.tensor import Tensor

__all__ = ["make_tensor"]


def make_tensor(
    *shape: Any,
    dtype: DType,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose elements are drawn uniformly from ``[low, high)``.

    Args:
        shape: the sizes, or one sequence of them.
        dtype: bool (0 and 1 by default), integers (-9 to 9), floating or complex numbers (-9 to 9 in each part).
        device: for programs written for PyTorch.
        low, high: the bounds; those beyond the dtype's become its own.
        requires_grad: ask for gradients.
        noncontiguous: the elements lie two places apart.
        exclude_zero: 1, or the smallest normal number, stands in the place of zeros.
        memory_format: in which order the elements lie; not beside ``noncontiguous``.

    Raises:
        ValueError: for bounds that are no interval or NaN, and for arguments that exclude each other.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    fractional = dtype.is_floating_point or dtype.is_complex
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and "
            f"{memory_format=}"
        )
    if requires_grad and not fractional:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    spread = noncontiguous and math.prod(sizes) > 1
    drawn = (*sizes[:-1], 2 * sizes[-1]) if spread else sizes
    low, high = _bounds(dtype, fractional, low, high)
    if fractional:
        result = empty(drawn, dtype=dtype)
        parts = view_as_real(result) if dtype.is_complex else result
        if high - low >= finfo(dtype).max:
            parts.uniform_(low / 2, high / 2).mul_(2)
        else:
            parts.uniform_(low, high)
    else:
        result = randint(low, high, drawn, dtype=dtype)
    if spread:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = finfo(dtype).tiny if fractional else 1
    return result.requires_grad_(requires_grad) if fractional else result


def _bounds(dtype: DType, fractional: bool, low: float | None, high: float | None) -> tuple[Any, Any]:
    """The bounds within those of the dtype. Raises ValueError where they are no interval of it."""
    if fractional:
        least, most, usual = finfo(dtype).min, finfo(dtype).max, (-9, 9)
    elif dtype.category == "bool":
        least, most, usual = 0, 2, (0, 2)
    else:
        limits = iinfo(dtype)
        # Bounds of integers are of 64 bits.
        least, most, usual = limits.min, limits.max + (limits.max < 2**63 - 1), (-9, 10)
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and fractional:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 "
            "and will be removed in 2.3. Use `torch.full(...)` instead.",
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low >= most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{least}, {most})"
        )
    low, high = min(max(low, least), most), min(max(high, least), most)
    return (low, high) if fractional else (math.ceil(low), math.ceil(high))
