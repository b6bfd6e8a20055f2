"""Indexing: ``x[index]`` read and written, and PyTorch's functions that read or write at computed places.

Source: https://docs.pytorch.org/docs/stable/tensor_view.html and the pages of the functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.types import DType, bool_, int64
from graphc.ops import arithmetic, comparisons, gathers, pointwise, scatters, sources, views
from graphc.ops.functions.shaping import (
    broadcast_shapes,
    broadcast_to,
    expand,
    ravel,
    slice_dim,
    unsqueeze,
    wrap_dim,
)
from graphc.ops.promotion import result_type
from graphc.ops.sources import number_like

_INDEX_DTYPES = ("int64", "int32")


def _is_tensor(value: Any) -> bool:
    return isinstance(getattr(value, "dtype", None), DType)


def _cast(value: Any, dtype: DType) -> Any:
    return value if value.dtype == dtype else pointwise.Cast.bind(value, dtype=dtype)


def _constant(reference: Any, values: Any, dtype: DType | None = None) -> Any:
    """An array that is known now, as a tensor or symbol like the reference."""
    return reference.apply(sources.Constant.instance, (), {"literal": sources.Literal(values, dtype)})


# -- x[index] ------------------------------------------------------------------------------------------------------


def getitem(input: Any, index: Any) -> Any:
    """``input[index]`` for ints, slices, None, Ellipsis, bools, and tensors or lists of integers or truth values.

    Without tensors the result is a view. A tensor of truth values selects as many elements as it has true ones, so its
    values must be known: TypeError in a graph. Raises IndexError, with PyTorch's words, for an index out of range.
    """
    viewed, advanced = _basic(input, _parsed(index))
    if not advanced:
        return views.Alias.bind(viewed) if viewed is input else viewed
    for dim, place in sorted(advanced.items(), reverse=True):
        if place.ndim == 0:  # an integer in a tensor selects as an int does, and takes no part in broadcasting
            viewed = gathers.IndexSelect.bind(viewed, _wrapped(place, viewed.shape[dim], dim), dim=dim)
    merged = _merge(viewed, _without_scalars(advanced))
    return merged.read() if merged is not None else viewed


def setitem(input: Any, index: Any, value: Any) -> None:
    """``input[index] = value`` for a tensor: the value is converted to the dtype and broadcast to the place."""
    if not hasattr(input, "copy_"):
        raise TypeError("the values of a graph cannot be written to: assign to an item of a tensor instead")
    entries = _parsed(index)
    masks = [entry for entry in entries if _is_mask(entry)]
    if len(masks) == 1 and all(_is_mask(entry) or entry in (Ellipsis, slice(None)) for entry in map(_plain, entries)):
        filled = _fill_where(input, entries, masks[0], value)
        if filled is not None:
            input.copy_(filled)
            return
    scalars_as_rows = tuple(ravel(entry) if _is_scalar_index(entry) else entry for entry in entries)
    viewed, advanced = _basic(input, scalars_as_rows)
    if not _is_tensor(value):
        value = number_like(viewed, value, shape=()) if isinstance(value, (bool, int, float)) else None or _constant(
            viewed, value, viewed.dtype
        )
    value = _cast(value, viewed.dtype)
    if not advanced:
        viewed.copy_(_fitted(value, tuple(viewed.shape)))
        return
    merged = _merge(viewed, advanced)
    viewed.copy_(merged.written(_fitted(value, merged.result_shape)))
