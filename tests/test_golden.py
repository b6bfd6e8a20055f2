"""What the compiler makes of three small programs, stage by stage, held against files that read as documentation.

A change of any stage shows here as a difference of text. After looking at it, write the files anew:

    python -m tests.test_golden --write
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.capture.trace import capture
from graphc.codegen.cuda import compile_cuda
from graphc.codegen.executable import compile_loops
from graphc.codegen.listing import print_program
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.ir.parser import parse_graph
from graphc.ir.passes.pipeline import optimize

GOLDEN = Path(__file__).parent / "golden"
# The same text on every machine: of two threads and vectors of 32 bytes.
THREADS, VECTOR_BYTES = 2, 32

Case = tuple[Callable[..., Any], tuple[gc.Tensor, ...]]


def linear() -> Case:
    """w * x + b, squared error, its backward pass."""
    w, b = gc.tensor(0.5, requires_grad=True), gc.tensor(0.1, requires_grad=True)

    def linear(x, y):
        loss = ((w * x + b - y) ** 2).mean()
        loss.backward()
        return loss

    return linear, (gc.ones(8), gc.ones(8))


def softmax_cross_entropy() -> Case:
    """Rows of scores to the loss of their classes and its gradient."""

    def softmax_cross_entropy(scores, classes):
        loss = F.cross_entropy(scores, classes)
        (gradient,) = gc.autograd.grad(loss, scores)
        return loss, gradient

    return softmax_cross_entropy, (gc.ones(4, 10).requires_grad_(), gc.tensor([1, 0, 9, 3]))


def convolution() -> Case:
    """Convolution, bias, relu, max-pool, and a step of SGD with momentum."""
    gc.manual_seed(0)
    layer = nn.Conv2d(1, 4, 3, padding=1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    def convolution(x):
        optimizer.zero_grad()
        loss = F.max_pool2d(F.relu(layer(x)), 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    return convolution, (gc.ones(2, 1, 8, 8),)


CASES = (linear, softmax_cross_entropy, convolution)


def stages(make: Callable[[], Case]) -> dict[str, str]:
    """The text of every stage of a program."""
    function, arguments = make()
    recording, _ = capture(function, arguments, {})
    optimized = optimize(recording.graph).graph
    loops = lower(optimized)
    compiled = compile_loops(loops, threads=THREADS, vector_bytes=VECTOR_BYTES)
    return {
        "captured.ir": str(recording.forward),
        "backward.ir": str(recording.graph),
        "optimized.ir": str(optimized),
        "loops.ir": print_program(loops),
        "program.c": compiled.source,
        "plan.txt": str(compiled.plan),
        "program.cu": compile_cuda(lower(optimized, LoweringOptions(target=GPU))).source,
    }


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_every_stage_is_as_written(make: Callable[[], Case]) -> None:
    """Captured, backward, and optimized graphs, loops, C, and memory plan are those of the files."""
    for name, text in stages(make).items():
        path = GOLDEN / make.__name__ / name
        expected = path.read_text()
        if text.rstrip("\n") + "\n" != expected:
            lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path.name), "now", lineterm="")
            raise AssertionError("\n".join([f"{make.__name__}/{name} has changed:", *list(lines)[:80]]))


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_graphs_can_be_read_back(make: Callable[[], Case]) -> None:
    """The files of the graphs parse to graphs that print as the files."""
    for name in ("captured.ir", "backward.ir", "optimized.ir"):
        text = (GOLDEN / make.__name__ / name).read_text()
        assert str(parse_graph(text)).rstrip("\n") + "\n" == text


def test_files_name_nothing_of_this_machine() -> None:
    """No absolute path stands in a golden file."""
    for path in GOLDEN.rglob("*.*"):
        assert str(Path.cwd()) not in path.read_text()


def write() -> None:
    """Write all files anew."""
    for make in CASES:
        folder = GOLDEN / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in stages(make).items():
            (folder / name).write_text(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()
