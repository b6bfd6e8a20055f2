"""Four layers of causal attention over characters, AdamW, the learning rate on a schedule."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

LAYERS, HEADS, WIDTH, CONTEXT, BATCH, SYMBOLS = 4, 2, 16, 12, 3, 29


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.split, self.merge = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        parts = self.split(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (part.view(*x.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        x = x + self.drop(self.merge(attended.reshape(x.shape)))
        return x + self.drop(self.perceptron(self.norm2(x)))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.symbols, self.places = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, SYMBOLS, bias=False)
        self.head.weight = self.symbols.weight

    def forward(self, tokens):
        x = self.symbols(tokens) + self.places(gc.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def build(compiled: Compiled) -> Running:
    net = GPT()
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.1)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        return loss

    step = compiled(step)

    def turn(number):
        tokens = gc.randint(0, SYMBOLS, (BATCH, CONTEXT + 1))
        loss = step(tokens[:, :-1], tokens[:, 1:])
        scheduler.step()
        return loss

    return Running(turn, (net, optimizer))
