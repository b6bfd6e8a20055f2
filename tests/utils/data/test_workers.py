"""Worker processes: PyTorch's batches and random numbers, failures, and memory."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.utils import data

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are tested where processes can be forked"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


def children() -> list[int]:
    return [process.pid for process in multiprocessing.active_children()]


def noisy(t: Any, module: Any, count: int = 13) -> Any:
    """Samples that tell which numbers the three generators of a worker give."""

    class Noisy(module.Dataset):
        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> Any:
            info = module.get_worker_info()
            assert info.dataset is self
            return index, random.random(), float(np.random.rand()), t.rand(2), info.id, info.num_workers, info.seed

    return Noisy()


def plain(batch: Any) -> Any:
    if isinstance(batch, list | tuple):
        return [plain(part) for part in batch]
    return batch.tolist() if hasattr(batch, "tolist") else batch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True, "drop_last": True},
        {"shuffle": True, "prefetch_factor": 1},
        {"shuffle": True, "prefetch_factor": 5},
        {"batch_size": None},
        {"persistent_workers": True, "shuffle": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("own_generator", [False, True])
def test_batches_and_seeds_of_torch(options: dict[str, Any], own_generator: bool) -> None:
    """Two passes with two workers give PyTorch's batches, with the numbers that its workers draw."""
    torch = pytest.importorskip("torch")
    from torch.utils import data as torch_data

    seen = []
    for t, module in ((gc, data), (torch, torch_data)):
        t.manual_seed(12)
        source = {"generator": t.Generator().manual_seed(4)} if own_generator else {}
        loader = module.DataLoader(noisy(t, module), **{"batch_size": 3, "num_workers": 2, **options, **source})
        passes = [[plain(batch) for batch in loader] for _ in range(2)]
        seen.append((passes, t.rand(2).tolist()))
        del loader
        assert not children()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_streams_of_torch(batch_size: int | None, drop_last: bool, split: bool) -> None:
    """Every worker goes through its own copy, or its own part; one that ends early leaves its turns to the other."""
    torch = pytest.importorskip("torch")
    from torch.utils import data as torch_data

    if batch_size is None and drop_last:
        drop_last = False
    seen = []
    for module in (data, torch_data):

        class Stream(module.IterableDataset):
            def __iter__(self) -> Any:
                info = torch_data.get_worker_info() or data.get_worker_info()
                return iter([0, 1] if split and info.id == 0 else range(2, 9))

        loader = module.DataLoader(Stream(), batch_size, drop_last=drop_last, num_workers=2)
        seen.append([[plain(batch) for batch in loader] for _ in range(2)])
    assert seen[0] == seen[1]
    assert torch is not None


class Numbers(data.Dataset):
    def __init__(self, count: int = 12):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return index


def test_persistent_workers_stay_and_start_anew() -> None:
    """The same processes serve every pass, one that was broken off too; its leftovers do not come again."""

    class Where(Numbers):
        def __getitem__(self, index: int) -> Any:
            return index, os.getpid()

    loader = data.DataLoader(Where(), batch_size=2, num_workers=2, persistent_workers=True)
    seen: set[int] = set()
    for stop in (12, 2, 6, 12):
        order = []
        for index, process in loader:
            order += index.tolist()
            seen |= set(process.tolist())
            if len(order) >= stop:
                break
        assert order == list(range(stop))
    assert len(seen) == 2
    assert os.getpid() not in seen
    assert sorted(children()) == sorted(seen)
    del loader
    assert not children()


