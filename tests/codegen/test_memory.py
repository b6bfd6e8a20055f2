"""The memory plan: no two living buffers share bytes, little is wasted, and the table says what there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen import memory
from graphc.codegen.loops import Buffer, LoopProgram, Parameter, Repeat
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


def with_outputs(given_program: LoopProgram, outputs: dict[int, int]) -> LoopProgram:
    """The chain, with an output more for each launch of ``outputs``, of so many floats, which that launch writes."""
    launches, buffers = list(given_program.launches), list(given_program.buffers)
    for at, size in outputs.items():
        launch = launches[at]
        parameters = (*launch.kernel.parameters, Parameter("out1", float32, size, "write"))
        kernel = replace(launch.kernel, parameters=parameters)
        launches[at] = replace(launch, kernel=kernel, buffers=(*launch.buffers, f"o{at}"))
        buffers.append(Buffer(f"o{at}", float32, size, "output"))
    names = tuple(f"o{at}" for at in outputs)
    return replace(given_program, buffers=tuple(buffers), launches=tuple(launches), outputs=names)


@given(programs(), st.data())
def test_plans_that_use_the_memory_of_outputs_are_proved(given_program: LoopProgram, data: st.DataObject) -> None:
    """Temporaries and scratch in outputs that are written later pass the checker, and save bytes of the arena or stay
    out of them."""
    places = st.integers(0, len(given_program.launches) - 1)
    whole = with_outputs(given_program, data.draw(st.dictionaries(places, st.integers(0, 400))))
    scratch = [Scratch(at, f"scratch{at}", 100, 30) for at in data.draw(st.sets(places))]
    without = plan_memory(given_program, scratch).arena_bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "WORTH_A_ROOM", 1)
        patch.setattr(memory, "WORTH_OF_ARENA", 0)
        plan = plan_memory(whole, scratch)
    check_plan(whole, plan)
    assert plan.arena_bytes <= without
    assert not plan.rooms or plan.arena_bytes < without


def test_a_value_lives_in_an_output_until_that_is_written() -> None:
    """What dies before an output is written needs no arena; the table says where it is."""
    program = with_outputs(chain([10_000, 10_000, 10], [[], [0], [1]]), {2: 20_000})
    plan = plan_memory(program)
    check_plan(program, plan)
    assert (plan.place("t0").room, plan.place("t1").room, plan.rooms) == ("o2", "", {"o2"})
    assert plan.peak_bytes == 40_040
    row = next(line.split() for line in str(plan).splitlines() if line.startswith("t0"))
    assert row[3:6] == ["o2", "+", "0"]


def test_memory_of_an_output_that_is_written_is_refused() -> None:
    """An output that holds something is no place for others, not even for what is written again in the next run."""
    program = with_outputs(chain([10_000, 10_000, 10_000], [[], [0], [1]]), {1: 20_000})
    plan = plan_memory(program)
    placements = tuple(replace(each, room="o1", offset=0) if each.name == "t2" else each for each in plan.placements)
    with pytest.raises(PlanError, match=r"uses t2 in the memory of o1, an output that it or an earlier launch"):
        check_plan(program, replace(plan, placements=placements))
    program = with_outputs(chain([10_000, 10_000], [[], [0]]), {1: 20_000})
    plan = plan_memory(program)
    (t0,) = (each for each in plan.placements if each.name == "t0")
    with pytest.raises(PlanError, match="outside o1 of 80000 bytes"):
        check_plan(program, replace(plan, placements=(replace(t0, room="o1", offset=64_000), plan.place("t1"))))
    with pytest.raises(PlanError, match="placed in x, which is no output"):
        check_plan(program, replace(plan, placements=(replace(t0, room="x"), plan.place("t1"))))
    with pytest.raises(PlanError, match=r"writes t1 to bytes that t0 uses"):
        check_plan(program, replace(plan, placements=(t0, replace(plan.place("t1"), room=t0.room, offset=0))))


def test_an_output_that_a_loop_writes_is_free_before_the_loop_alone() -> None:
    """A run of a loop may write a part of the output that an earlier run began."""
    program = with_outputs(chain([30_000, 30_000, 10, 10, 10], [[], [0], [1], [2], [3]]), {3: 30_000})
    program = replace(program, blocks=(Repeat(2, 5, 3, "run"),))
    plan = plan_memory(program)
    check_plan(program, plan)
    assert plan.rooms == {"o3"}
    assert all(each.last < 2 for each in plan.placements if each.room)
    wrong = tuple(replace(each, room="o3", offset=0) if each.name == "t2" else each for each in plan.placements)
    with pytest.raises(PlanError, match="o3"):
        check_plan(program, replace(plan, placements=wrong))


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
