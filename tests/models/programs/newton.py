"""Truncated Newton steps: conjugate gradients on products of the Hessian and a vector, never the Hessian."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Linear(5, 1))
    weights = list(net.parameters())

    def dot(a, b):
        return sum((left * right).sum() for left, right in zip(a, b, strict=True))

    def step(x, y):
        loss = F.mse_loss(net(x), y) + 0.01 * dot(weights, weights)
        slopes = gc.autograd.grad(loss, weights, create_graph=True)
        move = [gc.zeros_like(weight) for weight in weights]
        rest = [-slope.detach() for slope in slopes]
        way, left = rest, dot(rest, rest)
        for _ in range(3):
            bent = gc.autograd.grad(slopes, weights, way, retain_graph=True)
            bent = [product + 0.1 * part for product, part in zip(bent, way, strict=True)]
            far = left / dot(way, bent)
            move = [a + far * b for a, b in zip(move, way, strict=True)]
            rest = [a - far * b for a, b in zip(rest, bent, strict=True)]
            before, left = left, dot(rest, rest)
            way = [a + left / before * b for a, b in zip(rest, way, strict=True)]
        with gc.no_grad():
            for weight, part in zip(weights, move, strict=True):
                weight += 0.1 * part
        return loss.detach(), left

    step = compiled(step)

    def turn(number):
        x = gc.randn(10, 3)
        return step(x, x.prod(dim=1, keepdim=True))

    return Running(turn, (net,))
