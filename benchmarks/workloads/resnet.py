"""ResNet-20 for CIFAR images (He et al., 2016), batch norm in training mode: cross entropy, SGD, momentum, decay."""

from __future__ import annotations

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

BATCH = 32
STAGES = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]


def network(torch: ModuleType):
    """Images (N, 3, 32, 32) to scores (N, 10); 1x1 projections where the shape changes."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, channels_in, channels, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(channels)
            self.shortcut = nn.Sequential()
            if channels_in != channels:
                projection = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels))

        def forward(self, x):
            y = F.relu(self.norm1(self.conv1(x)))
            return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for channels_in, channels, stride in STAGES:
        layers += [Block(channels_in, channels, stride), Block(channels, channels, 1), Block(channels, channels, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step trains on one batch of 32 images."""
    net = network(torch)
    initialise(torch, net)
    loss_fn = torch.nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x), y), opt)
    return over_batches(torch, train_step, *images_and_classes(BATCH, 3, 32, 32))


def operations() -> int:
    """Operations of one training step."""
    first = 32 * 32 * 16 * 3 * 9
    rest, side = 64 * 10, 32
    for channels_in, channels, stride in STAGES:
        side //= stride
        pixels = side * side * channels
        rest += pixels * 9 * (channels_in + 5 * channels)
        rest += pixels * channels_in if channels_in != channels else 0
    return training_operations(BATCH * (first + rest), BATCH * first)


WORKLOADS = [Workload("resnet20", "ResNet-20, SGD momentum and decay, batch 32", build, operations())]
