"""A small GPT that learns to write like Python's own help pages, character by character.

Prints some text of its own, and in the last line the loss on the tenth of the pages that it has never seen.
"""

from __future__ import annotations

import numpy as np
from sample_tools import python_manual, read_options, windows
from tqdm import tqdm

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 16
LEARNING_RATE = 3e-3


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each on a normalised copy that is added back."""

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


class GPT(nn.Module):
    """Characters (N, CONTEXT) to scores of the character that follows each (N, CONTEXT, vocabulary)."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.characters, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary)

    def forward(self, x):
        x = self.characters(x) + self.places(gc.arange(CONTEXT))
        return self.head(self.norm(self.blocks(x)))


def main(arguments: list[str] | None = None) -> list[float]:
    """Train, print generated text and the validation loss; return the loss of each step."""
    options = read_options(__doc__, arguments, steps=400)
    gc.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)

    alphabet, train, validation = python_manual()
    net, loss_fn = GPT(len(alphabet)), nn.CrossEntropyLoss()
    opt = optim.AdamW(net.parameters(), lr=LEARNING_RATE)
    compiled = (lambda step: step) if options.eager else gc.compile

    @compiled
    def train_step(x, y):
        opt.zero_grad()
        loss = loss_fn(net(x).flatten(0, 1), y.flatten())
        loss.backward()
        opt.step()
        return loss

    @compiled
    def evaluate(x, y):
        with gc.no_grad():
            return loss_fn(net(x).flatten(0, 1), y.flatten())

    @compiled
    def chances_of_next(x):
        with gc.no_grad():
            return F.softmax(net(x)[0, -1].double() / 0.7, dim=-1)

    losses, progress = [], tqdm(range(options.steps), unit="step")
    for step in progress:
        opt.param_groups[0]["lr"] = LEARNING_RATE * min((step + 1) / 20, 1 - step / options.steps)
        losses.append(train_step(*windows(train, random.integers(len(train) - CONTEXT, size=BATCH), CONTEXT)).item())
        progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)

    written = validation[-CONTEXT:]
    for _ in range(300):
        chances = chances_of_next(gc.from_numpy(written[None, -CONTEXT:]))
        written = np.append(written, random.choice(len(alphabet), p=chances.numpy()))
    print("".join(alphabet[written]), end="\n\n")

    batches = np.arange((len(validation) - 1) // CONTEXT // BATCH * BATCH).reshape(-1, BATCH) * CONTEXT
    mean = sum(evaluate(*windows(validation, batch, CONTEXT)).item() for batch in batches) / len(batches)
    print(f"validation loss: {mean:.4f} nats per character")
    return losses


if __name__ == "__main__":
    main()
