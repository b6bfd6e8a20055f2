"""A small U-Net that marks pixels: down by pooling, up by transposed convolutions, what was kept is joined."""

from __future__ import annotations

import itertools

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


def double(channels_in, channels):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.GroupNorm(2, channels),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, widths=(4, 8, 16)):
        super().__init__()
        self.down = nn.ModuleList(double(a, b) for a, b in zip((1, *widths), widths, strict=False))
        turned = widths[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in itertools.pairwise(turned))
        self.join = nn.ModuleList(double(2 * b, b) for b in turned[1:])
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x):
        kept = []
        for block in self.down[:-1]:
            kept.append(block(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, join in zip(self.up, self.join, strict=True):
            x = join(gc.cat([kept.pop(), up(x)], dim=1))
        return self.head(x)


def build(compiled: Compiled) -> Running:
    net = UNet()
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)

    def step(pictures, marks):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(pictures), marks, weight=gc.tensor([0.3, 0.7]))
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        pictures = gc.randn(2, 1, 16, 16)
        return step(pictures, (pictures[:, 0] > 0).long())

    return Running(turn, (net, optimizer))
