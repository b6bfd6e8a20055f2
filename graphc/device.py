"""Devices: where a tensor's memory is.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

# The kinds of devices that PyTorch knows by name.
DEVICE_TYPES = (
    *("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy"),
    *("vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device and the number of one, such as ``cuda:0``; ``index`` None stands for the current one."""

    type: str
    index: int | None = None

    def __post_init__(self) -> None:
        """``Device("cuda:1")`` and ``Device(1)`` are names of ``Device("cuda", 1)``."""
        given = self.type
        if isinstance(given, Device):
            kind, index = given.type, given.index
        elif isinstance(given, int):
            kind, index = "cuda", given
        else:
            kind, _, number = str(given).partition(":")
            if kind not in DEVICE_TYPES:
                raise RuntimeError(
                    f"Expected one of {', '.join(DEVICE_TYPES)} device type at start of device string: {kind}"
                )
            if number and not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{given}'")
            if number and self.index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {given}"
                )
            index = int(number) if number else self.index
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", index)

    @staticmethod
    def of(given: Any) -> Device:
        """The device for a name such as "cpu" or "cuda:1", a number of a GPU, or a device.

        Raises RuntimeError for a name that is no device's.
        """
        return given if isinstance(given, Device) else Device(given)

    def require(self) -> Any:
        """What holds tensors there: the GPU (:class:`graphc.runtime.gpus.Gpu`), or None, which stands for the CPU.

        Raises AssertionError where there is no GPU at all, as PyTorch's builds without one do, RuntimeError for a GPU
        that there is not, and for every other kind of device.
        """
        if self.type == "cpu":
            return None
        if self.type != "cuda":
            raise RuntimeError(f"graphc holds no tensors on {self}: its programs run on the CPU and on GPUs (cuda)")
        from graphc.runtime import gpus

        found = gpus.gpus()
        if not found:
            raise AssertionError(
                f"Torch not compiled with CUDA enabled: graphc holds no tensors on {self} ({gpus.why_none()})"
            )
        number = current.number if self.index is None else self.index
        if number >= len(found):
            raise RuntimeError(
                f"CUDA error: invalid device ordinal: {self} was asked for, and there are {len(found)} GPUs"
            )
        return found[number]

    def __enter__(self) -> Device:
        """Within the block new tensors are made here. Raises as :meth:`require`."""
        self.require()
        current.defaults.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the block."""
        current.defaults.pop()

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


cpu = Device("cpu")


class _Current(threading.local):
    """What a thread has chosen: the number of the GPU that "cuda" stands for, and where new tensors are made, the
    innermost block last."""

    def __init__(self) -> None:
        self.number = 0
        self.defaults: list[Device] = []


current = _Current()


def place_by_default() -> Any:
    """Where new tensors are made that no device is named for: a GPU, or None for the CPU."""
    return current.defaults[-1].require() if current.defaults else None


def of_gpu(gpu: Any) -> Device:
    """The device of a GPU, or of the CPU for None."""
    return cpu if gpu is None else Device("cuda", gpu.number)
