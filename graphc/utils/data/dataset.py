"""Data sets: collections of samples by index.

Source: https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.tensor import Tensor


class Dataset:
    """Samples by index. Subclasses define ``__getitem__`` and, for most uses, ``__len__``."""

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")


class TensorDataset(Dataset):
    """Sample i is the i-th row of every tensor. Raises AssertionError where the lengths differ."""

    def __init__(self, *tensors: Tensor):
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset):
    """The samples of a data set at the given indices."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)
