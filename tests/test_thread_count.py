"""The number of threads: where its default comes from, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from graphc import thread_count as threads
from tests.runtime.conftest import run_python

DEFAULT = "from graphc.thread_count import get_num_threads; print(get_num_threads())"


@pytest.fixture(autouse=True)
def restored_setting() -> Iterator[None]:
    before = threads.setting.count
    yield
    threads.setting.count = before


def test_default_is_what_the_user_or_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS where valid, its first level if it is a list; else no more than the processors we may use."""
    assert run_python(DEFAULT, OMP_NUM_THREADS="3") == "3"
    monkeypatch.setattr(threads.setting, "count", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert threads.get_num_threads() == 5
    for invalid in ("zero", "0", "-2", ""):
        threads.setting.count = 0
        monkeypatch.setenv("OMP_NUM_THREADS", invalid)
        assert 1 <= threads.get_num_threads() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("number", [0, -1])
def test_too_few_threads_are_refused(number: int) -> None:
    """There is no program on no thread."""
    with pytest.raises(ValueError, match=f"expected 1 or more, got {number}"):
        threads.set_num_threads(number)


@pytest.mark.parametrize("number", [2.0, "2", None, True])
def test_what_is_no_integer_is_refused(number: object) -> None:
    """The type is named."""
    with pytest.raises(TypeError, match="expected an integer"):
        threads.set_num_threads(number)
