"""How launches become calls, equal runs of them loops, and blocks control flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.c.names import Names, comment
from graphc.codegen.c.rolling import Repeat, Turns, find_repeats
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
    """Groups that run one after the other, ``turns`` times. Where that is more than once, ``lines`` name what a turn
    works on, and ``table``, a C text or empty, holds what moves on irregularly."""

    turns: int
    lines: tuple[str, ...]
    table: str
    groups: tuple[Group, ...]


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


def leaves_early(items: Sequence[Stretch | Braces]) -> bool:
    """Whether threads look anywhere whether a launch has failed."""
    for item in items:
        if isinstance(item, Braces):
            if item.checked or item.leaving or leaves_early((*item.items, *item.otherwise)):
                return True
        elif any(group.checked for group in item.groups):
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
            stretches.append(Stretch(1, (), "", _grouped(part, calls)))

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
    calls = []
    for number in range(repeat.start, repeat.start + repeat.length):
        column = steps[number : repeat.stop : repeat.length]
        arguments = [turns.argument(each) for each in zip(*(step.arguments for step in column), strict=True)]
        launch = turns.number([step.launch for step in column], "launch")
        calls.append(_call(column[0], arguments, launch, column))
    named |= turns.outside
    first = steps[repeat.start : repeat.start + repeat.length]
    return Stretch(repeat.turns, turns.declarations(), turns.table(), _grouped(first, calls))


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
