"""The CPU as a device. Source: https://docs.pytorch.org/docs/stable/cpu.html"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from graphc.amp import older_autocast, older_scaler
from graphc.missing_names import lazy_names

__all__ = ["amp", "current_device", "device_count", "is_available", "synchronize"]
amp = SimpleNamespace(autocast=older_autocast("cpu"), GradScaler=older_scaler("cpu"))
__getattr__ = lazy_names(__name__)


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """ "cpu"."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Nothing: what was called has run."""
