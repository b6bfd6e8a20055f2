"""Groups with hyper-parameters of their own, changed by two schedulers and by hand; clipping by norm and value."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(6, 10), nn.LayerNorm(10), nn.GELU(), nn.Linear(10, 4))
    decayed = [parameter for parameter in net.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in net.parameters() if parameter.dim() == 1]
    groups = [
        {"params": decayed, "weight_decay": 0.1, "lr": 1e-2},
        {"params": others, "betas": (0.8, 0.99), "weight_decay": 0.001},
    ]
    optimizer = optim.AdamW(groups, lr=1e-3, weight_decay=0.0)
    warm = optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    fall = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warm, fall], [3])

    def step(x, y):
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(net(x), y)
        loss.backward()
        nn.utils.clip_grad_value_(others, 0.02)
        norm = nn.utils.clip_grad_norm_(decayed, 0.05, norm_type=2.0)
        optimizer.step()
        return loss, norm

    step = compiled(step)

    def turn(number):
        results = step(gc.randn(8, 6), gc.randn(8, 4))
        scheduler.step()
        optimizer.param_groups[1]["weight_decay"] = 0.01 * number + 0.001
        return *results, [group["lr"] for group in optimizer.param_groups]

    return Running(turn, (net, optimizer), turns=6)
