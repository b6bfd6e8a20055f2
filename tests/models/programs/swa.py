"""AveragedModel of swa_utils: a running mean of weights, made outside the step by a compiled update."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        loss = step(gc.randn(5, 4), gc.randn(5, 1))
        average.update_parameters(net)
        return loss, average(gc.ones(2, 4))

    return Running(turn, (net, average, optimizer))
