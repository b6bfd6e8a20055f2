"""gelu(x w + b) sigmoid(y) of 4096 x 4096 elements, and the gradient of its sum: nothing but pointwise work."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from benchmarks.workloads.workload import Compile, Step, Workload

SIDE = 4096
BYTES = 4 * SIDE * SIDE


def operands() -> tuple[np.ndarray, ...]:
    """Return x and y (4096, 4096), w and b (4096,)."""
    random = np.random.default_rng(1)
    return tuple(random.standard_normal(shape, dtype=np.float32) for shape in [(SIDE, SIDE)] * 2 + [(SIDE,)] * 2)


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step computes the chain of all elements; one element is what frameworks are compared by."""
    x, y, w, b = map(torch.from_numpy, operands())
    gelu = torch.nn.functional.gelu

    @compile.part
    @compile.whole
    def chain(x, y, w, b):
        return gelu(x * w + b, approximate="tanh") * torch.sigmoid(y)

    return lambda: chain(x, y, w, b)[1, 1]


def build_gradient(torch: ModuleType, compile: Compile) -> Step:
    """One step computes the gradient of the chain's sum in x and y."""
    x, y, w, b = map(torch.from_numpy, operands())
    x.requires_grad_()
    y.requires_grad_()
    gelu = torch.nn.functional.gelu

    def chain_sum(x, y, w, b):
        return (gelu(x * w + b, approximate="tanh") * torch.sigmoid(y)).sum()

    chain_sum = compile.part(chain_sum)

    @compile.whole
    def gradient(x, y, w, b):
        return torch.autograd.grad(chain_sum(x, y, w, b), (x, y))

    def step():
        in_x, in_y = gradient(x, y, w, b)
        return in_x[1, 1] + in_y[1, 1]

    return step


WORKLOADS = [
    Workload("chain", "gelu(x w + b) sigmoid(y), 4096 x 4096, forward", build, memory_bytes=3 * BYTES),
    Workload("chain_grad", "gradient of its sum in x and y", build_gradient, memory_bytes=4 * BYTES),
]
