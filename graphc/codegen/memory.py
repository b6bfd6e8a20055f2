"""Memory of a program, known before it runs: every temporary gets a place in one arena.

Live ranges are taken over the launches in order. The largest buffers are placed first, each at the lowest offset where
it meets no buffer that lives at the same time ("greedy by size": Pisarchyk and Lee, Efficient Memory Management for
Deep Neural Net Inference, 2020). The memory of an output is free until its first write: what dies before that may live
there, since every call gives its outputs memory of their own. :func:`check_plan` proves a plan by another way: it runs
the launches over a map of which buffer's value every byte holds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from graphc.codegen.blocks import arranged, live_ranges, order_of_runs
from graphc.codegen.loops import Block, Buffer, LoopProgram
from graphc.ir.applications import applies
from graphc.ir.integers import Integer, Variable, atoms, bounds, substitute

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
# An output whose memory others use before it is written begins at a multiple of so many bytes, as any allocator gives.
ROOM_ALIGNMENT = 16
_EVER = np.iinfo(np.int64).max
# Working in memory that is new at every call is worth so many bytes of the arena, and such a part of it.
WORTH_A_ROOM = 1 << 14
WORTH_OF_ARENA = 1 / 16
# Outputs that are a smaller part of all outputs are no rooms.
LEAST_ROOM = 1 / 64
# How many sizes of an arena are tried for one that the rest fits beside.
MOST_SIZES = 10


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory that one launch alone works in: a part for all threads, and one for each thread (in bytes)."""

    launch: int
    name: str
    shared_bytes: int = 0
    local_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Bytes ``[offset, offset + nbytes)`` of the arena, held from launch ``first`` through launch ``last``; or of the
    memory of ``room``, an output that is first written after that."""

    name: str
    kind: str  # "temporary" or "scratch"
    nbytes: int
    offset: int
    first: int
    last: int
    room: str = ""

    @property
    def stop(self) -> int:
        return self.offset + self.nbytes


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lives. ``placements`` are sorted by offset; ``lifetimes`` gives for every buffer the first and
    last launch that touches it, None where none does. All sizes are bytes.

    Where a program has sizes that are known at run time only, it has a place for the greatest that they may be.
    ``threads`` is the most threads that the arena has scratch for; ``sizes`` are those of a call, whose bytes are told
    too when the plan is printed.
    """

    program: LoopProgram
    placements: tuple[Placement, ...]
    lifetimes: tuple[tuple[str, tuple[int, int] | None], ...]
    arena_bytes: int
    threads: int
    alignment: int
    sizes: Mapping[str, int] | None = None

    def place(self, name: str) -> Placement:
        """Where a temporary or a launch's scratch lives. Raises KeyError for others."""
        if name not in self._places:
            raise KeyError(f"{name} has no place in the arena")
        return self._places[name]

    def offset(self, name: str) -> int:
        """The place in the arena, in bytes. Raises KeyError for what is not there."""
        place = self.place(name)
        if place.room:
            raise KeyError(f"{name} has its place in {place.room}")
        return place.offset

    @cached_property
    def _places(self) -> dict[str, Placement]:
        return {placement.name: placement for placement in self.placements}

    @cached_property
    def _in_arena(self) -> tuple[Placement, ...]:
        return tuple(placement for placement in self.placements if not placement.room)

    @property
    def rooms(self) -> frozenset[str]:
        """The outputs whose memory others use before they are written."""
        return frozenset(placement.room for placement in self.placements if placement.room)

    @property
    def peak_bytes(self) -> int:
        """The most bytes of the arena that are in use during one launch: no plan can do with less."""
        launches = range(len(self.program.launches))
        return max((sum(p.nbytes for p in self._in_arena if p.first <= at <= p.last) for at in launches), default=0)

    @property
    def peak_formula(self) -> Integer:
        """The bytes of the arena that are in use during the launch with the most, of the sizes that are known at run
        time only; scratch memory counts as planned."""
        sizes = {buffer.name: buffer.nbytes for buffer in self.program.buffers}
        formulas: list[Integer] = [0]
        for at in range(len(self.program.launches)):
            held = [placement for placement in self._in_arena if placement.first <= at <= placement.last]
            formulas.append(sum((sizes.get(placement.name, placement.nbytes) for placement in held), 0))
        return max(formulas, key=greatest_of)

    def total(self, *kinds: str) -> int:
        """The bytes of all buffers of these kinds."""
        return sum(most_bytes(buffer) for buffer in self.program.buffers if buffer.kind in kinds)

    def formula(self, *kinds: str) -> Integer:
        """The bytes of all buffers of these kinds, of the sizes that are known at run time only."""
        return sum((buffer.nbytes for buffer in self.program.buffers if buffer.kind in kinds), 0)

    def __str__(self) -> str:
        return _table(self)


