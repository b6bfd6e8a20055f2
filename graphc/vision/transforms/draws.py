"""Random numbers for transforms, drawn from the default generator as torchvision draws them from PyTorch's.

Each function takes from the stream what the PyTorch call in its first line takes.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.randomness.generator import default_generator

__all__ = ["dirichlet", "fraction", "fractions", "integer", "integers", "log_uniform", "normals", "order", "uniform"]


def fraction() -> float:
    """``torch.rand(1)``"""
    return float(default_generator.uniform((1,))[0])


def fractions(*shape: int) -> np.ndarray:
    """``torch.rand(shape)``"""
    return default_generator.uniform(shape)


def uniform(low: float, high: float) -> float:
    """``torch.empty(1).uniform_(low, high).item()``"""
    return float(default_generator.uniform((1,), np.float32, low, high)[0])


def log_uniform(low: float, high: float) -> float:
    """``torch.exp(torch.empty(1).uniform_(log(low), log(high))).item()``, where the logarithms are float32"""
    ends = np.log(np.array([low, high], np.float32))
    return float(np.exp(np.float32(uniform(float(ends[0]), float(ends[1])))))


def integer(low: int, high: int) -> int:
    """``torch.randint(low, high, size=(1,)).item()``"""
    return int(default_generator.integers(low, high, (1,))[0])


def integers(high: int, count: int) -> list[int]:
    """``torch.randint(high, (count,)).tolist()``"""
    return default_generator.integers(0, high, (count,)).tolist()


def order(count: int) -> list[int]:
    """``torch.randperm(count)``"""
    return default_generator.permutation(count).tolist()


def normals(*shape: int) -> np.ndarray:
    """``torch.empty(shape).normal_()``"""
    return default_generator.normal(shape)


def dirichlet(concentration: float, *shape: int) -> np.ndarray:
    """``torch._sample_dirichlet(torch.tensor(concentration).expand(shape))``: rows that add up to 1"""
    gammas = np.array([_gamma(concentration) for _ in range(math.prod(shape))], np.float32).reshape(shape)
    return gammas / gammas.sum(axis=-1, keepdims=True)


def _gamma(concentration: float) -> float:
    """A number with the standard gamma distribution.

    Source: Marsaglia, Tsang, "A simple method for generating gamma variables", 2000.
    """
    scale = 1.0
    if concentration < 1.0:
        scale = (1.0 - _fraction64()) ** (1.0 / concentration)
        concentration += 1.0
    shift = concentration - 1.0 / 3.0
    spread = 1.0 / math.sqrt(9.0 * shift)
    while True:
        normal = float(default_generator.normal((1,), np.float64)[0])
        root = 1.0 + spread * normal
        if root <= 0:
            continue
        cube, chance, square = root**3, 1.0 - _fraction64(), normal * normal
        if chance < 1.0 - 0.0331 * square * square:
            return scale * shift * cube
        if math.log(chance) < 0.5 * square + shift * (1.0 - cube + math.log(cube)):
            return scale * shift * cube


def _fraction64() -> float:
    return float(default_generator.uniform((1,), np.float64)[0])
