"""LeNet on images of 32 by 32: cross entropy, SGD."""

from __future__ import annotations

from functools import partial
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


def network(torch: ModuleType):
    """Images (N, 1, 32, 32) to scores (N, 10)."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = x.view(x.size()[0], -1)
            x = F.relu(self.fc1(x))
            x = F.relu(self.fc2(x))
            return self.fc3(x)

    return Net()


def build(torch: ModuleType, compile: Compile, batch: int) -> Step:
    """One step trains on one batch of images."""
    net = network(torch)
    initialise(torch, net)
    loss_fn = torch.nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.001)

    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x), y), opt)
    return over_batches(torch, train_step, *images_and_classes(batch, 1, 32, 32))


def operations(batch: int) -> int:
    """Operations of one training step."""
    first = batch * 28 * 28 * 6 * 25
    rest = batch * (10 * 10 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10)
    return training_operations(first + rest, first)


WORKLOADS = [
    Workload(f"lenet{batch}", f"LeNet, SGD, batch {batch}", partial(build, batch=batch), operations(batch))
    for batch in (64, 1)
]
