"""Masks of attention: which keys take part, as truth or as numbers to be added to scores."""

from __future__ import annotations

import math
from typing import Any

from graphc.ir.types import DType, bool_
from graphc.notices import warn
from graphc.ops import comparisons
from graphc.ops.sources import number_like


def additive_mask(mask: Any, name: str, dtype: DType, other_dtype: DType | None = None, other_name: str = "") -> Any:
    """A mask as numbers to be added: -inf where a bool one is true; None stays.

    Raises AssertionError for a mask of integers. Warns, as PyTorch does, of a mask whose dtype is not the other's.
    """
    if mask is None:
        return None
    if mask.dtype != bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other_dtype is not None and mask.dtype != other_dtype:
        warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
        )
    if mask.dtype != bool_:
        return mask
    zeros, stops = (number_like(mask, number, dtype=dtype) for number in (0.0, -math.inf))
    return comparisons.Where.bind(mask, stops, zeros)
