"""How launches become calls: which run on one thread, which are shared among threads, and where threads must meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.blocks import Item, Nested, arranged, runs_of
from graphc.codegen.c.names import comment
from graphc.codegen.loops import Block, Contract, Launch, LoopProgram, Repeat
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
class Braces:
    """Control flow around steps and groups: ``head`` is what stands before the braces, ``items`` and ``otherwise`` what
    stands in them and in those of an ``else``.

    Where threads walk it together, ``barrier`` and ``checked`` are those of a :class:`Group`. ``turning``: threads meet
    at the end of each run; ``leaving``: an error in the run ends all there.
    """

    comment: str
    launch: int  # the first within
    head: str
    items: tuple[Group | Step | Braces, ...]
    otherwise: tuple[Group | Step | Braces, ...] = ()
    barrier: bool = False
    checked: bool = False
    turning: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that run without meeting in between; ``barrier``: threads meet before; ``checked``: an index error that
    was found before ends the run here."""

    parallel: bool
    barrier: bool
    checked: bool
    steps: tuple[Step | Braces, ...]

    @property
    def launch(self) -> int:
        """The first launch within."""
        return self.steps[0].launch


def estimated_seconds(launch: Launch, program: LoopProgram) -> float:
    """About how long one core takes for a launch."""
    operations = bounds(launch.operations)[1] or 0
    nbytes = sum(bounds(parameter.size * parameter.dtype.itemsize)[1] or 0 for parameter in launch.kernel.parameters)
    is_contraction = isinstance(launch.kernel.body, Contract)
    rate = CONTRACTION_OPERATIONS_PER_SECOND if is_contraction else OPERATIONS_PER_SECOND
    return max(operations / rate, nbytes / BYTES_PER_SECOND)


def group_steps(
    program: LoopProgram, plan: MemoryPlan, steps: Sequence[Step], heads: Mapping[Block, str]
) -> tuple[tuple[Group | Braces, ...], bool]:
    """The steps in groups, within the program's blocks, and whether they are worth a team of threads at all. ``heads``
    are the C texts that blocks begin with."""
    seconds = [estimated_seconds(launch, program) for launch in program.launches]
    worth_sharing = [step.items is not None and seconds[step.launch] > LAUNCH_SECONDS for step in steps]
    whole = sum(each * runs for each, runs in zip(seconds, runs_of(program), strict=True))
    threaded = whole > PROGRAM_SECONDS and plan.threads > 1 and any(worth_sharing)
    of_launch: dict[int, list[tuple[Step, bool]]] = {}
    for step, shared in zip(steps, worth_sharing, strict=True):
        of_launch.setdefault(step.launch, []).append((step, shared and threaded))
    writer = _Writer(program, of_launch, heads)
    if not threaded:
        alone = writer.alone(arranged(program))
        return (Group(False, False, False, alone),) if alone else (), False
    return tuple(_Team(writer, _Places(program, plan)).items(arranged(program))), True


class _Writer:
    """Writes what one thread does by itself."""

    def __init__(self, program: LoopProgram, steps: Mapping[int, list[tuple[Step, bool]]], heads: Mapping[Block, str]):
        self.program = program
        self.steps = steps
        self.heads = heads

    def alone(self, items: Sequence[Item]) -> tuple[Step | Braces, ...]:
        """Launches and blocks, in order."""
        found: list[Step | Braces] = []
        for item in items:
            if isinstance(item, int):
                found += [_call(step, shared=False) for step, _ in self.steps.get(item, ())]
            else:
                found.append(self.braces(item, self.alone(item.items), self.alone(item.otherwise)))
        return tuple(found)

    def braces(
        self, nested: Nested, items: Sequence[Step | Braces | Group], otherwise: Sequence[Step | Braces | Group]
    ) -> Braces:
        """A block around what was written of it."""
        origin = nested.block.origin
        text = "" if origin is None else comment(f"{origin.operation}  {origin.location or ''}")
        return Braces(text, nested.block.first, self.heads[nested.block], tuple(items), tuple(otherwise))

    def within(self, nested: Nested) -> list[tuple[Step, bool]]:
        """The steps of all launches in a block."""
        block = nested.block
        return [step for number in range(block.first, block.stop) for step in self.steps.get(number, ())]


