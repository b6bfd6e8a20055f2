from __future__ import annotations

import gc
import itertools
import os

import numpy as np
import pytest

from graphc.runtime.abi import ffi
from graphc.runtime.memory import ALIGNED_FROM_BYTES, HUGE_PAGE, Arena, empty_aligned


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


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (64, 64), (1000, 33), (7, 3, 1024)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "?"])
def test_empty_aligned_is_an_ordinary_array(shape: tuple[int, ...], dtype: str) -> None:
    """Shape, dtype, contiguity, writing, and alignment from the stated size on."""
    array = empty_aligned(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == np.dtype(dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.flags.aligned
    array.fill(1)
    assert array.sum() == array.size
    if array.nbytes >= ALIGNED_FROM_BYTES:
        assert array.ctypes.data % 64 == 0
