"""What threads have to do with the launches of a program: which of them are shared, and where the threads must meet."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.blocks import Item, Nested, arranged, runs_of
from graphc.codegen.c.costs import WAKING_SECONDS, Costs, meeting_seconds
from graphc.codegen.c.rolling import Argument
from graphc.codegen.loops import Block, LoopProgram, Repeat
from graphc.codegen.memory import MemoryPlan, Placement

# Waking a team of threads that has gone to sleep pays only for a program of so many seconds, and sharing work among
# threads only where so much of a program's time is saved.
PROGRAM_SECONDS = 40e-6
LEAST_SAVED = 1 / 6
WHOLE = 1 << 62  # bytes: no buffer has more


@dataclass(frozen=True, slots=True)
class Step:
    """A call of one phase of a kernel. ``items`` is None where one thread does it all; with ``shared`` the threads
    share them. With ``barrier`` the threads meet before, and with ``checked`` an index error that was found before ends
    the run here."""

    operations: str
    places: str
    launch: int
    function: str
    arguments: tuple[Argument, ...]
    start: str
    items: str | None
    may_fail: bool
    shared: bool = False
    barrier: bool = False
    checked: bool = False

    @property
    def key(self) -> Hashable:
        """What is equal for calls that can be one call in a loop."""
        forms = tuple(argument.form for argument in self.arguments)
        return (self.function, forms, self.start, self.items, self.may_fail, self.shared, self.barrier, self.checked)


@dataclass(frozen=True, slots=True)
class Walk:
    """A block, and what is scheduled within. With ``alone`` the first thread walks it, else all threads do: then an
    error ends the step at the end of a run where ``leaving``. ``barrier`` and ``checked`` are as those of a step, and
    ``launch`` is the first within."""

    block: Block
    items: tuple[Step | Walk, ...]
    otherwise: tuple[Step | Walk, ...]
    alone: bool = False
    barrier: bool = False
    checked: bool = False
    leaving: bool = False

    @property
    def launch(self) -> int:
        return self.block.first


def schedule(program: LoopProgram, plan: MemoryPlan, steps: Sequence[Step]) -> tuple[tuple[Step | Walk, ...], bool]:
    """The steps, within the program's blocks, with what threads have to do with them; and whether they are worth a team
    of threads at all.

    A launch is shared where that saves more than meeting before and after it costs; a program, where what is saved by
    all of them, less the meetings that they come to, is a good part of its time.
    """
    items = arranged(program)
    costs, runs = Costs(program), runs_of(program)
    seconds = [costs.seconds(launch) for launch in program.launches]
    whole = sum(each * count for each, count in zip(seconds, runs, strict=True))
    of_launch: dict[int, list[Step]] = {}
    for step in steps:
        of_launch.setdefault(step.launch, []).append(step)
    alone = _alone(items, of_launch)
    if plan.threads == 1 or whole <= PROGRAM_SECONDS:
        return alone, False
    saving, meeting = 1 - 1 / plan.threads, meeting_seconds(plan.threads)
    worth = {number for number, each in enumerate(seconds) if each * saving > 2 * meeting}
    shared = {
        number: [replace(step, shared=step.items is not None and number in worth) for step in steps]
        for number, steps in of_launch.items()
    }
    together = _Team(program, plan, shared).items(items)
    saved = sum(
        seconds[number] * runs[number] * saving
        for number, steps in shared.items()
        if any(step.shared for step in steps)
    )
    meetings = sum(runs[each.launch] for each in _within(together) if each.barrier)
    if saved - meetings * meeting - WAKING_SECONDS <= LEAST_SAVED * whole:
        return alone, False
    return together, True


def _within(items: Iterable[Step | Walk]) -> Iterator[Step | Walk]:
    """All steps and blocks, those within blocks too."""
    for item in items:
        yield item
        if isinstance(item, Walk):
            yield from _within((*item.items, *item.otherwise))


def _alone(items: Sequence[Item], steps: dict[int, list[Step]]) -> tuple[Step | Walk, ...]:
    """Launches and blocks as one thread walks them."""
    found: list[Step | Walk] = []
    for item in items:
        if isinstance(item, int):
            found += steps.get(item, ())
        else:
            found.append(Walk(item.block, _alone(item.items, steps), _alone(item.otherwise, steps), alone=True))
    return tuple(found)


class _Team:
    """Schedules what a team of threads does."""

    def __init__(self, program: LoopProgram, plan: MemoryPlan, steps: dict[int, list[Step]]):
        self.program = program
        self.steps = steps
        self.places = _Places(program, plan)
        self.pending = _Pending()  # what ran since the threads last met
        self.unseen_check = False

    def items(self, items: Sequence[Item]) -> tuple[Step | Walk, ...]:
        """Launches and blocks, in order."""
        found: list[Step | Walk] = []
        for item in items:
            if isinstance(item, int):
                found += [self._step(step) for step in self.steps.get(item, ())]
            else:
                found.append(self._walk(item))
        return tuple(found)

    def _step(self, step: Step) -> Step:
        barrier, checked = self._meet(_accesses(self.program, self.places, step), step.may_fail)
        self.unseen_check = self.unseen_check or step.may_fail
        return replace(step, barrier=barrier, checked=checked)

    def _meet(self, accesses: Sequence[_Access], may_fail: bool) -> tuple[bool, bool]:
        """Whether threads meet before what makes these accesses, and whether they then look for errors."""
        barrier = self.pending.conflicts(accesses) or (self.unseen_check and not may_fail)
        checked = barrier and self.unseen_check
        if barrier:
            self.pending, self.unseen_check = _Pending(), False
        self.pending.add(accesses)
        return barrier, checked

    def _walk(self, nested: Nested) -> Walk:
        block = nested.block
        steps = [step for number in range(block.first, block.stop) for step in self.steps.get(number, ())]
        if not any(step.shared or step.may_fail for step in steps):
            accesses = [access for step in steps for access in _accesses(self.program, self.places, step)]
            barrier, checked = self._meet([*accesses, *self.places.controls(block, shared=False)], False)
            (alone,) = _alone([nested], self.steps)
            return replace(alone, barrier=barrier, checked=checked)
        return self._together(nested, any(step.may_fail for step in steps))

    def _together(self, nested: Nested, may_fail: bool) -> Walk:
        """A block that all threads walk. What tells them where to go is written only while none of them reads it."""
        checked = self.unseen_check
        barrier = checked or bool(self.pending.accesses)
        controls = self.places.controls(nested.block, shared=True)
        self._begin(controls)
        items = self.items(nested.items)
        if isinstance(nested.block, Repeat):
            self._begin(controls)  # at the end of each run the threads have met
            return Walk(nested.block, items, (), barrier=barrier, checked=checked, leaving=may_fail)
        before, unseen = self.pending, self.unseen_check
        self._begin(controls)
        otherwise = self.items(nested.otherwise)
        for accesses in before.accesses.values():
            self.pending.add(tuple(accesses))
        self.unseen_check = self.unseen_check or unseen
        return Walk(nested.block, items, otherwise, barrier=barrier, checked=checked)

    def _begin(self, controls: Sequence[_Access]) -> None:
        """Go on after threads have met, while they read what tells them where to go."""
        self.pending, self.unseen_check = _Pending(), False
        self.pending.add(controls)


@dataclass(frozen=True, slots=True)
class _Access:
    """Bytes that a step touches: of the arena (space "") or of a caller's buffer (its name), which counts as touched
    whole where it is not a room of the memory plan."""

    space: str
    start: int
    stop: int
    writes: bool
    shared: bool


class _Pending:
    """What ran since the threads last met, by where it is, whether threads shared it, and whether it writes."""

    def __init__(self) -> None:
        self.accesses: dict[tuple[str, bool, bool], set[_Access]] = {}

    def conflicts(self, accesses: Sequence[_Access]) -> bool:
        """Whether threads must meet before what makes these accesses."""
        return any(
            access.start < other.stop and other.start < access.stop
            for access in accesses
            # What only the first thread does stays in order, and what only reads disturbs no reader.
            for shared in ((True, False) if access.shared else (True,))
            for writes in ((True, False) if access.writes else (True,))
            for other in self.accesses.get((access.space, shared, writes), ())
        )

    def add(self, accesses: Sequence[_Access]) -> None:
        for access in accesses:
            self.accesses.setdefault((access.space, access.shared, access.writes), set()).add(access)


class _Places:
    """Where buffers are, by name, and the scratch memory of each launch."""

    def __init__(self, program: LoopProgram, plan: MemoryPlan):
        self.of_buffer = {placement.name: placement for placement in plan.placements}
        self.callers = {buffer.name for buffer in program.buffers if buffer.kind != "temporary"}
        self.scratch: dict[int, list[Placement]] = {}
        for placement in plan.placements:
            if placement.kind == "scratch":
                self.scratch.setdefault(placement.first, []).append(placement)

    def access(self, name: str, writes: bool, shared: bool) -> _Access:
        """An access of a buffer."""
        place = self.of_buffer.get(name)
        if place is None:
            return _Access(name, 0, WHOLE, writes, shared)
        return _Access(place.room, place.offset, place.stop, writes, shared)

    def controls(self, block: Block, shared: bool) -> list[_Access]:
        """The accesses of what tells how often a block runs, or which of its arms."""
        return [self.access(name, False, shared) for name in block.controls]


def _accesses(program: LoopProgram, table: _Places, step: Step) -> list[_Access]:
    launch = program.launches[step.launch]
    found = []
    for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True):
        if name in table.of_buffer or name in table.callers:
            found.append(table.access(name, parameter.access != "read", step.shared))
    scratch = table.scratch.get(step.launch, ())
    found.extend(_Access(place.room, place.offset, place.stop, True, step.shared) for place in scratch)
    return found
