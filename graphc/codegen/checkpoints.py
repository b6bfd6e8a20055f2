"""Checkpoints of loops: what a loop carries is kept now and then, and its runs in between are made again.

A loop that writes a history, rows that a later loop in the other direction reads, needs memory for all rows at once.
Cut into segments it keeps what it carries where a segment begins; the later loop makes a segment's rows again before it
reads them, so that there are rows of one segment, and as many checkpoints as segments. With segments of the root of the
number of runs that is the plan of Griewank and Walther (Algorithm 799: Revolve, 2000) and Chen et al. 2016 for chains.
The launches that run again are the very same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen.blocks import Item, Nested, arranged, held_through, live_ranges
from graphc.codegen.loops import (
    Block,
    Branch,
    Buffer,
    CallOut,
    CheckIndex,
    Element,
    Kernel,
    Launch,
    Loop,
    LoopProgram,
    Origin,
    Parameter,
    Random,
    Repeat,
    Store,
)
from graphc.codegen.ordering import accesses, holds
from graphc.ir.integers import Integer, substitute, variable
from graphc.ir.scalars import Load

# Loops of fewer runs are left as they are.
FEWEST_RUNS = 4


@dataclass(frozen=True, slots=True)
class _Pair:
    """A loop and the later one that reads its history. ``rows`` are the sizes of the rows that the first one writes,
    by buffer; of these the second alone reads ``history``. ``carried`` goes from run to run, ``own`` is of one run."""

    first: Repeat
    second: Repeat
    rows: Mapping[str, Integer]
    history: frozenset[str]
    carried: tuple[str, ...]
    own: frozenset[str]


def segmented(program: LoopProgram, factor: float = 1.0) -> LoopProgram:
    """The program with every loop cut into segments whose history a later loop reads. A segment has ``factor`` times
    the root of the number of runs. The program itself where there is no such loop."""
    pairs = _pairs(program)
    if not pairs:
        return program
    emitter = _Emitter(program)
    loops = {item.block: item for item in arranged(program) if isinstance(item, Nested)}
    firsts = {pair.first: pair for pair in pairs}
    seconds = {pair.second: pair for pair in pairs}
    for item in arranged(program):
        block = item.block if isinstance(item, Nested) else None
        pair = firsts.get(block) or seconds.get(block)
        if pair is None:
            emitter.items([item], _unchanged)
            continue
        cut = _Segments.of(pair.first.count, factor)
        if block is pair.first:
            _first(emitter, item, pair, cut)
        else:
            _second(emitter, item, pair, loops[pair.first], cut)
    return emitter.program()


# Which loops there are.


def _pairs(program: LoopProgram) -> list[_Pair]:
    loops = [item.block for item in arranged(program) if isinstance(item, Nested)]
    whole = [block for block in loops if isinstance(block, Repeat) and _is_counted(block)]
    found: list[_Pair] = []
    taken: set[Repeat] = set()
    for first in whole:
        for second in whole:
            fits = second.first >= first.stop and second.count == first.count
            if not fits or second.descending == first.descending or not {first, second}.isdisjoint(taken):
                continue
            pair = _pair(program, first, second)
            if pair is not None:
                found.append(pair)
                taken |= {first, second}
    return found


def _is_counted(block: Repeat) -> bool:
    return isinstance(block.count, int) and block.count >= FEWEST_RUNS and block.going is None


def _pair(program: LoopProgram, first: Repeat, second: Repeat) -> _Pair | None:
    """What the two loops have to do with each other, where runs of the first may be made again for the second."""
    launches = program.launches
    inside = launches[first.first : first.stop]
    if any(holds(launch, kind) for launch in inside for kind in (Random, CheckIndex, CallOut)):
        return None
    buffers = {buffer.name: buffer for buffer in program.buffers}
    begun = {name: access for launch in reversed(inside) for name, access in reversed(list(accesses(launch)))}
    written = {name for launch in inside for name, access in accesses(launch) if access != "read"}
    later = [each for launch in launches[first.stop : second.stop] for each in accesses(launch)]
    # What the first loop reads must still be there.
    if any(access != "read" and name in begun and name not in written for name, access in later):
        return None
    rows = {name: row for name in written if (row := _row(program, first, buffers[name])) is not None}
    if any(begun[name] != "write" for name in rows):
        return None
    outside = [number for number in range(len(launches)) if not first.first <= number < first.stop]
    controls = {name for block in program.blocks if not _lies_in(block, first, second) for name in block.controls}
    history = {
        name
        for name in rows
        if buffers[name].kind == "temporary"
        and name not in controls
        and (name, "read") in later
        and not any((name, access) in later for access in ("write", "update"))
        and all(second.first <= number < second.stop for number in outside if name in launches[number].buffers)
        and _row(program, second, buffers[name]) == rows[name]
    }
    if not history:
        return None
    held = held_through(program, first, live_ranges(program))
    carried = tuple(sorted(name for name in written if name not in rows and name in held))
    own = frozenset(name for name in written if name not in rows and name not in held)
    return _Pair(first, second, rows, frozenset(history), carried, own)


def _lies_in(block: Block, *loops: Repeat) -> bool:
    return any(loop.first <= block.first and block.stop <= loop.stop for loop in loops)


def _row(program: LoopProgram, loop: Repeat, buffer: Buffer) -> Integer | None:
    """The elements of a buffer that belong to one run of a loop, where every launch in it that is given the buffer is
    given the row of the run alone."""
    inner = [block for block in program.blocks if _lies_in(block, loop) and block is not loop]
    elements = [each for block in inner for each in block.elements if each.buffer == buffer.name]
    starts = [each.start for each in elements]
    for launch in program.launches[loop.first : loop.stop]:
        starts += [launch.start(place) for place, name in enumerate(launch.buffers) if name == buffer.name]
    if not starts:
        return None
    found = {substitute(start, {loop.variable: 1}) - substitute(start, {loop.variable: 0}) for start in starts}
    row = found.pop()
    whole = row != 0 and not found and buffer.size == row * loop.count
    return row if whole else None


# Writing programs.

# What a launch, or a block, that is given a buffer at a place is given instead.
Change = Callable[[str, Integer], tuple[str, Integer]]


def _unchanged(name: str, start: Integer) -> tuple[str, Integer]:
    return name, start


@dataclass
class _Emitter:
    """A program that is written anew, item by item."""

    source: LoopProgram
    launches: list[Launch] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    made: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.buffers = {buffer.name: buffer for buffer in self.source.buffers}

    def program(self) -> LoopProgram:
        used = {name for launch in self.launches for name in launch.buffers}
        kept = [each for each in self.buffers.values() if each.kind != "temporary" or each.name in used]
        return replace(self.source, buffers=tuple(kept), launches=tuple(self.launches), blocks=tuple(self.blocks))

    def like(self, name: str, ending: str, size: Integer) -> str:
        """A temporary like a buffer, of another size: the same one for the same ending."""
        if (name, ending) not in self.made:
            new = f"{name}_{ending}"
            while new in self.buffers:
                new += "_"
            self.made[name, ending] = new
            self.buffers[new] = replace(self.buffers[name], name=new, size=size, kind="temporary")
        return self.made[name, ending]

    def items(self, items: Sequence[Item], change: Change) -> None:
        for item in items:
            if isinstance(item, int):
                launch = self.source.launches[item]
                given = [change(name, launch.start(place)) for place, name in enumerate(launch.buffers)]
                starts = tuple(start for _, start in given)
                starts = starts if any(start != 0 for start in starts) else ()
                self.launches.append(replace(launch, buffers=tuple(name for name, _ in given), starts=starts))
                continue
            opened = _Open(self, item.block, change)
            self.items(item.items, change)
            opened.middle()
            self.items(item.otherwise, change)
            opened.close()

    def loop(self, like: Repeat, name: str, count: int, descending: bool) -> _Open:
        """A loop of which what follows is the body, until it is closed."""
        return _Open(self, replace(like, variable=name, count=count, descending=descending), _unchanged)

    def copy(self, source: tuple[str, Integer], target: tuple[str, Integer], size: Integer, origin: Origin) -> None:
        """A launch that copies so many elements from a place in one buffer to a place in another."""
        dtype = self.buffers[source[0]].dtype
        at = variable("i0", 0, size - 1)
        store = Store("out0", at, Load("in0", (at,), dtype), dtype)
        parameters = (Parameter("in0", dtype, size, "read"), Parameter("out0", dtype, size, "write"))
        kernel = Kernel(parameters, (Loop("i0", 0, size, (store,), "parallel"),), ("copy",))
        self.launches.append(Launch(kernel, (source[0], target[0]), (origin,), size, (source[1], target[1])))


class _Open:
    """A block that is being written."""

    def __init__(self, emitter: _Emitter, block: Block, change: Change):
        self.emitter, self.change, self.at = emitter, change, len(emitter.blocks)
        first = len(emitter.launches)
        self.block = replace(block, first=first)
        emitter.blocks.append(self.block)

    def middle(self) -> None:
        if isinstance(self.block, Branch):
            self.block = replace(self.block, middle=len(self.emitter.launches))

    def close(self) -> None:
        block = replace(self.block, stop=len(self.emitter.launches))
        if isinstance(block, Branch):
            block = replace(block, condition=self._moved(block.condition))
        else:
            block = replace(block, count=self._moved(block.count), going=self._moved(block.going))
        self.emitter.blocks[self.at] = block

    def _moved(self, value: object) -> object:
        return Element(*self.change(value.buffer, value.start)) if isinstance(value, Element) else value


@dataclass(frozen=True, slots=True)
class _Segments:
    """How the runs of a loop are cut: ``count`` segments of ``length`` runs, after ``rest`` runs of the lowest rows."""

    rest: int
    count: int
    length: int

    @staticmethod
    def of(runs: int, factor: float) -> _Segments:
        length = min(max(round(math.sqrt(runs) * factor), 2), runs // 2)
        return _Segments(runs % length, runs // length, length)


def _first(emitter: _Emitter, item: Nested, pair: _Pair, cut: _Segments) -> None:
    """The first loop, which keeps what it carries where a segment begins."""
    loop = pair.first
    origin = loop.origin or Origin("copy", None)

    def segments() -> None:
        outer = emitter.loop(loop, f"{loop.variable}_segment", cut.count, loop.descending)
        at = variable(f"{loop.variable}_segment", 0, cut.count - 1)
        for name in pair.carried:
            size = emitter.buffers[name].size
            kept = emitter.like(name, "kept", size * cut.count)
            emitter.copy((name, 0), (kept, at * size), size, origin)
        inner = emitter.loop(loop, loop.variable, cut.length, loop.descending)
        emitter.items(item.items, _in_segment(emitter, pair, loop, cut, {}))
        inner.close()
        outer.close()

    _with_rest(emitter, item, loop, pair, cut, segments)


def _second(emitter: _Emitter, item: Nested, pair: _Pair, whole: Nested, cut: _Segments) -> None:
    """The second loop, which makes the history of a segment again before it walks along it; ``whole`` is the first."""
    first, loop = pair.first, pair.second
    origin = first.origin or Origin("copy", None)

    def segments() -> None:
        outer = emitter.loop(loop, f"{loop.variable}_segment", cut.count, loop.descending)
        at = variable(f"{loop.variable}_segment", 0, cut.count - 1)
        renamed: dict[str, str] = {}
        for name in (*pair.carried, *sorted(pair.own)):
            renamed[name] = emitter.like(name, "again", emitter.buffers[name].size)
        for name in pair.carried:
            size = emitter.buffers[name].size
            kept = emitter.like(name, "kept", size * cut.count)
            emitter.copy((kept, at * size), (renamed[name], 0), size, origin)
        again = emitter.loop(first, first.variable, cut.length, first.descending)
        emitter.items(whole.items, _in_segment(emitter, pair, first, cut, renamed, loop))
        again.close()
        inner = emitter.loop(loop, loop.variable, cut.length, loop.descending)
        emitter.items(item.items, _in_segment(emitter, pair, loop, cut, {}))
        inner.close()
        outer.close()

    _with_rest(emitter, item, loop, pair, cut, segments)


def _with_rest(
    emitter: _Emitter, item: Nested, loop: Repeat, pair: _Pair, cut: _Segments, segments: Callable[[], None]
) -> None:
    """The segments, and the runs of the lowest rows that make none: of these the history is kept."""

    def change(name: str, start: Integer) -> tuple[str, Integer]:
        if name in pair.history:
            return emitter.like(name, "rest", pair.rows[name] * cut.rest), start
        return name, start

    if loop.descending:
        segments()
    if cut.rest:
        opened = emitter.loop(loop, loop.variable, cut.rest, loop.descending)
        emitter.items(item.items, change)
        opened.close()
    if not loop.descending:
        segments()


def _in_segment(
    emitter: _Emitter,
    pair: _Pair,
    loop: Repeat,
    cut: _Segments,
    renamed: Mapping[str, str],
    within: Repeat | None = None,
) -> Change:
    """How a loop's launches find their buffers in a segment: the rows of the history are those of the segment. In runs
    that are made again, ``within`` another loop, rows that are no history are written where nobody reads them."""
    step = variable(loop.variable, 0, cut.length - 1)
    segment = variable(f"{(within or loop).variable}_segment", 0, cut.count - 1)
    run = cut.rest + cut.length * segment + step

    def change(name: str, start: Integer) -> tuple[str, Integer]:
        if name in pair.history:
            return emitter.like(name, "rows", pair.rows[name] * cut.length), substitute(start, {loop.variable: step})
        if within is not None and name in pair.rows:
            return emitter.like(name, "row", pair.rows[name]), substitute(start, {loop.variable: 0})
        return renamed.get(name, name), substitute(start, {loop.variable: run})

    return change


def variants(program: LoopProgram) -> Iterator[LoopProgram]:
    """The program with loops in segments of several lengths, those that run least again first."""
    for factor in (2.0, 1.0, 0.5):
        changed = segmented(program, factor)
        if changed is program:
            return
        yield changed
