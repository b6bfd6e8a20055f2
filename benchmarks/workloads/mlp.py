"""A multilayer perceptron, 784-256-128-10: cross entropy, SGD with momentum."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from types import ModuleType

import numpy as np

from benchmarks.workloads.workload import (
    BATCHES,
    Compile,
    Step,
    Workload,
    initialise,
    over_batches,
    training_operations,
)

WIDTHS = [784, 256, 128, 10]


def build(torch: ModuleType, compile: Compile, batch: int) -> Step:
    """One step trains on one batch of vectors."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    initialise(torch, net)
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

    @compile
    def train_step(x, y):
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
        return loss

    random = np.random.default_rng(1)
    inputs = random.standard_normal((BATCHES, batch, WIDTHS[0]), dtype=np.float32)
    return over_batches(torch, train_step, inputs, random.integers(10, size=(BATCHES, batch)))


def operations(batch: int) -> int:
    """Operations of one training step."""
    layers = [batch * rows * columns for rows, columns in pairwise(WIDTHS)]
    return training_operations(sum(layers), layers[0])


WORKLOADS = [
    Workload(
        f"mlp{batch}", f"784-256-128-10, SGD momentum, batch {batch}", partial(build, batch=batch), operations(batch)
    )
    for batch in (64, 1024)
]
