"""Data sets, and how they are split, against PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import graphc as gc
from graphc.utils import data

torch = pytest.importorskip("torch")
from torch.utils import data as torch_data  # noqa: E402

BOTH = ((gc, data), (torch, torch_data))


def squares(module: Any, count: int, start: int = 0) -> Any:
    class Squares(module.Dataset):
        def __getitem__(self, index: int) -> int:
            if not 0 <= index < count:
                raise IndexError(index)
            return (start + index) ** 2

        def __len__(self) -> int:
            return count

    return Squares()


def stream(module: Any, *items: int) -> Any:
    class Stream(module.IterableDataset):
        def __iter__(self) -> Any:
            return iter(items)

        def __len__(self) -> int:
            return len(items)

    return Stream()


def outcome(action: Any) -> Any:
    """What a function gives, or its error's class and words."""
    try:
        return action()
    except Exception as error:
        return type(error).__name__, str(error)


def test_tensor_dataset_gives_rows() -> None:
    """Samples are tuples of rows, slices included, and unequal lengths are refused in PyTorch's words."""
    seen = []
    for t, module in BOTH:
        dataset = module.TensorDataset(t.arange(6).reshape(3, 2), t.arange(3))
        seen.append(
            (
                len(dataset),
                [part.tolist() for part in dataset[1]],
                [part.tolist() for part in dataset[0:2]],
                outcome(lambda t=t, module=module: module.TensorDataset(t.arange(3), t.arange(4))),
            )
        )
    assert seen[0] == seen[1]


def test_concatenated_and_chained() -> None:
    """Sums of data sets index through their parts, negative indices included; streams follow each other."""
    seen = []
    for _, module in BOTH:
        both = squares(module, 3) + squares(module, 4, 10)
        seen.append(
            (
                type(both).__name__,
                len(both),
                both.cumulative_sizes,
                [both[index] for index in (0, 2, 3, 6, -1, -7)],
                outcome(lambda both=both: both[-8]),
                outcome(lambda module=module: module.ConcatDataset([])),
                outcome(lambda module=module: module.ConcatDataset([stream(module, 1)])),
            )
        )
        chain = stream(module, 1, 2) + stream(module, 3)
        seen[-1] += (type(chain).__name__, len(chain), list(chain))
        seen[-1] += (outcome(lambda module=module: list(module.ChainDataset([squares(module, 2)]))),)
    assert seen[0] == seen[1]


def test_stacked() -> None:
    """Parts by position make tuples, by keyword dicts; batches ask parts that can give many at once."""
    seen = []
    for _, module in BOTH:

        class Many(module.Dataset):
            asked: Any = None

            def __len__(self) -> int:
                return 5

            def __getitem__(self, index: int) -> int:
                return -index

            def __getitems__(self, indices: list[int]) -> list[int]:
                Many.asked = indices
                return [-index for index in indices]

        class Short(Many):
            def __getitems__(self, indices: list[int]) -> list[int]:
                return [0]

        by_place = module.StackDataset(squares(module, 5), Many())
        by_name = module.StackDataset(square=squares(module, 5), negative=Many())
        seen.append(
            (
                len(by_place),
                by_place[2],
                by_name[3],
                by_place.__getitems__([1, 4]),
                by_name.__getitems__([0, 2]),
                Many.asked,
                outcome(lambda module=module: module.StackDataset()),
                outcome(lambda module=module: module.StackDataset(squares(module, 2), squares(module, 3))),
                outcome(lambda module=module: module.StackDataset(squares(module, 2), a=squares(module, 2))),
                outcome(lambda module=module, Short=Short: module.StackDataset(Short()).__getitems__([0, 1])),
            )
        )
    assert seen[0] == seen[1]


def test_subset() -> None:
    """A subset maps indices, one or many, and refuses a subclass that a DataLoader would not ask."""
    seen = []
    for t, module in BOTH:
        subset = module.Subset(squares(module, 10), [3, 1, 7])
        rows = module.Subset(module.TensorDataset(t.arange(10)), [3, 1, 7])

        class Half(module.Subset):
            def __getitem__(self, index: int) -> int:
                return 0

        error = outcome(lambda Half=Half: Half([1, 2], [0]))
        seen.append(
            (
                len(subset),
                [subset[index] for index in range(3)],
                subset.__getitems__([0, 2]),
                rows[[0, 2]][0].tolist(),
                error[0],
                error[1].split(". ")[0],
            )
        )
    assert seen[0] == seen[1]


@pytest.mark.parametrize("lengths", [[3, 7], [0.5, 0.5], [0.3, 0.3, 0.4], [0.15] * 6 + [0.1], [10, 0], [1.0]], ids=str)
@pytest.mark.parametrize("own_generator", [False, True])
def test_random_split_is_that_of_torch(lengths: list[float], own_generator: bool) -> None:
    """Parts hold PyTorch's indices, lengths and fractions alike, and the stream goes on where PyTorch's does."""
    seen = []
    for t, module in BOTH:
        t.manual_seed(5)
        options = {"generator": t.Generator().manual_seed(9)} if own_generator else {}
        parts = module.random_split(range(10), lengths, **options)
        seen.append(([(list(part.indices), list(part)) for part in parts], t.rand(2).tolist()))
    assert seen[0] == seen[1]


def test_random_split_refuses_and_warns_as_torch() -> None:
    """Sums that do not fit and fractions out of range are errors; an empty part by rounding is a warning."""
    for lengths in ([3, 3], [1.5, -0.5], [0.5, 0.4]):
        errors = [outcome(lambda module=module, n=lengths: module.random_split(range(10), n)) for _, module in BOTH]
        assert errors[0] == errors[1]
    texts = []
    for _, module in BOTH:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            module.random_split(range(2), [0.4, 0.3, 0.3])
        texts.append([str(warning.message) for warning in caught])
    assert texts[0] == texts[1]
    assert texts[0]


def test_the_base_class_wants_getitem() -> None:
    """A data set without __getitem__ says so when it is indexed."""
    messages = [outcome(lambda module=module: module.Dataset()[0]) for _, module in BOTH]
    assert messages[0] == messages[1]
