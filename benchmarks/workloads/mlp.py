"""A multilayer perceptron, 784-256-128-10: cross entropy, SGD with momentum."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from types import ModuleType

from benchmarks.workloads.workload import (
    Compile,
    Step,
    Workload,
    images_and_classes,
    initialise,
    over_batches,
    training_operations,
    training_step,
)

WIDTHS = [784, 256, 128, 10]


def build(torch: ModuleType, compile: Compile, batch: int) -> Step:
    """One step trains on one batch of vectors."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    initialise(torch, net)
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x), y), opt)
    return over_batches(torch, train_step, *images_and_classes(batch, WIDTHS[0]))


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
