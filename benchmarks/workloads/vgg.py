"""VGG-16 (Simonyan and Zisserman, 2015) on images of 224 by 224: forward, and a training step with SGD."""

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

SIDE, CLASSES = 224, 1000
STAGES = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
TRAINED = 2


def network(torch: ModuleType):
    """Images (N, 3, 224, 224) to scores (N, 1000), without dropout."""
    nn = torch.nn
    layers, channels = [], 3
    for width, count in STAGES:
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, CLASSES)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step classifies one image."""
    net = network(torch).eval()
    initialise(torch, net)

    @compile.part
    @compile.whole
    def classify(x, y):
        with torch.no_grad():
            return net(x)

    step = over_batches(torch, classify, *images_and_classes(1, 3, SIDE, SIDE))
    return lambda: step()[0, 0]


def build_training(torch: ModuleType, compile: Compile) -> Step:
    """One step trains on a batch of two images."""
    net = network(torch)
    initialise(torch, net)
    loss_fn = torch.nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.001)
    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x), y), opt)
    return over_batches(torch, train_step, *images_and_classes(TRAINED, 3, SIDE, SIDE))


def multiplications() -> tuple[int, int]:
    """Multiply-adds of one image's forward pass: of all layers, and of the first."""
    side, channels, layers = SIDE, 3, []
    for width, count in STAGES:
        for _ in range(count):
            layers.append(side * side * width * channels * 9)
            channels = width
        side //= 2
    return sum(layers) + 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * CLASSES, layers[0]


ALL, FIRST = multiplications()
WORKLOADS = [
    Workload("vgg16_fwd", "VGG-16, forward, batch 1", build, 2 * ALL),
    Workload("vgg16_step", "VGG-16, SGD, batch 2", build_training, training_operations(TRAINED * ALL, TRAINED * FIRST)),
]
