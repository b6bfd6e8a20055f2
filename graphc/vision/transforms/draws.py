"""Random numbers for transforms, drawn from the default generator as torchvision draws them from PyTorch's.

Each function takes from the stream what the PyTorch call in its first line takes.
"""

from __future__ import annotations

import numpy as np

from graphc.generator import default_generator

__all__ = ["fraction", "integer", "normals", "order", "uniform"]


def fraction() -> float:
    """``torch.rand(1)``"""
    return float(default_generator.uniform((1,))[0])


def uniform(low: float, high: float) -> float:
    """``torch.empty(1).uniform_(low, high).item()``"""
    return float(default_generator.uniform((1,), np.float32, low, high)[0])


def integer(low: int, high: int) -> int:
    """``torch.randint(low, high, size=(1,)).item()``"""
    return int(default_generator.integers(low, high, (1,))[0])


def order(count: int) -> list[int]:
    """``torch.randperm(count)``"""
    return default_generator.permutation(count).tolist()


def normals(*shape: int) -> np.ndarray:
    """``torch.empty(shape).normal_()``"""
    return default_generator.normal(shape)
