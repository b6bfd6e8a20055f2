"""Encoder and decoder with padding and causal masks; the learning rate warms up; label smoothing."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

SYMBOLS, WIDTH, BATCH, LENGTH, PADDING = 11, 8, 3, 6, 0


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.symbols = nn.Embedding(SYMBOLS, WIDTH, padding_idx=PADDING)
        self.places = nn.Parameter(gc.randn(LENGTH, WIDTH) * 0.1)
        self.transformer = nn.Transformer(WIDTH, 2, 1, 2, 16, dropout=0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(WIDTH, SYMBOLS)

    def forward(self, source, target):
        ahead = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        hidden = source == PADDING
        out = self.transformer(
            self.symbols(source) + self.places[: source.shape[1]],
            self.symbols(target) + self.places[: target.shape[1]],
            tgt_mask=ahead,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return self.head(out)


def build(compiled: Compiled) -> Running:
    net = Translator()
    optimizer = optim.Adam(net.parameters(), lr=1e-2, betas=(0.9, 0.98))
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda number: min((number + 1) ** -0.5, (number + 1) * 0.1))

    def step(source, target):
        optimizer.zero_grad()
        scores = net(source, target[:, :-1])
        loss = F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PADDING, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        source, target = (gc.randint(1, SYMBOLS, (BATCH, LENGTH)) for _ in range(2))
        source[0, 4:] = target[1, 3:] = PADDING
        loss = step(source, target)
        scheduler.step()
        return loss

    return Running(turn, (net, optimizer), turns=3)
