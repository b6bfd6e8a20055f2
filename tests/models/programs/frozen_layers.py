"""Layers that are frozen at first and trained later: another capture, and the right step before and after."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

BUILDS = {"step": 3}


def build(compiled: Compiled) -> Running:
    body, head = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 3)
    body.requires_grad_(False)
    optimizer = optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2, weight_decay=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(body(x)), y)
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        if number == 2:
            body[2].requires_grad_(True)
        if number == 4:
            body[0].weight.requires_grad_(True)
        return step(gc.randn(6, 5), gc.randint(0, 3, (6,)))

    return Running(turn, (body, head, optimizer), turns=6)
