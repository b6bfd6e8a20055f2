"""layer_norm(softmax(x)) of 4096 rows of 1024, and its gradient: rows that are read several times."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from benchmarks.workloads.workload import Compile, Step, Workload

ROWS, WIDTH = 4096, 1024
BYTES = 4 * ROWS * WIDTH


def operands() -> tuple[np.ndarray, ...]:
    """Return x and the output's cotangent (4096, 1024), the norm's weight and bias (1024,)."""
    random = np.random.default_rng(1)
    x, cotangent = (random.standard_normal((ROWS, WIDTH), dtype=np.float32) for _ in range(2))
    return x, cotangent, random.random(WIDTH, dtype=np.float32), random.random(WIDTH, dtype=np.float32)


def build(torch: ModuleType, compile: Compile) -> Step:
    """One step computes all rows; one element is what frameworks are compared by."""
    x, _, weight, bias = map(torch.from_numpy, operands())
    functional = torch.nn.functional

    @compile.part
    @compile.whole
    def normalised(x, weight, bias):
        return functional.layer_norm(torch.softmax(x, dim=-1), (WIDTH,), weight, bias)

    return lambda: normalised(x, weight, bias)[0, 0]


def build_gradient(torch: ModuleType, compile: Compile) -> Step:
    """One step computes the gradient in x, weight, and bias for a cotangent that is given."""
    x, cotangent, weight, bias = map(torch.from_numpy, operands())
    functional = torch.nn.functional
    for tensor in (x, weight, bias):
        tensor.requires_grad_()

    def normalised(x, weight, bias):
        return functional.layer_norm(torch.softmax(x, dim=-1), (WIDTH,), weight, bias)

    normalised = compile.part(normalised)

    @compile.whole
    def gradient(x, weight, bias, cotangent):
        return torch.autograd.grad(normalised(x, weight, bias), (x, weight, bias), cotangent)

    def step():
        in_x, in_weight, in_bias = gradient(x, weight, bias, cotangent)
        return in_x[0, 0] + in_weight[0] + in_bias[0]

    return step


WORKLOADS = [
    Workload("softmax_ln", "layer_norm(softmax(x)), 4096 x 1024, forward", build, memory_bytes=2 * BYTES),
    Workload("softmax_ln_grad", "gradient in x and the norm's weights", build_gradient, memory_bytes=3 * BYTES),
]
