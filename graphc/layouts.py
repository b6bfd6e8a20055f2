"""Layouts of tensors, and the orders in which the elements of dense ones may lie in memory.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.memory_format
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.device_memory import beside, gpu_of, settle, use
from graphc.recording import state


class Layout:
    """How a tensor's elements are kept: here always ``strided``, by offset and strides."""

    __slots__ = ("_name",)

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name

    def require(self) -> None:
        """Raises RuntimeError for a layout that tensors are not kept in."""
        if self is not strided:
            raise RuntimeError(f"graphc holds no tensors of the layout {self}: its tensors are strided")


strided = Layout("strided")
sparse_coo = Layout("sparse_coo")
sparse_csr = Layout("sparse_csr")
sparse_csc = Layout("sparse_csc")
sparse_bsr = Layout("sparse_bsr")
sparse_bsc = Layout("sparse_bsc")
jagged = Layout("jagged")


class MemoryFormat:
    """An order of dimensions in memory; ``preserve_format`` is that which a tensor has."""

    __slots__ = ("_name", "order")

    def __init__(self, name: str, order: tuple[int, ...] | None):
        """``order``: the dimensions from the widest stride to the narrowest; None where the rank does not matter."""
        self._name, self.order = name, order

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name

    def holds(self, array: np.ndarray) -> bool:
        """Whether an array's elements lie in this order, without gaps."""
        if self.order is None:
            return self is contiguous_format and array.flags.c_contiguous
        return array.ndim == len(self.order) and array.transpose(self.order).flags.c_contiguous

    def strides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The strides, in elements, for a shape. Raises RuntimeError for a rank that the format is not for."""
        order = tuple(range(len(shape))) if self.order is None else self._checked(len(shape))
        strides, step = [0] * len(shape), 1
        for dim in reversed(order):
            strides[dim] = step
            step *= max(shape[dim], 1)
        return tuple(strides)

    def _checked(self, rank: int) -> tuple[int, ...]:
        if rank != len(self.order):
            raise RuntimeError(f"required rank {len(self.order)} tensor to use {self._name} format")
        return self.order

    def lay_out(self, tensor: Any) -> Any:
        """Move the elements of a new tensor, that nothing else shares, into this order; gives the tensor.

        Raises RuntimeError for a rank that the format is not for.
        """
        array = tensor._array
        if self.order is None:
            if self is contiguous_format and not array.flags.c_contiguous:
                lay_in(tensor, tuple(range(array.ndim)))
            return tensor
        order = self._checked(array.ndim)
        if not self.holds(array):
            lay_in(tensor, order)
        return tensor


def _contiguous(array: np.ndarray) -> np.ndarray:
    """A copy in row-major order, where the array is; its strides say the order also where an extent is 1."""
    if use.active and gpu_of(array) is not None:
        return use.kernels.contiguous(array)
    if use.active:
        settle(array)
    return np.ascontiguousarray(array).reshape(-1).reshape(array.shape)


def lay_in(tensor: Any, order: tuple[int, ...]) -> None:
    """Move the elements of a new tensor, on the device where it is, to memory with the dimensions in an order."""
    turned = tensor._array.transpose(order)
    waits = state.recorder is not None and state.recorder.postponed.waits(tensor)
    array = np.empty(turned.shape, turned.dtype) if waits else _contiguous(turned)
    array = array.transpose(np.argsort(order))
    if waits:
        state.recorder.postponed.laid_out(tensor, array)
    if use.active:
        array = beside(array, (tensor._array,))
    tensor._array = tensor._storage.array = array


def order_in_memory(array: np.ndarray) -> tuple[int, ...] | None:
    """The dimensions from the widest stride to the narrowest, where the elements fill their memory; None elsewhere."""
    if array.flags.c_contiguous:
        return tuple(range(array.ndim))
    order = tuple(sorted(range(array.ndim), key=lambda dim: -array.strides[dim]))
    return order if array.transpose(order).flags.c_contiguous else None


def lay_out_as(tensor: Any, pattern: np.ndarray) -> Any:
    """Move the elements of a new tensor, that nothing else shares, into the order of a pattern; gives the tensor."""
    order = _order_of(pattern)
    if tensor._array.strides != pattern.strides and not tensor._array.transpose(order).flags.c_contiguous:
        lay_in(tensor, order)
    return tensor


def copied_as(array: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """A copy whose elements lie in the order that a pattern of the same shape has."""
    if pattern.flags.c_contiguous:
        return array.copy()
    order = _order_of(pattern)
    return array.transpose(order).copy().transpose(np.argsort(order))


def _order_of(pattern: np.ndarray) -> tuple[int, ...]:
    """The order of a pattern's dimensions: that of rows where its elements do not fill their memory."""
    return order_in_memory(pattern) or tuple(range(pattern.ndim))


contiguous_format = MemoryFormat("contiguous_format", None)
preserve_format = MemoryFormat("preserve_format", None)
channels_last = MemoryFormat("channels_last", (0, 2, 3, 1))
channels_last_3d = MemoryFormat("channels_last_3d", (0, 2, 3, 4, 1))
legacy_contiguous_format = contiguous_format

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "jagged",
    "legacy_contiguous_format",
    "preserve_format",
    "sparse_bsc",
    "sparse_bsr",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "strided",
]
