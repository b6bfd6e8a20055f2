"""What an operator costs beyond its arithmetic, eagerly: `python -m benchmarks.eager_overhead [case ...]`.

On tensors of a few elements nearly all of the time is overhead. The table gives for each case the time of graphc's
eager mode in microseconds and how many times PyTorch's eager mode's that is: forward without gradients, forward that
records them, and the backward pass of that (into fresh gradients). The last rows are whole programs: updates of ten
small parameters, the hand-written loop of 800 iterations, and training steps of LeNet and ResNet-20.

Both frameworks run in this process, on one thread, in turn; what counts is the process's CPU time, and the least of
all rounds, so that other programs on the machine do little harm.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from benchmarks.child import THREAD_VARIABLES
from benchmarks.frameworks import GET_TORCH
from benchmarks.table import markdown, number
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Compile

Action = Callable[[], Any]
# What a case is made of: a module with PyTorch's interface, and the tensors that gradients are taken of.
Forward = Callable[..., Any]

# An operator on tensors: the shapes of its operands, and the call.
OPERATORS: dict[str, tuple[tuple[tuple[int, ...], ...], Callable[[ModuleType], Forward]]] = {
    "x + y": (((4, 5), (4, 5)), lambda torch: lambda x, y: x + y),
    "x * 2": (((4, 5),), lambda torch: lambda x: x * 2),
    "x * row": (((4, 5), (5,)), lambda torch: lambda x, y: x * y),
    "x / y": (((4, 5), (4, 5)), lambda torch: lambda x, y: x / y),
    "x ** 2": (((100,),), lambda torch: lambda x: x**2),
    "sigmoid": (((4, 5),), lambda torch: lambda x: x.sigmoid()),
    "exp": (((4, 5),), lambda torch: lambda x: x.exp()),
    "relu": (((4, 5),), lambda torch: torch.nn.functional.relu),
    "gelu": (((4, 5),), lambda torch: torch.nn.functional.gelu),
    "sum": (((100,),), lambda torch: lambda x: x.sum()),
    "mean": (((100,),), lambda torch: lambda x: x.mean()),
    "mean of a dim": (((4, 5),), lambda torch: lambda x: x.mean(1)),
    "var": (((4, 5),), lambda torch: lambda x: x.var(1)),
    "sum of a dim": (((4, 5),), lambda torch: lambda x: x.sum(1)),
    "max of a dim": (((4, 5),), lambda torch: lambda x: x.max(1).values),
    "topk": (((4, 5),), lambda torch: lambda x: x.topk(2).values),
    "norm": (((4, 5),), lambda torch: lambda x: x.norm()),
    "x @ w": (((4, 5), (5, 6)), lambda torch: lambda x, w: x @ w),
    "batches of matrices": (((2, 4, 5), (2, 5, 3)), lambda torch: torch.matmul),
    "x.t()": (((4, 5),), lambda torch: lambda x: x.t()),
    "transpose": (((4, 5),), lambda torch: lambda x: x.transpose(0, 1)),
    "permute": (((2, 4, 5),), lambda torch: lambda x: x.permute(2, 0, 1)),
    "x[0]": (((4, 5),), lambda torch: lambda x: x[0]),
    "x[:, 1:3]": (((4, 5),), lambda torch: lambda x: x[:, 1:3]),
    "x[indices]": (((4, 5),), lambda torch: _indexed(torch)),
    "view": (((4, 5),), lambda torch: lambda x: x.view(5, 4)),
    "reshape": (((4, 5),), lambda torch: lambda x: x.reshape(2, -1)),
    "flatten": (((4, 5),), lambda torch: lambda x: x.flatten()),
    "unsqueeze": (((4, 5),), lambda torch: lambda x: x.unsqueeze(1)),
    "expand": (((1, 5),), lambda torch: lambda x: x.expand(4, 5)),
    "split": (((4, 5),), lambda torch: lambda x: x.split(2)[0]),
    "cat": (((4, 5), (4, 5)), lambda torch: lambda x, y: torch.cat((x, y))),
    "stack": (((4, 5), (4, 5)), lambda torch: lambda x, y: torch.stack((x, y))),
    "masked_fill": (((4, 5),), lambda torch: lambda x: x.masked_fill(x > 0, 1.0)),
    "where": (((4, 5), (4, 5)), lambda torch: lambda x, y: torch.where(x > 0, x, y)),
    "softmax": (((4, 5),), lambda torch: lambda x: torch.nn.functional.softmax(x, 1)),
    "log_softmax": (((4, 5),), lambda torch: lambda x: torch.nn.functional.log_softmax(x, 1)),
    "layer_norm": (((4, 5), (5,), (5,)), lambda torch: lambda x, w, b: torch.nn.functional.layer_norm(x, (5,), w, b)),
    "batch_norm": (((4, 5), (5,), (5,)), lambda torch: _batch_norm(torch)),
    "linear": (((4, 5), (6, 5), (6,)), lambda torch: torch.nn.functional.linear),
    "cross_entropy": (((4, 5),), lambda torch: _cross_entropy(torch)),
    "mse_loss": (((4, 5), (4, 5)), lambda torch: torch.nn.functional.mse_loss),
    "conv2d": (((2, 3, 8, 8), (4, 3, 3, 3), (4,)), lambda torch: torch.nn.functional.conv2d),
    "max_pool2d": (((2, 3, 8, 8),), lambda torch: lambda x: torch.nn.functional.max_pool2d(x, 2)),
    "dropout": (((4, 5),), lambda torch: torch.nn.functional.dropout),
    "embedding": (((10, 5),), lambda torch: _embedding(torch)),
}
PARAMETERS = ((5, 4), (5,)) * 5
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.01},
    "SGD, momentum": {"lr": 0.01, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01},
}
STEPS = ("quadfit", "lenet64", "resnet20")
ROUNDS, CHUNK_SECONDS = 15, 0.004


def _batch_norm(torch: ModuleType) -> Forward:
    mean, variance = torch.zeros(5), torch.ones(5)
    return lambda x, w, b: torch.nn.functional.batch_norm(x, mean, variance, w, b, training=True)


def _cross_entropy(torch: ModuleType) -> Forward:
    target = torch.tensor([0, 1, 4, 2])
    return lambda x: torch.nn.functional.cross_entropy(x, target)


def _indexed(torch: ModuleType) -> Forward:
    rows = torch.tensor([2, 0])
    return lambda x: x[rows]


def _embedding(torch: ModuleType) -> Forward:
    index = torch.tensor([[1, 2], [0, 9]])
    return lambda x: torch.nn.functional.embedding(index, x)


def operator_actions(torch: ModuleType, name: str) -> tuple[Action, Action, Action]:
    """An operator's forward pass without gradients, the one that records them, and the backward pass of that."""
    shapes, make = OPERATORS[name]
    forward = make(torch)
    torch.manual_seed(0)
    tensors = [torch.randn(shape) for shape in shapes]
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    result = forward(*leaves)
    cotangent = torch.ones_like(result)

    def backward() -> None:
        for leaf in leaves:
            leaf.grad = None
        result.backward(cotangent, retain_graph=True)

    return lambda: forward(*tensors), lambda: forward(*leaves), backward


