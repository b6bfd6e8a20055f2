"""Linear regression: miles per gallon of 392 real cars from six of their properties, by gradient descent.

Least squares has a closed form, so the end of the descent can be checked: the last line gives both errors.
"""

from __future__ import annotations

import numpy as np
from sample_tools import cars, read_options
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim

TRAINING_CARS = 300


def main(arguments: list[str] | None = None) -> list[float]:
    """Fit, print the weights and the test error; return the loss of each step."""
    options = read_options(__doc__, arguments, steps=400)
    gc.manual_seed(options.seed)

    names, properties, consumption = cars()
    order = np.random.default_rng(options.seed).permutation(len(consumption))
    properties, consumption = properties[order], consumption[order]
    properties -= properties[:TRAINING_CARS].mean(axis=0)
    properties /= properties[:TRAINING_CARS].std(axis=0)
    x, x_test = gc.from_numpy(properties).split(TRAINING_CARS)
    y, y_test = gc.from_numpy(consumption).split(TRAINING_CARS)

    net, loss_fn = nn.Linear(len(names), 1), nn.MSELoss()
    opt = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    compiled = (lambda step: step) if options.eager else gc.compile

    @compiled
    def train_step(x, y):
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
        return loss

    @compiled
    def squared_error(x, y):
        with gc.no_grad():
            return loss_fn(net(x), y)

    losses = []
    progress = tqdm(range(options.steps), unit="step")
    for _ in progress:
        losses.append(train_step(x, y).item())
        progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)

    for name, weight in zip(names, net.weight.detach().numpy()[0], strict=True):
        print(f"{name:>14s} {weight:+6.2f} miles per gallon for one standard deviation more")
    design = np.hstack([properties, np.ones_like(consumption)])
    solution = np.linalg.lstsq(design[:TRAINING_CARS], consumption[:TRAINING_CARS], rcond=None)[0]
    closed_form = np.sqrt(np.mean((design @ solution - consumption)[TRAINING_CARS:] ** 2))
    error = squared_error(x_test, y_test).item() ** 0.5
    print(f"test error: {error:.3f} miles per gallon (closed form: {closed_form:.3f})")
    return losses


if __name__ == "__main__":
    main()
