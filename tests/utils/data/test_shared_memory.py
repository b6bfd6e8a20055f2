"""Memory that goes from a worker to the program as a descriptor."""

from __future__ import annotations

import os
import sys

import pytest

from graphc.utils.data._utils.shared_memory import is_available, map_memory, write_memory

pytestmark = pytest.mark.skipif(not is_available(), reason="the system has no memory without a name")


def test_the_content_is_there_and_the_descriptor_can_go() -> None:
    """Once mapped, memory takes no descriptor; it is writable, and stays as long as a view of it."""
    before = len(os.listdir("/proc/self/fd"))
    descriptor = write_memory(memoryview(bytes(range(256)) * 100))
    mapped = map_memory(descriptor, 25_600)
    os.close(descriptor)
    view = mapped[256:512]
    del mapped
    view[0] = 7
    assert bytes(view) == bytes([7, *range(1, 256)])
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_python_code_runs_when_memory_is_given_back() -> None:
    """Within a finalizer written in Python an interrupt from the keyboard would be printed and forgotten."""
    descriptor = write_memory(memoryview(bytes(5000)))
    mapped = map_memory(descriptor, 5000)
    os.close(descriptor)
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(f"{event} {frame.f_code.co_name}"))
    del mapped
    sys.setprofile(None)
    assert [entry for entry in called if entry.startswith("call ")] == []
