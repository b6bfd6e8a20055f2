"""The order of launches: one in which memory is freed early, and all that must stay behind something else does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from graphc.codegen.loops import CallOut, CheckIndex, Contract, If, Launch, Loop, LoopProgram, Random, Statement
from graphc.codegen.memory import most_bytes
from graphc.ir.primitive import PRIMITIVES

# A launch that takes less than this part of the largest value is not worth waiting with.
LITTLE = 1 / 64


def order_for_memory(program: LoopProgram) -> LoopProgram:
    """The program with its launches in an order that frees memory early.

    A launch that frees more than it takes, or takes little, runs as soon as what it depends on has run; otherwise the
    order stays. The stream of random numbers keeps its order, and what may fail runs before the first launch that
    writes to state.
    """
    launches = program.launches
    sizes = {buffer.name: most_bytes(buffer) for buffer in program.buffers if buffer.kind == "temporary"}
    waiting = _dependencies(program)
    followers: list[list[int]] = [[] for _ in launches]
    for number, needed in enumerate(waiting):
        for other in needed:
            followers[other].append(number)
    missing = [len(needed) for needed in waiting]
    touched = [tuple({name: None for name in launch.buffers if name in sizes}) for launch in launches]
    users: dict[str, list[int]] = {name: [] for name in sizes}
    for number, names in enumerate(touched):
        for name in names:
            users[name].append(number)
    uses = {name: len(numbers) for name, numbers in users.items()}
    begun: set[str] = set()
    order: list[int] = []

    little = LITTLE * max(sizes.values(), default=0)

    def growth(number: int) -> float:
        """The bytes by which a launch changes what is live; those that would raise it by much are all the same."""
        taken = sum(sizes[name] for name in touched[number] if name not in begun)
        change = taken - sum(sizes[name] for name in touched[number] if uses[name] == 1)
        return change if change < 0 else 0 if taken <= little else math.inf

    ready = {number: growth(number) for number, count in enumerate(missing) if not count}
    while ready:
        chosen = min(ready, key=lambda number: (ready[number], number))
        del ready[chosen]
        order.append(chosen)
        for number in followers[chosen]:
            missing[number] -= 1
            if not missing[number]:
                ready[number] = math.inf
        for name in touched[chosen]:
            uses[name] -= 1
            begun.add(name)
        for number in {*followers[chosen], *(user for name in touched[chosen] for user in users[name])} & ready.keys():
            ready[number] = growth(number)
    return replace(program, launches=tuple(launches[number] for number in order))


def _dependencies(program: LoopProgram) -> list[set[int]]:
    """For each launch the earlier ones that it must stay behind."""
    states = {buffer.name for buffer in program.buffers if buffer.kind == "state"}
    writer: dict[str, int] = {}
    readers: dict[str, list[int]] = {}
    found: list[set[int]] = []
    fallible: list[int] = []
    drawn: int | None = None
    checked: int | None = None
    for number, launch in enumerate(program.launches):
        needed: set[int] = set()
        for name, access in accesses(launch):
            if name in writer:
                needed.add(writer[name])
            if access != "read":
                needed.update(readers.get(name, ()))
        for name, access in accesses(launch):
            if access == "read":
                readers.setdefault(name, []).append(number)
            else:
                writer[name], readers[name] = number, []
        # What follows a check may read where the index points.
        needed.update(() if checked is None else (checked,))
        if holds(launch, CheckIndex):
            checked = number
        if may_fail(launch):
            needed.update(fallible[-1:])
            fallible.append(number)
        if any(name in states and access != "read" for name, access in accesses(launch)):
            needed.update(fallible)
        if _draws(launch):
            needed.update(() if drawn is None else (drawn,))
            drawn = number
        found.append(needed - {number})
    return found


def may_fail(launch: Launch) -> bool:
    """Whether a launch may end the program early: it checks something, or the host carries it out."""
    return holds(launch, CheckIndex) or holds(launch, CallOut)


def accesses(launch: Launch) -> Iterator[tuple[str, str]]:
    for name, parameter in zip(launch.buffers, launch.kernel.parameters, strict=True):
        yield name, parameter.access


def holds(launch: Launch, kind: type) -> bool:
    """Whether a statement of that kind stands in a launch's kernel."""
    return any(isinstance(statement, kind) for statement in _statements(launch))


def _draws(launch: Launch) -> bool:
    """Whether a launch takes numbers from the random stream, itself or by its host."""
    return any(
        isinstance(each, Random) or (isinstance(each, CallOut) and PRIMITIVES[each.function].effect == "random")
        for each in _statements(launch)
    )


def _statements(launch: Launch) -> Iterator[Statement]:
    """All statements of a launch's kernel, also those within others."""
    body = launch.kernel.body
    pending: list[Statement] = list(body.epilogue if isinstance(body, Contract) else body)
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, Loop | If):
            pending.extend(statement.body)
