"""A character GPT: 4 layers, 4 heads, 128 wide, context 64, vocabulary 65, batch 16: cross entropy, AdamW."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from benchmarks.workloads.workload import (
    BATCHES,
    Compile,
    Step,
    Workload,
    initialise,
    over_batches,
    training_operations,
    training_step,
)

LAYERS, HEADS, WIDTH, CONTEXT, VOCABULARY, BATCH = 4, 4, 128, 64, 65, 16


def network(torch: ModuleType):
    """Characters (N, 64), int64, to scores of the next ones (N, 64, 65)."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.split, self.merge = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.perceptron = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

        def forward(self, x):
            parts = self.split(self.norm1(x)).chunk(3, dim=-1)
            q, k, v = (part.view(*x.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts)
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
            x = x + self.merge(attended.reshape(x.shape))
            return x + self.perceptron(self.norm2(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.characters, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

        def forward(self, x):
            x = self.characters(x) + self.places(torch.arange(CONTEXT))
            return self.head(self.norm(self.blocks(x)))

    return Net()


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step trains on one batch of 16 texts of 64 characters."""
    net = network(torch)
    initialise(torch, net)
    loss_fn = torch.nn.CrossEntropyLoss()
    opt = torch.optim.AdamW(net.parameters(), lr=0.0003)

    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x).flatten(0, 1), y.flatten()), opt)
    texts = np.random.default_rng(1).integers(VOCABULARY, size=(BATCHES, BATCH, CONTEXT + 1))
    return over_batches(torch, train_step, texts[..., :-1], texts[..., 1:])


def operations() -> int:
    """Operations of one training step; of attention only the lower triangle counts."""
    linear = BATCH * CONTEXT * (LAYERS * 12 * WIDTH * WIDTH + WIDTH * VOCABULARY)
    attention = LAYERS * BATCH * 2 * WIDTH * CONTEXT * (CONTEXT + 1) // 2
    return training_operations(linear + attention, 0)


WORKLOADS = [Workload("gpt", "4 layers, 4 heads, width 128, context 64, AdamW, batch 16", build, operations())]
