"""Gradients of three micro-batches add up before one step: two compiled functions, and one that does all."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    apart, together = (nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 2)) for _ in range(2))
    together.load_state_dict(apart.state_dict())
    first, second = (optim.Adam(net.parameters(), lr=1e-2) for net in (apart, together))

    def gather(x, y):
        loss = F.mse_loss(apart(x), y) / 3
        loss.backward()
        return loss

    def update():
        nn.utils.clip_grad_norm_(apart.parameters(), 0.5)
        first.step()
        first.zero_grad(set_to_none=False)

    def whole(x, y):
        second.zero_grad()
        losses = []
        for inputs, wanted in zip(x.chunk(3), y.chunk(3), strict=True):
            loss = F.mse_loss(together(inputs), wanted) / 3
            loss.backward()
            losses.append(loss.detach())
        norm = nn.utils.clip_grad_norm_(together.parameters(), 0.5)
        second.step()
        return gc.stack(losses), norm

    gather, update, whole = compiled(gather), compiled(update), compiled(whole)
    for parameter in apart.parameters():
        parameter.grad = gc.zeros_like(parameter)

    def turn(number):
        x, y = gc.randn(12, 5), gc.randn(12, 2)
        losses = [gather(*part) for part in zip(x.chunk(3), y.chunk(3), strict=True)]
        update()
        return losses, whole(x, y)

    return Running(turn, (apart, together, first, second))
