"""A variational autoencoder: noise drawn within the step, two terms of the loss."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2 * 3))
        self.decode = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 20))

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, dim=1)
        deviation = (0.5 * log_variance).exp()
        return self.decode(mean + gc.randn_like(deviation) * deviation), mean, log_variance


def build(compiled: Compiled) -> Running:
    net = Autoencoder()
    optimizer = optim.Adam(net.parameters(), lr=1e-2)

    def step(x):
        optimizer.zero_grad()
        rebuilt, mean, log_variance = net(x)
        likeness = F.binary_cross_entropy_with_logits(rebuilt, x, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        loss = likeness + divergence
        loss.backward()
        optimizer.step()
        return loss, divergence

    @gc.no_grad()
    def sample():
        return net.decode(gc.randn(5, 3)).sigmoid().bernoulli()

    step, sample = compiled(step), compiled(sample)

    def turn(number):
        return *step(gc.rand(6, 20).round()), sample()

    return Running(turn, (net, optimizer))
