"""DataLoader in one process: PyTorch's batches, order, lengths, warnings, and refusals."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import pytest

import graphc as gc
from graphc.utils import data

torch = pytest.importorskip("torch")
from torch.utils import data as torch_data  # noqa: E402

BOTH = ((gc, data), (torch, torch_data))


def stream(module: Any, count: int, promised: int | None = None) -> Any:
    class Stream(module.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(count))

        def __len__(self) -> int:
            return count if promised is None else promised

    return Stream()


def plain(batch: Any) -> Any:
    if isinstance(batch, list | tuple):
        return [plain(part) for part in batch]
    return batch.tolist() if hasattr(batch, "tolist") else batch


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4},
        {"batch_size": 4, "shuffle": True},
        {"batch_size": 4, "shuffle": True, "drop_last": True},
        {"batch_size": None},
        {"batch_size": None, "shuffle": True},
        {"batch_sampler": [[3, 1], [2]]},
        {"sampler": [5, 3, 1], "batch_size": 2},
        {"collate_fn": len, "batch_size": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("own_generator", [False, True])
def test_batches_and_random_stream_of_torch(options: dict[str, Any], own_generator: bool) -> None:
    """Two passes give PyTorch's batches, and what is drawn after them is the same: the loader's own seed included."""
    seen = []
    for t, module in BOTH:
        t.manual_seed(7)
        source = {"generator": t.Generator().manual_seed(1)} if own_generator else {}
        dataset = module.TensorDataset(t.arange(11), t.arange(11) * 2)
        loader = module.DataLoader(dataset, **options, **source)
        passes = [[plain(batch) for batch in loader] for _ in range(2)]
        seen.append((len(loader), passes, t.rand(2).tolist()))
        if own_generator:
            seen[-1] += (t.rand(2, generator=source["generator"]).tolist(),)
    assert seen[0] == seen[1]


def test_rows_are_gathered_at_once_only_where_nobody_can_tell() -> None:
    """Subsets of tensors give the batches of one-by-one fetching; tensors that want gradients keep theirs."""
    rows = gc.arange(20).reshape(10, 2)
    subset = data.Subset(data.Subset(data.TensorDataset(rows), [9, 7, 5, 3]), [0, 2, 3])
    assert [batch[0].tolist() for batch in data.DataLoader(subset, batch_size=2)] == [
        [[18, 19], [10, 11]],
        [[6, 7]],
    ]
    weights = gc.ones(4, requires_grad=True)
    for (batch,) in data.DataLoader(data.TensorDataset(weights), batch_size=3):
        (batch * 2).sum().backward()
    assert weights.grad.tolist() == [2.0, 2.0, 2.0, 2.0]
    with pytest.raises(IndexError):
        list(data.DataLoader(data.TensorDataset(rows), batch_size=2, sampler=[1, 10]))


def test_a_batch_has_memory_of_its_own() -> None:
    """Writing to a batch leaves the data set as it was."""
    rows = gc.zeros(4, 2)
    for (batch,) in data.DataLoader(data.TensorDataset(rows), batch_size=2):
        batch.add_(1)
    assert rows.sum().item() == 0


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}])
def test_streams(options: dict[str, Any]) -> None:
    """A stream is batched in order, and its promised length is the loader's."""
    seen = []
    for t, module in BOTH:
        t.manual_seed(1)
        loader = module.DataLoader(stream(module, 8), **options)
        seen.append(([plain(batch) for batch in loader], len(loader), t.rand(1).tolist()))
    assert seen[0] == seen[1]


def test_a_stream_longer_than_promised_is_reported_in_the_words_of_torch() -> None:
    """The warning comes only after len() was asked, and says how many came."""
    texts = []
    for _, module in BOTH:
        loader = module.DataLoader(stream(module, 3, promised=2), batch_size=None)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            list(loader)
            len(loader)
            list(loader)
        texts.append([str(warning.message).split("0x")[0][-20:] for warning in caught])
        assert "(when accessing len(dataloader)), but 3 samples have been fetched. " in str(caught[0].message)
    assert len(texts[0]) == len(texts[1]) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"num_workers": 1, "prefetch_factor": -1},
        {"persistent_workers": True},
        {"sampler": [1], "shuffle": True},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"multiprocessing_context": "fork"},
        {"multiprocessing_context": "magic", "num_workers": 1},
        {"multiprocessing_context": 3, "num_workers": 1},
        {"drop_last": "no", "batch_size": 2},
    ],
    ids=str,
)
def test_contradictory_options_are_refused_as_in_torch(options: dict[str, Any]) -> None:
    """Class and words of the error are PyTorch's."""
    errors = []
    for _, module in BOTH:
        with pytest.raises((ValueError, TypeError)) as caught:
            module.DataLoader(range(3), **options)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}], ids=str)
def test_a_stream_takes_no_order(options: dict[str, Any]) -> None:
    """Options that order samples are refused for streams."""
    errors = []
    for _, module in BOTH:
        with pytest.raises(ValueError, match="DataLoader with IterableDataset") as caught:
            module.DataLoader(stream(module, 3), **options)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_what_decides_the_order_is_fixed() -> None:
    """Attributes that were used to make samplers can't be set later; others can."""
    messages = []
    for _, module in BOTH:
        loader = module.DataLoader(range(3))
        loader.timeout = 0
        with pytest.raises(ValueError, match="batch_size") as caught:
            loader.batch_size = 4
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_attributes_are_those_of_torch() -> None:
    """What a program may read off a loader."""
    names = ("batch_size", "drop_last", "num_workers", "pin_memory", "prefetch_factor", "persistent_workers", "timeout")
    seen = []
    for _, module in BOTH:
        loader = module.DataLoader(range(5), 2, True)
        kinds = [type(getattr(loader, name)).__name__ for name in ("sampler", "batch_sampler", "dataset")]
        seen.append(([getattr(loader, name) for name in names], kinds, type(iter(loader)).__name__, len(iter(loader))))
    assert seen[0] == seen[1]


def test_pinned_memory_is_accepted() -> None:
    """Without an accelerator it is a warning, PyTorch's."""
    texts = []
    for _, module in BOTH:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(list(module.DataLoader(range(3), pin_memory=True))) == 3
        texts.append([str(warning.message) for warning in caught])
    assert texts[0] == texts[1]


def test_an_iterator_is_not_pickled() -> None:
    """It stands for a place in a pass, which can't be copied."""
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iter(data.DataLoader(range(3))))


def test_no_loader_inside_a_compiled_function() -> None:
    """Each call would see the batch of the first: refused, with the line."""
    loader = data.DataLoader(data.TensorDataset(gc.ones(4, 2)), batch_size=2)

    @gc.compile
    def step(x: Any) -> Any:
        for (batch,) in loader:
            x = x + batch
        return x

    with pytest.raises(gc.CaptureError, match="DataLoader"):
        step(gc.ones(2, 2))


def test_no_worker_machinery_without_workers() -> None:
    """Importing graphc and iterating in one process loads no multiprocessing."""
    import subprocess
    import sys

    program = (
        "import sys\n"
        "from graphc.utils.data import DataLoader\n"
        "assert len(list(DataLoader(range(5), 2))) == 3\n"
        "loaded = {'multiprocessing', 'graphc.utils.data._utils.pool'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
