"""Pointwise kernels that read memory across the way in which they write it: tiles of 32 x 32 through shared memory.

A warp that wrote neighbours and read far apart would move a whole sector of memory for each element. So a block reads
a tile along the dimension in which what is read lies, and writes it along the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphc.codegen.cuda.schedule import Schedule
from graphc.codegen.loops import Kernel, Let, Loop, Statement, Store
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.trace import Rewriter, integer_variables, linear_terms, parts, walk_all
from graphc.ir.integers import Opaque, variable
from graphc.ir.scalars import Choose, Load, Scalar

SIDE = 32
ROWS = 8  # of threads; each thread has some elements of a tile
PITCH = SIDE + 1  # so that neither rows nor columns meet in a bank of shared memory
PLACE = "place"  # of an element in a tile, as the loops of the second half have it
MOST_TILES = 8  # in shared memory, 8448 bytes each for the widest elements


@dataclass(frozen=True, slots=True)
class Turned:
    """Of the parallel loops the ``others``, the one along which memory is ``read``, and the one along which it is
    ``written``; ``loads`` are what goes through tiles, which have these names, and ``body`` reads them there."""

    others: tuple[Loop, ...]
    read: Loop
    written: Loop
    loads: tuple[tuple[str, Load], ...]
    body: tuple[Statement, ...]

    @property
    def tiles(self) -> tuple[int, int]:
        """How many tiles there are along both."""
        return tuple(-(-loop.stop // SIDE) for loop in (self.read, self.written))

    @property
    def blocks(self) -> int:
        """How many blocks it takes."""
        count = self.tiles[0] * self.tiles[1]
        for loop in self.others:
            count *= loop.stop
        return count


def in_tiles(kernel: Kernel, plan: Schedule) -> Turned | None:
    """How a pointwise kernel goes through tiles, where it reads across the way in which it writes."""
    outer, body = plan.outer, plan.body
    if len(outer) < 2 or any(loop.start != 0 or not isinstance(loop.stop, int) for loop in outer):
        return None
    if not all(isinstance(each, Let) or (isinstance(each, Store) and not each.combiner) for each in body):
        return None
    names = {loop.variable for loop in outer}
    written = outer[-1]
    stores = [each for each in body if isinstance(each, Store)]
    if written.stop < SIDE or any(linear_terms(each.offset, names).get(written.variable) != 1 for each in stores):
        return None
    targets = {each.target for each in stores}
    parameters = {parameter.name for parameter in kernel.parameters}
    loads = dict.fromkeys(load for load in _certain_loads(scalars_of(body)) if load.source in parameters - targets)
    for read in reversed(outer[:-1]):
        across = [load for load in loads if read.stop >= SIDE and _is_across(load, read.variable, written, names)]
        if 0 < len(across) <= MOST_TILES and sum(load.dtype.itemsize for load in across) <= MOST_TILES * 4:
            named = tuple((f"turned{number}", load) for number, load in enumerate(across))
            others = tuple(loop for loop in outer[:-1] if loop is not read)
            return Turned(others, read, written, named, _through_tiles(body, named))
    return None


def _is_across(load: Load, read: str, written: Loop, names: set[str]) -> bool:
    """Whether neighbours along ``read`` are neighbours in memory, and those along ``written`` are not, nor the same."""
    (index,) = load.index
    if isinstance(index, int) or integer_variables(index) - names:
        return False
    if any(isinstance(atom, Opaque) for monomial, _ in index.terms for atom in monomial):
        return False
    terms = linear_terms(index, names)
    step = terms.get(written.variable, 0)
    return terms.get(read) == 1 and isinstance(step, int) and abs(step) >= SIDE


def _certain_loads(scalars: Sequence[Scalar]) -> Iterator[Load]:
    """The loads that are made at every point."""
    pending = list(scalars)
    while pending:
        scalar = pending.pop()
        if isinstance(scalar, Load) and len(scalar.index) == 1:
            yield scalar
        pending += (scalar.condition,) if isinstance(scalar, Choose) else parts(scalar)


def _through_tiles(body: Sequence[Statement], named: Sequence[tuple[str, Load]]) -> tuple[Statement, ...]:
    tiles = {load: name for name, load in named}
    place = variable(PLACE, 0, SIDE * PITCH)

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Load) and scalar in tiles:
            return Load(tiles[scalar], (place,), scalar.dtype)
        return scalar

    assert all(any(part == load for part in walk_all(scalars_of(body))) for load in tiles)
    return rewrite_statements(body, Rewriter({}, change))
