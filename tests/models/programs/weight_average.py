"""An exponential moving average of the weights in the step, and its own evaluation."""

from __future__ import annotations

import copy

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.SiLU(), nn.Linear(12, 1))
    average = copy.deepcopy(net).requires_grad_(False).eval()
    optimizer = optim.AdamW(net.parameters(), lr=1e-2, amsgrad=True)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        with gc.no_grad():
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 0.1)
            for slow, fast in zip(average.buffers(), net.buffers(), strict=True):
                slow.copy_(fast)
        return loss

    @gc.no_grad()
    def evaluate(x, y):
        return F.mse_loss(average(x), y)

    step, evaluate = compiled(step), compiled(evaluate)

    def turn(number):
        x = gc.randn(7, 6)
        y = x.sum(dim=1, keepdim=True).sin()
        return step(x, y), evaluate(x, y)

    return Running(turn, (net, average, optimizer))