def test_persistent_streams_start_anew() -> None:
    """A stream is opened again for every pass."""

    class Stream(data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(3))

    loader = data.DataLoader(Stream(), batch_size=None, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert sorted(loader) == [0, 0, 1, 1, 2, 2]


class Faulty(Numbers):
    def __init__(self, error: Any):
        super().__init__()
        self.error = error

    def __getitem__(self, index: int) -> Any:
        if index == 4:
            raise self.error
        return index


class WithMessage(Exception):
    message = "a text of its own"

    def __init__(self, message: str):
        super().__init__(message)


class TwoParts(Exception):
    def __init__(self, first: int, second: int):
        super().__init__(first, second)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("bad sample"), ValueError),
        (KeyError("bad sample"), KeyError),
        (StopIteration("bad sample"), StopIteration),
        (WithMessage("bad sample"), WithMessage),
        (TwoParts(1, 2), RuntimeError),
        (OSError(2, "bad sample"), OSError),
    ],
    ids=repr,
)
def test_an_exception_is_raised_again_as_in_torch(error: Exception, kind: type[Exception]) -> None:
    """Same class, PyTorch's words, the worker's traceback; and the pass can go on behind it."""
    torch = pytest.importorskip("torch")
    from torch.utils import data as torch_data

    texts = []
    for module in (data, torch_data):
        batches = iter(module.DataLoader(Faulty(error), batch_size=2, num_workers=2))
        assert next(batches).tolist() == [0, 1]
        assert next(batches).tolist() == [2, 3]
        with pytest.raises(kind) as caught:
            next(batches)
        assert [batch.tolist() for batch in batches] == [[6, 7], [8, 9], [10, 11]]
        texts.append((str(caught.value).splitlines()[:2], str(caught.value).splitlines()[-1]))
        assert "in __getitem__" in str(caught.value)
        assert "raise self.error" in str(caught.value)
    assert texts[0] == texts[1]
    assert texts[0][0][0].startswith(f"Caught {type(error).__name__} in DataLoader worker process 0.")
    assert torch is not None


def test_a_class_that_no_other_process_knows_becomes_a_runtime_error() -> None:
    """An exception whose class can't be sent still tells its name, text, and place."""

    class Local(Exception):
        pass

    batches = iter(data.DataLoader(Faulty(Local("bad sample")), batch_size=12, num_workers=1))
    with pytest.raises(RuntimeError, match=r"(?s)in DataLoader worker process 0.*Local: bad sample"):
        next(batches)


@pytest.mark.parametrize("place", ["collate_fn", "worker_init_fn"])
def test_failures_of_ones_own_functions(place: str) -> None:
    """Exceptions while collating and while a worker starts arrive too, for every batch."""

    def fail(argument: Any) -> Any:
        raise ArithmeticError(f"{place} fails")

    batches = iter(data.DataLoader(Numbers(), batch_size=6, num_workers=1, **{place: fail}))
    for _ in range(2):
        with pytest.raises(ArithmeticError, match=f"(?s)Caught ArithmeticError in.*{place} fails"):
            next(batches)
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (lambda: lambda: 0, "pickle"),
        (lambda: gc.ones(2, requires_grad=True) * 2, "Cowardly refusing to serialize non-leaf tensor"),
    ],
)
def test_what_cannot_be_sent_is_an_error_and_not_a_wait(sample: Any, text: str) -> None:
    """A batch that can't be pickled raises where it is asked for."""

    class Odd(Numbers):
        def __getitem__(self, index: int) -> Any:
            return sample()

    with pytest.raises(Exception, match=f"(?s)Caught .* in DataLoader worker process 0.*{text}"):
        next(iter(data.DataLoader(Odd(), batch_size=None, num_workers=1)))


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed. "),
        (lambda: os.kill(os.getpid(), signal.SIGUSR1), "is killed by signal: User defined signal 1. "),
        (lambda: os._exit(3), "exited unexpectedly with exit code 3. "),
    ],
)
def test_a_worker_that_dies_is_reported(end: Any, cause: str) -> None:
    """Its number and how it ended are told at once, and the other worker ends too."""

    class Deadly(Numbers):
        def __getitem__(self, index: int) -> Any:
            if index == 7:
                end()
            return index

    loader = data.DataLoader(Deadly(40), batch_size=2, num_workers=2)
    seen: list[int] = []
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly") as caught:
        seen.extend(index for batch in loader for index in batch.tolist())
    assert cause in str(caught.value.__cause__)
    assert seen == list(range(6))
    del caught
    assert not children()


