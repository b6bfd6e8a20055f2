from __future__ import annotations

import threading

import numpy as np
import pytest

from graphc.runtime.abi import ffi
from graphc.runtime.memory import Arena
from graphc.runtime.native import build_library, load_library
from graphc.runtime.program import NativeProgram
from tests.runtime.conftest import ADD_ONE


@pytest.fixture
def program() -> NativeProgram:
    return NativeProgram(build_library(ADD_ONE), 4096, 2, 1)


def test_call_reads_and_writes_the_buffers(program: NativeProgram) -> None:
    """Inputs, outputs, arena and extents reach the C code; nothing is kept from one call to the next."""
    for size in (1, 5, 1000):
        x, y = np.arange(size, dtype=np.float32), np.zeros(size, np.float32)
        assert program.call([x, y], (size,)) == 0
        np.testing.assert_array_equal(y, x + 1)


def test_pointers_can_be_set_one_by_one() -> None:
    """Numbers and cffi pointers are taken, also for a library loaded by the caller and an arena it made."""
    library = load_library(build_library(ADD_ONE).path)
    program = NativeProgram(library, Arena(64), 2, 1)
    assert program.library is library
    x, y = np.arange(3, dtype=np.float32), np.zeros(3, np.float32)
    with program.lock:
        program.set_pointer(0, x.ctypes.data)
        program.set_pointer(1, ffi.from_buffer(y))
        assert program.run((3,)) == 0
    assert y.tolist() == [1, 2, 3]


def test_error_code_and_its_details(program: NativeProgram) -> None:
    """An error code comes back with node, index and bound, and the next call is a fresh one."""
    x, y = np.zeros(1, np.float32), np.zeros(1, np.float32)
    assert program.call([x, y], (5000,)) == 7
    assert program.error == (3, 5000, 1000)
    assert program.call([x, y], (1,)) == 0


def test_wrong_calls_are_refused(program: NativeProgram) -> None:
    """Wrong counts, buffers that are not contiguous, and slots that are not there are named."""
    x = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match="1 buffers given to a program that has 2"):
        program.call([x], (4,))
    with pytest.raises(ValueError, match="0 extents given to a program that has 1"):
        program.call([x, x])
    with pytest.raises(ValueError, match="2 extents given to a program that has 1"):
        program.call([x, x], (1, 2))
    with pytest.raises(ValueError, match=r"buffer 1: .*contiguous"):
        program.call([x, x.T], (4,))
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"buffer {index} of a program that has 2"):
            program.set_pointer(index, 0)
    y = np.zeros(4, np.float32)
    assert program.call([np.ones(4, np.float32), y], (4,)) == 0, "the lock was given back after each error"
    assert y.tolist() == [2, 2, 2, 2]


def test_two_threads_share_one_program(program: NativeProgram) -> None:
    """Threads that call one program at once each get their own result, though arena and table are common."""
    wrong = []
    start = threading.Barrier(2)

    def work(offset: float) -> None:
        x, y = np.full(1000, offset, np.float32), np.zeros(1000, np.float32)
        start.wait()
        for step in range(300):
            x.fill(offset + step)
            program.call([x, y], (1000,))
            if not (y == offset + step + 1).all():
                wrong.append((offset, step))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0.0, 100000.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
