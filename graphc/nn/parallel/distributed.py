"""A module that trains in several processes, which graphc does not do.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
"""

from __future__ import annotations

from typing import Any

from graphc.nn.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Raises ValueError, as PyTorch's does before a group of processes was made: graphc works in one."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any):
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
