"""Last use in place: a launch writes its result over a value that nobody needs any more.

Where a kernel reads an element of a temporary for the last time, and writes the element of another at the same offset
in the same iteration, both become one buffer and one parameter, so that kernels may still promise C that their
parameters do not overlap. An output that is first written so is one with the temporary: its memory is free until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphc.codegen.blocks import held_at, live_ranges
from graphc.codegen.loops import (
    Block,
    Branch,
    Contract,
    Element,
    If,
    Kernel,
    Launch,
    Loop,
    LoopProgram,
    Statement,
    Store,
)
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.trace import Rewriter, walk_all
from graphc.ir.applications import applies
from graphc.ir.integers import Integer, bounds, coefficient_of
from graphc.ir.scalars import Load, Scalar


def reuse_in_place(program: LoopProgram) -> LoopProgram:
    """The program with results written over values that are read for the last time, where that is provably safe."""
    ranges = live_ranges(program)
    buffers = {buffer.name: buffer for buffer in program.buffers}
    held = held_at(program)
    renamed: dict[str, str] = {}
    launches: list[Launch] = []
    merged: dict[tuple[int, str, str], Kernel | None] = {}  # of kernels that many launches share: None where not safe

    def in_place(kernel: Kernel, read: str, write: str) -> Kernel | None:
        key = (id(kernel), read, write)
        if key not in merged:
            merged[key] = merge(kernel, read, write) if is_safe(kernel, read, write) else None
        return merged[key]

    for position, launch in enumerate(program.launches):
        launch = replace(launch, buffers=tuple(_last_name(name, renamed) for name in launch.buffers))
        for old, new in _candidates(launch, position, ranges, buffers):
            read, write = launch.kernel.parameters[old], launch.kernel.parameters[new]
            kernel = in_place(launch.kernel, read.name, write.name)
            if kernel is None or not applies("write over a last use", launch):
                continue
            before, after = launch.buffers[old], launch.buffers[new]
            if before in held[position] or after in held[position]:
                continue
            kept, gone = (after, before) if buffers[after].kind == "output" else (before, after)
            renamed[gone] = kept
            nodes = (*buffers[before].nodes, *buffers[after].nodes)
            ranges[kept] = (ranges[before][0], ranges[after][1])
            buffers[kept] = replace(buffers[kept], nodes=nodes)
            del ranges[gone], buffers[gone]
            names = [kept if at == new else name for at, name in enumerate(launch.buffers) if at != old]
            starts = tuple(start for at, start in enumerate(launch.starts) if at != old)
            launch = replace(launch, kernel=kernel, buffers=tuple(names), starts=starts)
            break
        launches.append(launch)
    return replace(
        program,
        buffers=tuple(buffers.values()),
        # What an output took over was made by earlier launches.
        launches=tuple(
            replace(launch, buffers=tuple(_last_name(name, renamed) for name in launch.buffers)) for launch in launches
        ),
        blocks=tuple(_with_names(block, renamed) for block in program.blocks),
    )


def _with_names(block: Block, renamed: Mapping[str, str]) -> Block:
    """The block with its buffers by their names now."""

    def now(value: Any) -> Any:
        return replace(value, buffer=_last_name(value.buffer, renamed)) if isinstance(value, Element) else value

    if isinstance(block, Branch):
        return replace(block, condition=now(block.condition))
    return replace(block, count=now(block.count), going=now(block.going))


def _last_name(name: str, renamed: Mapping[str, str]) -> str:
    while name in renamed:
        name = renamed[name]
    return name


def _candidates(launch: Launch, position: int, ranges: dict, buffers: dict) -> Iterator[tuple[int, int]]:
    """Pairs of positions: a parameter read here for the last time, and one written here for the first."""
    if isinstance(launch.kernel.body, Contract):
        return
    for new, write in enumerate(launch.kernel.parameters):
        into = buffers[launch.buffers[new]]
        into_new = into.kind in ("temporary", "output") and ranges[into.name][0] == position
        if write.access != "write" or not into_new:
            continue
        for old, read in enumerate(launch.kernel.parameters):
            name = launch.buffers[old]
            dies = read.access == "read" and buffers[name].kind == "temporary" and ranges[name][1] == position
            alike = (read.dtype, buffers[name].size) == (write.dtype, into.size)
            alike = alike and launch.start(old) == launch.start(new)
            if dies and alike and launch.buffers.count(name) == 1:
                yield old, new


def is_safe(kernel: Kernel, read: str, write: str) -> bool:
    """Whether every element of ``read`` is read only in the iteration that writes that element of ``write``, and not
    after it."""
    stores: list[tuple[tuple[Loop, ...], int, Integer]] = []
    loads: list[tuple[tuple[Loop, ...], int, Integer]] = []
    assert not isinstance(kernel.body, Contract)
    _collect(kernel.body, (), read, write, stores, loads)
    if len(stores) != 1 or not loads:
        return False
    loops, at, offset = stores[0]
    if any(each[0] is not loops or each[1] > at or each[2] != offset for each in loads):
        return False
    return _is_injective(offset, loops)


def _collect(
    body: Sequence[Statement], loops: tuple[Loop, ...], read: str, write: str, stores: list, loads: list
) -> None:
    for at, statement in enumerate(body):
        if isinstance(statement, Loop):
            _collect(statement.body, (*loops, statement), read, write, stores, loads)
            scalars: Sequence[Scalar] = ()
        elif isinstance(statement, If):
            # What runs only sometimes is taken for another place.
            _collect(statement.body, (*loops,), read, write, stores, loads)
            scalars = (statement.condition,)
        else:
            scalars = scalars_of((statement,))
        for part in walk_all(scalars):
            if isinstance(part, Load) and part.source == read:
                loads.append((loops, at, part.index[0]))
        if isinstance(statement, Store) and statement.target == write:
            stores.append((loops if statement.combiner is None else (*loops,), at, statement.offset))


def _is_injective(offset: Integer, loops: Sequence[Loop]) -> bool:
    """Whether different iterations give different offsets: a positional number system in the loop variables."""
    steps: list[tuple[int, int]] = []
    for loop in loops:
        factor = coefficient_of(offset, loop.variable)
        trips = bounds(loop.stop - loop.start)[1]
        if not isinstance(factor, int) or factor <= 0 or trips is None:
            return False
        steps.append((factor, trips - 1))
    reach = 0
    for factor, most in sorted(steps):
        if factor <= reach:
            return False
        reach += factor * most
    return True


def merge(kernel: Kernel, read: str, write: str) -> Kernel:
    """The kernel with one parameter, that of ``write``, in the place of both."""

    def change(scalar: Scalar) -> Scalar:
        return replace(scalar, source=write) if isinstance(scalar, Load) and scalar.source == read else scalar

    assert not isinstance(kernel.body, Contract)
    parameters = tuple(
        replace(parameter, access="update") if parameter.name == write else parameter
        for parameter in kernel.parameters
        if parameter.name != read
    )
    return replace(kernel, parameters=parameters, body=rewrite_statements(kernel.body, Rewriter({}, change)))