class _Team:
    """Writes what a team of threads does, and where they meet."""

    def __init__(self, writer: _Writer, places: _Places):
        self.writer = writer
        self.places = places
        self.pending: list[_Access] = []  # what ran since the threads last met
        self.unseen_check = False

    def items(self, items: Sequence[Item]) -> list[Group | Braces]:
        """Launches and blocks, in order."""
        groups: list[Group | Braces] = []
        for item in items:
            if isinstance(item, int):
                for step, shared in self.writer.steps.get(item, ()):
                    self._append(groups, _call(step, shared), shared, self._accesses(step, shared))
                    self.unseen_check = self.unseen_check or step.check is not None
                continue
            steps = self.writer.within(item)
            if any(shared or step.check is not None for step, shared in steps):
                groups.append(self._together(item, steps))
                continue
            accesses = [access for step, _ in steps for access in self._accesses(step, False)]
            accesses += self.places.controls(item.block, shared=False)
            text = self.writer.braces(item, self.writer.alone(item.items), self.writer.alone(item.otherwise))
            self._append(groups, text, False, accesses)
        return groups

    def _append(
        self, groups: list[Group | Braces], text: Step | Braces, shared: bool, accesses: Sequence[_Access]
    ) -> None:
        meets = any(access.conflicts(other) for access in accesses for other in self.pending)
        barrier = meets or (self.unseen_check and (isinstance(text, Braces) or text.check is None))
        checked = barrier and self.unseen_check
        if barrier:
            self.pending = []
            self.unseen_check = False
        self.pending.extend(accesses)
        last = groups[-1] if groups else None
        if isinstance(last, Group) and not barrier and last.parallel == shared:
            groups[-1] = replace(last, steps=(*last.steps, text))
        else:
            groups.append(Group(shared, barrier, checked, (text,)))

    def _together(self, nested: Nested, steps: Sequence[tuple[Step, bool]]) -> Braces:
        """A block that all threads walk; what tells them where to go is written only while none of them reads it."""
        barrier, checked = bool(self.pending), self.unseen_check
        controls = self.places.controls(nested.block, shared=True)
        self.pending, self.unseen_check = list(controls), False
        items = self.items(nested.items)
        if isinstance(nested.block, Repeat):
            fails = any(step.check is not None for step, _ in steps)
            self.pending, self.unseen_check = list(controls), False
            text = replace(self.writer.braces(nested, items, ()), turning=True, leaving=fails)
        else:
            after, unseen = self.pending, self.unseen_check
            self.pending, self.unseen_check = list(controls), False
            text = self.writer.braces(nested, items, self.items(nested.otherwise))
            self.pending, self.unseen_check = [*after, *self.pending], unseen or self.unseen_check
        return replace(text, barrier=barrier or checked, checked=checked)

    def _accesses(self, step: Step, shared: bool) -> list[_Access]:
        return _accesses(self.writer.program, self.places, step, shared)


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

    def controls(self, block: Block, shared: bool) -> list[_Access]:
        """The accesses of the buffers that tell how often a block runs, or which of its arms."""
        return [self.access(name, False, shared) for name in block.controls]

    def access(self, name: str, writes: bool, shared: bool) -> _Access:
        """An access of a buffer that has a place or is a caller's."""
        place = self.of_buffer.get(name)
        if place is None:
            return _Access(name, 0, 1, writes, shared)
        return _Access("", place.offset, place.stop, writes, shared)


def _accesses(program: LoopProgram, table: _Places, step: Step, shared: bool) -> list[_Access]:
    launch = program.launches[step.launch]
    found = []
    for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True):
        if name in table.of_buffer or name in table.callers:
            found.append(table.access(name, parameter.access != "read", shared))
    scratch = table.scratch.get(step.launch, ())
    found.extend(_Access("", place.offset, place.stop, True, shared) for place in scratch)
    return found
