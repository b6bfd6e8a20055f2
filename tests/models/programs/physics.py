"""A physics-informed net for u_t = u_xx: derivatives of the net of first and second order within the loss."""

from __future__ import annotations

import graphc as gc
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1))
    optimizer = optim.NAdam(net.parameters(), lr=1e-2)

    def slope(u, x):
        return gc.autograd.grad(u.sum(), x, create_graph=True)[0]

    def step(x, t):
        optimizer.zero_grad()
        x, t = x.requires_grad_(), t.requires_grad_()
        u = net(gc.cat([x, t], dim=1))
        equation = slope(u, t) - 0.1 * slope(slope(u, x), x)
        start = net(gc.cat([x, gc.zeros_like(t)], dim=1)) - (3.14159 * x).sin()
        loss = (equation**2).mean() + (start**2).mean()
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        return step(gc.rand(9, 1), gc.rand(9, 1))

    return Running(turn, (net, optimizer))