def plan_memory(
    program: LoopProgram,
    scratch: Sequence[Scratch] = (),
    alignment: int = ALIGNMENT,
    threads: int = 1,
    *,
    in_outputs: bool = True,
) -> MemoryPlan:
    """Place the temporaries of a program, and the scratch memory of its launches, in one arena; with ``in_outputs``,
    where it gets much smaller by that, some of them in outputs that are written later.

    Sizes that are known at run time only count as their greatest. Raises TypeError for one that has no bound.
    """
    ranges = live_ranges(program)
    wanted: list[Placement] = []
    for buffer in program.buffers:
        live = ranges[buffer.name]
        if buffer.kind == "temporary" and live is not None:
            wanted.append(Placement(buffer.name, "temporary", most_bytes(buffer), 0, *live))
    for need in scratch:
        nbytes = _round_up(need.shared_bytes, alignment) + threads * _round_up(need.local_bytes, alignment)
        wanted.append(Placement(need.name, "scratch", nbytes, 0, need.launch, need.launch))
    # Sorting is stable: among equals the program's order decides, so that a plan never changes from run to run.
    wanted.sort(key=lambda each: (-each.nbytes, each.first))
    shares = {each.name: applies("share memory", f"{each.kind} {each.name}") for each in wanted}
    placed = _placed(wanted, shares, {}, alignment)
    assert placed is not None
    rooms = _rooms(program, ranges) if in_outputs else {}
    if rooms and applies("work in outputs before they are written", "the program as a whole"):
        placed = _smallest(wanted, shares, rooms, alignment, placed)
    return MemoryPlan(
        program=program,
        placements=tuple(sorted(placed, key=lambda each: (each.room, each.offset, each.first))),
        lifetimes=tuple(ranges.items()),
        arena_bytes=_arena_bytes(placed, alignment),
        threads=threads,
        alignment=alignment,
    )


def _placed(
    wanted: Sequence[Placement],
    shares: Mapping[str, bool],
    rooms: Mapping[str, tuple[int, int]],
    alignment: int,
    limit: int | None = None,
) -> list[Placement] | None:
    """A place for everything that is wanted, the largest first: in an arena of at most ``limit`` bytes, or else in the
    smallest room that will do. None where there is no such place."""
    placed: list[Placement] = []
    arena = _Table(len(wanted))
    tables = {name: _Table(len(wanted)) for name in sorted(rooms, key=lambda name: rooms[name])}
    for placement in wanted:
        # What may not share memory meets all that lives at any time.
        met = placement if shares[placement.name] else replace(placement, first=0, last=_EVER)
        table, offset, room = arena, arena.lowest_gap(met), ""
        if limit is not None and offset + placement.nbytes > limit:
            for room, table in tables.items():
                nbytes, free = rooms[room]
                if met.last < free and (offset := table.lowest_gap(met)) + placement.nbytes <= nbytes:
                    break
            else:
                return None
        placed.append(replace(placement, offset=offset, room=room))
        table.add(placed[-1], _round_up(placed[-1].stop, alignment))
    return placed


def _smallest(
    wanted: Sequence[Placement],
    shares: Mapping[str, bool],
    rooms: Mapping[str, tuple[int, int]],
    alignment: int,
    without: list[Placement],
) -> list[Placement]:
    """The places with the smallest arena that is found beside the rooms; ``without`` rooms where that is not worth it.

    Sizes between what must be in the arena and what would be are tried, each time the middle one.
    """
    most = _arena_bytes(without, alignment)
    worth = max(WORTH_A_ROOM, int(most * WORTH_OF_ARENA))
    low, best, found = _least(wanted, rooms), most, without

    def homeless(placement: Placement) -> bool:
        return not any(placement.last < free and placement.nbytes <= nbytes for nbytes, free in rooms.values())

    # What no room will take chooses its place in the arena first.
    wanted = sorted(wanted, key=homeless, reverse=True)
    if most - low < worth:
        return without
    size = low
    for _ in range(MOST_SIZES):
        placed = _placed(wanted, shares, rooms, alignment, size)
        if placed is None:
            low = size + 1
        else:
            best, found = _arena_bytes(placed, alignment), placed
        if best - low < alignment or most - low < worth:
            break
        size = (low + best) // 2
    return found if most - best >= worth else without


