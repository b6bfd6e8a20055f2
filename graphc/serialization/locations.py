"""Which device the memory in a file is for, and where it goes: ``map_location``.

Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphc.device import DEVICE_TYPES, Device
from graphc.runtime.gpus import gpus

MapLocation = None | str | int | Device | Mapping[str, str] | Callable[[Any, str], Any]


def require_location(map_location: MapLocation, location: str, memory: Any) -> Any:
    """Where memory that was saved on ``location`` goes: a GPU, or None, which stands for the CPU.

    Raises RuntimeError for memory of a device that is not here and that ``map_location`` sends to no other.
    """
    if callable(map_location) and not isinstance(map_location, Device):
        if map_location(memory, location) is not None:
            return None
        target: Any = location
    elif isinstance(map_location, Mapping):
        target = map_location.get(location, location)
    else:
        target = location if map_location is None else map_location
    if isinstance(target, str) and target.partition(":")[0] not in DEVICE_TYPES:
        raise RuntimeError(
            f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {target})"
        )
    if Device.of(target).type == "cuda" and gpus():
        return Device.of(target).require()
    if isinstance(target, Device | int) or map_location is not None:
        target = Device.of(target).type
    if target == "cuda":
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        )
    if target != "cpu":
        raise RuntimeError(
            f"Attempting to deserialize object on device {location!r} but this version of graphc holds tensors on the "
            "CPU and on GPUs alone. Please use load with map_location='cpu' to map your storages to the CPU."
        )
    return None
