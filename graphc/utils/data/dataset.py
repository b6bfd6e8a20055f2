"""Data sets: collections of samples by index, and streams of samples.

Source: https://docs.pytorch.org/docs/stable/data.html
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from graphc.creation import randperm
from graphc.recording import state
from graphc.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Samples by index. Subclasses define ``__getitem__`` and, for most uses, ``__len__``.

    A subclass may also define ``__getitems__(indices)``, which gives the samples of a whole batch as a list.
    """

    def __getitem__(self, index: Any) -> Sample:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Sample]) -> Dataset[Sample]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample], Iterable[Sample]):
    """A stream of samples. Subclasses define ``__iter__``.

    Every worker process of a DataLoader holds a copy and iterates over all of it, unless ``__iter__`` asks
    :func:`get_worker_info` which part is its own.
    """

    def __add__(self, other: Dataset[Sample]) -> Dataset[Sample]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the i-th row of every tensor. Raises AssertionError where the lengths differ."""

    def __init__(self, *tensors: Tensor):
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Sample i is made of the samples i of several data sets: a tuple, or a dict where they are given by keyword.

    Raises ValueError where the lengths differ, where none is given, or for both ways at once.
    """

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]):
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like input/output, but both "
                "types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: tuple[Dataset[Any], ...] | dict[str, Dataset[Any]] = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError("Size mismatch between datasets")
        self._length = lengths[0]

    def _parts(self) -> Iterable[Dataset[Any]]:
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def _sample(self, parts: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, parts, strict=True)) if isinstance(self.datasets, dict) else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self._sample(dataset[index] for dataset in self._parts())

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        columns = [_many(dataset, indices) for dataset in self._parts()]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}")
        return [self._sample(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Sample]):
    """Several data sets one behind the other.

    Raises AssertionError where none is given, or one of them is an IterableDataset.
    """

    def __init__(self, datasets: Iterable[Dataset[Sample]]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Where each of the data sets ends."""
        return list(itertools.accumulate(len(dataset) for dataset in sequence))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Sample:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][index - start]


class ChainDataset(IterableDataset[Sample]):
    """Several streams one behind the other. Raises AssertionError, while iterating, for one that is no stream."""

    def __init__(self, datasets: Iterable[Dataset[Sample]]):
        self.datasets = datasets

    def _streams(self) -> Iterator[IterableDataset[Sample]]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset

    def __iter__(self) -> Iterator[Sample]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())


class Subset(Dataset[Sample]):
    """The samples of a data set at the given indices.

    Raises NotImplementedError for a subclass that overrides ``__getitem__`` and not ``__getitems__``, which a
    DataLoader would call instead.
    """

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{kind.__name__} overrides __getitem__ but not __getitems__. A DataLoader asks for batches through "
                "__getitems__, so define both:\n\n"
                "def __getitems__(self, indices):\n"
                "    return [self[index] for index in indices]"
            )

    def __getitem__(self, index: Any) -> Sample:
        if isinstance(index, list):
            return self.dataset[[self.indices[position] for position in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        return _many(self.dataset, [self.indices[index] for index in indices])

    def __len__(self) -> int:
        return len(self.indices)


def _many(dataset: Dataset[Any], indices: list[Any]) -> list[Any]:
    at_once = getattr(dataset, "__getitems__", None)
    return at_once(indices) if callable(at_once) else [dataset[index] for index in indices]


def rows_of(dataset: Any, indices: Any) -> list[Tensor] | None:
    """The rows at many indices of the tensors of a TensorDataset, or of a Subset of one, each by a single gather.

    None where the data set is another, the indices are no list of ints, or a gradient or a capture would have to follow
    each row; then samples are taken one by one.
    """
    if type(dataset) is Subset:
        if not isinstance(indices, list):
            return None
        return rows_of(dataset.dataset, [dataset.indices[index] for index in indices])
    if type(dataset) is not TensorDataset or state.recorder is not None:
        return None
    if not (isinstance(indices, list) and all(type(index) is int for index in indices)):
        return None
    if any(tensor.requires_grad for tensor in dataset.tensors):
        return None
    try:
        return [Tensor.from_array(tensor._settled[indices]) for tensor in dataset.tensors]
    except IndexError:
        # Taken one by one, the sample that is not there says so.
        return None


def random_split(
    dataset: Dataset[Sample], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[Sample]]:
    """Random parts of a data set that share no sample.

    Args:
        dataset: with ``__len__``.
        lengths: how many samples each part has; or fractions that add up to 1, where what is left after rounding down
            goes to the first parts, one sample each.
        generator: where the order is drawn from; the default generator otherwise.

    Raises ValueError for lengths that do not add up to that of the data set, and for a fraction outside [0, 1].
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(len(dataset), lengths)
    if sum(lengths) != len(dataset):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")

    order = randperm(sum(lengths), generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _lengths_of_fractions(total: int, fractions: Sequence[float]) -> list[int]:
    for position, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {position} is not between 0 and 1")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for position in range(total - sum(lengths)):
        lengths[position % len(lengths)] += 1
    for position, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {position} is 0. This might result in an empty dataset.", stacklevel=3
            )
    return lengths
