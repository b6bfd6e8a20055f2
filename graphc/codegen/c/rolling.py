"""Rolling: calls that repeat, with places that progress, become a loop of the program.

A program of many equal layers, or of many steps of a recurrence, calls the same kernels in the same order again and
again. What differs from turn to turn is where its arguments are. :func:`find_repeats` looks for such runs in a sequence
of calls, and :class:`Turns` writes one turn of a run: an argument that stays is written as ever, a place that moves on
by equal steps as an expression of ``turn``, and any other comes from a table with a row for each turn.

Within a turn of a run the same is looked for again: many layers of many steps are a loop in a loop.

The rolled program makes the same calls with the same arguments in the same order.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.c.names import Names, wrapped

# A loop is harder to follow than calls one below the other: it must save so many.
FEWEST_TURNS = 3
FEWEST_SAVED = 16
# Loops within each other, by the variables that they count in.
VARIABLES = ("turn", "step", "inner_step")
# Runs of longer turns are not looked for.
LONGEST_TURN = 4096
_WIDTH = 112


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call. ``text`` is it in straight-line code.

    ``form`` is what must be equal for two arguments to be one in a loop: C text with holes for ``numbers``. For a
    buffer (by its ``buffer`` name) it is the C type of its elements behind where it is found: "arena", with numbers for
    its bytes there and the first element; "room7", with the same numbers for the memory of the output in slot 7; or
    "caller", with numbers for its slot and the first element.
    """

    text: str
    form: str
    numbers: tuple[int, ...] = ()
    buffer: str | None = None
    written: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """``turns`` equal runs of ``length`` calls each, the first beginning at call number ``start``."""

    start: int
    length: int
    turns: int

    @property
    def stop(self) -> int:
        return self.start + self.length * self.turns

    @property
    def saved(self) -> int:
        """The calls that need not be written."""
        return self.length * (self.turns - 1)


def memory_text(space: str) -> str:
    """The first byte of the arena, or of a room of the memory plan, in C."""
    return "arena" if space == "arena" else f"(unsigned char *)buffers[{space.removeprefix('room')}]"


