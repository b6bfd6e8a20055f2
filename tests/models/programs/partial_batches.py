"""Epochs over a data set whose last batch is small, training and evaluation in turn, the learning rate by plateau."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.data import DataLoader, TensorDataset
from tests.models.running import Compiled, Running

# Training and evaluation, each once for a full batch and once for every size.
BUILDS = {"step": 2, "evaluate": 2}


def build(compiled: Compiled) -> Running:
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    x = gc.randn(19, 4)
    batches = DataLoader(TensorDataset(x, (x.sum(dim=1) > 0).long()), batch_size=7, shuffle=True)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    @gc.no_grad()
    def evaluate(x, y):
        scores = net(x)
        return F.cross_entropy(scores, y, reduction="sum"), (scores.argmax(dim=1) == y).sum()

    step, evaluate = compiled(step), compiled(evaluate)

    def turn(number):
        net.train()
        losses = [step(*batch) for batch in batches]
        net.eval()
        found = [evaluate(*batch) for batch in batches]
        scheduler.step(sum(loss.item() for loss, _ in found) / len(x))
        return losses, found, optimizer.param_groups[0]["lr"]

    return Running(turn, (net, optimizer), turns=3)
