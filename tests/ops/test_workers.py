"""Parts of an operator on several threads: all are done, errors arrive, a forked child has its own."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from graphc import thread_count
from graphc.blas_threads import loaded_openblas, single_threaded_blas
from graphc.ops.workers import for_each
from tests.runtime.conftest import run_python

FORK = """
import os
from graphc.ops.workers import for_each
from graphc.thread_count import set_num_threads
set_num_threads(3)
def count():
    done = []
    for_each(range(20), done.append)
    return sorted(done) == list(range(20))
assert count()
child = os.fork()
if child == 0:
    os._exit(0 if count() else 1)
assert os.waitpid(child, 0)[1] == 0
print(count())
"""


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_count.setting, "count", 3)


def test_every_part_is_done_once() -> None:
    """More parts than threads, fewer, one, and none."""
    for count in (20, 2, 1, 0):
        done: list[int] = []
        for_each(range(count), done.append)
        assert sorted(done) == list(range(count))


def test_parts_run_beside_each_other() -> None:
    """Three parts that wait for each other are done, which one thread could not."""
    meeting = threading.Barrier(3, timeout=30)
    for_each(range(3), lambda _: meeting.wait())


def test_an_error_arrives() -> None:
    """Whichever thread meets it; the next call works."""

    def work(part: int) -> None:
        if part == 7:
            raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        for_each(range(20), work)
    test_every_part_is_done_once()


def test_numpys_warnings_are_as_quiet_as_the_callers() -> None:
    """What the caller set for floating-point errors holds on all threads."""
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        for_each(range(20), lambda _: np.array([1.0]) / np.array([0.0]))


def test_a_forked_child_has_threads_of_its_own() -> None:
    """They are started anew."""
    assert run_python(FORK) == "True"


@pytest.mark.skipif(not loaded_openblas(), reason="numpy was built with another BLAS")
def test_products_get_their_threads_back() -> None:
    """Also where two ask for one thread and the first ends before the second."""
    from graphc import blas_threads

    def counts() -> list[int]:
        return [read() for read, _ in blas_threads._setting.libraries or []]

    with single_threaded_blas():
        pass
    before = counts()
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    assert set(counts()) == {1}
    first.__exit__(None, None, None)
    assert set(counts()) == {1}
    second.__exit__(None, None, None)
    assert counts() == before
