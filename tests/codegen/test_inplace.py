"""Results written over values that are read for the last time: where it is safe, and only there."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import graphc.ops  # noqa: F401
from graphc.codegen.executable import compile_loops
from graphc.codegen.executable import load as load_program
from graphc.codegen.inplace import reuse_in_place
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import If, Kernel, Loop, LoopProgram, Store
from graphc.codegen.memory import check_plan, plan_memory
from graphc.ir.scalars import within
from graphc.ir.types import float32
from tests.codegen.loop_programs import call, floats, index, kernel, load, pointwise, program, softmax

SIZE = 48


def between(middle: Kernel) -> LoopProgram:
    """x doubled into a temporary, ``middle`` from that into another, and that turned around into y."""
    double = pointwise(SIZE, lambda x: call("add", x, x), float32, float32)
    buffers = [
        ("x", float32, SIZE, "argument"),
        ("a", float32, SIZE, "temporary"),
        ("b", float32, SIZE, "temporary"),
        ("y", float32, SIZE, "output"),
    ]
    turn = of_body(UNSAFE["reversed"])
    return program("between", buffers, [(double, ("x", "a")), (middle, ("a", "b")), (turn, ("b", "y"))])


def of_body(body: tuple) -> Kernel:
    return kernel([("in0", float32, SIZE, "read"), ("out0", float32, SIZE, "write")], body, "middle")


i, j = index("i", 6), index("j", 8)
FLAT = index("i", SIZE)
SAFE = {
    "flat": (Loop("i", 0, SIZE, (Store("out0", FLAT, call("neg", load("in0", FLAT)), float32),), "parallel"),),
    "nested": (
        Loop("i", 0, 6, (Loop("j", 0, 8, (Store("out0", i * 8 + j, load("in0", i * 8 + j), float32),)),), "parallel"),
    ),
}
UNSAFE = {
    "reversed": (Loop("i", 0, SIZE, (Store("out0", SIZE - 1 - FLAT, load("in0", FLAT), float32),)),),
    "transposed": (
        Loop("i", 0, 6, (Loop("j", 0, 8, (Store("out0", j * 6 + i, load("in0", i * 8 + j), float32),)),)),
    ),
    "again": (
        Loop("j", 0, 2, (Loop("i", 0, SIZE, (Store("out0", FLAT, load("in0", FLAT), float32),)),)),
    ),
    "sometimes": (
        Loop(
            "i",
            0,
            SIZE,
            (
                Store("out0", FLAT, load("in0", FLAT), float32),
                If(within(FLAT, 0, 9), (Store("out0", FLAT, load("in0", FLAT), float32),)),
            ),
        ),
    ),
    "neighbour": (
        Loop(
            "i",
            1,
            SIZE,
            (Store("out0", FLAT, call("add", load("in0", FLAT), load("in0", FLAT - 1)), float32),),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*SAFE, *UNSAFE])
def test_reuse_is_proved(name: str) -> None:
    """A result at the element that was read takes its memory; any other order of elements keeps two buffers. The
    results are the same bits either way."""
    given = between(of_body({**SAFE, **UNSAFE}[name]))
    reused = reuse_in_place(given)
    assert (len(reused.buffers) == len(given.buffers) - 1) == (name in SAFE)
    check_plan(reused, plan_memory(reused))
    x = floats(SIZE)
    expected = run_program(given, {"x": x})["y"]
    np.testing.assert_array_equal(run_program(reused, {"x": x})["y"], expected)
    written = ~np.isnan(expected)
    np.testing.assert_array_equal(load_program(compile_loops(given))(x=x)["y"][written], expected[written])


def test_values_needed_later_are_kept() -> None:
    """A value that a later launch reads is not written over; rows that are read in several sweeps are not either."""
    given = between(of_body(SAFE["flat"]))
    last = given.launches[-1]
    again = type(last)(last.kernel, ("a", "y"), last.origins, last.operations)
    kept = LoopProgram(given.name, given.graph, given.buffers, (*given.launches, again), given.outputs)
    assert len(reuse_in_place(kept).buffers) == len(kept.buffers)
    assert len(reuse_in_place(between(softmax(6, 8))).buffers) == 4


def chain(*names: str) -> LoopProgram:
    """Each of the buffers is the negative of the one before; the first is an argument, those with a y are outputs."""
    negate = pointwise(SIZE, lambda x: call("neg", x), float32, float32)
    kinds = ["output" if name.startswith("y") else "temporary" for name in names[1:]]
    buffers = [(name, float32, SIZE, kind) for name, kind in zip(names, ["argument", *kinds], strict=True)]
    return program("chain", buffers, [(negate, pair) for pair in itertools.pairwise(names)])


def test_chains_collapse() -> None:
    """A chain of pointwise launches runs in one buffer, and where that becomes an output, in the output's memory."""
    given = chain("x", "a", "b", "c", "d", "y")
    turn = of_body(UNSAFE["reversed"])
    inner = replace(given.launches[-1], kernel=turn)
    compiled = compile_loops(replace(given, launches=(*given.launches[:-1], inner)))
    assert compiled.plan.total("temporary") == SIZE * 4
    x = floats(SIZE)
    np.testing.assert_array_equal(load_program(compiled)(x=x)["y"], x[::-1])
    compiled = compile_loops(given)
    assert (compiled.plan.total("temporary"), compiled.plan.arena_bytes) == (0, 0)
    np.testing.assert_array_equal(load_program(compiled)(x=x)["y"], -x)


def test_an_output_that_holds_something_is_not_worked_in() -> None:
    """A temporary becomes an output only where the output is first written, and only where it is no longer read."""
    given = chain("x", "a", "y1", "b", "y2")
    reused = reuse_in_place(given)
    assert {buffer.name for buffer in reused.buffers} == {"x", "y1", "y2"}
    x = floats(SIZE)
    results = load_program(compile_loops(given))(x=x)
    np.testing.assert_array_equal(results["y1"], x)
    np.testing.assert_array_equal(results["y2"], x)
    # y is written before, then again from b.
    negate = given.launches[0].kernel
    twice = program(
        "twice",
        [("x", float32, SIZE, "argument"), ("b", float32, SIZE, "temporary"), ("y", float32, SIZE, "output")],
        [(negate, ("x", "y")), (negate, ("y", "b")), (negate, ("b", "y"))],
    )
    assert len(reuse_in_place(twice).buffers) == 3
    np.testing.assert_array_equal(load_program(compile_loops(twice))(x=x)["y"], -x)
