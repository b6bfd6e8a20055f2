"""Blocks around launches: the loop interpreter, the memory plan, and C for one thread and for a team agree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import Tensor
from graphc.codegen.blocks import Nested, arranged, live_ranges
from graphc.codegen.c import costs, schedule
from graphc.codegen.executable import compile_loops, load
from graphc.codegen.inplace import reuse_in_place
from graphc.codegen.interpret import OutOfRange, run_program
from graphc.codegen.listing import print_program
from graphc.codegen.loops import Branch, LoopProgram, Repeat
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.memory import PlanError, check_plan, plan_memory
from graphc.codegen.rematerialize import MemoryLimitError
from graphc.ir.graph import Graph
from graphc.ir.interp import interpret
from graphc.ir.passes.pipeline import optimize
from tests.codegen.sanitize import run_sanitized

Arrays = dict[str, np.ndarray]


def normal(*shape: int) -> Tensor:
    return graphc.from_numpy(np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32))


def trained(loss: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """The loss, and its gradients by all floating arguments."""

    def step(*arguments: Tensor) -> tuple[Tensor, ...]:
        wanted = [each for each in arguments if each.dtype.is_floating_point]
        for each in wanted:
            each.requires_grad_()
        value = loss(*arguments)
        return value, *graphc.autograd.grad(value, wanted)

    return step


def recurrence(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    last, ys = graphc.scan(lambda c, x: ((c @ w + x).tanh(), c * x), h, xs)
    return last.sum() + (ys * ys).sum()


def choices(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    def body(c: Tensor, x: Tensor):
        c = graphc.cond(x.sum() > 0, lambda c, x: (c @ w + x).tanh(), lambda c, x: c * x, (c, x))
        return c, c

    last, ys = graphc.scan(body, h, xs)
    return last.sum() + (ys * ys).sum()


def runs_within_runs(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    def body(c: Tensor, x: Tensor):
        (c,) = graphc.while_loop(lambda c: (c * c).sum() > 9, lambda c: (c @ w * 0.2,), (c,), max_iterations=9)
        return c + x, c * x

    last, ys = graphc.scan(body, h * 4, xs)
    return last.sum() + (ys * ys).sum()


def checked(w: Tensor, h: Tensor, xs: Tensor, indices: Tensor) -> Tensor:
    def body(c: Tensor, given: tuple[Tensor, Tensor]):
        x, index = given
        return (c @ w + x).tanh() + graphc.nn.functional.embedding(index, w), c

    last, ys = graphc.scan(body, h, (xs, indices))
    return last.sum() + (ys * ys).sum()


PROGRAMS = (recurrence, choices, runs_within_runs, checked)


def made(loss: Callable[..., Tensor]) -> tuple[Graph, Arrays]:
    """The optimized graph of a loss and its gradients, and arrays for its inputs."""
    arguments = [normal(5, 5), normal(3, 5), normal(6, 3, 5)]
    if loss is checked:
        arguments.append(graphc.tensor([[0, 1, 2], [3, 4, 0], [1, 1, 1], [4, 3, 2], [0, 0, 4], [2, 3, 1]]))
    arrays = [each.numpy().copy() for each in arguments]
    graph = optimize(graphc.trace(trained(loss), *arguments)).graph
    return graph, dict(zip((node.name for node in graph.inputs), arrays, strict=True))


def assert_right(found: Arrays, graph: Graph, program: LoopProgram, inputs: Arrays) -> None:
    expected = interpret(graph, inputs).outputs
    for output, buffer in zip(graph.outputs, program.outputs, strict=True):
        wanted = expected[output.name]
        near = 1e-4 * max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(found[buffer].reshape(wanted.shape), wanted, rtol=1e-4, atol=near)


@pytest.mark.parametrize("loss", PROGRAMS)
@pytest.mark.parametrize("fuse", [True, False])
def test_the_interpreter_walks_blocks(loss: Callable[..., Tensor], fuse: bool) -> None:
    """Before and after results are written over what is read for the last time, with parallel loops watched."""
    graph, inputs = made(loss)
    program = lower(graph, LoweringOptions(fuse))
    assert any(isinstance(block, Repeat) for block in program.blocks)
    for each in (program, reuse_in_place(program)):
        assert_right(run_program(each, inputs, check_parallel=True), graph, each, inputs)


@pytest.mark.parametrize("loss", PROGRAMS)
@pytest.mark.parametrize("threads", [1, 3])
def test_c_for_one_thread_and_for_a_team(
    loss: Callable[..., Tensor], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kernel is shared among threads, as if it were worth it; the result has the same bits at every run."""
    monkeypatch.setattr(schedule, "PROGRAM_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "LEAST_SAVED", 0.0)
    monkeypatch.setattr(costs, "MEETING_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "WAKING_SECONDS", 0.0)
    graph, inputs = made(loss)
    program = lower(graph)
    executable = load(compile_loops(program, threads=threads))
    assert ("#pragma omp barrier" in executable.compiled.source) == (threads > 1)
    first = executable(**inputs)
    outputs = {buffer: first[output.name] for output, buffer in zip(graph.outputs, program.outputs, strict=True)}
    assert_right(outputs, graph, program, inputs)
    for _ in range(20):
        again = executable(**inputs)
        assert all(np.array_equal(again[name], array) for name, array in first.items())


@pytest.mark.parametrize("threads", [1, 3])
def test_an_index_in_a_late_run_ends_the_step(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first, a middle, and the last run: no thread waits for another that has left."""
    monkeypatch.setattr(schedule, "PROGRAM_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "LEAST_SAVED", 0.0)
    monkeypatch.setattr(costs, "MEETING_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "WAKING_SECONDS", 0.0)
    graph, inputs = made(checked)
    program = lower(graph)
    executable = load(compile_loops(program, threads=threads))
    name = next(node.name for node in graph.inputs if not node.type.dtype.is_floating_point)
    for row in (0, 3, 5) * 5:
        wrong = inputs[name].copy()
        wrong[row, 1] = 5
        with pytest.raises(IndexError):
            executable(**{**inputs, name: wrong})
    with pytest.raises(OutOfRange):
        run_program(program, {**inputs, name: wrong})
    executable(**inputs)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc and its sanitizers")
@pytest.mark.parametrize("loss", [runs_within_runs, checked])
def test_sanitizers_find_nothing(loss: Callable[..., Tensor], tmp_path: Path) -> None:
    """Windows of sequences stay within them, and warnings are errors."""
    graph, inputs = made(loss)
    compiled = compile_loops(lower(graph), threads=1)
    types = {output.name: output.node.type for output in graph.outputs}
    arrays = [
        inputs[buffer.name] if buffer.kind != "output" else np.zeros(buffer.size, buffer.dtype.numpy)
        for buffer in compiled.buffers
    ]
    assert len(types) + len(inputs) == len(arrays)
    run_sanitized(compiled, arrays, tmp_path)


def test_blocks_nest_and_hold_what_they_need() -> None:
    """A branch in a loop: what the loop reads of before lives through it, also what only tells which way to go."""
    graph, _ = made(choices)
    program = reuse_in_place(lower(graph))
    items = [item for item in arranged(program) if isinstance(item, Nested)]
    assert [type(item.block) for item in items] == [Repeat, Repeat]
    branches = [inner for item in items for inner in item.items if isinstance(inner, Nested)]
    assert [type(branch.block) for branch in branches] == [Branch, Branch]
    assert all(branch.items and branch.otherwise for branch in branches)
    ranges, loop = live_ranges(program), items[1].block
    saved = {name for block in (loop, branches[1].block) for name in block.controls}
    for name in saved:
        assert ranges[name][0] < loop.first
        assert ranges[name][1] == loop.stop - 1
    text = print_program(program)
    assert f"for {loop.variable} in 0..6 descending" in text
    assert "\n        else\n" in text


def test_a_plan_that_forgets_a_loop_is_found_out() -> None:
    """A buffer that a loop reads in every run, given to others after its last reader in the text."""
    graph, _ = made(choices)
    program = reuse_in_place(lower(graph))
    check_plan(program, plan_memory(program))
    straight = replace(program, blocks=())
    forgetful = plan_memory(straight)
    assert forgetful.arena_bytes <= plan_memory(program).arena_bytes
    with pytest.raises(PlanError):
        check_plan(program, forgetful)


def test_a_memory_limit_is_kept_or_refused() -> None:
    """What the plan does not meet is met by runs that are made again, or refused with the bytes."""
    graph, _ = made(recurrence)
    program = lower(graph)
    needed = compile_loops(program).plan.arena_bytes
    assert compile_loops(program, memory_limit=needed).plan.arena_bytes == needed
    assert compile_loops(program, memory_limit=needed - 64).plan.arena_bytes < needed
    with pytest.raises(MemoryLimitError, match=r"the least that it can do with is [\d,]+ bytes; without a limit"):
        compile_loops(program, memory_limit=0)
