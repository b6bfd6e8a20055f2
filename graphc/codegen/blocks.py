"""Control flow around launches: how blocks nest, in which order launches run, and what memory lives through a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphc.codegen.loops import Block, Element, LoopProgram, Repeat
from graphc.ir.integers import bounds


@dataclass(frozen=True, slots=True)
class Nested:
    """A block and what is in it, numbers of launches and other blocks; ``otherwise`` is the second arm of a branch."""

    block: Block
    items: tuple[Item, ...]
    otherwise: tuple[Item, ...] = ()


Item = int | Nested


def arranged(program: LoopProgram) -> tuple[Item, ...]:
    """The launches of a program, by number, within their blocks."""
    return _arranged(0, len(program.launches), list(program.blocks))


def _arranged(first: int, stop: int, blocks: Sequence[Block]) -> tuple[Item, ...]:
    """What stands in a range of launches; ``blocks`` are those that lie in it, outer ones first."""
    items: list[Item] = []
    position, left = first, list(blocks)
    while position < stop:
        block = next((block for block in left if block.first == position), None)
        if block is None:
            items.append(position)
            position += 1
            continue
        left.remove(block)
        inner = [other for other in left if block.first <= other.first < block.stop]
        left = [other for other in left if other not in inner]
        middle = block.stop if isinstance(block, Repeat) else block.middle
        arms = [
            _arranged(begin, end, [other for other in inner if begin <= other.first < end])
            for begin, end in ((block.first, middle), (middle, block.stop))
        ]
        items.append(Nested(block, *arms))
        position = block.stop
    return tuple(items)


def order_of_runs(items: Sequence[Item]) -> Iterator[int | Block]:
    """The numbers of launches in an order in which they may run, each repeated run twice: what lives from one run to
    the next is then met. A block comes where it is looked at whether, or how often, its launches run."""
    for item in items:
        if isinstance(item, int):
            yield item
            continue
        for _ in range(2 if isinstance(item.block, Repeat) else 1):
            yield item.block
            yield from order_of_runs(item.items)
            yield from order_of_runs(item.otherwise)


def live_ranges(program: LoopProgram) -> dict[str, tuple[int, int] | None]:
    """For every buffer the first and last launch that touches it; None for one that none touches.

    A buffer that is touched within a block that repeats, and that holds something from before, from the run before, or
    for what comes after, lives through the whole block.
    """
    ranges: dict[str, tuple[int, int] | None] = {buffer.name: None for buffer in program.buffers}
    for position, launch in enumerate(program.launches):
        for name in launch.buffers:
            known = ranges[name]
            ranges[name] = (position, position) if known is None else (known[0], position)
    for block in program.blocks:
        for name in block.controls:
            known = ranges[name]
            ranges[name] = (
                (block.first, block.first)
                if known is None
                else (min(known[0], block.first), max(known[1], block.first))
            )
    for block in reversed(program.blocks):
        for name in held_through(program, block, ranges):
            known = ranges[name]
            assert known is not None
            ranges[name] = (min(known[0], block.first), max(known[1], block.stop - 1))
    return ranges


def held_through(program: LoopProgram, block: Block, ranges: dict[str, tuple[int, int] | None]) -> dict[str, None]:
    """The buffers that are touched within a block and must keep what they hold through all of its runs."""
    if not isinstance(block, Repeat):
        return {}
    found: dict[str, None] = dict.fromkeys(block.controls)
    begun: set[str] = set()
    for position in range(block.first, block.stop):
        launch = program.launches[position]
        told = [name for inner in program.blocks if inner.first == position for name in inner.controls]
        accesses = [
            (parameter.access, name) for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True)
        ]
        for access, name in (*(("read", name) for name in told), *accesses):
            first, last = ranges[name] or (block.first, block.first)
            outside = first < block.first or last >= block.stop
            if outside or (name not in begun and access == "read"):
                found[name] = None
        begun.update(launch.buffers)
    return found


def held_at(program: LoopProgram) -> list[set[str]]:
    """For each launch the buffers that a block around it holds through all of its runs."""
    ranges = live_ranges(program)
    held: list[set[str]] = [set() for _ in program.launches]
    for block in program.blocks:
        names = held_through(program, block, ranges)
        for position in range(block.first, block.stop):
            held[position] |= names.keys()
    return held


def runs_of(program: LoopProgram) -> list[int]:
    """About how often each launch runs: at most as often as the blocks around it say, where they do."""
    runs = [1] * len(program.launches)
    for block in program.blocks:
        if isinstance(block, Repeat):
            for position in range(block.first, block.stop):
                runs[position] *= 1 if isinstance(block.count, Element) else bounds(block.count or 1)[1] or 1
    return runs
