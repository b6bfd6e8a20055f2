"""The interpreter refuses what a schedule must not do."""

from __future__ import annotations

import numpy as np
import pytest

import graphc.ops  # noqa: F401
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import Accumulate, Accumulator, If, Local, LocalArray, Loop, LoopProgram, Random, Store
from graphc.ir.scalars import Call, Constant, within
from graphc.ir.types import bool_, float32, int64
from graphc.randomness.generator import default_generator
from tests.codegen.loop_programs import call, index, kernel, load, pointwise, program


def shifted(by: int, kind: str = "serial", combiner: str | None = None) -> LoopProgram:
    """``y[i + by] = x[i]`` for 8 elements."""
    i = index("i", 8)
    body = (Loop("i", 0, 8, (Store("out0", i + by, load("in0", i), float32, combiner),), kind),)
    one = kernel([("in0", float32, 8, "read"), ("out0", float32, 8, "write")], body, "shift")
    return program("shift", [("x", float32, 8, "argument"), ("y", float32, 8, "output")], [(one, ("x", "y"))])


def test_stores_outside_a_buffer_are_named() -> None:
    """A store past the end names kernel, launch, offset, and statement."""
    with pytest.raises(AssertionError, match=r"kernel shift \(launch 0\): offset 8 of out0, which has 8 elements"):
        run_program(shifted(1), {"x": np.arange(8)})
    with pytest.raises(AssertionError, match="offset -1 of out0"):
        run_program(shifted(-1), {"x": np.arange(8)})


def test_loads_outside_a_buffer_are_named() -> None:
    """A load past the end is named too; one that a condition guards is fine."""
    i = index("i", 8)

    def made(guarded: bool) -> LoopProgram:
        store = Store("out0", i, load("in0", i + 1), float32)
        inner = (If(within(i, 0, 7), (store,)),) if guarded else (store,)
        one = kernel([("in0", float32, 8, "read"), ("out0", float32, 8, "write")], (Loop("i", 0, 8, inner),), "next")
        return program("next", [("x", float32, 8, "argument"), ("y", float32, 8, "output")], [(one, ("x", "y"))])

    with pytest.raises(AssertionError, match="offset 8 of in0"):
        run_program(made(False), {"x": np.arange(8)})
    result = run_program(made(True), {"x": np.arange(8)})["y"]
    np.testing.assert_array_equal(result[:7], np.arange(1, 8))
    assert np.isnan(result[7])  # nobody wrote it


def test_parallel_iterations_must_be_independent() -> None:
    """Two iterations of a parallel loop that write one element, or of which one reads what the other writes, are
    found when asked for."""
    i = index("i", 8)
    same = kernel(
        [("in0", float32, 8, "read"), ("out0", float32, 8, "write")],
        (Loop("i", 0, 8, (Store("out0", i // 2, load("in0", i), float32),), "parallel"),),
        "clash",
    )
    buffers = [("x", float32, 8, "argument"), ("y", float32, 8, "output")]
    clash = program("clash", buffers, [(same, ("x", "y"))])
    run_program(clash, {"x": np.arange(8)})
    with pytest.raises(AssertionError, match=r"iterations 0 and 1 of the parallel loop both touch out0\[0\]"):
        run_program(clash, {"x": np.arange(8)}, check_parallel=True)
    running = kernel(
        [("out0", float32, 8, "update")],
        (Loop("i", 0, 7, (Store("out0", i + 1, load("out0", i), float32),), "parallel"),),
        "run",
    )
    chained = program("run", [("y", float32, 8, "state")], [(running, ("y",))])
    with pytest.raises(AssertionError, match="both touch out0"):
        run_program(chained, {"y": np.arange(8)}, check_parallel=True)
    run_program(shifted(0, "parallel"), {"x": np.arange(8)}, check_parallel=True)


def test_a_read_parameter_is_not_written() -> None:
    """A kernel that stores to a parameter it may only read is refused."""
    i = index("i", 8)
    body = (Loop("i", 0, 8, (Store("in0", i, load("in0", i), float32),)),)
    wrong = program(
        "wrong", [("x", float32, 8, "argument")], [(kernel([("in0", float32, 8, "read")], body, "w"), ("x",))]
    )
    with pytest.raises(AssertionError, match="stores to in0, which it may only read"):
        run_program(wrong, {"x": np.arange(8)})


def test_inputs_are_checked_and_kept() -> None:
    """Missing inputs and wrong sizes are named; the arrays given are not changed."""
    given = program(
        "negate",
        [("w", float32, 4, "state"), ("x", float32, 4, "argument")],
        [(pointwise(4, lambda x: call("neg", x), float32, float32), ("x", "w"))],
    )
    w, x = np.ones(4), np.arange(4.0)
    np.testing.assert_array_equal(run_program(given, {"w": w, "x": x})["w"], -x)
    np.testing.assert_array_equal(w, np.ones(4))
    with pytest.raises(KeyError, match="argument x"):
        run_program(given, {"w": w})
    with pytest.raises(ValueError, match="x has 4 elements, 3 were given"):
        run_program(given, {"w": w, "x": np.ones(3)})


def test_combining_stores_local_arrays_and_accumulators() -> None:
    """Stores that add, arrays of the kernel's own, and an argmax with its position."""
    i = index("i", 6)
    body = (
        LocalArray("bins", float32, 2),
        Loop("z", 0, 2, (Store("bins", index("z", 2), Constant(0.0, float32), float32),)),
        Accumulator("best", float32, "argmax"),
        Loop(
            "i",
            0,
            6,
            (
                Store("bins", i % 2, load("in0", i), float32, "sum"),
                Accumulate("best", float32, "argmax", load("in0", i), i),
            ),
        ),
        Store("out0", 0, load("bins", 0), float32),
        Store("out0", 1, load("bins", 1), float32),
        Store("out0", 2, Call("cast", (Local("best_position", int64),), float32), float32),
    )
    one = kernel([("in0", float32, 6, "read"), ("out0", float32, 3, "write")], body, "bins")
    given = program("bins", [("x", float32, 6, "argument"), ("y", float32, 3, "output")], [(one, ("x", "y"))])
    x = np.array([1, 5, 2, 9, 3, 9.0])
    np.testing.assert_array_equal(run_program(given, {"x": x})["y"], [6, 23, 3])


def test_random_numbers_come_from_the_generator() -> None:
    """A random fill draws from the default generator."""
    one = kernel([("out0", bool_, 50, "write")], (Random("random_bernoulli", "out0", 50, bool_, (0.4,)),), "bernoulli")
    given = program("random", [("y", bool_, 50, "output")], [(one, ("y",))])
    default_generator.manual_seed(5)
    first = run_program(given, {})["y"]
    default_generator.manual_seed(5)
    np.testing.assert_array_equal(first, default_generator.bernoulli(0.4, 50))
