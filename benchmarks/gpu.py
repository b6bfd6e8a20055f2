"""`python -m benchmarks.gpu [workload ...]`: time training steps on a GPU, graphc beside PyTorch, and print a table.

PyTorch runs eagerly and through `torch.compile` in its two modes that replay CUDA graphs; the fastest counts. All run
in one process on one GPU, in turns. Before them stand two programs that only move memory, a chain of pointwise
functions and a softmax over rows, as shares of what a copy from device to device moves in a second.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from benchmarks.table import markdown, number
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Compile, Step

DEFAULT = ("mlp64", "mlp1024", "lenet64", "lenet1", "resnet20", "gpt", "lstm")
FRAMEWORKS = ("graphc", "torch eager", "torch reduce-overhead", "torch max-autotune")
WARM_UP, SETTLED_SECONDS = 5, 0.3


class OnGpu:
    """A framework whose new tensors are on the GPU, those of numpy's arrays too."""

    def __init__(self, module: ModuleType):
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def from_numpy(self, array: Any) -> Any:
        """A tensor on the GPU with an array's elements."""
        return self._module.from_numpy(array).cuda()


def load(framework: str) -> OnGpu:
    """The module of a framework. Ends with a message where it sees no GPU."""
    module = importlib.import_module(framework.split()[0])
    for part in ("nn", "nn.functional", "optim"):
        importlib.import_module(f"{module.__name__}.{part}")
    if not module.cuda.is_available():
        raise SystemExit(f"{module.__name__} sees no GPU")
    module.set_default_device("cuda")
    return OnGpu(module)


def compiled_by(framework: str, module: OnGpu) -> Compile:
    """What a framework compiles of a workload: graphc the whole step, PyTorch loss and update, each as one graph."""
    _, _, mode = framework.partition(" ")
    if framework == "graphc":
        return Compile(whole=module.compile)
    return Compile() if mode == "eager" else Compile(part=partial(module.compile, mode=mode))


def seconds_of(step: Step, module: OnGpu, seconds: float) -> float:
    """The seconds that a step takes when many follow each other, the median over parts of the time."""
    durations: list[float] = []
    turns = 1
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(durations) < 3:
        module.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(turns):
            step()
        module.cuda.synchronize()
        took = time.perf_counter() - start
        if took < SETTLED_SECONDS / 10 and turns < 1 << 16:
            turns *= 2
        else:
            durations.append(took / turns)
    return statistics.median(durations)


def moved(module: OnGpu, elements: int) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """Programs that only move memory: name, bytes that must be moved, and the program."""
    F = module.nn.functional
    x = module.randn(elements // 1024, 1024)
    y, z = module.empty_like(x), module.empty_like(x)
    nbytes = x.numel() * 4
    yield "copy", 2 * nbytes, lambda: y.copy_(x)

    def chain() -> None:
        with module.no_grad():
            y.copy_((module.tanh(x) * 0.5 + x * x - 1.0).relu())

    def rows() -> None:
        with module.no_grad():
            z.copy_(F.softmax(x * 0.1, -1))

    for name, function in (("pointwise chain", chain), ("softmax of rows", rows)):
        yield name, 2 * nbytes, module.compile(function)


def memory_table(module: OnGpu, elements: int, seconds: float) -> str:
    """Bandwidths of programs that only move memory. The copy is the compiled program's own where eager mode is slow."""
    rows, copy = [], 0.0
    for name, nbytes, program in moved(module, elements):
        if name == "copy" and module.__name__ == "graphc":
            program = module.compile(program)
        for _ in range(WARM_UP):
            program()
        rate = nbytes / seconds_of(program, module, seconds)
        copy = copy or rate
        rows.append([name, number(rate / 1e9), f"{100 * rate / copy:.0f}%"])
    return markdown(["program", "GB/s", "of a copy"], rows)


def step_row(workload: str, frameworks: list[str], seconds: float, rounds: int) -> list[str]:
    """The milliseconds of a workload's step in each framework, and how many times as fast graphc is as the fastest."""
    steps = {}
    for framework in frameworks:
        module = load(framework)
        step = WORKLOADS[workload].build(module, compiled_by(framework, module))
        for _ in range(WARM_UP):
            float(step())
        steps[framework] = (step, module)
    times: dict[str, list[float]] = {framework: [] for framework in frameworks}
    for _, (framework, (step, module)) in itertools.product(range(rounds), steps.items()):
        times[framework].append(seconds_of(step, module, seconds))
    best = {framework: min(found) for framework, found in times.items()}
    others = [found for framework, found in best.items() if framework != "graphc"]
    ratio = f"{min(others) / best['graphc']:.2f}" if others and "graphc" in best else ""
    return [workload, *(number(1000 * best[framework]) for framework in frameworks), ratio]


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("workloads", nargs="*", default=DEFAULT, choices=[*WORKLOADS, []], metavar="workload")
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS), metavar="NAMES", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a timing; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each; default: %(default)s")
    parser.add_argument("--elements", type=int, default=1 << 27, help="of the programs that move memory")
    options = parser.parse_args(arguments)
    frameworks = options.frameworks.split(",")
    if unknown := set(frameworks) - set(FRAMEWORKS):
        parser.error(f"unknown framework {', '.join(sorted(unknown))}; there are {', '.join(FRAMEWORKS)}")
    module = load(frameworks[0])
    print(f"{module.cuda.get_device_name(0)}; {', '.join(frameworks)}\n")
    for framework in dict.fromkeys(each.split()[0] for each in frameworks):
        print(f"{framework}:\n\n{memory_table(load(framework), options.elements, options.seconds)}\n")
    rows = [step_row(workload, frameworks, options.seconds, options.rounds) for workload in options.workloads]
    print(markdown(["step, ms", *frameworks, "times as fast as the fastest other"], rows))


if __name__ == "__main__":
    main()
