"""What a workload is, and what the programs share: weights and batches that no framework's generator decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]
Compile = Callable[[Callable], Callable]
BATCHES = 4


@dataclass(frozen=True)
class Workload:
    """One program to time.

    `build(torch, compile)` takes a module with PyTorch's interface and the function that compiles a step (the
    identity for eager runs); it returns a function without arguments that does one step and returns the loss.
    `floating_operations` counts multiplications and additions of the contractions in one step, `memory_bytes` what
    must cross the bus of the main memory in one step (0: it fits the caches); both only bound the time from below.
    """

    name: str
    summary: str
    build: Callable[[ModuleType, Compile], Step]
    floating_operations: int = 0
    memory_bytes: int = 0


def initialise(torch: ModuleType, net: Any) -> None:
    """Fill weights with normal numbers of deviation 1/sqrt(fan in) and biases with 0, the same in every framework."""
    random = np.random.default_rng(0)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            shape = tuple(parameter.shape)
            if len(shape) > 1:
                values = random.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))
                parameter.copy_(torch.from_numpy(values.astype(np.float32)))
            elif name.endswith("bias"):
                parameter.zero_()


def over_batches(torch: ModuleType, train_step: Callable, inputs: np.ndarray, targets: np.ndarray) -> Step:
    """Return a step that feeds `train_step` the batches along the first axis of both arrays in turn, for ever."""
    batches = [(torch.from_numpy(x.copy()), torch.from_numpy(y.copy())) for x, y in zip(inputs, targets, strict=True)]
    turn = itertools.cycle(batches)
    return lambda: train_step(*next(turn))


def training_operations(multiplications: int, of_first_layer: int) -> int:
    """Operations of a training step whose forward pass has so many multiply-adds.

    Forward, gradient of the weights, and gradient of the inputs cost the same; the first layer needs no gradient of
    its input.
    """
    return 2 * (3 * multiplications - of_first_layer)
