"""DataLoader: batches of samples, in order or shuffled with PyTorch's stream.

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.creation import from_numpy, tensor
from graphc.generator import default_generator
from graphc.ir.types import float64
from graphc.random_stream import RandomStream
from graphc.tensor import Tensor
from graphc.utils.data.dataset import Dataset, TensorDataset


def _draw_seed(source: RandomStream) -> int:
    """A seed as PyTorch draws one: 63 bits, all ones among them."""
    return int(source.integers(-(2**62), 2**62, ())) + 2**62


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: with ``__len__`` and ``__getitem__``.
        batch_size: samples in a batch; None gives samples as they are.
        shuffle: a new random order at each pass.
        drop_last: leave out a last batch that is not full.
        collate_fn: makes a batch of a list of samples; by default stacks tensors and numbers.
        generator: where the order is drawn from; the default generator otherwise.

    Raises ValueError for worker processes, which this version does not start, and for a batch size below 1.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool = False,
        *,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: RandomStream | None = None,
        pin_memory: bool = False,
    ):
        if num_workers:
            raise ValueError(f"num_workers={num_workers}: this version loads data in the calling process (0)")
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator
        self.collate_fn = default_collate if collate_fn is None else collate_fn
        # Rows of tensors at many indices are one gather instead of a gather and a stack for each sample.
        self._rows_at_once = collate_fn is None and type(dataset) is TensorDataset

    def __len__(self) -> int:
        if self.batch_size is None:
            return len(self.dataset)
        return (len(self.dataset) + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size

    def __iter__(self) -> Iterator[Any]:
        # PyTorch draws a base seed for workers at each pass, then one for the order: the stream moves alike.
        source = default_generator if self.generator is None else self.generator
        _draw_seed(source)
        return self._batches(source)

    def _batches(self, source: RandomStream) -> Iterator[Any]:
        count = len(self.dataset)
        order = np.arange(count)
        if self.shuffle:
            own = self.generator
            if own is None:
                own = RandomStream(_draw_seed(source))
            order = own.permutation(count)
        if self.batch_size is None:
            yield from (self.dataset[int(index)] for index in order)
            return
        for number in range(len(self)):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
            if self._rows_at_once:
                yield [from_numpy(rows._array[chosen]) for rows in self.dataset.tensors]
            else:
                yield self.collate_fn([self.dataset[int(index)] for index in chosen])


def default_collate(batch: list[Any]) -> Any:
    """Samples joined into a batch: tensors and arrays stacked, numbers as a tensor, containers part by part.

    Raises TypeError for a kind of sample that can't be joined.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return from_numpy(np.stack([sample._array for sample in batch]))
    if isinstance(first, np.ndarray | np.generic):
        return from_numpy(np.stack(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        parts = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )
