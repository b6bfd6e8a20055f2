"""How launches become calls, equal runs of them loops, and blocks control flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.c.names import Names, comment
from graphc.codegen.c.rolling import VARIABLES, Repeat, Turns, find_repeats
from graphc.codegen.c.schedule import Step, Walk
from graphc.codegen.loops import Block, Branch


@dataclass(frozen=True, slots=True)
class Call:
    """A step as it is written. ``launch`` is its number, an expression where it stands in a loop."""

    comment: str
    launch: str
    may_fail: bool
    call: str


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that run without meeting in between; ``barrier``: threads meet before; ``checked``: an index error that
    was found before ends the run here."""

    parallel: bool
    barrier: bool
    checked: bool
    steps: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Groups that run one after the other; or a loop, where ``turns``, which ``variable`` counts, are more than one: of
    other stretches (``items``). Its ``lines`` name what a turn works on, and ``table``, a C text or empty, holds what
    moves on irregularly."""

    groups: tuple[Group, ...] = ()
    turns: int = 1
    variable: str = ""
    lines: tuple[str, ...] = ()
    table: str = ""
    items: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Braces:
    """Control flow: ``head`` is what stands before the braces, ``items`` and ``otherwise`` what stands in them and in
    those of an ``else``. The threads meet before (``barrier``), look for errors (``checked``), and one of them
    (``alone``) or all walk it; then they meet at the end of each run of a loop (``turning``), and look for errors there
    (``leaving``). ``launch`` is the first within."""

    comment: str
    head: str
    items: tuple[Stretch | Braces, ...]
    otherwise: tuple[Stretch | Braces, ...]
    launch: int
    alone: bool
    barrier: bool
    checked: bool
    turning: bool
    leaving: bool


@dataclass
class Writer:
    """Writes scheduled steps. ``identifiers`` are those of buffers, ``names`` those of the whole function, ``heads``
    the texts that blocks begin with; ``named`` becomes the buffers that must have a name before. With ``roll`` equal
    runs of steps become loops."""

    identifiers: Mapping[str, str]
    names: Names
    heads: Mapping[Block, str]
    roll: bool
    named: set[str] = field(default_factory=set)

    def items(self, items: Sequence[Step | Walk]) -> tuple[Stretch | Braces, ...]:
        """Steps and blocks, in order."""
        found: list[Stretch | Braces] = []
        steps: list[Step] = []
        for item in items:
            if isinstance(item, Step):
                steps.append(item)
                continue
            found += self._stretches(steps)
            steps = []
            found.append(self._braces(item))
        return (*found, *self._stretches(steps))

    def _stretches(self, steps: Sequence[Step]) -> tuple[Stretch, ...]:
        return write_stretches(steps, self.identifiers, self.names, self.named, roll=self.roll)

    def _braces(self, walk: Walk) -> Braces:
        self.named.update(walk.block.controls)
        origin = walk.block.origin
        told = "" if origin is None else f"{origin.operation}  {origin.location or ''}"
        return Braces(
            comment=comment(told),
            head=self.heads[walk.block],
            items=self.items(walk.items),
            otherwise=self.items(walk.otherwise),
            launch=walk.launch,
            alone=walk.alone,
            barrier=walk.barrier,
            checked=walk.checked,
            turning=not walk.alone and not isinstance(walk.block, Branch),
            leaving=walk.leaving,
        )


def all_stretches(items: Sequence[Stretch | Braces]) -> Iterator[Stretch]:
    """The stretches among items and within blocks."""
    for item in items:
        if isinstance(item, Braces):
            yield from all_stretches((*item.items, *item.otherwise))
        else:
            yield item
            yield from all_stretches(item.items)


def leaves_early(items: Sequence[Stretch | Braces]) -> bool:
    """Whether threads look anywhere whether a launch has failed."""
    for item in items:
        if isinstance(item, Braces):
            if item.checked or item.leaving or leaves_early((*item.items, *item.otherwise)):
                return True
        elif any(group.checked for group in item.groups) or leaves_early(item.items):
            return True
    return False


def write_stretches(
    steps: Sequence[Step], identifiers: Mapping[str, str], names: Names, named: set[str], *, roll: bool
) -> tuple[Stretch, ...]:
    """The steps as they are written, those that repeat as loops; ``named`` gets the buffers that must have a name
    before."""
    stretches: list[Stretch] = []

    def straight(part: Sequence[Step]) -> None:
        if part:
            calls = [_call(step, [argument.text for argument in step.arguments], str(step.launch)) for step in part]
            named.update(a.buffer for step in part for a in step.arguments if a.buffer is not None)
            stretches.append(Stretch(_grouped(part, calls)))

    done = 0
    for repeat in find_repeats([step.key for step in steps]) if roll else ():
        straight(steps[done : repeat.start])
        stretches.append(_rolled(steps, repeat, identifiers, names, named))
        done = repeat.stop
    straight(steps[done:])
    return tuple(stretches)


def _rolled(
    steps: Sequence[Step], repeat: Repeat, identifiers: Mapping[str, str], names: Names, named: set[str]
) -> Stretch:
    """The steps of a run as a loop."""
    turns = Turns(repeat.turns, names.fresh("turns"), identifiers, names)
    columns = [
        steps[number : repeat.stop : repeat.length] for number in range(repeat.start, repeat.start + repeat.length)
    ]
    made = _loop(columns, turns, 1)
    named |= turns.outside
    return made


def _loop(columns: Sequence[Sequence[Step]], turns: Turns, depth: int) -> Stretch:
    """The loop of a run. For each step of a turn a column holds what it is in all turns, those of outer loops too; what
    repeats within a turn is a loop in its turn."""
    items: list[Stretch] = []

    def straight(part: Sequence[Sequence[Step]]) -> None:
        calls = []
        for column in part:
            arguments = [turns.argument(each) for each in zip(*(step.arguments for step in column), strict=True)]
            launch = turns.number([step.launch for step in column], "launch")
            calls.append(_call(column[0], arguments, launch, column))
        if part:
            items.append(Stretch(_grouped([column[0] for column in part], calls)))

    done = 0
    for repeat in find_repeats([column[0].key for column in columns]) if depth < len(VARIABLES) else ():
        straight(columns[done : repeat.start])
        within = [
            columns[number : repeat.stop : repeat.length]
            for number in range(repeat.start, repeat.start + repeat.length)
        ]
        inner = [[step for turn in zip(*each, strict=True) for step in turn] for each in within]
        name = turns.names.fresh("turns")
        deeper = Turns(repeat.turns, name, turns.identifiers, turns.names, turns, VARIABLES[depth])
        items.append(_loop(inner, deeper, depth + 1))
        done = repeat.stop
    straight(columns[done:])
    return Stretch((), turns.count, turns.variable, turns.declarations(), turns.table(), tuple(items))


def _grouped(steps: Sequence[Step], calls: Sequence[Call]) -> tuple[Group, ...]:
    groups: list[tuple[Step, list[Call]]] = []
    for step, call in zip(steps, calls, strict=True):
        if groups and not step.barrier and groups[-1][0].shared == step.shared:
            groups[-1][1].append(call)
        else:
            groups.append((step, [call]))
    return tuple(Group(first.shared, first.barrier, first.checked, tuple(calls)) for first, calls in groups)


def _call(step: Step, arguments: Sequence[str], launch: str, column: Sequence[Step] = ()) -> Call:
    """The call of a step; ``column`` are the steps of all turns where it stands in a loop."""
    arguments = list(arguments)
    if step.items is not None:
        if step.shared:
            shift = "" if step.start == "0" else f"{step.start} + "
            arguments.append(f"{shift}gc_share({step.items}, 1, thread, team)")
            arguments.append(f"{shift}gc_share({step.items}, 1, thread + 1, team)")
        else:
            stop = step.items if step.start == "0" else f"{step.start} + {step.items}"
            arguments += [step.start, stop]
    numbers = [each.launch for each in column] or [step.launch]
    shown = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}, {numbers[1]}, ... {numbers[-1]}"
    places = list(dict.fromkeys(each.places for each in column)) or [step.places]
    told = "; ".join(places[:3]) + (f"; and {len(places) - 3} more" if len(places) > 3 else "")
    text = f"{shown}: {step.operations}  {told}"
    return Call(comment(text), launch, step.may_fail, f"{step.function}({', '.join(arguments)})")
