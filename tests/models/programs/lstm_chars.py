"""A character model: an LSTM whose state goes on from one window of text to the next."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

SYMBOLS, WIDTH, LENGTH, BATCH = 21, 12, 9, 4


class Characters(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, 8)
        self.lstm = nn.LSTM(8, WIDTH, num_layers=2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(WIDTH, SYMBOLS)

    def forward(self, tokens, state):
        output, state = self.lstm(self.embedding(tokens), state)
        return self.head(output), state


def build(compiled: Compiled) -> Running:
    net = Characters()
    optimizer = optim.RMSprop(net.parameters(), lr=3e-3, momentum=0.9)
    state = [gc.zeros(2, BATCH, WIDTH), gc.zeros(2, BATCH, WIDTH)]

    def step(x, y, hidden, cell):
        scores, (hidden, cell) = net(x, (hidden, cell))
        loss = F.cross_entropy(scores.transpose(1, 2), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_value_(net.parameters(), 0.01)
        optimizer.step()
        return loss, hidden.detach(), cell.detach()

    step = compiled(step)

    def turn(number):
        text = gc.randint(0, SYMBOLS, (BATCH, LENGTH + 1))
        loss, *state[:] = step(text[:, :-1], text[:, 1:], *state)
        return loss, *state

    return Running(turn, (net, optimizer))
