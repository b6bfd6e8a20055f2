"""Devices: where a tensor's memory is.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device and the number of one, such as ``cuda:0``; ``index`` None stands for the current one."""

    type: str
    index: int | None = None

    @staticmethod
    def of(given: Any) -> Device:
        """The device for a name such as "cpu" or "cuda:1", a number of a GPU, or a device.

        Raises RuntimeError for a name that is no device's.
        """
        if isinstance(given, Device):
            return given
        if isinstance(given, int):
            return Device("cuda", given)
        kind, _, index = str(given).partition(":")
        if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
            raise RuntimeError(f"Invalid device string: {given!r}; expected 'cpu', 'cuda', or 'cuda:<number>'")
        return Device(kind, int(index) if index else None)

    def require(self) -> None:
        """Raise RuntimeError unless tensors can be held there."""
        if self.type != "cpu":
            raise RuntimeError(f"this version of graphc holds no tensors on {self}: its programs run on the CPU")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


cpu = Device("cpu")
