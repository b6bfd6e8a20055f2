"""How the cost of a build grows with depth: `python -m benchmarks.depth [model ...]`, 1, 2, 4 ... 64 layers of each.

A training step of a model of so many equal layers (or steps of a recurrence) is captured, compiled, and built on an
empty cache. The table gives the CPU seconds of each stage, those of the C compiler's processes among them, and what the
stages made: launches of kernels, kernels that differ, calls that are written in the program, and lines of C.

Capture runs the step once eagerly, with its backward pass and its update, while it records. What grows with depth
should be that, and the work on graphs; kernels, lines, and the C compiler's time should follow what is distinct.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.table import markdown

STAGES = {
    "capture": "capture",
    "optimize": "passes",
    "lower": "lower",
    "render": "plan, C text",
    "compile": "C compiler",
}
Step = Callable[..., Any]


def recurrent(torch: Any, depth: int) -> tuple[Step, tuple[Any, ...]]:
    """An LSTM cell, 16 inputs and 32 wide, over so many steps of a sequence; SGD."""
    cell, head = torch.nn.LSTMCell(16, 32), torch.nn.Linear(32, 10)

    def forward(x: Any) -> Any:
        state = (torch.zeros(8, 32), torch.zeros(8, 32))
        for t in range(depth):
            state = cell(x[:, t], state)
        return head(state[0])

    parameters = [*cell.parameters(), *head.parameters()]
    step = _training_step(torch, forward, torch.optim.SGD(parameters, lr=0.1))
    return step, (torch.randn(8, depth, 16), torch.zeros(8, dtype=torch.int64))


def transformer(torch: Any, depth: int) -> tuple[Step, tuple[Any, ...]]:
    """So many blocks of attention and a perceptron, 32 wide, with 2 heads, on 2 texts of 16 characters; AdamW."""
    nn, width, heads = torch.nn, 32, 2

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.split, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            parts = self.split(self.norm1(x)).chunk(3, dim=-1)
            q, k, v = (part.view(*x.shape[:2], heads, width // heads).transpose(1, 2) for part in parts)
            attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
            x = x + self.merge(attended.reshape(x.shape))
            return x + self.perceptron(self.norm2(x))

    net = nn.Sequential(*[Block() for _ in range(depth)], nn.LayerNorm(width), nn.Linear(width, 10), nn.Flatten(0, 1))
    step = _training_step(torch, net, torch.optim.AdamW(net.parameters(), lr=0.001))
    return step, (torch.randn(2, 16, width), torch.zeros(32, dtype=torch.int64))


def residual(torch: Any, depth: int) -> tuple[Step, tuple[Any, ...]]:
    """So many residual blocks of two convolutions, 8 channels on 16 x 16, batch norm in training; SGD with momentum."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)

        def forward(self, x: Any) -> Any:
            y = nn.functional.relu(self.norm1(self.conv1(x)))
            return nn.functional.relu(self.norm2(self.conv2(y)) + x)

    blocks = [Block() for _ in range(depth)]
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    step = _training_step(torch, net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
    return step, (torch.randn(2, 3, 16, 16), torch.zeros(2, dtype=torch.int64))


MODELS = {"recurrent": recurrent, "transformer": transformer, "residual": residual}


def _training_step(torch: Any, forward: Callable[[Any], Any], optimizer: Any) -> Step:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def cpu_seconds() -> float:
    """The CPU time of this process and of those that it started and that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(model: str, depth: int) -> dict[str, float]:
    """CPU seconds of each stage of one build, and the sizes of what the stages made."""
    import graphc
    from graphc.capture.trace import capture
    from graphc.codegen.c.program import print_kernels
    from graphc.codegen.executable import compile_loops
    from graphc.codegen.lower import lower
    from graphc.garbage import paused_collection
    from graphc.ir.passes.pipeline import optimize
    from graphc.runtime import build_library

    figures: dict[str, float] = {}

    def timed(stage: str, function: Callable[..., Any], *arguments: Any) -> Any:
        began = cpu_seconds()
        result = function(*arguments)
        figures[stage] = cpu_seconds() - began
        return result

    graphc.manual_seed(0)
    step, arguments = MODELS[model](graphc, depth)
    recording, _ = timed("capture", capture, step, arguments, {})
    with paused_collection():
        graph = timed("optimize", optimize, recording.graph).graph
        loops = timed("lower", lower, graph)
        compiled = timed("render", compile_loops, loops)
    timed("compile", build_library, compiled.source)
    kernels = print_kernels(compiled.program).texts
    functions = {phase.name for kernel in kernels for phase in kernel.phases}
    written = compiled.source[compiled.source.rindex("graphc_run(") :]
    calls = sum(name in functions for name in re.findall(r"(\w+)\(", written))
    figures |= {"nodes": len(graph.nodes), "launches": len(compiled.program.launches), "kernels": len(kernels)}
    return figures | {"calls": calls, "lines": compiled.source.count("\n")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="model", help=f"{', '.join(MODELS)}; default: all")
    parser.add_argument("--depths", default="1,2,4,8,16,32,64", metavar="NUMBERS", help="default: %(default)s")
    options = parser.parse_args()
    models = options.models or list(MODELS)
    if unknown := [model for model in models if model not in MODELS]:
        parser.error(f"unknown model {', '.join(unknown)}; there are {', '.join(MODELS)}")
    depths = [int(depth) for depth in options.depths.split(",")]
    with tempfile.TemporaryDirectory(prefix="benchmark-cache-") as folder:
        os.environ["GRAPHC_CACHE_DIR"] = folder
        measure("recurrent", 3)  # templates and the compiler are known from here on
        for model in models:
            rows = []
            for depth in depths:
                figures = measure(model, depth)
                seconds = [figures[stage] for stage in STAGES]
                sizes = [f"{figures[name]:.0f}" for name in ("nodes", "launches", "kernels", "calls", "lines")]
                rows.append([str(depth), *(f"{each:.2f}" for each in (*seconds, sum(seconds))), *sizes])
            print(f"## {model}\n\n{MODELS[model].__doc__}\n")
            header = ["layers", *STAGES.values(), "sum", "nodes", "launches", "kernels", "calls written", "lines of C"]
            print(markdown(header, rows), flush=True)
            print()


if __name__ == "__main__":
    main()
