"""Fit w x^2 + b to 100 points by gradient descent written by hand: 800 tiny steps, nothing but overhead."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from benchmarks.workloads.workload import Compile, Step, Workload

ITERATIONS = 800


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step is the whole loop of 800 iterations, which goes on from where the last one ended."""
    random = np.random.default_rng(0)
    points = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    noise = random.random(points.shape, dtype=np.float32)
    x, y = torch.from_numpy(points), torch.from_numpy(3 * points**2 + 2 + np.float32(0.2) * noise)
    w = torch.ones(1, 1, requires_grad=True)
    b = torch.zeros(1, 1, requires_grad=True)
    learning_rate = 0.001

    @compile
    def iteration(x, y):
        nonlocal w, b
        y_pred = w * x.pow(2) + b
        loss = (y - y_pred) ** 2
        loss = loss.sum()
        loss.backward()
        with torch.no_grad():
            w -= learning_rate * w.grad
            b -= learning_rate * b.grad
            w.grad.zero_()
            b.grad.zero_()
        return loss

    def step():
        for _ in range(ITERATIONS):
            loss = iteration(x, y)
        return loss

    return step


WORKLOADS = [Workload("quadfit", "w x^2 + b on 100 points, 800 steps written by hand", build)]
