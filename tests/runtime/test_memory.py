from __future__ import annotations

import gc
import itertools
import os
import weakref

import numpy as np
import pytest

from graphc.runtime.abi import ffi
from graphc.runtime.memory import HUGE_PAGE, KEPT_FROM_BYTES, Arena, ResultMemory


def _address(pointer: object) -> int:
    return int(ffi.cast("intptr_t", pointer))


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 1000, 4096, HUGE_PAGE - 1, HUGE_PAGE, 3 * HUGE_PAGE + 17])
def test_arena_is_aligned_and_all_of_it_can_be_written(nbytes: int) -> None:
    """Every size starts at a cache line, large ones at a huge page; the first and last byte hold what is written."""
    arena = Arena(nbytes)
    assert arena.nbytes == nbytes
    assert arena.pointer != ffi.NULL
    assert _address(arena.pointer) % (HUGE_PAGE if nbytes >= HUGE_PAGE else 64) == 0
    if nbytes:
        memory = np.frombuffer(ffi.buffer(arena.pointer, nbytes), np.uint8)
        memory[:] = 1
        memory[0], memory[-1] = 5, 7
        assert memory[-1] == 7
        assert int(memory.sum()) >= nbytes


def test_arenas_do_not_overlap() -> None:
    """Two arenas that live at once are apart."""
    arenas = [Arena(size) for size in (100, 5000, HUGE_PAGE, HUGE_PAGE)]
    spans = sorted((_address(arena.pointer), _address(arena.pointer) + arena.nbytes) for arena in arenas)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_arena_gives_its_memory_back() -> None:
    """Making and dropping many large arenas takes no more address space than one."""

    def mapped() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

    Arena(64 * HUGE_PAGE)
    gc.collect()
    before = mapped()
    for _ in range(50):
        Arena(64 * HUGE_PAGE)
    gc.collect()
    assert mapped() - before < 64 * HUGE_PAGE


def test_impossible_arenas_are_refused() -> None:
    """A negative size and one that no machine has are clear errors."""
    with pytest.raises(ValueError, match="-1 bytes"):
        Arena(-1)
    with pytest.raises(MemoryError):
        Arena(2**62)


LARGE = (KEPT_FROM_BYTES // 4,)
FLOAT = np.dtype(np.float32)


def _address_of(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_the_memory_of_a_result_is_used_again_once_nothing_shows_it() -> None:
    """A view keeps a result's memory, however it came about; without any the next call gets it."""
    memory = ResultMemory()
    result = memory.empty(LARGE, FLOAT)
    place, view = _address_of(result), result.reshape(2, -1)[1:].T
    del result
    memory.begin()
    other = memory.empty(LARGE, FLOAT)
    assert _address_of(other) != place
    view[:] = 7
    del view
    memory.begin()
    third = memory.empty((*LARGE, 1), FLOAT)
    assert _address_of(third) == place
    assert third.flags.writeable
    assert third.flags.c_contiguous
    assert place % 64 == 0


def test_no_more_is_kept_idle_than_a_call_takes() -> None:
    """Results that someone collected and let go are freed but for one; sizes that are asked for no more, all."""
    memory = ResultMemory()
    kept = []
    for _ in range(5):
        memory.begin()
        kept.append(memory.empty(LARGE, FLOAT))
    places = {_address_of(array) for array in kept}
    blocks = [weakref.ref(reference()) for reference in memory._leases.values()]
    kept.clear()
    gc.collect()
    assert all(block() is None for block in blocks)
    assert [len(idle) for idle in memory._idle.values()] == [1]
    memory.begin()
    assert _address_of(memory.empty(LARGE, FLOAT)) in places
    for _ in range(2):
        memory.begin()
        memory.empty((2 * LARGE[0],), FLOAT)
    assert list(memory._idle) == [8 * LARGE[0]]


def test_results_outlive_the_memory_they_came_from() -> None:
    """A result stays whole when the program that made it is gone, and small ones are numpy's own."""
    memory = ResultMemory()
    result, small = memory.empty(LARGE, FLOAT), memory.empty((3,), FLOAT)
    result[:] = 3
    del memory
    gc.collect()
    assert (result == 3).all()
    assert small.base is None
