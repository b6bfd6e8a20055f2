"""Devices: where a tensor's memory is.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
"""

from __future__ import annotations

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

    def require(self) -> None:
        """Raise AssertionError (for a GPU, as PyTorch's builds without one) or RuntimeError unless tensors can be held
        there."""
        if self.type == "cuda":
            raise AssertionError(f"Torch not compiled with CUDA enabled: graphc holds no tensors on {self}")
        if self.type != "cpu":
            raise RuntimeError(f"graphc holds no tensors on {self}: its programs run on the CPU")

    def __enter__(self) -> Device:
        """Within the block new tensors are made here. Raises as :meth:`require`."""
        self.require()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the block."""

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


cpu = Device("cpu")
