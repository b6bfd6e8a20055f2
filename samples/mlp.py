"""A multilayer perceptron, 784-256-128-10, on real handwritten digits. The last line gives the test accuracy."""

from __future__ import annotations

from sample_tools import digits, read_options
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim
from graphc.utils.data import DataLoader

LEARNING_RATE = 0.03


def main(arguments: list[str] | None = None) -> list[float]:
    """Train, print the test accuracy; return the loss of each step."""
    options = read_options(__doc__, arguments, epochs=10)
    gc.manual_seed(options.seed)

    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    loss_fn = nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=1e-3)
    compiled = (lambda step: step) if options.eager else gc.compile

    @compiled
    def train_step(x, y):
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
        return loss

    @compiled
    def count_correct(x, y):
        with gc.no_grad():
            return (net(x).argmax(dim=1) == y).sum()

    train, test = digits()
    loader = DataLoader(train, batch_size=32, shuffle=True)
    losses = []
    batches = (batch for _ in range(options.epochs) for batch in loader)
    progress = tqdm(batches, total=options.epochs * len(loader), unit="step")
    for x, y in progress:
        opt.param_groups[0]["lr"] = LEARNING_RATE * (1 - len(losses) / progress.total)
        losses.append(train_step(x, y).item())
        progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)

    correct = sum(count_correct(x, y).item() for x, y in DataLoader(test, batch_size=250))
    print(f"test accuracy: {100 * correct / len(test):.2f}%")
    return losses


if __name__ == "__main__":
    main()
