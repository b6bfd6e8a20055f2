"""ResNet-20 on real handwritten digits (He et al., Deep residual learning for image recognition, 2016, section 4.2).

Two epochs over 4,000 images; the last line gives the accuracy on 1,000 others.
"""

from __future__ import annotations

from sample_tools import digits, read_options
from tqdm import tqdm

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.data import DataLoader

LEARNING_RATE = 0.05


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to the input or, where the shape changes, to a 1x1 projection of it."""

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels:
            projection = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def resnet20() -> nn.Sequential:
    """Twenty layers with weights: images (N, 1, 28, 28) to scores (N, 10)."""
    layers = [nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for channels_in, channels, stride in [(16, 16, 1), (16, 32, 2), (32, 64, 2)]:
        layers += [ResidualBlock(channels_in, channels, stride)]
        layers += [ResidualBlock(channels, channels, 1) for _ in range(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def main(arguments: list[str] | None = None) -> list[float]:
    """Train, print the test accuracy; return the loss of each step."""
    options = read_options(__doc__, arguments, epochs=2)
    gc.manual_seed(options.seed)

    net, loss_fn = resnet20(), nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
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

    net.eval()
    correct = sum(count_correct(x, y).item() for x, y in DataLoader(test, batch_size=250))
    print(f"test accuracy: {100 * correct / len(test):.2f}%")
    return losses


if __name__ == "__main__":
    main()
