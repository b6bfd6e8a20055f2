"""Loops that keep what they carry now and then, and make the rows in between again, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc
from graphc import Tensor
from graphc.codegen.checkpoints import segmented, variants
from graphc.codegen.executable import compile_loops, load
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import LoopProgram, Random, Repeat
from graphc.codegen.lower import lower
from graphc.codegen.ordering import holds
from graphc.codegen.rematerialize import MemoryLimitError
from graphc.ir.passes.pipeline import optimize
from tests.codegen.test_blocks import normal, trained


def plain(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    last, ys = graphc.scan(lambda c, x: ((c @ w + x).tanh(), (c * x).sin()), h, xs)
    return last.sum() + (ys * ys).sum()


def backwards(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    last, ys = graphc.scan(lambda c, x: ((c @ w + x).tanh(), (c * x).sin()), h, xs, reverse=True)
    return last.sum() + (ys * ys).sum()


def layers_with_choices(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
    def body(c: Tensor, x: Tensor):
        c = graphc.cond(x.sum() > 0, lambda c, x: (c @ w + x).tanh(), lambda c, x: c * x, (c, x))
        return c, c

    last, ys = graphc.scan(body, h, xs)
    end, zs = graphc.scan(lambda c, x: ((c @ w + x).tanh(), c), h, ys)
    return last.sum() + (ys * ys).sum() + end.sum() + zs.sum()


def made(loss: Callable[..., Tensor], runs: int) -> tuple[LoopProgram, dict[str, np.ndarray]]:
    arguments = [normal(5, 5), normal(3, 5), normal(runs, 3, 5)]
    arrays = [each.numpy().copy() for each in arguments]
    graph = optimize(graphc.trace(trained(loss), *arguments)).graph
    return lower(graph), dict(zip((node.name for node in graph.inputs), arrays, strict=True))


@pytest.mark.parametrize("loss", [plain, backwards, layers_with_choices])
@pytest.mark.parametrize("runs", [4, 16, 19])
def test_segments_give_the_same_bits(loss: Callable[..., Tensor], runs: int) -> None:
    """Forwards and backwards, with branches within, and where the segments do not come out even."""
    program, inputs = made(loss, runs)
    expected = run_program(program, inputs)
    for factor in (2.0, 1.0, 0.5):
        cut = segmented(program, factor)
        assert len(cut.blocks) > len(program.blocks)
        found = run_program(cut, inputs, check_parallel=True)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def test_the_history_is_that_of_one_segment() -> None:
    """Rows of about the root of the runs, and as many checkpoints: 64 runs take little more than a quarter."""
    program, inputs = made(plain, 64)
    cut = segmented(program)
    before, after = (compile_loops(each).plan.arena_bytes for each in (program, cut))
    assert after < 0.4 * before
    assert {each.size for each in cut.buffers if each.name.endswith("_rows")} == {8 * 3 * 5}
    loops = [block for block in cut.blocks if isinstance(block, Repeat)]
    assert [(block.count, block.descending) for block in loops] == [
        *[(8, False), (8, False)],
        *[(8, True), (8, False), (8, True)],
    ]
    expected = load(compile_loops(program))(**inputs)
    for threads in (1, 3):
        found = load(compile_loops(cut, threads=threads))(**inputs)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def test_a_limit_cuts_loops_where_nothing_else_helps() -> None:
    """A single loop and its derivative: the limit is met, or the least of all ways is named."""
    program, _ = made(plain, 64)
    before = compile_loops(program).plan.arena_bytes
    with pytest.raises(MemoryLimitError) as refusal:
        compile_loops(program, memory_limit=0)
    assert refusal.value.least < 0.4 * before
    limited = compile_loops(program, memory_limit=refusal.value.least)
    assert limited.plan.arena_bytes == refusal.value.least
    assert limited.rematerialization.operations > 0
    assert "run a second time" in str(limited.rematerialization)


def test_what_can_not_run_again_is_left_alone() -> None:
    """Loops that draw, that go on by a value, that are short, and those whose rows are results."""

    def draws(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
        return graphc.scan(lambda c, x: ((graphc.nn.functional.dropout(c) @ w + x).tanh(), c), h, xs)[0].sum()

    def goes_on(w: Tensor, h: Tensor, xs: Tensor) -> Tensor:
        more = (lambda c: c.abs().sum() < 50, lambda c: ((c @ w).exp(),))
        return graphc.while_loop(*more, (h,), max_iterations=20)[0].sum() + xs.sum()

    for loss in (draws, goes_on):
        program, _ = made(loss, 16)
        assert segmented(program) is program
        assert list(variants(program)) == []
    assert any(holds(launch, Random) for launch in made(draws, 16)[0].launches)
    short, _ = made(plain, 3)
    assert segmented(short) is short
    xs = normal(16, 3, 5)
    forward = lower(optimize(graphc.trace(lambda xs: graphc.scan(lambda c, x: (c + x, c), xs[0], xs), xs)).graph)
    assert segmented(forward) is forward
