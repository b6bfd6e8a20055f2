"""One network for two views of each picture; similarities of all pairs; an average network that is swapped in."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        nn.InstanceNorm2d(4, affine=True),
        nn.PReLU(4),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 6),
    )
    slow = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer = optim.Adamax(net.parameters(), lr=1e-2)

    def step(pictures):
        views = gc.cat([pictures + 0.1 * gc.randn_like(pictures), pictures.flip(3)])
        codes = F.normalize(net(views), dim=1)
        likeness = (codes @ codes.t() / 0.5).masked_fill(gc.eye(len(views), dtype=gc.bool), float("-inf"))
        partner = gc.arange(len(views)).roll(len(pictures))
        loss = F.cross_entropy(likeness, partner)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with gc.no_grad():
            for average, parameter in zip(slow, net.parameters(), strict=True):
                average.mul_(0.95).add_(parameter, alpha=0.05)
        return loss

    @gc.no_grad()
    def exchange():
        for average, parameter in zip(slow, net.parameters(), strict=True):
            kept = average.clone()
            average.copy_(parameter)
            parameter.copy_(kept)

    step, exchange = compiled(step), compiled(exchange)

    def turn(number):
        loss = step(gc.randn(3, 1, 8, 8))
        if number % 2:
            exchange()
        return loss

    return Running(turn, (net, slow, optimizer))
