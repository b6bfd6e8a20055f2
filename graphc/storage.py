"""What tensors are made of: shapes that print as PyTorch's, and memory that tensors share."""

from __future__ import annotations

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
        return Size(item) if isinstance(key, slice) else item

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"


class Storage:
    """Memory that tensors share: the array it was made with, and a count of the writes to it."""

    __slots__ = ("__weakref__", "array", "version")

    def __init__(self, array: np.ndarray):
        self.array = array
        self.version = 0
