"""LeNet-5 on real handwritten digits (LeCun et al., Gradient-based learning applied to document recognition, 1998).

Ten epochs over 4,000 images, moved a little each time; the last line gives the accuracy on 1,000 others.
"""

from __future__ import annotations

import numpy as np
from sample_tools import digits, read_options
from tqdm import tqdm

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.data import DataLoader

LEARNING_RATE = 0.03


class LeNet(nn.Module):
    """Two convolutions and three linear layers: images (N, 1, 28, 28) to scores (N, 10)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def shifted(x, random: np.random.Generator):
    """Return a batch of images all moved by the same -2 to 2 pixels in each direction."""
    top, left = random.integers(5, size=2).tolist()
    padded = F.pad(x, (2, 2, 2, 2), value=x.min().item())
    return padded[:, :, top : top + 28, left : left + 28].contiguous()


def main(arguments: list[str] | None = None) -> list[float]:
    """Train, print the test accuracy; return the loss of each step."""
    options = read_options(__doc__, arguments, epochs=10)
    gc.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)

    net, loss_fn = LeNet(), nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=2e-3)
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
    loader = DataLoader(train, batch_size=25, shuffle=True)
    losses = []
    batches = (batch for _ in range(options.epochs) for batch in loader)
    progress = tqdm(batches, total=options.epochs * len(loader), unit="step")
    for x, y in progress:
        opt.param_groups[0]["lr"] = LEARNING_RATE * (1 - len(losses) / progress.total)
        losses.append(train_step(shifted(x, random), y).item())
        progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)

    correct = sum(count_correct(x, y).item() for x, y in DataLoader(test, batch_size=250))
    print(f"test accuracy: {100 * correct / len(test):.2f}%")
    return losses


if __name__ == "__main__":
    main()
