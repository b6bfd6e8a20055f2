"""Rematerialisation: a program that must do with less memory runs launches a second time instead of keeping values.

It works on launches rather than on the graph, since results must keep every bit: the order in which a kernel adds
depends on what is fused with it, and a launch that runs again runs the very same kernel. Random numbers, index checks,
the host's work, and writes to state are never repeated.

Two things are done. Launches are put into an order that frees memory early: one that frees more than it takes runs as
soon as it can (:mod:`ordering`). Then the launches before the turn, where the backward pass begins, are cut into
segments; what passes from one segment to the next is kept, what lies within a segment is made again, once, when the
backward pass comes to it. A loop or a branch is one launch to all of this (:mod:`units`); where that is not enough,
loops are cut into segments of their own (:mod:`checkpoints`). That is the planning of checkpoints by a budget of bytes
for each segment, over which one searches (Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost,
2016, algorithm 3), for programs that are no chains: a segment ends at the cut of the order through which the fewest
bytes pass, and the lazy second run of a segment is the canonical strategy for lower sets (Kusumoto, Inoue, Watanabe,
Akiba, Koyama: A Graph Theoretic Framework of Recomputation Algorithms for Memory-Efficient Backpropagation, 2019). At
last, values are kept again, those first that save most operations for each byte, as long as the program fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from graphc.codegen.checkpoints import variants
from graphc.codegen.inplace import is_safe
from graphc.codegen.loops import Buffer, CallOut, CheckIndex, Contract, Launch, LoopProgram, Random
from graphc.codegen.memory import ALIGNMENT, MemoryPlan, most_bytes
from graphc.codegen.ordering import accesses, holds, order_for_memory
from graphc.codegen.units import BlockKernel, collapse, expand, expanded_places
from graphc.ir.integers import bounds

# How many programs are weighed for the search; each takes about as long as a walk over the launches.
BUDGETS = 18
MOST_TRIALS = 160
MOST_ROUNDS = 5


class MemoryLimitError(RuntimeError):
    """A program does not fit into the memory that it may take. ``least`` is what it could do with, in bytes."""

    def __init__(self, message: str, least: int):
        super().__init__(message)
        self.least = least


@dataclass(frozen=True, slots=True)
class Rematerialization:
    """What was done to fit a program into ``limit`` bytes of arena.

    ``before`` and ``after`` are bytes of the arena, ``launches`` how many run a second time, and ``operations`` the
    scalar operations that these add to the program's ``of_operations``.
    """

    limit: int
    before: int
    after: int
    launches: int
    operations: int
    of_operations: int

    def __str__(self) -> str:
        text = f"memory limit {self.limit:,} bytes: arena {self.after:,} bytes, {self.before:,} without the limit"
        if not self.launches:
            return text
        share = 100 * self.operations / max(self.of_operations, 1)
        return f"{text}; {self.launches} launches run a second time ({share:.1f}% more operations)"


def fit(
    program: LoopProgram, limit: int, plan: Callable[[LoopProgram], MemoryPlan]
) -> tuple[LoopProgram, Rematerialization]:
    """A program that computes the same, bit for bit, in an arena of at most ``limit`` bytes.

    ``plan`` gives the memory plan that a program would get. Raises MemoryLimitError naming the least bytes found.
    """
    before = plan(program).arena_bytes
    whole = sum(map(_operations, collapse(program).launches))
    if before <= limit:
        return program, Rematerialization(limit, before, before, 0, 0, whole)
    least = before
    # Loops are cut into segments only where that is needed: their runs are all made again.
    for given in (program, *variants(program)):
        found, arena, trial = _fitted(collapse(given), limit, plan)
        if found is not None:
            launches = len(given.launches) - len(program.launches) + (trial.launches if trial else 0)
            operations = sum(map(_operations, collapse(given).launches)) - whole + (trial.operations if trial else 0)
            return expand(found), Rematerialization(limit, before, arena, launches, operations, whole)
        least = min(least, arena)
    raise _too_much(program, limit, least, before)


def _fitted(
    program: LoopProgram, limit: int, plan: Callable[[LoopProgram], MemoryPlan]
) -> tuple[LoopProgram | None, int, _Trial | None]:
    """A program without blocks that fits, the bytes of its arena, and what runs again; or None and the least bytes."""
    ordered = order_for_memory(program)
    plans = [(given, plan(expand(given))) for given in (ordered, program)]
    least, best = min(((found.arena_bytes, given) for given, found in plans), key=lambda each: each[0])
    if least <= limit:
        return best, least, None
    fitting: list[tuple[float, int, LoopProgram, _Trial]] = []
    for given, found in plans:
        model = _Model(given, _scratch(given, found))
        # A plan may take somewhat more than what lives at one time: then the search aims lower.
        aim = limit
        for attempt in range(MOST_ROUNDS):
            trial = _search(model, aim)
            candidate = model.program(trial)
            arena = plan(expand(candidate)).arena_bytes
            if arena <= limit:
                fitting.append((trial.cost, arena, candidate, trial))
                break
            if not aim:
                least = min(least, arena)
                break
            last = trial.peak > aim or attempt == MOST_ROUNDS - 2
            aim = 0 if last else max(min(aim - 1, aim * limit // arena), 0)
    if fitting:
        _, arena, candidate, trial = min(fitting, key=lambda each: each[:2])
        return candidate, arena, trial
    return None, least, None


def _scratch(program: LoopProgram, plan: MemoryPlan) -> dict[int, int]:
    """The bytes of scratch of each launch, from the plan of the expanded program."""
    places = expanded_places(program)
    found: dict[int, int] = {}
    for each in plan.placements:
        if each.kind == "scratch":
            found[places[each.first]] = max(found.get(places[each.first], 0), each.nbytes)
    return found


def _too_much(program: LoopProgram, limit: int, least: int, before: int) -> MemoryLimitError:
    """The error for a program that can't do with what it may take."""
    return MemoryLimitError(
        f"{program.name} may take {limit:,} bytes of memory (memory_limit), and the least that it can do with is "
        f"{least:,} bytes; without a limit it takes {before:,}. Arguments, parameters, state, and results are not "
        "counted",
        least,
    )


