"""Training that is saved and goes on: state dictionaries are loaded into the model and the optimizer between steps."""

from __future__ import annotations

import io

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

# As in PyTorch, an optimizer that loads its state has other tensors than before.
BUILDS = {"step": 2}


def build(compiled: Compiled) -> Running:
    net = nn.GRU(3, 6, num_layers=1, bidirectional=True, batch_first=True)
    head = nn.Linear(12, 2)
    optimizer = optim.Adagrad([*net.parameters(), *head.parameters()], lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        output, _ = net(x)
        loss = F.multi_margin_loss(head(output.mean(dim=1)), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.1, error_if_nonfinite=False)
        optimizer.step()
        return loss

    step = compiled(step)
    saved = io.BytesIO()

    def turn(number):
        if number == 1:
            gc.save({"net": net.state_dict(), "head": head.state_dict(), "optimizer": optimizer.state_dict()}, saved)
        if number == 3:
            saved.seek(0)
            state = gc.load(saved)
            net.load_state_dict(state["net"])
            head.load_state_dict(state["head"])
            optimizer.load_state_dict(state["optimizer"])
        return step(gc.randn(4, 5, 3), gc.randint(0, 2, (4,)))

    return Running(turn, (net, head, optimizer), turns=5)
