"""The part of a data set that one of several processes trains on.

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

from graphc.creation import randperm
from graphc.randomness.stream import RandomStream
from graphc.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index from ``rank`` on, of an order that all processes share.

    Args:
        dataset: with ``__len__``.
        num_replicas: how many processes there are.
        rank: which of them this is, from 0 on.
        shuffle: an order drawn from ``seed`` plus the epoch, see :meth:`set_epoch`.
        seed: the same number in all processes.
        drop_last: leave out samples at the end, instead of repeating some, so that all processes get as many.

    Raises RuntimeError where ``num_replicas`` or ``rank`` is left out, as there is no process group to ask; ValueError
    for a rank outside [0, num_replicas).
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if num_replicas is None or rank is None:
            raise RuntimeError("Requires distributed package to be available: give num_replicas and rank")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            order = randperm(count, generator=RandomStream(self.seed + self.epoch)).tolist()
        else:
            order = list(range(count))
        # Repeated from the start until there is enough; without a remainder, or with drop_last, this only cuts.
        order = (order * max(1, math.ceil(self.total_size / max(count, 1))))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of a pass: call it before each, or all passes have the same order."""
        self.epoch = epoch
