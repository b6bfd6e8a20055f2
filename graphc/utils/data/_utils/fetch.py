"""From the indices of a batch to the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.utils.data._utils.collate import default_collate
from graphc.utils.data.dataset import IterableDataset, rows_of

Fetch = Callable[[Any], Any]


def fetcher(dataset: Any, batched: bool, collate_function: Callable[[Any], Any], drop_last: bool) -> Fetch:
    """A function from what the sampler gives to what the loader gives.

    For a data set of samples that is an index, or a list of them where ``batched``. A stream is opened here; of the
    indices only the number counts, and StopIteration is raised at its end.
    """
    if isinstance(dataset, IterableDataset):
        return _Stream(dataset, batched, collate_function, drop_last)

    def fetch(index: Any) -> Any:
        if not batched:
            return collate_function(dataset[index])
        if collate_function is default_collate:
            rows = rows_of(dataset, index)
            if rows is not None:
                return rows
        many = getattr(dataset, "__getitems__", None)
        return collate_function(many(index) if many else [dataset[position] for position in index])

    return fetch


class _Stream:
    def __init__(
        self, dataset: IterableDataset[Any], batched: bool, collate_function: Callable[[Any], Any], drop_last: bool
    ):
        self._samples = iter(dataset)
        self._batched = batched
        self._collate = collate_function
        self._drop_last = drop_last
        self._ended = False

    def __call__(self, index: Any) -> Any:
        if self._ended:
            raise StopIteration
        if not self._batched:
            return self._collate(next(self._samples))
        samples = []
        for _ in index:
            try:
                samples.append(next(self._samples))
            except StopIteration:
                self._ended = True
                break
        if not samples or (self._drop_last and len(samples) < len(index)):
            raise StopIteration
        return self._collate(samples)
