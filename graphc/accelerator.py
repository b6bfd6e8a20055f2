"""Whatever computes beside the CPU: nothing does. Source: https://docs.pytorch.org/docs/stable/accelerator.html"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from graphc.missing_names import lazy_names

_OF_A_DEVICE = """
    current_device_idx current_device_index current_stream empty_cache memory_allocated set_device_idx set_device_index
    set_stream synchronize
"""


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None."""


def _refused(name: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError("Cannot access accelerator device when none is available.")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: there is no accelerator."
    return function


globals().update({name: _refused(name) for name in _OF_A_DEVICE.split()})
__all__ = ["current_accelerator", "device_count", "is_available", *_OF_A_DEVICE.split()]
__getattr__ = lazy_names(__name__)
