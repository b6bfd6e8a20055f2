"""Second runs of launches: the same values in less memory, and nothing repeated that has an effect."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis.strategies import data, integers, lists, sampled_from

import graphc.ops  # noqa: F401
from graphc.codegen.executable import compile_loops
from graphc.codegen.interpret import run_program
from graphc.codegen.loops import LoopProgram
from graphc.codegen.memory import check_plan, plan_memory
from graphc.codegen.ordering import order_for_memory
from graphc.codegen.rematerialize import MemoryLimitError, fit
from graphc.ir.scalars import Call
from graphc.ir.types import float32, int64
from tests.codegen.loop_programs import call, pointwise, program, row_gather

SIZE = 256
BYTES = SIZE * 4


def chain(length: int) -> LoopProgram:
    """Values v1 ... vn, each the sine of the one before, and a sweep back that multiplies them up, last one first."""
    step = pointwise(SIZE, lambda x: call("sin", x), float32, float32)
    back = pointwise(SIZE, lambda g, x: call("mul", g, call("cos", x)), float32, float32, float32)
    names = ["x", *(f"v{n}" for n in range(1, length + 1))]
    sweep = [f"g{n}" for n in range(length, 0, -1)]
    buffers = [("x", float32, SIZE, "argument"), ("seed", float32, SIZE, "argument")]
    buffers += [(name, float32, SIZE, "temporary") for name in (*names[1:], *sweep)]
    buffers += [("y", float32, SIZE, "output")]
    launches = [(step, (before, after)) for before, after in itertools.pairwise(names)]
    cotangents = ["seed", *sweep]
    for number, (before, after) in enumerate(itertools.pairwise(cotangents)):
        launches.append((back, (before, names[length - number], after)))
    launches.append((back, (cotangents[-1], "x", "y")))
    return program("chain", buffers, launches)


def arena(given: LoopProgram) -> int:
    return plan_memory(given).arena_bytes


def values_of(given: LoopProgram) -> np.ndarray:
    generator = np.random.default_rng(0)
    inputs = {name: generator.standard_normal(SIZE).astype(np.float32) for name in ("x", "seed")}
    return run_program(given, inputs)["y"]


@pytest.mark.parametrize("length", [4, 9, 16, 36, 64])
def test_a_chain_takes_about_the_root_of_its_length(length: int) -> None:
    """Checkpoints of a chain: no more than three times the root of the length lives, each launch runs at most twice,
    and the result is the same."""
    given = chain(length)
    with pytest.raises(MemoryLimitError) as refusal:
        fit(given, 0, plan_memory)
    least = refusal.value.least
    assert least <= (3 * length**0.5 + 3) * BYTES
    fitted, told = fit(given, least, plan_memory)
    assert arena(fitted) == told.after <= least < told.before == arena(given)
    assert 0 < told.launches <= length
    assert len(fitted.launches) == len(given.launches) + told.launches
    np.testing.assert_array_equal(values_of(fitted), values_of(given))


def test_more_memory_means_fewer_second_runs() -> None:
    """Every limit is kept, and what a looser one costs is never more."""
    given = chain(40)
    costs = []
    for limit in range(20, 46, 5):
        fitted, told = fit(given, limit * BYTES, plan_memory)
        assert arena(fitted) <= limit * BYTES
        costs.append(told.operations)
        np.testing.assert_array_equal(values_of(fitted), values_of(given))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == 0


def test_a_program_that_fits_is_left_alone() -> None:
    """A limit that the plan keeps changes nothing."""
    given = chain(5)
    fitted, told = fit(given, arena(given), plan_memory)
    assert fitted is given
    assert told.launches == 0
    assert str(told) == (
        f"memory limit {arena(given):,} bytes: arena {arena(given):,} bytes, {arena(given):,} without the limit"
    )


def test_the_refusal_names_limit_and_least_and_what_counts() -> None:
    """One byte below the least is refused, with the bytes."""
    given = chain(9)
    with pytest.raises(MemoryLimitError) as refusal:
        fit(given, 10, plan_memory)
    least = refusal.value.least
    assert str(refusal.value) == (
        f"chain may take 10 bytes of memory (memory_limit), and the least that it can do with is {least:,} bytes; "
        f"without a limit it takes {arena(given):,}. Arguments, parameters, state, and results are not counted"
    )
    assert arena(fit(given, least, plan_memory)[0]) <= least
    with pytest.raises(MemoryLimitError):
        fit(given, least - 1, plan_memory)


def test_the_order_frees_early() -> None:
    """Readers of a large value that stand at the end move up to where they can first run; the values are the same."""
    double = pointwise(SIZE, lambda x: call("add", x, x), float32, float32)
    total = pointwise(1, lambda x: call("neg", x), float32, float32)
    count = 6
    buffers = [("x", float32, SIZE, "argument"), ("seed", float32, SIZE, "argument"), ("y", float32, SIZE, "output")]
    buffers += [(f"a{n}", float32, SIZE, "temporary") for n in range(count)]
    buffers += [(f"s{n}", float32, 1, "output") for n in range(count)]
    launches = [(double, ("x", f"a{n}")) for n in range(count)]
    launches += [(total, (f"a{n}", f"s{n}")) for n in range(count)]
    launches += [(double, ("x", "y"))]
    given = program("apart", buffers, launches)
    ordered = order_for_memory(given)
    assert sorted(map(id, ordered.launches)) == sorted(map(id, given.launches))
    assert arena(given) == count * BYTES
    assert arena(ordered) == BYTES
    inputs = {name: np.arange(SIZE, dtype=np.float32) for name in ("x", "seed")}
    for name, value in run_program(given, inputs).items():
        np.testing.assert_array_equal(run_program(ordered, inputs)[name], value)


def test_kernels_that_run_twice_are_written_once() -> None:
    """A second run is a call of the same C function."""
    given = chain(30)
    before = compile_loops(given)
    after = compile_loops(given, memory_limit=before.plan.arena_bytes // 2)
    assert after.rematerialization.launches > 0
    assert after.plan.arena_bytes <= before.plan.arena_bytes // 2
    assert after.source.count("sin") <= before.source.count("sin") + 4


def test_what_reads_at_an_index_stays_behind_its_check() -> None:
    """A gather would free its index at once, but the check of the index comes first."""
    check, gather = row_gather(4, 1, SIZE)
    double = pointwise(SIZE, lambda x: call("add", x, x), float32, float32)
    names = [("x", float32, SIZE), ("w", float32, 4)]
    buffers = [(name, dtype, size, "argument") for name, dtype, size in names]
    buffers += [("index", int64, SIZE, "temporary"), ("a", float32, SIZE, "temporary")]
    buffers += [("y", float32, SIZE, "output"), ("z", float32, SIZE, "output")]
    make = pointwise(SIZE, lambda x: Call("cast", (x,), int64), float32, int64)
    launches = [
        (make, ("x", "index")),
        (double, ("x", "a")),
        (check, ("index",)),
        (gather, ("index", "w", "y")),
        (double, ("a", "z")),
    ]
    ordered = order_for_memory(program("gathers", buffers, launches))
    kernels = [launch.kernel for launch in ordered.launches]
    assert kernels.index(check) < kernels.index(gather)


@settings(max_examples=60, deadline=None)
@drawn(data())
def test_random_programs_keep_their_values_under_any_limit(draw) -> None:
    """Programs of random shape: under every limit between the least and the whole, the values are the same and fit."""
    unary = [pointwise(SIZE, lambda x, f=f: call(f, x), float32, float32) for f in ("sin", "neg", "tanh")]
    binary = [
        pointwise(SIZE, lambda x, y, f=f: call(f, x, y), float32, float32, float32) for f in ("add", "mul", "sub")
    ]
    count = draw.draw(integers(3, 24), "launches")
    names, launches = ["x", "seed"], []
    for number in range(count):
        chosen = draw.draw(sampled_from(unary + binary), "kernel")
        arity = len(chosen.parameters) - 1
        read = [draw.draw(sampled_from(names), "operand") for _ in range(arity)]
        if arity == 2 and read[0] == read[1]:
            chosen, read = unary[0], read[:1]
        names.append(f"v{number}")
        launches.append((chosen, (*read, names[-1])))
    outputs = draw.draw(lists(sampled_from(names[2:]), min_size=1, max_size=3, unique=True), "outputs") + names[-1:]
    buffers = [(name, float32, SIZE, "argument") for name in names[:2]]
    buffers += [(name, float32, SIZE, "output" if name in outputs else "temporary") for name in names[2:]]
    whole = program("random", buffers, launches)
    inputs = {name: np.random.default_rng(1).standard_normal(SIZE).astype(np.float32) for name in names[:2]}
    expected = run_program(whole, inputs)
    least = arena(whole)
    try:
        fit(whole, 0, plan_memory)
    except MemoryLimitError as refusal:
        least = refusal.least
    limit = draw.draw(integers(least, max(arena(whole), least)), "limit")
    fitted, _ = fit(whole, limit, plan_memory)
    assert arena(fitted) <= limit
    check_plan(fitted, plan_memory(fitted))
    found = run_program(fitted, inputs)
    for name in set(outputs):
        np.testing.assert_array_equal(found[name], expected[name])
