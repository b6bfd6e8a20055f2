"""How launches become calls: which run on one thread, which are shared among threads, and where threads must meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.loops import Contract, Launch, LoopProgram
from graphc.codegen.memory import MemoryPlan, Placement
from graphc.ir.integers import bounds

# A rough model of one core, good enough to tell 1 microsecond from 10.
BYTES_PER_SECOND = 20e9
OPERATIONS_PER_SECOND = 8e9
CONTRACTION_OPERATIONS_PER_SECOND = 60e9
# Waking a team of threads pays only for a program, and meeting only for a launch, of so many seconds.
PROGRAM_SECONDS = 40e-6
LAUNCH_SECONDS = 4e-6


@dataclass(frozen=True, slots=True)
class Step:
    """A call of one phase of a kernel. ``items`` is None where one thread does it all."""

    comment: str
    launch: int
    function: str
    arguments: tuple[str, ...]
    start: str
    items: str | None
    check: int | None
    call: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that run without meeting in between; ``barrier``: threads meet before; ``checked``: an index error that
    was found before ends the run here."""

    parallel: bool
    barrier: bool
    checked: bool
    steps: tuple[Step, ...]


def estimated_seconds(launch: Launch, program: LoopProgram) -> float:
    """About how long one core takes for a launch."""
    operations = bounds(launch.operations)[1] or 0
    nbytes = sum(bounds(parameter.size * parameter.dtype.itemsize)[1] or 0 for parameter in launch.kernel.parameters)
    is_contraction = isinstance(launch.kernel.body, Contract)
    rate = CONTRACTION_OPERATIONS_PER_SECOND if is_contraction else OPERATIONS_PER_SECOND
    return max(operations / rate, nbytes / BYTES_PER_SECOND)


def group_steps(program: LoopProgram, plan: MemoryPlan, steps: Sequence[Step]) -> tuple[tuple[Group, ...], bool]:
    """The steps in groups, and whether they are worth a team of threads at all."""
    seconds = [estimated_seconds(launch, program) for launch in program.launches]
    worth_sharing = [step.items is not None and seconds[step.launch] > LAUNCH_SECONDS for step in steps]
    threaded = sum(seconds) > PROGRAM_SECONDS and plan.threads > 1 and any(worth_sharing)
    if not threaded:
        alone = tuple(_call(step, shared=False) for step in steps)
        return (Group(False, False, False, alone),) if alone else (), False
    groups: list[Group] = []
    pending: list[_Access] = []  # what ran since the threads last met
    unseen_check = False
    table = _Places(program, plan)
    for step, shared in zip(steps, worth_sharing, strict=True):
        accesses = _accesses(program, table, step, shared)
        meets = any(access.conflicts(other) for access in accesses for other in pending)
        if meets or (unseen_check and step.check is None):
            pending = []
            barrier = True
        else:
            barrier = False
        checked = barrier and unseen_check
        if checked:
            unseen_check = False
        pending.extend(accesses)
        step = _call(step, shared)
        if groups and not barrier and groups[-1].parallel == shared:
            groups[-1] = replace(groups[-1], steps=(*groups[-1].steps, step))
        else:
            groups.append(Group(shared, barrier, checked, (step,)))
        unseen_check = unseen_check or step.check is not None
    return tuple(groups), True


def _call(step: Step, shared: bool) -> Step:
    arguments = list(step.arguments)
    if step.items is not None:
        if shared:
            shift = "" if step.start == "0" else f"{step.start} + "
            arguments.append(f"{shift}gc_share({step.items}, 1, thread, team)")
            arguments.append(f"{shift}gc_share({step.items}, 1, thread + 1, team)")
        else:
            stop = step.items if step.start == "0" else f"{step.start} + {step.items}"
            arguments += [step.start, stop]
    return replace(step, call=f"{step.function}({', '.join(arguments)})")


@dataclass(frozen=True, slots=True)
class _Access:
    """Bytes that a step touches: of the arena (space "") or of a caller's buffer (its name)."""

    space: str
    start: int
    stop: int
    writes: bool
    shared: bool

    def conflicts(self, other: _Access) -> bool:
        """Whether the two need the threads to meet in between."""
        if self.space != other.space or not (self.writes or other.writes):
            return False
        if not self.shared and not other.shared:
            return False  # both on the first thread, in order
        return self.start < other.stop and other.start < self.stop


class _Places:
    """Where buffers are, by name, and the scratch memory of each launch."""

    def __init__(self, program: LoopProgram, plan: MemoryPlan):
        self.of_buffer = {placement.name: placement for placement in plan.placements}
        self.callers = {buffer.name for buffer in program.buffers if buffer.kind != "temporary"}
        self.scratch: dict[int, list[Placement]] = {}
        for placement in plan.placements:
            if placement.kind == "scratch":
                self.scratch.setdefault(placement.first, []).append(placement)


def _accesses(program: LoopProgram, table: _Places, step: Step, shared: bool) -> list[_Access]:
    launch = program.launches[step.launch]
    found = []
    for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True):
        writes = parameter.access != "read"
        place = table.of_buffer.get(name)
        if place is not None:
            found.append(_Access("", place.offset, place.stop, writes, shared))
        elif name in table.callers:
            found.append(_Access(name, 0, 1, writes, shared))
    scratch = table.scratch.get(step.launch, ())
    found.extend(_Access("", place.offset, place.stop, True, shared) for place in scratch)
    return found
