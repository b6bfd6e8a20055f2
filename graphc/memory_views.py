"""A tensor's whole memory as a tensor, and views of it by offset, shape, and strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ops.views import Permute, Reshape, Slice
from graphc.storage import Storage, widest_first

if TYPE_CHECKING:
    from graphc.tensor import Tensor


def rebuilt(tensor: Tensor) -> np.ndarray:
    """The tensor's array, found again by its chain of views from its memory."""
    array = tensor._storage.array
    for primitive, attrs in tensor._chain:
        array = primitive.evaluate(array, **attrs)
    return array


def vector_of(value: Any) -> Any | None:
    """A tensor's elements in the order of memory, as a vector that is a view of it; None where gaps lie between them.

    Of a graph's symbol, which has no memory, the elements in row-major order.
    """
    rank = value.ndim
    if not value.is_eager:
        return value if rank == 1 else Reshape.bind(value, shape=(_count(value.shape),))
    array = value._array
    order = widest_first(array)
    if not array.transpose(order).flags.c_contiguous:
        return None
    if order != tuple(range(rank)):
        value = Permute.bind(value, dims=order)
    return value if rank == 1 else Reshape.bind(value, shape=(array.size,))


def _count(shape: Sequence[Any]) -> Any:
    count: Any = 1
    for extent in shape:
        count = count * extent
    return count


def memory_vector(tensor: Tensor) -> Tensor:
    """The whole memory that a tensor lies in, as a vector outside the graph that shares it."""
    storage = tensor._storage
    array = storage.array
    whole = tensor._wrap(array, tensor.dtype, storage)
    if array.dtype == tensor.dtype.numpy:
        vector = vector_of(whole)
        if vector is not None:
            return vector.detach() if vector.requires_grad else vector
    # No chain of views leads from an array with gaps to them.
    flat = storage.vector().view(tensor.dtype.numpy)
    return tensor._wrap(flat, tensor.dtype, Storage(flat))


def first_elements(tensor: Tensor, offset: int, shape: tuple[int, ...]) -> Tensor:
    """A view of a tensor's memory in row-major order from an offset on, outside the graph."""
    vector = memory_vector(tensor)
    count = int(np.prod(shape, dtype=np.int64))
    if (offset, offset + count) != (0, vector._array.size):
        vector = Slice.bind(vector, starts=(offset,), stops=(offset + count,), steps=(1,))
    return Reshape.bind(vector, shape=shape)
