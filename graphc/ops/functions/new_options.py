"""Options of functions that make new values."""

from __future__ import annotations

from typing import Any

from graphc.device import Device

Value = Any


def finished(value: Value, device: Any, requires_grad: bool) -> Value:
    """A new value on a device, that requires a gradient where that is asked for."""
    if device is not None:
        Device.of(device).require()
    return value.requires_grad_() if requires_grad else value