def test_timeout() -> None:
    """A batch that takes longer than allowed is an error with PyTorch's words."""

    class Slow(Numbers):
        def __getitem__(self, index: int) -> Any:
            time.sleep(30 if index == 2 else 0)
            return index

    batches = iter(data.DataLoader(Slow(), batch_size=None, num_workers=1, timeout=0.5))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.5 seconds"):
        next(batches)
    for process in multiprocessing.active_children():
        process.kill()


def test_any_order() -> None:
    """With in_order=False a batch that is ready comes before an earlier one that is not."""

    class Uneven(Numbers):
        def __getitem__(self, index: int) -> Any:
            while index == 0 and not Path(self.mark).exists():
                time.sleep(0.01)
            return index

    def order(in_order: bool, folder: Path) -> list[int]:
        dataset = Uneven(6)
        dataset.mark = str(folder / str(in_order))
        if in_order:
            Path(dataset.mark).touch()
        seen = []
        for index in data.DataLoader(dataset, batch_size=None, num_workers=2, in_order=in_order):
            seen.append(index)
            if len(seen) == 3:
                Path(dataset.mark).touch()
        return seen

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert order(True, Path(folder)) == [0, 1, 2, 3, 4, 5]
        mixed = order(False, Path(folder))
    assert sorted(mixed) == [0, 1, 2, 3, 4, 5]
    assert mixed.index(0) >= 3


@pytest.mark.parametrize("factor", [1, 3])
def test_workers_load_ahead_as_far_as_they_may(factor: int, tmp_path: Path) -> None:
    """Before the second batch is asked for, as many batches more than the first are loaded as the factor allows."""

    class Noted(Numbers):
        def __getitem__(self, index: int) -> Any:
            (tmp_path / str(index)).touch()
            return gc.full((100_000,), float(index))

    batches = iter(data.DataLoader(Noted(30), batch_size=1, num_workers=2, prefetch_factor=factor))
    assert next(batches)[0, 0].item() == 0.0
    ahead = 2 * factor + 1
    latest = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < ahead and time.monotonic() < latest:
        time.sleep(0.01)
    time.sleep(0.1)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(ahead))


def test_memory_arrives_whole_and_belongs_to_the_batch() -> None:
    """Large and small, contiguous or not, read-only or expanded: equal values, writable, alive after the workers."""
    big = np.random.RandomState(0).rand(300, 200)
    frozen = big.copy()
    frozen.flags.writeable = False

    class Kinds(Numbers):
        def __getitem__(self, index: int) -> Any:
            return {
                "big": gc.from_numpy(big) + index,
                "transposed": gc.from_numpy(big).T,
                "steps": gc.from_numpy(big)[::3, ::2],
                "expanded": gc.ones(1, 300).expand(200, 300),
                "frozen": gc.from_numpy(frozen),
                "array": big * index,
                "small": gc.tensor([1, 2, 3]),
                "empty": gc.zeros(0, 4),
                "scalar": gc.tensor(2.5),
                "bools": gc.tensor([True, False]),
                "many": [gc.full((20_000,), index + part) for part in range(150)],
                "parameter": gc.nn.Parameter(gc.ones(9)),
                "text": "x" * 100_000,
            }

    samples = list(data.DataLoader(Kinds(4), batch_size=None, num_workers=2))
    assert not children()
    direct = Kinds()
    for index, sample in enumerate(samples):
        expected = direct[index]
        for name, value in expected.items():
            got = sample[name]
            if name == "many":
                assert [part[0].item() for part in got] == [part[-1].item() for part in value]
                continue
            assert type(got) is (gc.Tensor if name == "array" else type(value)), name
            assert (
                (got == value)
                if name == "text"
                else np.array_equal(
                    got.detach().numpy(), np.asarray(value.detach() if hasattr(value, "detach") else value)
                )
            ), name
            if name not in ("text", "parameter"):
                got.zero_()
        assert sample["parameter"].requires_grad
    assert direct[0]["big"].sum().item() == pytest.approx(big.sum())