def _least(wanted: Sequence[Placement], rooms: Mapping[str, tuple[int, int]]) -> int:
    """The bytes that no plan can do without in the arena: what lives at one time, less the rooms that are free then."""
    change: dict[int, int] = {}
    for placement in wanted:
        change[placement.first] = change.get(placement.first, 0) + placement.nbytes
        change[placement.last + 1] = change.get(placement.last + 1, 0) - placement.nbytes
    least = held = 0
    for at in sorted(change):
        held += change[at]
        least = max(least, held - sum(nbytes for nbytes, free in rooms.values() if at < free))
    return least


def _arena_bytes(placed: Sequence[Placement], alignment: int) -> int:
    return max((_round_up(placement.stop, alignment) for placement in placed if not placement.room), default=0)


def _rooms(program: LoopProgram, ranges: Mapping[str, tuple[int, int] | None]) -> dict[str, tuple[int, int]]:
    """The outputs whose memory is free at first: the bytes of each, and the launch that writes it first.

    One that is written within a block is free before the block alone: a run of it may come after an earlier one.
    Nothing is known of memory whose size is known at run time only.
    """
    found: dict[str, tuple[int, int]] = {}
    for buffer in program.buffers:
        live = ranges[buffer.name]
        # A name of no letters stands for the arena.
        if buffer.name and buffer.kind == "output" and live is not None and isinstance(buffer.nbytes, int):
            around = [block.first for block in program.blocks if block.first <= live[0] < block.stop]
            free = min((live[0], *around))
            if free and buffer.nbytes:
                found[buffer.name] = (buffer.nbytes, free)
    least = LEAST_ROOM * sum(nbytes for nbytes, _ in found.values())
    return {name: room for name, room in found.items() if room[0] >= least}


class _Table:
    """What is placed, in the order of offsets, as arrays: each new placement looks at all that were made before."""

    def __init__(self, most: int):
        self.count = 0
        self.columns = np.zeros((4, most), np.int64)  # offset, aligned stop, first, last

    def add(self, place: Placement, stop: int) -> None:
        at = int(np.searchsorted(self.columns[0, : self.count], place.offset, "right"))
        self.columns[:, at + 1 : self.count + 1] = self.columns[:, at : self.count].copy()
        self.columns[:, at] = place.offset, stop, place.first, place.last
        self.count += 1

    def lowest_gap(self, wanted: Placement) -> int:
        """The lowest offset where a placement meets none that lives at the same time."""
        offsets, stops, firsts, lasts = self.columns[:, : self.count]
        rivals = np.flatnonzero((firsts <= wanted.last) & (lasts >= wanted.first))
        # Where the gap before each rival begins, and at the end the last gap, which has no end.
        begins = np.concatenate(([0], np.maximum.accumulate(stops[rivals])))
        fits = np.flatnonzero(offsets[rivals] >= begins[:-1] + wanted.nbytes)
        return int(begins[fits[0]] if len(fits) else begins[-1])


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def most_bytes(buffer: Buffer) -> int:
    """The bytes of a buffer, for the greatest sizes that symbolic dimensions may have.

    Raises TypeError where one of them has no bound.
    """
    try:
        return greatest_of(buffer.nbytes)
    except TypeError as error:
        raise TypeError(f"buffer {buffer.name} takes {error}") from None


def greatest_of(nbytes: Integer) -> int:
    """The most that a number of bytes may be. Raises TypeError where it has no bound."""
    greatest = bounds(nbytes)[1]
    if greatest is None:
        raise TypeError(f"{nbytes} bytes; a plan needs sizes that have a bound")
    return greatest


class PlanError(Exception):
    """A memory plan lets two values live in the same bytes at the same time, or reads what was never written."""


def check_plan(program: LoopProgram, plan: MemoryPlan) -> None:
    """Prove that a plan keeps every value whole from its first write to its last read.

    The launches are run, repeated ones twice, over a map of the arena that says which buffer wrote each range of bytes
    last. Raises PlanError naming both buffers where a read finds another's bytes or one launch uses bytes twice.
    """
    # For the arena and each room: disjoint [start, stop) and who wrote there last, sorted.
    memories: dict[str, list[tuple[int, int, str]]] = {"": []}
    places = {placement.name: placement for placement in plan.placements}
    buffers = {buffer.name: buffer for buffer in program.buffers}
    written: set[str] = set()
    finished: set[str] = set()  # outputs that hold something of what the caller will see
    for placement in plan.placements:
        room = buffers.get(placement.room) if placement.room else None
        if placement.room and (room is None or room.kind != "output" or not isinstance(room.nbytes, int)):
            raise PlanError(f"{placement.name} is placed in {placement.room}, which is no output of a known size")
        nbytes, what = (plan.arena_bytes, "the arena") if room is None else (room.nbytes, room.name)
        if placement.offset < 0 or placement.stop > nbytes or placement.offset % plan.alignment:
            raise PlanError(
                f"{placement.name} at bytes {placement.offset} to {placement.stop} is misaligned or outside {what} of "
                f"{nbytes} bytes"
            )
        if room is not None:
            memories.setdefault(room.name, [])
    scratch: dict[int, list[Placement]] = {}
    for placement in plan.placements:
        if placement.kind == "scratch":
            scratch.setdefault(placement.first, []).append(placement)
    touched = _touched(program)
    for position in order_of_runs(arranged(program)):
        if not isinstance(position, int):
            for name in position.controls:
                if name in places:
                    _check_whole(memories[places[name].room], places[name], position.first)
            # What is touched within a block alone is made anew in each of its runs.
            written -= {name for name in written if _lies_within(touched[name], position)}
            continue
        launch = program.launches[position]
        reads: list[Placement] = []
        writes: list[Placement] = []
        for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True):
            if buffers[name].kind == "temporary":
                if name not in places:
                    raise PlanError(f"{name} is used by launch {position} but has no place in the arena")
                if most_bytes(buffers[name]) > places[name].nbytes:
                    raise PlanError(f"{name} needs {buffers[name].nbytes} bytes but has {places[name].nbytes}")
                # The first launch that touches a value may write it and then read it back ("update").
                if parameter.access == "read" or (parameter.access == "update" and name in written):
                    reads.append(places[name])
                if parameter.access != "read":
                    writes.append(places[name])
            elif name and name in memories:
                finished.add(name)
                memories[name] = [(0, most_bytes(buffers[name]), name)]
        writes.extend(scratch.get(position, ()))
        for placement in (*reads, *writes):
            if placement.room and placement.room in finished:
                raise PlanError(
                    f"launch {position} uses {placement.name} in the memory of {placement.room}, an output that it or "
                    "an earlier launch has written"
                )
        for read in reads:
            _check_whole(memories[read.room], read, position)
        _check_apart(reads, writes, position)
        for write in writes:
            _overwrite(memories[write.room], write)
            if write.kind == "temporary":
                written.add(write.name)


def _touched(program: LoopProgram) -> dict[str, tuple[int, int]]:
    """The first and last launch that each buffer is given to."""
    found: dict[str, tuple[int, int]] = {}
    for position, launch in enumerate(program.launches):
        for name in launch.buffers:
            found[name] = (found.get(name, (position, position))[0], position)
    return found


def _lies_within(launches: tuple[int, int], block: Block) -> bool:
    return block.first <= launches[0] and launches[1] < block.stop


def _check_whole(holders: list[tuple[int, int, str]], read: Placement, position: int) -> None:
    reached = read.offset
    first, last = _within(holders, read)
    for start, stop, name in holders[first:last]:
        if name != read.name:
            raise PlanError(
                f"launch {position} reads {read.name} after {name} was written to its bytes {max(start, read.offset)} "
                f"to {min(stop, read.stop)}"
            )
        if start > reached:
            break
        reached = stop
    if reached < read.stop:
        raise PlanError(f"launch {position} reads {read.name}, whose bytes from {reached} on were never written")


def _check_apart(reads: Sequence[Placement], writes: Sequence[Placement], position: int) -> None:
    for number, write in enumerate(writes):
        for other in (*reads, *writes[:number]):
            apart = write.room != other.room or write.offset >= other.stop or other.offset >= write.stop
            if write.name != other.name and not apart:
                raise PlanError(f"launch {position} writes {write.name} to bytes that {other.name} uses")


