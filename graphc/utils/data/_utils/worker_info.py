"""What code that runs in a worker process may know about it.

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.get_worker_info
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerInfo", "get_worker_info"]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker process of a DataLoader.

    Attributes:
        id: its number, from 0 on.
        num_workers: how many there are.
        seed: what its random generators were seeded with.
        dataset: its copy of the data set.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_current: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The worker process that runs this code; None outside of one."""
    return _current


def enter_worker(info: WorkerInfo) -> None:
    """Let :func:`get_worker_info` answer with this from now on."""
    global _current
    _current = info
