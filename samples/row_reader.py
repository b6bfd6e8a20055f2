"""A recurrent network that reads handwritten digits row by row, as `gc.scan` along the 28 rows.

Once it is trained it reads each test digit only until it is sure enough, as a `gc.while_loop`. The last lines give the
test accuracy with all rows, and that of the early answers, with how many rows they needed.
"""

from __future__ import annotations

from sample_tools import digits, read_options
from tqdm import tqdm

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.utils.data import DataLoader

HIDDEN, ROWS, SURE = 96, 28, 0.95


class RowReader(nn.Module):
    """A gated recurrent unit over rows, and what it says after each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(28, HIDDEN)
        self.say = nn.Linear(HIDDEN, 10)

    def forward(self, x):
        """The logits after every row: (28, batch, 10)."""

        def read(state, row):
            state = self.cell(row, state)
            return state, self.say(state)

        return gc.scan(read, gc.zeros(x.shape[0], HIDDEN), x[:, 0], dim=1)[1].transpose(0, 1)

    def early(self, image):
        """For one image (28, 28): the class, and how many rows were read until it was sure."""

        def unsure(count, state, logits):
            return (count < ROWS) & (logits.softmax(-1).max() < SURE)

        def read(count, state, logits):
            state = self.cell(image[count].unsqueeze(0), state)
            return count + 1, state, self.say(state)[0]

        begin = (gc.tensor(0), gc.zeros(1, HIDDEN), gc.zeros(10))
        count, _, logits = gc.while_loop(unsure, read, begin)
        return logits.argmax(), count


def main(arguments: list[str] | None = None) -> list[float]:
    """Train, print the test accuracy; return the loss of each step."""
    options = read_options(__doc__, arguments, epochs=6)
    gc.manual_seed(options.seed)
    net = RowReader()
    opt = optim.Adam(net.parameters(), lr=2e-3)
    compiled = (lambda step: step) if options.eager else gc.compile

    @compiled
    def train_step(x, y):
        opt.zero_grad()
        logits = net(x)
        # What it says after the later rows counts, so that it learns to answer early too.
        loss = sum(F.cross_entropy(logits[row], y) for row in (15, 19, 23, 27)) / 4
        loss.backward()
        opt.step()
        return loss

    @compiled
    def read_early(image, label):
        with gc.no_grad():
            found, rows = net.early(image)
            return found == label, rows

    @compiled
    def count_correct(x, y):
        with gc.no_grad():
            return (net(x)[-1].argmax(dim=1) == y).sum()

    train, test = digits()
    loader = DataLoader(train, batch_size=32, shuffle=True)
    losses = []
    batches = (batch for _ in range(options.epochs) for batch in loader)
    progress = tqdm(batches, total=options.epochs * len(loader), unit="step")
    for x, y in progress:
        losses.append(train_step(x, y).item())
        progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)

    right = sum(count_correct(x, y).item() for x, y in DataLoader(test, batch_size=20))
    print(f"test accuracy: {100 * right / len(test):.2f}%")
    early = [read_early(x[0], y) for x, y in test]
    share, rows = (sum(each.item() for each in column) / len(early) for column in zip(*early, strict=True))
    print(f"read until sure: {100 * share:.2f}%, after {rows:.1f} of {ROWS} rows")
    return losses


if __name__ == "__main__":
    main()
