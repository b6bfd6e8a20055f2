"""MAML: one step on each task within the step, and the gradient of what came after with respect to the start."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.func import functional_call
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1))
    optimizer = optim.Adam(net.parameters(), lr=1e-2)

    def step(x, y, x_later, y_later):
        optimizer.zero_grad()
        losses = []
        for task in range(x.shape[0]):
            start = dict(net.named_parameters())
            for _ in range(2):
                loss = F.mse_loss(functional_call(net, start, (x[task],)), y[task])
                slopes = gc.autograd.grad(loss, list(start.values()), create_graph=True)
                start = {name: value - 0.1 * slope for (name, value), slope in zip(start.items(), slopes, strict=True)}
            losses.append(F.mse_loss(functional_call(net, start, (x_later[task],)), y_later[task]))
        loss = gc.stack(losses).mean()
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        height, shift = gc.rand(2, 1, 1) + 0.5, gc.rand(2, 1, 1)
        x, later = gc.randn(2, 5, 1), gc.randn(2, 5, 1)
        return step(x, height * (x + shift).sin(), later, height * (later + shift).sin())

    return Running(turn, (net, optimizer))
