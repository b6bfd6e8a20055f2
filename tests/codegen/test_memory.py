"""The memory plan: no two living buffers share bytes, little is wasted, and the table says what there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen.loops import LoopProgram
from graphc.codegen.memory import PlanError, Scratch, check_plan, plan_memory
from graphc.ir.integers import variable
from graphc.ir.types import float32
from tests.codegen.loop_programs import kernel, program


def chain(sizes: list[int], reads: list[list[int]]) -> LoopProgram:
    """Launch i writes temporary i (of ``sizes[i]`` floats) from the temporaries ``reads[i]``."""
    buffers = [("x", float32, 4, "argument")]
    buffers += [(f"t{i}", float32, size, "temporary") for i, size in enumerate(sizes)]
    launches = []
    for i, size in enumerate(sizes):
        names = [f"t{j}" for j in sorted(set(reads[i]))] or ["x"]
        parameters = [(f"in{k}", float32, 4, "read") for k in range(len(names))]
        launches.append((kernel([*parameters, ("out0", float32, size, "write")], (), "work"), [*names, f"t{i}"]))
    return program("chain", buffers, launches)


@st.composite
def programs(draw: st.DrawFn) -> LoopProgram:
    sizes = draw(st.lists(st.integers(0, 200), min_size=1, max_size=12))
    reads = [draw(st.lists(st.integers(0, i - 1), max_size=3)) if i else [] for i in range(len(sizes))]
    return chain(sizes, reads)


@given(programs())
def test_plans_of_random_programs_are_proved(given_program: LoopProgram) -> None:
    """Whatever the live ranges, the independent checker accepts the plan, and the arena is no larger than all
    buffers laid side by side."""
    plan = plan_memory(given_program)
    check_plan(given_program, plan)
    assert plan.arena_bytes <= sum(-(-p.nbytes // 64) * 64 for p in plan.placements)
    assert plan.peak_bytes <= plan.arena_bytes
    assert all(p.offset % 64 == 0 for p in plan.placements)


@given(programs(), st.data())
def test_the_checker_finds_overlaps(given_program: LoopProgram, data: st.DataObject) -> None:
    """Moving a buffer onto another that lives at the same time, and is read afterwards, is refused, naming it."""
    plan = plan_memory(given_program)
    together = [
        (a, b)
        for a in plan.placements
        for b in plan.placements
        if a.name != b.name and a.nbytes and b.nbytes and a.first < b.first < a.last
    ]
    if not together:
        return
    a, b = data.draw(st.sampled_from(together))
    moved = tuple(replace(p, offset=a.offset) if p is b else p for p in plan.placements)
    with pytest.raises(PlanError, match=rf"\b{b.name}\b"):
        check_plan(given_program, replace(plan, placements=moved, arena_bytes=plan.arena_bytes + b.nbytes))


def test_a_chain_needs_two_buffers() -> None:
    """In a chain only two values live at a time, however long it is."""
    plan = plan_memory(chain([100] * 10, [[i - 1] if i else [] for i in range(10)]))
    assert plan.arena_bytes == 2 * 448
    assert plan.peak_bytes == 800


def test_scratch_lives_for_one_launch() -> None:
    """Scratch memory has a part for every thread, and shares bytes with what is not alive during its launch."""
    given_program = chain([100, 100, 100], [[], [0], [1]])
    plan = plan_memory(given_program, [Scratch(2, "scratch2", 100, 70)], threads=3)
    check_plan(given_program, plan)
    (scratch,) = (p for p in plan.placements if p.kind == "scratch")
    assert (scratch.nbytes, scratch.first, scratch.last) == (128 + 3 * 128, 2, 2)
    assert plan.arena_bytes < 3 * 448 + 512


def test_reading_what_was_never_written_is_refused() -> None:
    """A launch that reads a temporary before any launch wrote it is a fault of the program."""
    backwards = chain([10, 10], [[], [0]])
    backwards = LoopProgram(backwards.name, backwards.graph, backwards.buffers, tuple(reversed(backwards.launches)), ())
    with pytest.raises(PlanError, match="reads t0, whose bytes from 0 on were never written"):
        check_plan(backwards, plan_memory(backwards))


def test_misplaced_buffers_are_refused() -> None:
    """Buffers outside the arena, off their alignment, or too small are refused by name."""
    given_program = chain([10, 10], [[], [0]])
    plan = plan_memory(given_program)
    for change in ({"offset": 4}, {"offset": plan.arena_bytes}):
        wrong = replace(plan, placements=(replace(plan.placements[0], **change), *plan.placements[1:]))
        with pytest.raises(PlanError, match="misaligned or outside"):
            check_plan(given_program, wrong)
    small = replace(plan, placements=(replace(plan.placements[0], nbytes=8), *plan.placements[1:]))
    with pytest.raises(PlanError, match="needs 40 bytes but has 8"):
        check_plan(given_program, small)
    with pytest.raises(PlanError, match="no place"):
        check_plan(given_program, replace(plan, placements=plan.placements[1:]))


def test_symbolic_sizes_are_refused_by_name() -> None:
    """A plan needs numbers; a size that is not known yet is named."""
    unknown = chain([10], [[]])
    buffers = (*unknown.buffers[:1], replace(unknown.buffers[1], size=variable("N") * 3))
    with pytest.raises(TypeError, match=r"t0 takes .*N.* bytes"):
        plan_memory(replace(unknown, buffers=buffers))


def test_the_table_lists_every_buffer_and_the_totals() -> None:
    """The plan prints what the user reads as ``step.plan``."""
    text = str(plan_memory(chain([100, 50, 3000], [[], [0], [1]])))
    assert text.splitlines()[0].split() == ["buffer", "kind", "bytes", "offset", "launches", "made", "at"]
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line and line[0] in "tx"}
    assert rows["x"] == ["x", "argument", "16", "0-0"]
    assert rows["t0"][:3] == ["t0", "temporary", "400"]
    assert rows["t2"][4] == "2-2"
    assert "arena:" in text
    assert "12,600 bytes" in text
    assert np.all([len(line) < 120 for line in text.splitlines()])