def _operations(launch: Launch) -> int:
    return bounds(launch.operations)[1] or 0


# Segments and second runs.


@dataclass(frozen=True, slots=True)
class _Trial:
    """A choice of values that are kept past the turn: the launches in order (each with whether it is a second run), the
    most bytes that live at one time and where, the cost of the second runs, their scalar operations alone, and their
    launches, those within blocks too."""

    turn: int
    kept: frozenset[str]
    order: tuple[tuple[int, bool], ...]
    again: tuple[int, ...]
    peak: int
    at: int
    cost: float
    operations: int
    launches: int


class _Model:
    """What the search knows of a program: sizes, reads, and writes of each launch, and which of them may run again."""

    def __init__(self, program: LoopProgram, scratch: dict[int, int]):
        self.source = program
        launches = program.launches
        self.sizes = {
            buffer.name: -(-most_bytes(buffer) // ALIGNMENT) * ALIGNMENT
            for buffer in program.buffers
            if buffer.kind == "temporary"
        }
        self.elements = {buffer.name: buffer.size for buffer in program.buffers}
        self.scratch = [scratch.get(number, 0) for number in range(len(launches))]
        self.cost = [float(_operations(launch)) + _traffic(launch) for launch in launches]
        self.reads: list[tuple[str, ...]] = []
        self.writes: list[tuple[str, ...]] = []
        for launch in launches:
            given = [(name, access) for name, access in accesses(launch) if name in self.sizes]
            self.reads.append(tuple(name for name, access in given if access == "read"))
            self.writes.append(tuple(name for name, access in given if access != "read"))
        places = expanded_places(program)
        self.launches = [places.count(number) for number in range(len(launches))]
        self.in_place = [self._in_place(launch) for launch in launches]
        self.makers = self._makers()
        self.repeatable = self._repeatable()
        self.last: dict[str, int] = {}
        self.first: dict[str, int] = {}
        for number in range(len(launches)):
            for name in (*self.reads[number], *self.writes[number]):
                self.last[name] = number
                self.first.setdefault(name, number)
        self.stale = self._stale()
        self._trials: dict[tuple[int, frozenset[str]], _Trial] = {}

    def _in_place(self, launch: Launch) -> tuple[tuple[str, str], ...]:
        """Pairs of a value read and one written that could share their memory if this were the last read."""
        if isinstance(launch.kernel.body, Contract) or isinstance(launch.kernel, BlockKernel):
            return ()
        found = []
        pairs = list(enumerate(zip(launch.buffers, launch.kernel.parameters, strict=True)))
        for old, (name, read) in pairs:
            for new, (into, write) in pairs:
                temporary = name in self.sizes and into in self.sizes and launch.buffers.count(name) == 1
                fits = (read.access, write.access) == ("read", "write") and launch.start(old) == launch.start(new)
                fits = fits and (read.dtype, self.elements.get(name)) == (write.dtype, self.elements.get(into))
                if temporary and fits and is_safe(launch.kernel, read.name, write.name):
                    found.append((name, into))
        return tuple(found)

    def _makers(self) -> dict[str, tuple[int, ...]]:
        """For each value the launches that make it, in order, with those that make what these write beside it."""
        group: dict[str, list[int]] = {}
        for number, written in enumerate(self.writes):
            merged = sorted({number, *(each for name in written for each in group.get(name, ()))})
            names = {name for each in merged for name in self.writes[each]}
            for name in names:
                group[name] = merged
        return {name: tuple(numbers) for name, numbers in group.items()}

    def _repeatable(self) -> frozenset[str]:
        """Values that may be made again: without an effect, and without writing what the caller sees."""
        kinds = {buffer.name: buffer.kind for buffer in self.source.buffers}
        single = []
        for launch in self.source.launches:
            effect = any(holds(launch, kind) for kind in (Random, CheckIndex, CallOut))
            seen = any(
                access != "read" and kinds[name] != "temporary" and (kinds[name], access) != ("output", "write")
                for name, access in accesses(launch)
            )
            single.append(not effect and not seen)
        return frozenset(name for name, numbers in self.makers.items() if all(single[each] for each in numbers))

    def _stale(self) -> list[int]:
        """For each launch the first that writes to state which it reads: after that it can't run again."""
        states = {buffer.name for buffer in self.source.buffers if buffer.kind == "state"}
        written: dict[str, int] = {}
        for number, launch in enumerate(self.source.launches):
            for name, access in accesses(launch):
                if name in states and access != "read":
                    written.setdefault(name, number)
        end = len(self.source.launches)
        return [
            min((written.get(name, end) for name in launch.buffers), default=end) for launch in self.source.launches
        ]

    def turns(self) -> list[int]:
        """Where the backward pass may be said to begin."""
        phases = [
            {origin.location.phase for origin in launch.origins if origin.location is not None}
            for launch in self.source.launches
        ]
        backward = [number for number, found in enumerate(phases) if "backward" in found and "forward" not in found]
        forward = [number for number, found in enumerate(phases) if found == {"forward"}]
        peak = self.trial(len(phases), frozenset(self.sizes)).at
        return sorted({*backward[:1], *(number + 1 for number in forward[-1:]), peak} - {0})

    def trial(self, turn: int, kept: frozenset[str]) -> _Trial:
        """The program in which values from before the turn that are not ``kept`` are made again where they are read."""
        known = self._trials.get((turn, kept))
        if known is None:
            known = self._trials[turn, kept] = self._weigh(turn, kept)
        return known

    def _weigh(self, turn: int, kept: frozenset[str]) -> _Trial:
        while True:
            order: list[tuple[int, bool]] = []
            remade: set[int] = set()
            missing: str | None = None
            for number in range(len(self.reads)):
                if number >= turn:
                    missing = self._remake(number, turn, kept, remade, order)
                    if missing is not None:
                        break
                order.append((number, False))
            if missing is None:
                break
            kept = kept | {missing}
        again = tuple(number for number, second in order if second)
        peak, at = self._peak(turn, kept, order)
        cost = sum(self.cost[number] for number in again)
        operations = sum(_operations(self.source.launches[number]) for number in again)
        launches = sum(self.launches[number] for number in again)
        return _Trial(turn, kept, tuple(order), again, peak, at, cost, operations, launches)

    def _remake(
        self, number: int, turn: int, kept: AbstractSet[str], remade: set[int], order: list[tuple[int, bool]]
    ) -> str | None:
        """Append second runs of what a launch reads; gives a value that can no longer be made, where there is one."""
        pending = [number]
        while pending:
            current = pending[-1]
            lacking: list[int] = []
            for name in (*self.reads[current], *self.writes[current]):
                makers = self.makers.get(name, ())
                if name in kept or not makers or makers[-1] >= turn:
                    continue
                if current in makers and current != number:
                    continue
                fresh = [each for each in makers if each not in remade]
                if fresh and min(self.stale[each] for each in fresh) < number:
                    return name
                lacking += [each for each in fresh if each not in lacking]
            if current != number:
                # The launches that make a value run in their order, one after another.
                lacking += [each for each in self._together(current) if each < current and each not in remade]
            lacking = [each for each in lacking if each != current]
            if lacking and min(lacking) in pending:
                # Launches that make several values may wait for each other: one of these is kept.
                return next(name for name, makers in self.makers.items() if current in makers and name not in kept)
            if lacking:
                pending.append(min(lacking))
                continue
            pending.pop()
            if current != number and current not in remade:
                remade.add(current)
                order.append((current, True))
        return None

    def _together(self, number: int) -> tuple[int, ...]:
        return self.makers[self.writes[number][0]] if self.writes[number] else ()

    def names(self, turn: int, kept: AbstractSet[str], number: int, second: bool) -> dict[str, str]:
        """The names under which a launch knows the values it touches, in a program that makes some again."""
        found: dict[str, str] = {}
        for name in (*self.reads[number], *self.writes[number]):
            early = name in self.makers and self.makers[name][-1] < turn
            if (second and name in self.writes[number]) or (early and name not in kept and (second or number >= turn)):
                found[name] = f"{name}_again"
            else:
                found[name] = name
        return found

    def _peak(self, turn: int, kept: AbstractSet[str], order: Sequence[tuple[int, bool]]) -> tuple[int, int]:
        """The most bytes that live at one time, and the launch at which they do."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        size: dict[str, int] = {}
        renamed = [self.names(turn, kept, number, second) for number, second in order]
        for position, names in enumerate(renamed):
            for name, new in names.items():
                first.setdefault(new, position)
                last[new] = position
                size[new] = self.sizes[name]
        change = [0] * (len(order) + 1)
        for new, position in first.items():
            change[position] += size[new]
            change[last[new] + 1] -= size[new]
        live = most = at = 0
        for position, (number, _) in enumerate(order):
            live += change[position]
            names = renamed[position]
            shared = next(
                (
                    self.sizes[read]
                    for read, write in self.in_place[number]
                    if last[names[read]] == position and first[names[write]] == position
                ),
                0,
            )
            if live - shared + self.scratch[number] > most:
                most, at = live - shared + self.scratch[number], number
        return most, at

    def program(self, trial: _Trial) -> LoopProgram:
        """The loop program of a trial."""
        buffers = {buffer.name: buffer for buffer in self.source.buffers}
        made: dict[str, Buffer] = {}

        def copy_of(name: str) -> str:
            if name not in made:
                new = f"{name}_again"
                while new in buffers:
                    new += "_"
                made[name] = replace(buffers[name], name=new, kind="temporary")
            return made[name].name

        launches: list[Launch] = []
        for number, second in trial.order:
            launch = self.source.launches[number]
            names = self.names(trial.turn, trial.kept, number, second)
            given = []
            for name, access in accesses(launch):
                # A second run writes nothing that the caller sees.
                anew = (second and access != "read") or names.get(name, name) != name
                given.append(copy_of(name) if anew else name)
            launches.append(replace(launch, buffers=tuple(given)))
        return replace(self.source, buffers=(*self.source.buffers, *made.values()), launches=tuple(launches))


def _traffic(launch: Launch) -> float:
    """The bytes that a launch reads and writes, as so many scalar operations."""
    return sum(bounds(each.size * each.dtype.itemsize)[1] or 0 for each in launch.kernel.parameters) / 4


def _search(model: _Model, aim: int) -> _Trial:
    """The cheapest program found whose values take at most ``aim`` bytes at one time, or the one that takes least."""
    trials = [model.trial(turn, kept) for turn in model.turns() for kept in _choices(model, turn)]
    fitting = [trial for trial in trials if trial.peak <= aim]
    if fitting:
        return _keep_again(model, min(fitting, key=lambda trial: (trial.cost, trial.peak)), aim)
    best = min(trials, key=lambda trial: (trial.peak, trial.cost))
    best = _drop_more(model, best, aim)
    return _keep_again(model, best, aim) if best.peak <= aim else best


def _choices(model: _Model, turn: int) -> Iterator[frozenset[str]]:
    """Sets of values to keep: by budgets of bytes for a segment, with and without what is costly to make again."""
    early = [name for name, makers in model.makers.items() if makers[-1] < turn]
    saved = [name for name in early if name in model.repeatable and model.last[name] >= turn]
    always = frozenset(model.sizes) - {name for name in early if name in model.repeatable}
    yield always | set(early)
    if not saved:
        return
    total = sum(model.sizes[name] for name in saved)
    density = {name: sum(model.cost[each] for each in model.makers[name]) / max(model.sizes[name], 1) for name in saved}
    ranked = sorted(density.values())
    thresholds = [float("inf"), *dict.fromkeys(ranked[len(ranked) * part // 4] for part in (1, 2, 3))]
    for step in range(BUDGETS):
        segments = _segments(model, turn, saved, total / 2 ** (step / 2))
        for threshold in thresholds:
            yield always | segments | {name for name in saved if density[name] > threshold}


def _segments(model: _Model, turn: int, saved: Sequence[str], budget: float) -> frozenset[str]:
    """What is kept where segments hold about ``budget`` bytes of values that the backward pass reads."""
    gained = [0] * turn
    for name in saved:
        gained[model.makers[name][-1]] += model.sizes[name]
    crossing: list[list[str]] = [[] for _ in range(turn)]
    for name, makers in model.makers.items():
        if name in model.repeatable and makers[-1] < turn:
            readers = [number for number in range(makers[-1] + 1, turn) if name in model.reads[number]]
            for number in range(makers[-1], readers[-1] if readers else makers[-1]):
                crossing[number].append(name)
    passing = [sum(model.sizes[name] for name in names) for names in crossing]
    kept: set[str] = set()
    start, held = 0, 0
    for number in range(turn):
        held += gained[number]
        if held < budget:
            continue
        # The cut through which the fewest bytes pass, in the later half of the segment.
        half, reached = start, 0
        while half < number and reached + gained[half] < budget / 2:
            reached += gained[half]
            half += 1
        cut = min(range(half, number + 1), key=lambda each: (passing[each], -each))
        kept.update(crossing[cut])
        start = cut + 1
        held = sum(gained[start : number + 1])
    kept.update(name for name in saved if model.makers[name][-1] >= start)
    return frozenset(kept)


def _keep_again(model: _Model, trial: _Trial, aim: int) -> _Trial:
    """Keep values that need not be made again, those first that save most operations for each byte."""
    units: dict[frozenset[str], float] = {}
    for number in trial.again:
        together = model.makers[model.writes[number][0]]
        names = frozenset(name for each in together for name in model.writes[each]) - trial.kept
        units[names] = sum(model.cost[each] for each in together) / max(sum(model.sizes[name] for name in names), 1)
    for names in sorted(units, key=lambda names: (-units[names], sorted(names)))[:MOST_TRIALS]:
        candidate = model.trial(trial.turn, trial.kept | names)
        if candidate.peak <= aim and candidate.cost < trial.cost:
            trial = candidate
    return trial


def _drop_more(model: _Model, trial: _Trial, aim: int) -> _Trial:
    """Make more again of what lives where most memory is taken, as long as that lowers it."""
    left = MOST_TRIALS
    while left > 0 and trial.peak > aim:
        around = [
            name
            for name in trial.kept & model.repeatable
            if model.makers[name][-1] < trial.turn and name not in (*model.reads[trial.at], *model.writes[trial.at])
        ]
        for name in sorted(around, key=lambda name: (-model.sizes[name], name)):
            left -= 1
            candidate = model.trial(trial.turn, trial.kept - {name})
            if (candidate.peak, candidate.cost) < (trial.peak, trial.cost) or left <= 0:
                break
        else:
            return trial
        if candidate.peak >= trial.peak:
            return trial
        trial = candidate
    return trial
