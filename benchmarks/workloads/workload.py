"""What a workload is, and what the programs share: weights and batches that no framework's generator decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]
BATCHES = 4


def as_it_is(function: Callable) -> Callable:
    """Stand in for a compiler where nothing is to be compiled."""
    return function


@dataclass(frozen=True)
class Compile:
    """What a framework compiles: the whole step in one function, or its parts (the loss, the update) one by one.

    Each workload offers both; a framework takes one and leaves the other as it is.
    """

    whole: Callable[[Callable], Callable] = as_it_is
    part: Callable[[Callable], Callable] = as_it_is


@dataclass(frozen=True)
class Workload:
    """One program to time.

    `build(torch, compile)` takes a module with PyTorch's interface and what is to be compiled; it returns a function
    without arguments that does one step and returns the loss, or for programs without one another number to compare.
    `floating_operations` counts multiplications and additions of the contractions in one step, `memory_bytes` what
    must cross the bus of the main memory in one step (0: it fits the caches); both only bound the time from below.
    """

    name: str
    summary: str
    build: Callable[[ModuleType, Compile], Step]
    floating_operations: int = 0
    memory_bytes: int = 0


def initial_values(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return float32 values of weights by name: normal numbers of deviation 1/sqrt(fan in), vectors 1, biases 0."""
    random = np.random.default_rng(0)
    values = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            values[name] = (random.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype(np.float32)
        else:
            values[name] = np.full(shape, 0 if "bias" in name else 1, np.float32)
    return values


def initialise(torch: ModuleType, net: Any) -> None:
    """Give a network `initial_values`, the same in every framework."""
    parameters = dict(net.named_parameters())
    values = initial_values({name: tuple(parameter.shape) for name, parameter in parameters.items()})
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(values[name]))


def images_and_classes(batch: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `BATCHES` batches of normal numbers (4, batch, *shape), and their classes of ten (4, batch)."""
    random = np.random.default_rng(1)
    inputs = random.standard_normal((BATCHES, batch, *shape), dtype=np.float32)
    return inputs, random.integers(10, size=(BATCHES, batch))


def training_step(torch: ModuleType, compile: Compile, loss_of: Callable, opt: Any) -> Callable:
    """Return the step that all workloads with an optimizer make: gradients of `loss_of`, then the update."""
    loss_of, update = compile.part(loss_of), compile.part(opt.step)

    @compile.whole
    def train_step(x, y):
        opt.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss

    return train_step


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
