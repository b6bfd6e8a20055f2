"""Fit w x^2 + b to 100 points by gradient descent written by hand: 800 tiny steps, nothing but overhead."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.workloads.workload import Compile, Step, Workload

ITERATIONS = 800
LEARNING_RATE = 0.001


def points() -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the points, each (100, 1)."""
    x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    noise = np.random.default_rng(0).random(x.shape, dtype=np.float32)
    return x, 3 * x**2 + 2 + np.float32(0.2) * noise


def _iteration(torch: ModuleType, compile: Compile) -> tuple[Callable, Any, Any]:
    """One iteration as a function of x and y that goes on from where the last one ended, and these two."""
    x, y = map(torch.from_numpy, points())
    w = torch.ones(1, 1, requires_grad=True)
    b = torch.zeros(1, 1, requires_grad=True)

    @compile.whole
    def iteration(x, y):
        nonlocal w, b
        y_pred = w * x.pow(2) + b
        loss = (y - y_pred) ** 2
        loss = loss.sum()
        loss.backward()
        with torch.no_grad():
            w -= LEARNING_RATE * w.grad
            b -= LEARNING_RATE * b.grad
            w.grad.zero_()
            b.grad.zero_()
        return loss

    return iteration, x, y


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step is the whole loop of 800 iterations."""
    return _loop(*_iteration(torch, compile))


def _loop(iteration: Callable, x: Any, y: Any) -> Step:
    def step():
        for _ in range(ITERATIONS):
            loss = iteration(x, y)
        return loss

    return step


def build_loop(torch: ModuleType, compile: Compile) -> Step:
    """The same 800 iterations in one call, where the framework can: `run` of a compiled step."""
    iteration, x, y = _iteration(torch, compile)
    if not hasattr(iteration, "run"):
        return _loop(iteration, x, y)
    inputs, targets = (part.expand(ITERATIONS, *part.shape) for part in (x, y))
    return lambda: iteration.run(ITERATIONS, inputs, targets)[-1]


WORKLOADS = [
    Workload("quadfit", "w x^2 + b on 100 points, 800 steps written by hand", build),
    Workload("quadfit_loop", "the same, all 800 steps in one call", build_loop),
]
