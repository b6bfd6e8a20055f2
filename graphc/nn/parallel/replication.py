"""What sharing a batch out among devices consists of: cutting inputs, copying a module, bringing results together.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, and ``torch.nn.parallel`` of PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from graphc.creation import tensor as new_tensor
from graphc.device import Device
from graphc.nn.module import Module
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor

__all__ = ["gather", "replicate", "scatter"]


def scatter(inputs: Any, devices: Sequence[Device], dim: int = 0) -> list[Any]:
    """Inputs cut into parts, one for each device, in containers like theirs; fewer where a tensor has fewer rows.
    What is no tensor goes to every device as it is."""
    if isinstance(inputs, Tensor):
        parts = inputs.chunk(len(devices), dim)
        return [part.to(device) for part, device in zip(parts, devices, strict=False)]
    if isinstance(inputs, Mapping):
        rows = scatter(tuple(inputs.values()), devices, dim)
        return [type(inputs)(zip(inputs.keys(), row, strict=True)) for row in rows]
    if isinstance(inputs, (list, tuple)) and inputs:
        columns = [scatter(item, devices, dim) for item in inputs]
        count = min(map(len, columns))
        rows = [[column[place] for column in columns] for place in range(count)]
        if hasattr(inputs, "_fields"):
            return [type(inputs)(*row) for row in rows]
        return [type(inputs)(row) for row in rows]
    return [inputs for _ in devices]


def replicate(module: Module, devices: Sequence[Device]) -> list[Module]:
    """Copies of a module on devices, whose parameters are copies of its own within the graph. The first is the module
    itself where it is on the first device."""
    return [
        module if all(each.device == device for each in module.parameters()) else _copied(module, device, {})
        for device in devices
    ]


def _copied(module: Module, device: Device, known: dict[int, Module]) -> Module:
    """A copy of a module, parts that stand in it twice copied once."""
    if id(module) in known:
        return known[id(module)]
    replica = known[id(module)] = copy.copy(module)
    replica.__dict__["_parameters"] = {}
    replica.__dict__["_buffers"] = {
        name: None if buffer is None else buffer.to(device) for name, buffer in module._buffers.items()
    }
    replica.__dict__["_modules"] = {
        name: None if part is None else _copied(part, device, known) for name, part in module._modules.items()
    }
    for name, parameter in module._parameters.items():
        # No leaf: its gradient goes on to the module's own.
        replica.__dict__[name] = None if parameter is None else parameter.to(device)
    return replica


def gather(results: Sequence[Any], device: Device, dim: int = 0) -> Any:
    """Results of several devices brought together on one, along a dimension; numbers become a vector. Containers must
    be alike, and what is no tensor is the first one's."""
    first = results[0]
    if isinstance(first, Tensor):
        moved = [result.to(device) for result in results]
        return cat([result.reshape(1) for result in moved]) if not first.ndim else cat(moved, dim)
    if first is None:
        return None
    if isinstance(first, Mapping):
        if any(len(first) != len(result) for result in results):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((name, gather([result[name] for result in results], device, dim)) for name in first)
    if isinstance(first, (list, tuple)):
        items = [gather(list(column), device, dim) for column in zip(*results, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    if isinstance(first, (bool, int, float)):
        return new_tensor(list(results), device=device)
    return first
