"""Views of a tensor's memory by shape, strides, and offset.

Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.memory_views import memory_vector, vector_of
from graphc.ops import strided_views
from graphc.ops.scatters import IndexCopy
from graphc.ops.views import Detach, Permute, Reshape
from graphc.recording import state
from graphc.storage import widest_first

__all__ = ["as_strided", "as_strided_scatter", "detach"]

Value = Any


def _window(size: Any, stride: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A shape, its strides, and how far they reach from the first element. Raises RuntimeError where they misfit."""
    shape = (int(size),) if hasattr(size, "__index__") else tuple(int(extent) for extent in size)
    strides = (int(stride),) if hasattr(stride, "__index__") else tuple(int(step) for step in stride)
    if len(shape) != len(strides):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(step < 0 for step in strides):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(strides)}"
        )
    if any(extent < 0 for extent in shape):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(strides)}")
    return shape, strides, sum((extent - 1) * step for extent, step in zip(shape, strides, strict=True))


def detach(input: Value) -> Value:
    """The same memory, outside the graph."""
    return Detach.bind(input)


def as_strided(input: Value, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Value:
    """A view of the memory that the input lies in: from an offset on (by default the input's), with a shape and strides
    in elements.

    Gradients flow to the elements of the input that the view shows. Where the input has gaps between its elements and
    requires a gradient, the result is a copy. Raises RuntimeError where the view reaches beyond the memory.
    """
    shape, strides, reach = _window(size, stride)
    if storage_offset is not None and storage_offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {storage_offset}")
    if not input.is_eager:
        return strided_views.AsStrided.bind(
            vector_of(input), shape=shape, strides=strides, offset=int(storage_offset or 0)
        )
    own = input.storage_offset()
    offset = own if storage_offset is None else int(storage_offset)
    vector = vector_of(input)
    first, count = own, input.numel()
    if vector is None or (0 not in shape and not (own <= offset and offset + reach < own + count)):
        whole = memory_vector(input)
        if 0 not in shape and offset + reach >= whole.numel():
            itemsize = input.element_size()
            raise RuntimeError(
                f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset}, and itemsize "
                f"{itemsize} requiring a storage size of {(offset + reach + 1) * itemsize} are out of bounds for "
                f"storage of size {whole.numel() * itemsize}"
            )
        followed = state.gradients and input.requires_grad
        vector, first = (_with_elements_of(input, whole, own) if followed else whole), 0
    if 0 in shape:
        offset = first
    return strided_views.AsStrided.bind(vector, shape=shape, strides=strides, offset=offset - first)


def _with_elements_of(input: Value, whole: Value, own: int) -> Value:
    """A copy of the memory whose elements that are the input's have its history."""
    places = strided_views._affine(input, tuple(input.shape), tuple(input.stride()), own)
    count = product(tuple(input.shape))
    return IndexCopy.bind(
        whole.detach(), Reshape.bind(places, shape=(count,)), Reshape.bind(input, shape=(count,)), dim=0
    )


def as_strided_scatter(
    input: Value, src: Value, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Value:
    """A copy of the input with ``src`` at the places that :func:`as_strided` would show."""
    shape, strides, reach = _window(size, stride)
    own = input.storage_offset() if input.is_eager else 0
    offset = 0 if storage_offset is None else int(storage_offset) - own
    if tuple(src.shape) != shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(shape)}"
        )
    count = product(tuple(input.shape))
    if offset < 0 or (0 not in shape and isinstance(count, int) and offset + reach >= count):
        itemsize = input.dtype.itemsize
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset + own}, and itemsize "
            f"{itemsize} requiring a storage size of {(offset + own + reach + 1) * itemsize} are out of bounds for "
            f"storage of size {count * itemsize}"
        )
    order = widest_first(input._array) if input.is_eager else tuple(range(input.ndim))
    turned = input if order == tuple(range(input.ndim)) else Permute.bind(input, dims=order)
    flat = Reshape.bind(turned, shape=(count,))
    attrs = {"shape": shape, "strides": strides, "offset": offset}
    written = strided_views.AsStrided.instance.write_back(flat, src, **attrs)
    whole = Reshape.bind(written, shape=tuple(input.shape[dim] for dim in order))
    back = tuple(order.index(dim) for dim in range(input.ndim))
    return whole if back == tuple(range(input.ndim)) else Permute.bind(whole, dims=back)
