"""A batch shared out among GPUs. Without any the module itself does all of it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.cuda.devices import device_count
from graphc.device import Device
from graphc.nn.module import Module
from graphc.nn.parallel.replication import gather, replicate, scatter


class DataParallel(Module):
    """The module named ``module`` within another, which shares a batch out among copies of it on several GPUs.

    A call cuts the inputs along ``dim``, copies the module's parameters and buffers to every GPU, runs each copy on its
    part, and brings the results together. All of it is within the graph, so gradients of all parts are added up where
    the parameters are. Writes to the buffers of a copy are lost, but for those of the first GPU's.

    Where there is no GPU the module runs where it is, and ``device_ids`` is an empty list.

    Args:
        module: what to call; its parameters and buffers must be on the first of the GPUs.
        device_ids: the GPUs to use, all of them by default.
        output_device: where the result goes, the first of them by default.
        dim: the dimension of the inputs that the samples lie along.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []
        count = device_count()
        if count:
            self.device_ids = [_number(device) for device in (range(count) if device_ids is None else device_ids)]
            if not self.device_ids:
                return
            self.dim = dim
            self.output_device = self.device_ids[0] if output_device is None else _number(output_device)
            if len(self.device_ids) == 1:
                self.module.to(Device("cuda", self.device_ids[0]))

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        home = Device("cuda", self.device_ids[0])
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            if tensor.device != home:
                raise RuntimeError(
                    f"module must have its parameters and buffers on device {home} (device_ids[0]) but found one of "
                    f"them on device: {tensor.device}"
                )
        devices = [Device("cuda", number) for number in self.device_ids]
        parts = scatter((inputs, kwargs), devices, self.dim)
        if len(parts) == 1:
            (positional, named) = parts[0]
            return self.module(*positional, **named)
        replicas = replicate(self.module, devices[: len(parts)])
        results = [replica(*positional, **named) for replica, (positional, named) in zip(replicas, parts, strict=True)]
        return gather(results, Device("cuda", self.output_device), self.dim)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """The module's result for inputs, as :class:`DataParallel` computes it."""
    given = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*given, **(module_kwargs or {}))


def _number(device: Any) -> int:
    """The number of a GPU. Raises as :meth:`graphc.device.Device.require`."""
    return Device.of(device).require().number
