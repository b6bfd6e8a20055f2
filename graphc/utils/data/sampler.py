"""Samplers: the order in which a DataLoader asks for samples, drawn as PyTorch draws it.

Source: https://docs.pytorch.org/docs/stable/data.html#data-loading-order-and-sampler
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from graphc.creation import as_tensor, randint, randperm
from graphc.ir.types import float64
from graphc.randomness.generator import default_generator
from graphc.randomness.stream import RandomStream

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

Index = TypeVar("Index", covariant=True)

# With replacement, indices are drawn this many at a time; what is not used of them is drawn all the same.
_DRAWN_AT_ONCE = 32


def draw_seed(generator: RandomStream | None) -> int:
    """A seed in [0, 2**63), one draw of 64 bits, as ``torch.empty((), dtype=torch.int64).random_()`` gives."""
    source = default_generator if generator is None else generator
    return int(source.integers(-(2**62), 2**62, ())) + 2**62


class Sampler(Generic[Index]):
    """The base of all samplers: subclasses define ``__iter__``, which gives indices (or lists of them, for a batch
    sampler), and for most uses ``__len__``."""

    def __iter__(self) -> Iterator[Index]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """All indices of a data source in order."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices of a data source in random order.

    Args:
        data_source: with ``__len__``, which is asked again for every pass.
        replacement: whether an index may come more than once in a pass through all.
        num_samples: how many indices a pass gives; the length of the data source by default.
        generator: where the order is drawn from. By default each pass draws a seed from the default generator.

    Raises TypeError for a replacement that is no bool, ValueError for a number of samples below 1.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: RandomStream | None = None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        count = len(self.data_source)
        source = self.generator
        if source is None:
            source = RandomStream(draw_seed(None))
        if self.replacement:
            whole, rest = divmod(self.num_samples, _DRAWN_AT_ONCE)
            for size in (*itertools.repeat(_DRAWN_AT_ONCE, whole), rest):
                yield from randint(0, count, (size,), generator=source).tolist()
        else:
            whole, rest = divmod(self.num_samples, count)
            for _ in range(whole):
                yield from randperm(count, generator=source).tolist()
            yield from randperm(count, generator=source).tolist()[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: RandomStream | None = None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices 0..len(weights)-1, drawn with probabilities in proportion to the weights.

    Args:
        weights: one number for each index; they need not add up to 1.
        num_samples: how many indices a pass gives.
        replacement: whether an index may come more than once.
        generator: where they are drawn from; the default generator otherwise.

    Raises ValueError for a number of samples below 1, a replacement that is no bool, and weights that are no list.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: RandomStream | None = None,
    ):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        import graphc

        drawn = graphc.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of indices of another sampler.

    Args:
        sampler: gives the indices.
        batch_size: how many a list has.
        drop_last: leave out a last list that is shorter.

    Raises ValueError for a batch size below 1, and for a drop_last that is no bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices: Iterator[Any] = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        rounding = 0 if self.drop_last else self.batch_size - 1
        return (len(self.sampler) + rounding) // self.batch_size
