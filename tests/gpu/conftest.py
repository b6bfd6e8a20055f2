"""The GPUs of the machine where there are any, else two that are emulated on the CPU: the tests are the same.

``python -m pytest tests/gpu`` on a machine with a GPU runs all of them there; what needs two GPUs is skipped with one.
"""

from __future__ import annotations

import pytest

from graphc.device import current
from graphc.device_memory import use
from graphc.runtime.gpus import gpus


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many GPUs there are, at least one."""
    monkeypatch.setattr(use, "active", use.active)
    monkeypatch.setattr(current, "number", 0)
    if not gpus():
        monkeypatch.setenv("GRAPHC_CUDA", "emulate")
        monkeypatch.setenv("GRAPHC_CUDA_DEVICES", "2")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return len(gpus())


@pytest.fixture
def two(devices: int) -> None:
    """Skips a test that needs two GPUs where there is one."""
    if devices < 2:
        pytest.skip("needs two GPUs")
