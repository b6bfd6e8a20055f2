"""A rough model of what a core takes for a launch, and of what threads cost: it tells 1 microsecond from 10."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Contract,
    If,
    Launch,
    Let,
    LocalArray,
    Loop,
    LoopProgram,
    Statement,
    Store,
)
from graphc.codegen.statements import scalars_of
from graphc.codegen.trace import walk_all
from graphc.ir.integers import Integer, bounds, coefficient_of
from graphc.ir.scalars import Load

# From the memory that all cores share, and from a core's own cache where the whole program fits that.
BYTES_PER_SECOND = 20e9
CACHED_BYTES_PER_SECOND = 60e9
CACHE_BYTES = 1 << 20
# Element by element, with vectors, and in tiles of registers.
OPERATIONS_PER_SECOND = 8e9
VECTOR_OPERATIONS_PER_SECOND = 40e9
CONTRACTION_OPERATIONS_PER_SECOND = 60e9
# Loops shorter than this are no work for vectors.
FEWEST_IN_VECTORS = 16
# Launches that take as long are shared in any case: what exactly they do is not looked at.
LONG_SECONDS = 100e-6
# Two threads wait for each other so long, with the memory that then moves from one core to the other; and so long until
# a team has begun.
MEETING_SECONDS = 1.2e-6
WAKING_SECONDS = 1.1e-6


def meeting_seconds(threads: int) -> float:
    """How long so many threads take to meet."""
    return MEETING_SECONDS * math.log2(threads)


class Costs:
    """What the launches of a program take."""

    def __init__(self, program: LoopProgram):
        self._dense: dict[int, bool] = {}
        total = sum(_most(buffer.nbytes) for buffer in program.buffers)
        self._bytes_per_second = CACHED_BYTES_PER_SECOND if total <= CACHE_BYTES else BYTES_PER_SECOND

    def seconds(self, launch: Launch) -> float:
        """About how long one core takes for a launch."""
        operations, body = _most(launch.operations), launch.kernel.body
        nbytes = sum(_most(parameter.size * parameter.dtype.itemsize) for parameter in launch.kernel.parameters)
        moving = nbytes / self._bytes_per_second
        if isinstance(body, Contract):
            return max(operations / CONTRACTION_OPERATIONS_PER_SECOND, moving)
        slowest = operations / OPERATIONS_PER_SECOND
        if not MEETING_SECONDS < slowest < LONG_SECONDS:
            return max(slowest, moving)
        dense = self._dense.get(id(launch.kernel))
        if dense is None:
            dense = self._dense[id(launch.kernel)] = works_in_vectors(body)
        return max(operations / VECTOR_OPERATIONS_PER_SECOND if dense else slowest, moving)


def works_in_vectors(body: Sequence[Statement]) -> bool:
    """Whether all innermost loops are independent work on elements that lie side by side."""
    loops = list(_innermost(body))
    return bool(loops) and all(map(_is_dense, loops))


def _innermost(body: Sequence[Statement]) -> Iterator[Loop]:
    for statement in body:
        if isinstance(statement, Loop):
            within = list(_innermost(statement.body))
            yield from within or [statement]
        elif isinstance(statement, If):
            yield from _innermost(statement.body)


def _is_dense(loop: Loop) -> bool:
    if loop.kind == "serial" or _most(loop.stop - loop.start) < FEWEST_IN_VECTORS:
        return False
    offsets: list[Integer] = []
    for statement in loop.body:
        if isinstance(statement, Accumulate) and statement.position is not None:
            return False
        if not isinstance(statement, Let | Accumulate | Accumulator | LocalArray | Store):
            return False
        if isinstance(statement, Store):
            offsets.append(statement.offset)
    for scalar in walk_all(scalars_of(loop.body)):
        if isinstance(scalar, Load):
            offsets += scalar.index
    return all(coefficient_of(offset, loop.variable) in (0, 1) for offset in offsets)


def _most(value: Integer) -> int:
    return bounds(value)[1] or 0