def _overwrite(holders: list[tuple[int, int, str]], write: Placement) -> None:
    """Note who wrote the bytes of a placement last; what others wrote around them stays theirs."""
    first, last = _within(holders, write)
    parts: list[tuple[int, int, str]] = []
    for start, stop, name in holders[first:last]:
        if start < write.offset:
            parts.append((start, write.offset, name))
        if stop > write.stop:
            parts.append((write.stop, stop, name))
    if write.nbytes:
        parts.append((write.offset, write.stop, write.name))
    holders[first:last] = sorted(parts)


def _within(holders: list[tuple[int, int, str]], place: Placement) -> tuple[int, int]:
    """Which of the holders meet the bytes of a placement: from one to before another."""
    first = bisect_left(holders, place.offset, key=lambda each: each[1] - 1)
    return first, max(first, bisect_left(holders, place.stop, key=lambda each: each[0]))


def _table(plan: MemoryPlan) -> str:
    places = {placement.name: placement for placement in plan.placements}
    ranges = dict(plan.lifetimes)
    symbols = bool(plan.program.symbols)
    rows = [("buffer", "kind", "bytes", *(("formula",) if symbols else ()), "offset", "launches", "made at")]
    for buffer in plan.program.buffers:
        live = ranges[buffer.name]
        place = places.get(buffer.name)
        rows.append(
            (
                buffer.name,
                buffer.kind,
                f"{most_bytes(buffer):,}",
                *((_formula(buffer.nbytes),) if symbols else ()),
                "" if place is None else _where(place),
                "none" if live is None else f"{live[0]}-{live[1]}",
                _origin(buffer),
            )
        )
    for place in plan.placements:
        if place.kind == "scratch":
            formula = ("",) if symbols else ()
            launches = f"{place.first}-{place.last}"
            rows.append((place.name, place.kind, f"{place.nbytes:,}", *formula, _where(place), launches, ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numeric = (2, 3, 4) if symbols else (2, 3)
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    given, callers = ("argument", "scalar", "constant"), ("argument", "scalar", "constant", "state", "output")
    totals = (
        ("arguments", plan.total(*given), plan.formula(*given)),
        ("state", plan.total("state"), plan.formula("state")),
        ("outputs", plan.total("output"), plan.formula("output")),
        ("temporaries, each its own", plan.total("temporary"), plan.formula("temporary")),
        ("arena", plan.arena_bytes, plan.arena_bytes),
        ("peak within the arena", plan.peak_bytes, plan.peak_formula),
        ("peak in all", plan.total(*callers) + plan.arena_bytes, plan.formula(*callers) + plan.arena_bytes),
    )
    width = max(len(f"{nbytes:,}") for _, nbytes, _ in totals)
    lines.append("")
    if symbols:
        lines.append(f"At most, where {_greatest_sizes(plan.program)}:")
    for label, nbytes, formula in totals:
        told = f" = {_formula(formula)}" if not isinstance(formula, int) else ""
        now = ""
        if told and plan.sizes is not None:
            where = ", ".join(f"{name} = {size}" for name, size in plan.sizes.items())
            now = f"; {substitute(formula, plan.sizes):,} where {where}"
        lines.append(f"{label + ':':<27}{nbytes:>{width},} bytes{told}{now}")
    return "\n".join(lines) + "\n"


def _where(place: Placement) -> str:
    """The place in the arena, or in the output that is named."""
    return f"{place.room} + {place.offset:,}" if place.room else f"{place.offset:,}"


def _formula(nbytes: Integer) -> str:
    """Bytes as a polynomial of the sizes that are known at run time only; nothing for a number."""
    return "" if isinstance(nbytes, int) else f"{nbytes} bytes"


def _greatest_sizes(program: LoopProgram) -> str:
    """What the sizes that are known at run time only are at most, in words."""
    most = {
        atom.name: atom.upper
        for buffer in program.buffers
        for atom in (atoms(buffer.nbytes) if not isinstance(buffer.nbytes, int) else ())
        if isinstance(atom, Variable)
    }
    return ", ".join(f"{name} = {most[name]}" for name in sorted(most))


def _origin(buffer: Buffer) -> str:
    for node in reversed(buffer.nodes):
        if node.location is not None:
            return str(node.location)
    return ""