def optimizer_action(torch: ModuleType, name: str) -> Action:
    """One update of ten small parameters."""
    torch.manual_seed(0)
    parameters = [torch.randn(shape).requires_grad_() for shape in PARAMETERS]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    return getattr(torch.optim, name.partition(",")[0])(parameters, **OPTIMIZERS[name]).step


def step_action(torch: ModuleType, name: str) -> Action:
    """One eager step of a workload."""
    return WORKLOADS[name].build(torch, Compile())


def compare(ours: Action, theirs: Action, rounds: int = ROUNDS) -> tuple[float, float]:
    """Microseconds of graphc and the ratio to PyTorch's: least CPU times of one call, taken in turn."""
    actions = (ours, theirs)
    counts = []
    for action in actions:
        action()  # what is made once is not overhead
        start = time.process_time()
        action()
        counts.append(max(1, int(CHUNK_SECONDS / max(time.process_time() - start, 1e-6))))
    least = [float("inf")] * 2
    for _ in range(rounds):
        for side, action in enumerate(actions):
            repeat = range(counts[side])
            start = time.process_time()
            for _ in repeat:
                action()
            least[side] = min(least[side], (time.process_time() - start) / counts[side])
    return least[0] * 1e6, least[0] / least[1]


def main(arguments: list[str] | None = None) -> None:
    """Print a row for every case that is asked for, by default for all."""
    known = [*OPERATORS, *OPTIMIZERS, *STEPS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.eager_overhead",
        description="Time small operators of graphc's eager mode beside PyTorch's.",
        epilog=f"cases: {'; '.join(known)}",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help="default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timings of each action; default: %(default)s")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in known]:
        parser.error(f"unknown case {', '.join(unknown)}; there are {'; '.join(known)}")
    wanted = options.cases or known

    graphc = importlib.import_module("graphc")
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        parser.error(f"PyTorch is needed to compare with: {GET_TORCH}")
    for module in (graphc, torch):
        module.set_num_threads(1)

    rows = []
    for name in wanted:
        if name in OPERATORS:
            pairs = zip(operator_actions(graphc, name), operator_actions(torch, name), strict=True)
        else:
            make = optimizer_action if name in OPTIMIZERS else step_action
            pairs = [(make(graphc, name), make(torch, name))]
        cells = [text for pair in pairs for text in map(number, compare(*pair, rounds=options.rounds))]
        rows.append([name, *cells] if len(cells) > 2 else [name, "", "", *cells, "", ""])
    print(markdown(["case", "forward, us", "ratio", "recorded, us", "ratio", "backward, us", "ratio"], rows))


if __name__ == "__main__":
    single = dict.fromkeys(THREAD_VARIABLES, "1")
    if single.items() <= os.environ.items():
        main()
    else:  # libraries read it when they are loaded, as numpy is by now
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.eager_overhead", *sys.argv[1:]], os.environ | single
        )