def find_repeats(keys: Sequence[Hashable]) -> list[Repeat]:
    """Runs of equal keys that follow one another and don't overlap, in order; those that save most are taken first."""
    numbers: dict[Hashable, int] = {}
    sequence = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
    heap: list[tuple[int, int, int, int]] = []  # -saved, length, start, stop of the calls that repeat

    def offer(start: int, stop: int, length: int) -> None:
        turns = (stop - start) // length
        saved = length * (turns - 1)
        if turns >= FEWEST_TURNS and saved >= FEWEST_SAVED:
            heapq.heappush(heap, (-saved, length, start, stop))

    for length in range(1, min(len(sequence) // FEWEST_TURNS, LONGEST_TURN) + 1):
        equal = np.concatenate(([False], sequence[length:] == sequence[:-length], [False]))
        edges = np.flatnonzero(equal[1:] != equal[:-1])
        for start, stop in edges.reshape(-1, 2).tolist():
            offer(start, stop + length, length)
    taken = np.zeros(len(sequence), bool)
    found = []
    while heap:
        _, length, start, stop = heapq.heappop(heap)
        free = np.flatnonzero(~taken[start:stop])
        if len(free) == stop - start:
            found.append(Repeat(start, length, (stop - start) // length))
            taken[start : found[-1].stop] = True
        elif len(free):
            # Parts that lie between runs taken before are offered again.
            borders = np.flatnonzero(np.diff(free) != 1) + 1
            for part in np.split(free, borders):
                offer(start + int(part[0]), start + int(part[-1]) + 1, length)
    return sorted(found, key=lambda repeat: repeat.start)


@dataclass
class Turns:
    """One turn of a run, as it is written: the names that its arguments get, and the tables of what is irregular.

    ``name`` is the first table's, ``identifiers`` are those of buffers, and ``names`` those of the whole function. The
    loop counts in ``variable``. It may stand in another one, ``outer``: then a column, or a tuple of numbers, holds
    what an argument is in all turns of this loop in the first turn of the outer one, then in its second, and so on.
    """

    count: int
    name: str
    identifiers: Mapping[str, str]
    names: Names
    outer: Turns | None = None
    variable: str = "turn"
    outside: set[str] = field(default_factory=set)  # buffers that must be named before the loop
    # By where they are found and their places: the name, whether any call writes there, and the place as text.
    pointers: dict[tuple[str, tuple[int, ...]], tuple[str, bool, str]] = field(default_factory=dict)
    columns: dict[tuple[int, ...], str] = field(default_factory=dict)
    fields: Names = field(default_factory=Names)
    # What moves on in another way in each turn of the outer loop: a table with a row for each turn of each.
    grid: dict[tuple[int, ...], str] = field(default_factory=dict)
    grid_name: str = ""

    def __post_init__(self) -> None:
        if self.outer is not None:
            self.outside = self.outer.outside

    @property
    def total(self) -> int:
        """How often the loop's body runs in all."""
        return self.count * (1 if self.outer is None else self.outer.total)

    def argument(self, column: Sequence[Argument]) -> str:
        """The text of an argument that is ``column[turn]`` in each turn."""
        first = column[0]
        if all(each.text == first.text and each.buffer == first.buffer for each in column):
            if first.buffer is not None:
                self.outside.add(first.buffer)
            return first.text
        numbers = tuple(zip(*(each.numbers for each in column), strict=True))
        if first.buffer is None:
            return first.form.format(*(self.number(values, "scratch") for values in numbers))
        starts = numbers[1]
        name = self.identifiers[first.buffer]
        if all(each.buffer == first.buffer for each in column):
            self.outside.add(first.buffer)
            pointer = name
        else:
            pointer = self._pointer(first, numbers[0])
        start = self.number(starts, f"{name}_start")
        return pointer if start == "0" else f"{pointer} + {start}"

    def number(self, values: Sequence[int], name: str) -> str:
        """A number that is ``values[turn]`` in each turn."""
        if self.outer is None:
            return self._own(values, name)
        rows = self._rows(values)
        own = [value - values[0] for value in rows[0]]
        if any([value - row[0] for value in row] != own for row in rows):
            key = tuple(values)
            if key not in self.grid:
                self.grid_name = self.grid_name or self.names.fresh("turns")
                self.grid[key] = self.fields.fresh(name)
            return f"{self.grid_name}[{self._place}].{self.grid[key]}"
        before, here = self.outer.number([row[0] for row in rows], name), self._own(own, name)
        if "0" in (before, here):
            return here if before == "0" else before
        return f"{before} {here[2:]}" if here.startswith("0 - ") else f"{before} + {here}"

    @property
    def _place(self) -> str:
        """The turn among all turns of the loops around."""
        if self.outer is None:
            return self.variable
        around = self.outer._place
        return f"{self.count} * {around if self.outer.outer is None else f'({around})'} + {self.variable}"

    def _rows(self, values: Sequence[int]) -> list[Sequence[int]]:
        """The numbers of each turn of the outer loop."""
        return [values[start : start + self.count] for start in range(0, len(values), self.count)]

    def _own(self, values: Sequence[int], name: str) -> str:
        """A number that is ``values[turn]`` in each turn of this loop, whatever the turn of an outer one."""
        first, step = values[0], values[1] - values[0]
        if all(value == first + step * turn for turn, value in enumerate(values)):
            if step == 0:
                return str(first)
            sign, size = ("+", step) if step > 0 else ("-", -step)
            moved = self.variable if size == 1 else f"{size} * {self.variable}"
            return f"{first} {sign} {moved}" if first or sign == "-" else moved
        key = tuple(values)
        if key not in self.columns:
            self.columns[key] = self.fields.fresh(name)
        return f"{self.name}[{self.variable}].{self.columns[key]}"

    def _pointer(self, first: Argument, places: tuple[int, ...]) -> str:
        assert first.buffer is not None
        rows = self._rows(places)
        if self.outer is not None and all(set(row) == {row[0]} for row in rows):
            return self.outer._pointer(first, tuple(row[0] for row in rows))
        key = (first.form, places)
        if key in self.pointers:
            name, written, text = self.pointers[key]
        else:
            name, written = self.names.fresh(f"this_{self.identifiers[first.buffer]}"), False
            text = self.number(places, self.identifiers[first.buffer])
        self.pointers[key] = (name, written or first.written, text)
        return name

    def declarations(self) -> tuple[str, ...]:
        """The lines that name the places of a turn."""
        lines = []
        for (form, _), (name, written, place) in self.pointers.items():
            space, c_type = form.split(" ", 1)
            constant = "" if written else "const "
            where = f"buffers[{place}]"
            if space != "caller":
                where = f"({constant}{c_type} *)({memory_text(space)} + {place})"
            lines.append(f"{constant}{c_type} *const {name} = {where};")
        return tuple(lines)

    def table(self) -> str:
        """The tables of what moves on irregularly: a row for each turn."""
        tables = ((self.name, self.count, self.columns), (self.grid_name, self.total, self.grid))
        return "\n".join(_table(name, count, columns) for name, count, columns in tables if columns)


def _table(name: str, count: int, columns: Mapping[tuple[int, ...], str]) -> str:
    fields = wrapped(f"static const struct {{ int64_t {', '.join(columns.values())}; }}", _WIDTH)
    rows = [wrapped(f"{{{', '.join(map(str, row))}}},", _WIDTH) for row in zip(*columns, strict=True)]
    lines = [f"    {line}" for row in rows for line in row]
    return "\n".join(["\n    ".join(fields) + f" {name}[{count}] = {{", *lines, "};"])
