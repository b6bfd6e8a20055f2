"""Samplers give PyTorch's indices and leave the random stream where PyTorch leaves it."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc
from graphc.utils import data

torch = pytest.importorskip("torch")
from torch.utils import data as torch_data  # noqa: E402

BOTH = ((gc, data), (torch, torch_data))


def both_ways(make: Any, passes: int = 2) -> None:
    """Two passes of a sampler from each library, and the numbers drawn after them, are equal."""
    seen = []
    for t, module in BOTH:
        t.manual_seed(3)
        sampler = make(t, module)
        seen.append((len(sampler), [list(sampler) for _ in range(passes)], t.rand(2).tolist()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_samples": 25},
        {"num_samples": 4},
        {"replacement": True},
        {"replacement": True, "num_samples": 70},
        {"replacement": True, "num_samples": 64},
    ],
    ids=str,
)
def test_random_sampler(options: dict[str, Any], own_generator: bool) -> None:
    """With and without replacement, for fewer and more samples than there are."""

    def make(t: Any, module: Any) -> Any:
        source = {"generator": t.Generator().manual_seed(8)} if own_generator else {}
        return module.RandomSampler(range(11), **options, **source)

    both_ways(make)


@pytest.mark.parametrize("own_generator", [False, True])
def test_subset_random_sampler(own_generator: bool) -> None:
    """Given indices in random order."""

    def make(t: Any, module: Any) -> Any:
        return module.SubsetRandomSampler(
            [5, 3, 9, 1], generator=t.Generator().manual_seed(2) if own_generator else None
        )

    both_ways(make)


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize(("count", "replacement"), [(9, True), (4, False), (1, False), (1, True)])
def test_weighted_random_sampler(count: int, replacement: bool, own_generator: bool) -> None:
    """Indices drawn by weight, with and without replacement."""

    def make(t: Any, module: Any) -> Any:
        source = t.Generator().manual_seed(2) if own_generator else None
        return module.WeightedRandomSampler([0.1, 3.0, 0.0, 2.0, 0.7], count, replacement, generator=source)

    both_ways(make)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [0, 3, 9, 10])
def test_batch_sampler(count: int, drop_last: bool) -> None:
    """Lists of indices, the last one short or left out."""
    both_ways(lambda t, module: module.BatchSampler(module.SequentialSampler(range(count)), 3, drop_last))


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [10, 11, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_distributed_sampler(count: int, drop_last: bool, shuffle: bool) -> None:
    """Each of three processes gets PyTorch's part, in each epoch."""
    seen = []
    for _, module in BOTH:
        parts = []
        for rank in range(3):
            sampler = module.DistributedSampler(range(count), 3, rank, shuffle=shuffle, seed=4, drop_last=drop_last)
            for epoch in range(2):
                sampler.set_epoch(epoch)
                parts.append((len(sampler), list(sampler)))
        seen.append(parts)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.RandomSampler(range(3), replacement=1),
        lambda m: m.RandomSampler(range(3), num_samples=0),
        lambda m: m.RandomSampler([]),
        lambda m: m.RandomSampler(range(3), num_samples=2.0),
        lambda m: m.WeightedRandomSampler([1.0], True),
        lambda m: m.WeightedRandomSampler([1.0], 0),
        lambda m: m.WeightedRandomSampler([1.0], 2, replacement=1),
        lambda m: m.WeightedRandomSampler([[1.0]], 2),
        lambda m: m.BatchSampler([1], 0, False),
        lambda m: m.BatchSampler([1], True, False),
        lambda m: m.BatchSampler([1], 2, 0),
        lambda m: m.DistributedSampler(range(3), 2, 2),
    ],
)
def test_bad_arguments_are_refused_as_in_torch(make: Any) -> None:
    """The error's class and words are PyTorch's."""
    errors = []
    for _, module in BOTH:
        with pytest.raises((TypeError, ValueError)) as caught:
            make(module)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]