def test_kept_batches_hold_no_open_files() -> None:
    """All batches of a long pass can be kept: their memory needs no descriptor, and all of it is given back."""

    class Rows(Numbers):
        def __getitem__(self, index: int) -> Any:
            return np.full(10_000, index)

    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count("graphc batch")

    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc")
    before = len(os.listdir("/proc/self/fd"))
    kept = list(data.DataLoader(Rows(300), batch_size=1, num_workers=2))
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert [batch[0, -1].item() for batch in kept] == list(range(300))
    assert mapped() >= 1
    del kept
    assert mapped() == 0


def test_long_lists_of_indices_do_not_block() -> None:
    """Tasks and results larger than any socket's buffer pass each other."""

    class Echo(Numbers):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return indices

    loader = data.DataLoader(
        Echo(600_000), batch_size=100_000, num_workers=2, collate_fn=lambda indices: [str(i) for i in indices]
    )
    assert [batch[0] for batch in loader] == [str(start) for start in range(0, 600_000, 100_000)]


def test_early_break_ends_the_workers() -> None:
    """Leaving a loop, and any other way of dropping the iterator, leaves no process and no zombie."""
    loader = data.DataLoader(Numbers(100), batch_size=2, num_workers=2)
    for _ in loader:
        break
    assert not children()
    batches = iter(loader)
    next(batches)
    assert len(children()) == 2
    del batches
    assert not children()
    with pytest.raises(ZeroDivisionError):
        print([1 / 0 for batch in loader])
    assert not children()
    list(zip(loader, range(2), strict=False))
    assert not children()


def test_two_loaders_at_once() -> None:
    """Ending the workers of one loader leaves those of another alone, in either order."""
    one = iter(data.DataLoader(Numbers(20), batch_size=None, num_workers=2))
    other = iter(data.DataLoader(Numbers(30), batch_size=None, num_workers=2))
    assert (next(one), next(other)) == (0, 0)
    del one
    assert list(other) == list(range(1, 30))
    assert not children()


def test_a_forked_copy_of_the_owner_does_not_end_its_workers() -> None:
    """A process that was forked from the iterating one may drop its copy of the iterator."""
    batches = iter(data.DataLoader(Numbers(20), batch_size=None, num_workers=2))
    assert next(batches) == 0
    copy = os.fork()
    if not copy:
        del batches
        os._exit(0)
    os.waitpid(copy, 0)
    assert list(batches) == list(range(1, 20))


def test_workers_beside_threads_of_the_parent() -> None:
    """Workers compute with numpy and graphc although the parent has teams of OpenMP and BLAS, and threads that hold
    the locks of the random generators whenever they can."""
    gc.set_num_threads(2)
    weights = gc.randn(256, 256, requires_grad=True)

    @gc.compile
    def step(batch: Any) -> Any:
        loss = (batch @ weights).tanh().square().mean()
        loss.backward()
        return loss

    class Products(Numbers):
        def __getitem__(self, index: int) -> Any:
            matrix = gc.rand(256, 256)
            np.random.rand(3)
            return (matrix @ matrix).sum(dim=0) * 0 + np.ones((256, 300)).dot(np.ones(300)).astype(np.float32).mean()

    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            gc.rand(2000)
            np.random.rand(2000)
            np.ones((128, 128)) @ np.ones((128, 128))

    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            losses = [
                step(batch).item() for batch in data.DataLoader(Products(8), batch_size=4, num_workers=2, timeout=120)
            ]
            assert len(losses) == 2
            assert losses[0] == losses[1] > 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not children()


def test_a_compiled_function_in_a_worker() -> None:
    """What the parent has compiled runs in its workers, on one thread."""

    @gc.compile
    def scale(x: Any) -> Any:
        return (x * 2).sum(dim=0)

    rows = gc.arange(2000.0).reshape(1000, 2)
    expected = scale(rows).tolist()

    class Compiled(Numbers):
        def __getitem__(self, index: int) -> Any:
            return scale(rows), gc.get_num_threads()

    for total, threads in data.DataLoader(Compiled(4), batch_size=None, num_workers=2):
        assert total.tolist() == expected
        assert threads == 1
