"""What launches are thought to take, and which programs a team of threads is woken for."""

from __future__ import annotations

import pytest

from graphc.codegen.c.costs import CACHE_BYTES, Costs, works_in_vectors
from graphc.codegen.executable import compile_loops
from graphc.codegen.loops import Contract, LoopProgram
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from tests.codegen.lowering import graph, op, tensor


def _pointwise(rows: int, columns: int) -> LoopProgram:
    b = Builder("pointwise")
    x, y = b.input("x", tensor(rows, columns)), b.input("y", tensor(rows, columns))
    return lower(graph(b, {"out": op("add", op("mul", x, y), y)}))


def _perceptron(batch: int, width: int, depth: int) -> LoopProgram:
    b = Builder("perceptron")
    x = b.input("x", tensor(batch, width))
    for layer in range(depth):
        x = op("tanh", op("matmul", x, b.input(f"w{layer}", tensor(width, width))))
    return lower(graph(b, {"out": x}))


def test_work_on_neighbours_is_quicker_than_work_far_apart() -> None:
    """As many elements, read as they lie or across: a core works on vectors, or on one element after the other."""
    b = Builder("across")
    x = b.input("x", tensor(100, 200))
    across = lower(graph(b, {"out": op("exp", op("permute", x, dims=(1, 0)))}))
    b = Builder("along")
    along = lower(graph(b, {"out": op("exp", b.input("x", tensor(100, 200)))}))
    assert [works_in_vectors(program.launches[0].kernel.body) for program in (along, across)] == [True, False]
    seconds = [Costs(program).seconds(program.launches[0]) for program in (along, across)]
    assert seconds[0] * 2 < seconds[1] or seconds[1] > 1e-4


def test_what_fits_a_cache_moves_quicker() -> None:
    """The same launch, of a program that fits the cache and of one that does not, by each byte."""
    small, large = _pointwise(64, 512), _pointwise(64, 1 << 15)
    assert sum(buffer.nbytes for buffer in small.buffers) < CACHE_BYTES < sum(b.nbytes for b in large.buffers)
    by_byte = [
        Costs(program).seconds(program.launches[0]) / sum(buffer.nbytes for buffer in program.buffers)
        for program in (small, large)
    ]
    assert by_byte[0] * 2 < by_byte[1]


@pytest.mark.parametrize(
    ("batch", "width", "depth", "shared"),
    [(1, 64, 8, False), (8, 48, 40, False), (64, 256, 3, True)],
)
def test_threads_are_woken_where_they_save_more_than_they_cost(
    batch: int, width: int, depth: int, shared: bool
) -> None:
    """Layers of a microsecond each are one thread's work, however many there are; large ones are shared."""
    program = _perceptron(batch, width, depth)
    assert any(isinstance(launch.kernel.body, Contract) for launch in program.launches) == (batch > 1)
    source = compile_loops(program, threads=2).source
    assert ("#pragma omp parallel" in source) == shared
    assert "#pragma omp parallel" not in compile_loops(program, threads=1).source
