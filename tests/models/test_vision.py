"""The library's picture networks, narrow and on small pictures, evaluated and trained: compiled as in eager mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.vision.models import DenseNet, MobileNetV2, ResNet
from graphc.vision.models.inception import InceptionA
from graphc.vision.models.resnet import BasicBlock
from graphc.vision.models.vgg import VGG

Network = Callable[[], nn.Module]


def vgg() -> nn.Module:
    """VGG with two convolutions in each of two stages, and its three linear layers."""
    features = []
    for channels_in, channels in ((3, 4), (4, 4), (4, 8), (8, 8)):
        features += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if channels_in == channels:
            features.append(nn.MaxPool2d(2, 2))
    net = VGG(nn.Sequential(*features), num_classes=5)
    net.avgpool = nn.AdaptiveAvgPool2d(3)
    net.classifier[0], net.classifier[3], net.classifier[6] = nn.Linear(72, 16), nn.Linear(16, 16), nn.Linear(16, 5)
    return net


def inception_block() -> nn.Module:
    """An inception block with its four branches, and an auxiliary head."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        InceptionA(8, pool_features=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(228, 5),
    )


NETWORKS: dict[str, Network] = {
    "vgg": vgg,
    "resnet": lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5),
    "mobilenet": lambda: MobileNetV2(
        num_classes=5, width_mult=0.25, inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2]]
    ),
    "densenet": lambda: DenseNet(4, (2, 2), 8, num_classes=5, drop_rate=0.1),
    "inception": inception_block,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_train_and_evaluate_as_in_eager_mode(name: str) -> None:
    """Scores of a batch and of a smaller last one, then two steps of training with their statistics, in float64."""
    gc.set_default_dtype(gc.float64)
    try:
        found = [run(NETWORKS[name], compiled) for compiled in (True, False)]
    finally:
        gc.set_default_dtype(gc.float32)
    for ours, theirs in zip(*found, strict=True):
        scale = max(float(np.abs(theirs).max()), 1e-3)
        # A batch norm over two numbers enlarges rounding some thousandfold at every step.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * scale)


def run(make: Network, compiled: bool) -> list[np.ndarray]:
    gc.manual_seed(0)
    net = make()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def score(x):
        with gc.no_grad():
            return net(x)

    if compiled:
        step, score = gc.compile(step, fullgraph=True), gc.compile(score, fullgraph=True)
    left = []
    net.eval()
    for extent in (3, 3, 2):
        left.append(score(gc.randn(extent, 3, 24, 24)))
    net.train()
    for rate in (0.01, 0.01, 0.005):
        optimizer.param_groups[0]["lr"] = rate
        left.append(step(gc.randn(2, 3, 24, 24), gc.tensor([1, 4])))
    left += [*net.parameters(), *net.buffers()]
    if compiled:
        assert len(step.report().builds) == 1
        assert len(score.report().builds) == 2
    return [tensor.detach().numpy().copy() for tensor in left]
