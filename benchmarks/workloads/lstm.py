"""An LSTM over 64 steps of sequences, its last state classified: cross entropy, SGD."""

from __future__ import annotations

from types import ModuleType

from benchmarks.workloads.workload import (
    Compile,
    Step,
    Workload,
    images_and_classes,
    initialise,
    over_batches,
    training_operations,
    training_step,
)

BATCH, STEPS, INPUT, HIDDEN = 32, 64, 64, 128


def network(torch: ModuleType):
    """Sequences (N, 64, 64) to scores (N, 10)."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(INPUT, HIDDEN, batch_first=True)
            self.head = nn.Linear(HIDDEN, 10)

        def forward(self, x):
            states, _ = self.lstm(x)
            return self.head(states[:, -1])

    return Net()


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step trains on one batch of 32 sequences."""
    net = network(torch)
    initialise(torch, net)
    loss_fn = torch.nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    train_step = training_step(torch, compile, lambda x, y: loss_fn(net(x), y), opt)
    return over_batches(torch, train_step, *images_and_classes(BATCH, STEPS, INPUT))


def operations() -> int:
    """Operations of one training step; the product with the input needs no gradient of the input."""
    of_input = BATCH * STEPS * INPUT * 4 * HIDDEN
    return training_operations(of_input + BATCH * (STEPS * HIDDEN * 4 * HIDDEN + HIDDEN * 10), of_input)


WORKLOADS = [Workload("lstm", "LSTM, hidden 128, input 64, 64 steps, SGD, batch 32", build, operations())]
