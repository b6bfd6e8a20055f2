"""Operands of a concatenation are computed where they lie in it: no copies, whatever else reads them."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.loops import LoopProgram
from graphc.ir.graph import Builder, Symbol
from tests.codegen.lowering import graph, lowered, normal, op, tensor

Parts = list[Symbol]


def _cat(parts: Parts, dim: int = 0) -> Symbol:
    return op("cat", *parts, dim=dim)


def _program(builder: Builder, **outputs: Symbol) -> LoopProgram:
    """The lowered program of a graph, after it gave what the graph's nodes give one by one."""
    made = graph(builder, outputs)
    return lowered(made, {node.name: normal(*node.type.shape, seed=seed) for seed, node in enumerate(made.inputs)})


def _kernels(program: LoopProgram) -> list[str]:
    return [" ".join(launch.kernel.operations) for launch in program.launches]


@pytest.mark.parametrize("dim", [0, 1])
def test_each_operand_is_computed_in_its_place(dim: int) -> None:
    """One kernel an operand, all into the one buffer of the result."""
    builder = Builder()
    x, y = builder.input("x", tensor(4, 4)), builder.input("y", tensor(4, 4))
    program = _program(builder, whole=_cat([op("exp", x), op("sin", y)], dim))
    assert _kernels(program) == ["exp", "sin"]
    assert {name for launch in program.launches for name in launch.buffers} == {"x", "y", "whole"}


def test_readers_of_an_operand_find_it_in_the_whole() -> None:
    """An operand that something else reads too, through the strides of the whole: rows, columns, and products."""
    builder = Builder()
    x, w = builder.input("x", tensor(5, 6)), builder.input("w", tensor(6, 7))
    y = op("matmul", x, w)
    whole = _cat([op("exp", x), y], 1)
    summed = op("sum", y, dims=(0,))
    again = op("matmul", op("permute", y, dims=(1, 0)), x)
    program = _program(builder, whole=whole, summed=summed, again=again)
    assert "copy" not in " ".join(_kernels(program))


def test_a_whole_may_be_a_part() -> None:
    """What is put together of what is put together is computed in the outermost memory."""
    builder = Builder()
    inputs = [builder.input(f"x{i}", tensor(3, 2)) for i in range(4)]
    pairs = [_cat([op("exp", a), op("sin", b)], 1) for a, b in (inputs[:2], inputs[2:])]
    squared = op("matmul", op("permute", pairs[0], dims=(1, 0)), pairs[0])
    program = _program(builder, whole=_cat(pairs), squared=squared)
    assert len([buffer for buffer in program.buffers if buffer.kind == "temporary"]) == 0


def test_stacked_values_lie_in_the_stack() -> None:
    """Through the reshape that gives each value its new dimension, first or last."""
    for dim, shape in ((0, (1, 3, 4)), (1, (3, 1, 4)), (2, (3, 4, 1))):
        builder = Builder()
        values = [op("tanh", builder.input(f"x{i}", tensor(3, 4))) for i in range(3)]
        rows = [op("sum", value, dims=(1,)) for value in values]
        stacked = _cat([op("reshape", value, shape=shape) for value in values], dim)
        program = _program(builder, stacked=stacked, sums=_cat(rows))
        assert all("copy" not in kernel for kernel in _kernels(program)), dim


def test_what_has_a_place_already_is_copied() -> None:
    """Inputs, results, and values that stand twice in a concatenation get a copy in their place."""
    builder = Builder()
    x = builder.input("x", tensor(2, 3))
    y = op("exp", x)
    program = _program(builder, whole=_cat([x, y, y]), y=y, shown=op("permute", y, dims=(1, 0)))
    assert "copy" in " ".join(_kernels(program))
    assert len({name for launch in program.launches for name in launch.buffers}) == 4


def test_other_work_on_an_operand_still_gets_whole_memory() -> None:
    """What the host, a sort, a scatter, or a loop reads lies densely in memory."""

    def function(x: gc.Tensor, places: gc.Tensor) -> tuple[gc.Tensor, ...]:
        y, z, w = x.exp(), x.sin() + 3 * gc.eye(4), x.cos()
        last, _ = gc.scan(lambda carry, row: (carry * row, carry + row), w[0], w)
        whole = gc.cat([y, z, w], dim=1)
        return whole, y.sort(dim=1).values, gc.linalg.inv(z), y.index_add(0, places, x), last

    x, places = gc.randn(4, 4), gc.tensor([0, 2, 2, 1])
    compiled = gc.compile(function)
    for _ in range(2):
        for ours, eager in zip(compiled(x, places), function(x, places), strict=True):
            gc.testing.assert_close(ours, eager)


@pytest.mark.parametrize("seed", range(40))
def test_random_concatenations(seed: int) -> None:
    """Trees of concatenations of computed values, inputs, and views, read whole or in parts, give the nodes' values."""
    random = np.random.default_rng(seed)
    builder = Builder()
    known: Parts = [builder.input(f"x{i}", tensor(3, 4)) for i in range(3)]
    results: dict[str, Symbol] = {}
    for step in range(8):
        a, b = (known[int(random.integers(len(known)))] for _ in range(2))
        match int(random.integers(6)):
            case 0:
                new = op("exp", op("tanh", a))
            case 1:
                new = op("add", a, b) if a.shape == b.shape else op("neg", a)
            case 2:
                dim = int(random.integers(2))
                fits = a.shape[1 - dim] == b.shape[1 - dim]
                new = _cat([a, b, op("sin", a)] if fits else [a, op("cos", a)], dim)
            case 3:
                new = op("permute", a, dims=(1, 0))
            case 4:
                start = int(random.integers(a.shape[0]))
                new = op("slice", a, starts=(start, 0), stops=a.shape, steps=(1, 1))
            case _:
                new = op("matmul", a, op("permute", a, dims=(1, 0)))
        known.append(new)
        if random.random() < 0.3:
            results[f"r{step}"] = new
    results["sums"] = op("sum", known[-1], dims=(0,))
    results["last"] = known[-1]
    made = graph(builder, results)
    lowered(made, {node.name: normal(*node.type.shape, seed=seed) / 4 for node in made.inputs}, tolerance=1e-4)
