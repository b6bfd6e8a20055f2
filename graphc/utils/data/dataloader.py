"""DataLoader: batches of samples, loaded here or by worker processes, in PyTorch's order.

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
"""

from __future__ import annotations

import itertools
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphc.capture.errors import CaptureError
from graphc.randomness.stream import RandomStream
from graphc.recording import state
from graphc.utils.data._utils.collate import default_collate, default_convert
from graphc.utils.data._utils.failures import Failure
from graphc.utils.data._utils.fetch import fetcher
from graphc.utils.data._utils.messages import EndOfStream, Message
from graphc.utils.data._utils.worker_info import get_worker_info
from graphc.utils.data.dataset import Dataset, IterableDataset
from graphc.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

if TYPE_CHECKING:
    from graphc.utils.data._utils.pool import WorkerPool

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

Sample = TypeVar("Sample", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _EndlessSampler(Sampler[None]):
    """For streams, which have no indices."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[Sample]):
    """Iterates over a data set in batches.

    Args:
        dataset: samples by index, or an :class:`IterableDataset`.
        batch_size: samples in a batch; None gives samples as they are.
        shuffle: a new random order at each pass.
        sampler: gives the indices, instead of ``shuffle``.
        batch_sampler: gives lists of indices, instead of ``batch_size``, ``shuffle``, ``sampler``, and ``drop_last``.
        num_workers: how many processes load batches; 0 loads them here.
        collate_fn: makes a batch of a list of samples, by default :func:`default_collate`; without batches, converts a
            sample, by default :func:`default_convert`.
        pin_memory: accepted; without an accelerator there is nothing to pin.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of a worker; 0 waits as long as it takes.
        worker_init_fn: called in each worker with its number, after seeding.
        multiprocessing_context: how workers are started: the name of a start method, or a context of
            ``multiprocessing``; its default otherwise.
        generator: where the order and the workers' seeds are drawn from; the default generator otherwise.
        prefetch_factor: how many batches a worker loads ahead; 2 by default.
        persistent_workers: keep the workers for the next pass.
        pin_memory_device: accepted, see ``pin_memory``.
        in_order: give batches in the sampler's order, also where a later one is ready first.

    Raises ValueError for options that contradict each other or are out of range, TypeError for a
    ``multiprocessing_context`` of another type.
    """

    _initialized = False

    def __init__(
        self,
        dataset: Dataset[Sample],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: RandomStream | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        _check_worker_options(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_order_options(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            sampler = self._default_sampler(bool(shuffle), generator)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._promised_length: int | None = None
        self._iterator: _MultiProcessingDataLoaderIter | None = None
        self._initialized = True
        self.check_worker_number_rationality()

    def _default_sampler(self, shuffle: bool, generator: RandomStream | None) -> Iterable[Any]:
        if isinstance(self.dataset, IterableDataset):
            return _EndlessSampler()
        return RandomSampler(self.dataset, generator=generator) if shuffle else SequentialSampler(self.dataset)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        return self._multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            context = _context(context, self.num_workers)
        self._multiprocessing_context = context

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> _BaseDataLoaderIter:
        if not self.persistent_workers:
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._restart(self)
        return self._iterator

    def _get_iterator(self) -> Any:
        if not self.num_workers:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._promised_length = len(self.dataset)
        if self.batch_size is not None:
            length = (length + (0 if self.drop_last else self.batch_size - 1)) // self.batch_size
        return length

    def check_worker_number_rationality(self) -> None:
        """Warn about more workers than processors that this process may run on."""
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if processors is not None and self.num_workers > processors:
            note = "" if hasattr(os, "sched_getaffinity") else " (`cpuset` is not taken into account)"
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {processors}{note}, which is smaller than what this DataLoader is "
                "going to create. Please be aware that excessive worker creation might get DataLoader running slow or "
                "even freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


def _check_worker_options(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable "
            "multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if prefetch_factor == 0:
        raise ValueError("prefetch_factor option should be positive: a worker that loads nothing ahead never loads")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_order_options(
    dataset: Any, batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if isinstance(dataset, IterableDataset):
        given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")


def _context(context: Any, num_workers: int) -> Any:
    import multiprocessing
    from multiprocessing.context import BaseContext

    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
            f"num_workers={num_workers}"
        )
    if isinstance(context, str):
        known = multiprocessing.get_all_start_methods()
        if context not in known:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{known!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start "
            f"method, but got multiprocessing_context={context}"
        )
    return context


class _BaseDataLoaderIter:
    """One pass over the data; subclasses say where the next batch comes from."""

    def __init__(self, loader: DataLoader[Any]):
        _refuse_in_capture()
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be "
                "used.",
                stacklevel=3,
            )
        self._dataset = loader.dataset
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._begin_pass(loader)
        # Drawn after the sampler was asked for its iterator, also where there are no workers to seed: this decides
        # what random numbers come next.
        self._base_seed = draw_seed(loader.generator)

    def _begin_pass(self, loader: DataLoader[Any]) -> None:
        self._indices = iter(self._index_sampler)
        self._given = 0
        self._promised_length = loader._promised_length

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        _refuse_in_capture()
        batch = self._next_batch()
        self._given += 1
        if self._promised_length is not None and self._given > self._promised_length:
            self._warn_of_length()
        return batch

    def _next_batch(self) -> Any:
        raise NotImplementedError

    def _warn_of_length(self) -> None:
        message = (
            f"Length of IterableDataset {self._dataset} was reported to be {self._promised_length}(when accessing "
            f"len(dataloader)), but {self._given} samples have been fetched. "
        )
        if self._num_workers:
            message += (
                "For multiprocessing data-loading, this could be caused by not properly configuring the "
                "IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
            )
        warnings.warn(message, stacklevel=3)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


def _refuse_in_capture() -> None:
    if state.recorder is not None:
        raise CaptureError(
            "a DataLoader can't be iterated inside a compiled function, which would see the same batch at every call: "
            "give the batch as an argument",
            state.recorder.location(),
        )


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Loads batches when they are asked for."""

    def __init__(self, loader: DataLoader[Any]):
        super().__init__(loader)
        if loader.timeout:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        self._fetch = fetcher(loader.dataset, loader.batch_sampler is not None, loader.collate_fn, loader.drop_last)

    def _next_batch(self) -> Any:
        return self._fetch(next(self._indices))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Gives tasks to worker processes some batches ahead, in turn, and their results in the order of the tasks."""

    def __init__(self, loader: DataLoader[Any]):
        super().__init__(loader)
        from graphc.utils.data._utils.pool import WorkerPool
        from graphc.utils.data._utils.worker import Duty

        self._most_tasks = loader.prefetch_factor * loader.num_workers
        self._in_order = loader.in_order
        self._timeout = loader.timeout
        self._persistent = loader.persistent_workers
        self._epoch = -1
        duty = Duty(
            loader.dataset,
            loader.batch_sampler is not None,
            loader.collate_fn,
            loader.drop_last,
            self._base_seed,
            loader.worker_init_fn,
            loader.num_workers,
        )
        self._pool: WorkerPool = WorkerPool(duty, loader.multiprocessing_context)
        # At the interpreter's exit `multiprocessing` ends its daemons without waiting for what they are doing.
        self._shut_down = weakref.finalize(self, self._pool.shut_down)
        self._shut_down.atexit = False
        self._restart(loader)

    def _restart(self, loader: DataLoader[Any]) -> None:
        """Begin a pass; what workers still send of an earlier one is dropped."""
        self._begin_pass(loader)
        self._epoch += 1
        self._next_task = 0
        # Tasks in order: which worker has each, and the results that have come before it was their turn.
        self._holder: dict[int, int] = {}
        self._results: dict[int, Any] = {}
        self._pending = [0] * self._num_workers
        self._active = [True] * self._num_workers
        self._turns = itertools.cycle(range(self._num_workers))
        for _ in range(self._most_tasks):
            self._give_task()

    def _give_task(self) -> None:
        try:
            index = next(self._indices)
        except StopIteration:
            return
        worker = self._whose_turn()
        if worker is None:
            return
        number, self._next_task = self._next_task, self._next_task + 1
        self._holder[number] = worker
        self._pending[worker] += 1
        self._pool.send(worker, Message(self._epoch, number, index))

    def _whose_turn(self) -> int | None:
        active = sum(self._active)
        for worker in itertools.islice(self._turns, self._num_workers):
            free = self._in_order or self._pending[worker] < self._most_tasks // active
            if self._active[worker] and free:
                return worker
        return None

    def _next_batch(self) -> Any:
        while True:
            ready = self._ready()
            if ready is not None:
                return self._give(ready)
            if not self._holder:
                if not self._persistent:
                    self._shut_down()
                raise StopIteration
            for worker, message in self._pool.receive(self._timeout):
                if message.epoch == self._epoch:
                    self._take(worker, message)

    def _ready(self) -> int | None:
        """The task whose result is to be given next, if it has come."""
        if not self._in_order:
            return next(iter(self._results), None)
        first = next(iter(self._holder), None)
        return first if first in self._results else None

    def _take(self, worker: int, message: Message) -> None:
        if not isinstance(message.content, EndOfStream):
            self._results[message.number] = message.content
            return
        # The worker answers none of the tasks that it still has: they only asked for more of its stream.
        self._active[worker] = False
        unanswered = [n for n, holder in self._holder.items() if holder == worker and n not in self._results]
        for number in unanswered:
            del self._holder[number]
        self._give_task()

    def _give(self, number: int) -> Any:
        self._pending[self._holder.pop(number)] -= 1
        result = self._results.pop(number)
        self._give_task()
        if isinstance(result, Failure):
            raise result.exception()
        return result
