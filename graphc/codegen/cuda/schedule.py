"""Which loops of a kernel become blocks and threads.

The parallel loops around a kernel are one row of points, numbered with the innermost loop fastest. What works on a
point is

- a thread ("threads"): pointwise work, short sums, and what goes in order; neighbouring threads have neighbouring
  points. Where memory allows it each thread takes a vector of 16 bytes.
- a warp of 32 threads ("warp") or a block ("block"): sums and rows along which memory is contiguous. The threads share
  out every vector loop and combine what they found; all of them know the result.
- a column of threads of a block ("columns"): the same where memory is contiguous across the points. 32 neighbouring
  points stand side by side in a block, and the rows of threads below share out the loops.

How a sum is cut depends on sizes alone, so that it is the same bit for bit at every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.domains import Axis
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    CheckIndex,
    If,
    Let,
    LocalArray,
    Loop,
    Random,
    Statement,
    Store,
)
from graphc.codegen.materialize import size_estimate
from graphc.codegen.statements import unit_score
from graphc.ir.integers import Integer, product

WARP = 32
THREADS = 256  # of a block whose threads work each for itself
WARPS = 4  # rows of a block that a warp each works on
SHORT_ROW = 16  # terms that one thread sums as fast as several would
MANY_POINTS = 1 << 15  # points that keep a GPU busy with one thread each
WARP_ROW = 1024  # the longest row for which a warp is enough where there are many rows
FEW_ROWS = 256
MOST_SHARED_BYTES = 40 << 10  # for values of rows, of the 48 KiB that a block may declare
COLUMN_THREADS = 16  # threads that share out the sum of one column


@dataclass(frozen=True, slots=True)
class Schedule:
    """``mode`` is one of the words above, "random" (one block draws), or "check" (one block looks at indices).

    ``before`` are definitions that stand ahead of the parallel loops ``outer``, and ``body`` is what is done at each
    point. ``block`` counts threads in x, y, z.
    """

    mode: str
    before: tuple[Statement, ...]
    outer: tuple[Loop, ...]
    body: tuple[Statement, ...]
    block: tuple[int, int, int]

    @property
    def points(self) -> Integer:
        """How many points there are."""
        return product(loop.stop - loop.start for loop in self.outer)

    @property
    def points_per_block(self) -> int:
        """How many points a block works on, one element a thread."""
        return {"threads": self.block[0], "warp": self.block[1], "columns": self.block[0]}.get(self.mode, 1)

    @property
    def cooperates(self) -> bool:
        """Whether several threads work on one point."""
        return self.mode in ("warp", "block", "columns", "check")

    @property
    def helpers(self) -> int:
        """How many threads work on one point."""
        return {"warp": WARP, "block": self.block[0], "check": self.block[0], "columns": self.block[1]}.get(
            self.mode, 1
        )


def schedule(body: Sequence[Statement]) -> Schedule:
    """How the statements of a kernel are shared out."""
    before, outer, inner = _parted(tuple(body))
    if any(isinstance(statement, Random) for statement in inner):
        return Schedule("random", before, outer, inner, (THREADS, 1, 1))
    if _checks(inner):
        return Schedule("check", (), (), tuple(body), (1024, 1, 1))
    mode, threads = _mode(outer, inner)
    return Schedule(mode, before, outer, inner, threads)


def _parted(body: tuple[Statement, ...]) -> tuple[tuple[Statement, ...], tuple[Loop, ...], tuple[Statement, ...]]:
    """What stands before the parallel loops, these loops, and what they hold."""
    before = body[:-1]
    last = body[-1]
    if not (isinstance(last, Loop) and last.kind == "parallel" and all(isinstance(each, Let) for each in before)):
        return (), (), body
    outer: list[Loop] = []
    definitions: list[Statement] = []  # of what does not change in the loops further in
    inner: tuple[Statement, ...] = (last,)
    while (
        isinstance(inner[-1], Loop)
        and inner[-1].kind == "parallel"
        and all(isinstance(statement, Let) for statement in inner[:-1])
    ):
        definitions += inner[:-1]
        outer.append(inner[-1])
        inner = inner[-1].body
    return before, tuple(outer), (*definitions, *inner)


def _checks(body: Sequence[Statement]) -> bool:
    return any(isinstance(each, CheckIndex) or (isinstance(each, Loop) and _checks(each.body)) for each in body)


def _mode(outer: tuple[Loop, ...], body: tuple[Statement, ...]) -> tuple[str, tuple[int, int, int]]:
    points = size_estimate(product(loop.stop - loop.start for loop in outer))
    rows = [vector_nest(statement) for statement in body if isinstance(statement, Loop)]
    if not rows or not all(loops and _is_shared(inner) for loops, inner in rows) or not _repeatable(body):
        return "threads", (THREADS, 1, 1)
    terms = max(size_estimate(product(loop.stop - loop.start for loop in loops)) for loops, _ in rows)
    if terms <= SHORT_ROW:
        return "threads", (THREADS, 1, 1)
    if _across(outer, rows):
        if points >= MANY_POINTS or terms <= 2 * SHORT_ROW:
            return "threads", (THREADS, 1, 1)
        return "columns", (WARP, COLUMN_THREADS, 1)
    kept = sum(each.size * each.dtype.itemsize for each in body if isinstance(each, LocalArray))
    enough = outer and (terms <= 2 * WARP or (terms <= WARP_ROW and points >= FEW_ROWS))
    if enough and WARPS * kept <= MOST_SHARED_BYTES:
        return "warp", (WARP, WARPS, 1)
    threads = WARP
    while threads < 1024 and threads * 4 < terms:
        threads *= 2
    return "block", (max(threads, 128), 1, 1)


def vector_nest(loop: Loop) -> tuple[tuple[Loop, ...], tuple[Statement, ...]]:
    """The vector loops directly within each other, and what the innermost holds."""
    loops: list[Loop] = []
    body: tuple[Statement, ...] = (loop,)
    while len(body) == 1 and isinstance(body[0], Loop) and body[0].kind == "vector":
        loops.append(body[0])
        body = body[0].body
    return tuple(loops), body


def _is_shared(body: Sequence[Statement]) -> bool:
    """Whether threads may share out the iterations of a loop with this body."""
    for statement in body:
        if isinstance(statement, If):
            if not _is_shared(statement.body):
                return False
        elif isinstance(statement, Store):
            if statement.combiner is not None:
                return False
        elif not isinstance(statement, Let | Accumulate):
            return False
    return True


def _repeatable(body: Sequence[Statement]) -> bool:
    """Whether what stands beside the loops may be done by every thread of a point."""
    for statement in body:
        if isinstance(statement, If) and _repeatable(statement.body):
            continue
        if not isinstance(statement, Let | Accumulator | LocalArray | Store | Loop):
            return False
    return True


def _across(outer: tuple[Loop, ...], rows: Sequence[tuple[tuple[Loop, ...], tuple[Statement, ...]]]) -> bool:
    """Whether memory is contiguous from point to point rather than along the loops of a point."""
    if not outer:
        return False
    inner_axes = [Axis(loop.variable, loop.stop - loop.start) for loops, _ in rows for loop in loops]
    axis = Axis(outer[-1].variable, outer[-1].stop - outer[-1].start)
    score = unit_score((axis, *inner_axes), [statement for _, body in rows for statement in body])
    along = max((score[each.name] for each in inner_axes), default=0)
    return score[axis.name] > along and size_estimate(axis.extent) >= 8
