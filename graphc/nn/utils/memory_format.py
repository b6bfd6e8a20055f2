"""Weights of convolutions in another order in memory.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.convert_conv2d_weight_memory_format.html
"""

from __future__ import annotations

from typing import Any, TypeVar

from graphc.nn.module import Module
from graphc.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

AnyModule = TypeVar("AnyModule", bound=Module)


def convert_conv2d_weight_memory_format(module: AnyModule, memory_format: Any) -> AnyModule:
    """Lay out the weights of all 2-d convolutions in a module in a memory format, in place; gives the module."""
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: AnyModule, memory_format: Any) -> AnyModule:
    """Lay out the weights of all 3-d convolutions in a module in a memory format, in place; gives the module."""
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)


def _convert(module: AnyModule, kinds: tuple[type[Module], ...], memory_format: Any) -> AnyModule:
    for part in module.modules():
        if isinstance(part, kinds):
            part.weight.data = part.weight.detach().clone(memory_format=memory_format)
    return module
