"""The pause of the garbage collector: shared by threads, and over when the last of them is done."""

from __future__ import annotations

import gc
import threading

import pytest

from graphc.garbage import paused_collection


def test_blocks_within_one_another_and_in_threads() -> None:
    """The collector rests while any block runs, however they end, and works again afterwards."""
    assert gc.isenabled()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with paused_collection():
            inside.set()
            leave.wait(10)

    def failing() -> None:
        with paused_collection(), paused_collection():
            thread.start()
            assert inside.wait(10)
            raise ZeroDivisionError

    thread = threading.Thread(target=other)
    with pytest.raises(ZeroDivisionError):
        failing()
    assert not gc.isenabled()  # the other thread is still within
    leave.set()
    thread.join(10)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """Who has switched the collector off finds it so."""
    gc.disable()
    try:
        with paused_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
