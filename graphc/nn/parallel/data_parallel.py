"""A batch shared out among devices. With one device the module itself does all of it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.device import Device
from graphc.nn.module import Module


class DataParallel(Module):
    """The module named ``module`` within another, as PyTorch's programs expect it; on one device its result.

    Args:
        module: what to call.
        device_ids: the GPUs to use; without any, the module runs where it is.
        output_device: where the result goes; ``device_ids[0]`` by default.
        dim: the dimension of the inputs that the sequences lie along.

    Raises RuntimeError for more than one device.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module = module
        self.device_ids = _one_device(device_ids)
        self.output_device = self.device_ids[0] if output_device is None and self.device_ids else output_device
        self.dim = dim
        if self.device_ids:
            self.module.to(Device.of(self.device_ids[0]))

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """The module's result for inputs, as :class:`DataParallel` computes it."""
    _one_device(device_ids)
    given = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*given, **(module_kwargs or {}))


def _one_device(device_ids: Sequence[Any] | None) -> list[Any]:
    devices = [] if device_ids is None else list(device_ids)
    if len(devices) > 1:
        raise RuntimeError(
            f"this version of graphc shares no batch among devices: expected at most one of device_ids, got {devices}"
        )
    return devices
