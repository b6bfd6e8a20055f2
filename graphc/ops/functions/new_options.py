"""Options of functions that make new values."""

from __future__ import annotations

from typing import Any

from graphc.device import Device
from graphc.device_memory import gpu_of, use

Value = Any


def finished(value: Value, device: Any, requires_grad: bool, like: Value = None) -> Value:
    """A new value on a device, by default that of another (``like``), that requires a gradient where that is asked
    for."""
    if device is not None:
        gpu = Device.of(device).require()
        if use.active:
            value._lie_at(gpu)
    elif use.active and like is not None and value.is_eager:
        value._lie_at(gpu_of(like._array))
    return value.requires_grad_() if requires_grad else value
