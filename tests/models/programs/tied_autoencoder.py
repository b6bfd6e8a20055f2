"""A decoder that is the encoder transposed, a buffer that follows the activations, a step within checkpoint()."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.checkpoint import checkpoint
from tests.models.running import Compiled, Running


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 8), nn.Linear(8, 4)
        self.back = nn.ParameterList([nn.Parameter(gc.zeros(8)), nn.Parameter(gc.zeros(12))])
        self.register_buffer("typical", gc.zeros(4))

    def encode(self, x):
        return self.second(F.dropout(F.elu(self.first(x)), 0.1, self.training))

    def forward(self, x):
        code = checkpoint(self.encode, x, use_reentrant=False)
        if self.training:
            with gc.no_grad():
                self.typical.mul_(0.9).add_(code.mean(dim=0), alpha=0.1)
        hidden = F.elu(F.linear(code - self.typical, self.second.weight.t(), self.back[0]))
        return F.linear(hidden, self.first.weight.t(), self.back[1]), code


def build(compiled: Compiled) -> Running:
    net = Tied()
    optimizer = optim.RAdam(net.parameters(), lr=1e-2)

    def step(x):
        optimizer.zero_grad()
        rebuilt, code = net(x)
        loss = F.mse_loss(rebuilt, x) + 1e-3 * code.abs().sum()
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        return step(gc.randn(5, 12))

    return Running(turn, (net, optimizer), turns=7)
