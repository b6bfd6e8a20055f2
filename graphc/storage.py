"""What tensors are made of: shapes that print as PyTorch's, and memory that tensors share."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


class Size(tuple):
    """The shape of a tensor: a tuple of ints that prints as PyTorch's."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        count = 1
        for extent in self:
            count *= extent
        return count

    def __getitem__(self, key: Any) -> Any:
        item = tuple.__getitem__(self, key)
        return Size(item) if type(key) is slice else item

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size((*self, *other))

    def __radd__(self, other: Any) -> Any:
        return Size((*other, *self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: Any) -> Any:
        return Size(tuple(self) * count)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"


class Storage:
    """Memory that tensors share: the array it was made with, and a count of the writes to it.

    ``shared`` tells that processes which were forked since see the same memory.
    """

    __slots__ = ("__weakref__", "array", "shared", "version")

    def __init__(self, array: np.ndarray):
        self.array = array
        self.version = 0
        self.shared = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Storage:
        return Storage(self.array.copy(order="K"))

    def order(self) -> tuple[int, ...]:
        """The dimensions of the array by their strides, the widest first."""
        return widest_first(self.array)

    def vector(self) -> np.ndarray:
        """All elements in the order of the memory, as a vector that shares it; gaps between them are elements too."""
        return memory_of(self.array)

    def address(self) -> int:
        """Where the memory begins."""
        return self.array.__array_interface__["data"][0]

    def share(self) -> None:
        """Move the array to memory that forked processes see in common. Views must be made anew."""
        array = self.array
        if array.size:
            shared = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype, array.size)
            order = self.order()
            moved = shared.reshape(array.transpose(order).shape).transpose(np.argsort(order))
            moved[...] = array
            self.array = moved
        self.shared = True


def widest_first(array: np.ndarray) -> tuple[int, ...]:
    """The dimensions of an array by their strides, the widest first, those of one extent as they come.

    A dimension of stride 0 stays where it is among the others, as in PyTorch.
    """
    strides = array.strides
    if 0 in strides and array.size > 1:
        return _widest_around_stretched(strides)
    return tuple(sorted(range(len(strides)), key=lambda dim: -strides[dim]))


def _widest_around_stretched(strides: tuple[int, ...]) -> tuple[int, ...]:
    # The innermost first, sorted by insertion: a stride of 0 is passed over, which is not the same as being equal.
    order = list(reversed(range(len(strides))))
    for place in range(1, len(order)):
        current = place
        for before in range(place - 1, -1, -1):
            one, other = strides[order[before]], strides[order[current]]
            if one and other and one < other:
                break
            if one and other and one > other:
                order[before], order[current] = order[current], order[before]
                current = before
    return tuple(reversed(order))


def memory_of(array: np.ndarray) -> np.ndarray:
    """The memory from an array's first element to its last, as a vector that shares it."""
    if not array.size:
        return array.reshape(-1)
    turned = array.transpose(widest_first(array))
    if turned.flags.c_contiguous:
        return turned.reshape(-1)
    span = (
        1 + sum((extent - 1) * step for extent, step in zip(array.shape, array.strides, strict=True)) // array.itemsize
    )
    return np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,), writeable=array.flags.writeable)


def byte_range(array: np.ndarray) -> tuple[int, int]:
    """The addresses of an array's first byte and of that behind its last one."""
    start = array.__array_interface__["data"][0]
    if not array.size:
        return start, start
    spans = [(extent - 1) * step for extent, step in zip(array.shape, array.strides, strict=True)]
    return start + sum(span for span in spans if span < 0), start + sum(s for s in spans if s > 0) + array.itemsize
