"""Pointwise kernels whose threads take 16 bytes at a time.

Along the innermost loop each thread has some neighbouring elements. What is contiguous there is read into, and written
from, vectors; what does not change along the loop is read once for each element and found in a register.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.cuda.schedule import Schedule
from graphc.codegen.loops import Kernel, Let, Local, Statement, Store
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.trace import (
    Rewriter,
    deep_variables,
    integer_variables,
    integers_of,
    parts,
    walk_all,
)
from graphc.ir.integers import Integer, Opaque, Variable, variable
from graphc.ir.scalars import Choose, Load, Scalar
from graphc.ir.types import DType

VECTOR_BYTES = 16
LANE = "lane"


@dataclass(frozen=True, slots=True)
class Vector:
    """Elements of a parameter from an offset on, held under a name of their own."""

    name: str
    parameter: str
    offset: Integer
    dtype: DType
    loaded: bool
    stored: bool


@dataclass(frozen=True, slots=True)
class Vectors:
    """A body for ``width`` elements: what is the same for all of them, vectors, and what is done for element
    :data:`LANE` of each."""

    width: int
    before: tuple[Let, ...]
    vectors: tuple[Vector, ...]
    body: tuple[Statement, ...]


def in_vectors(kernel: Kernel, plan: Schedule, aligned: Mapping[str, int]) -> Vectors | None:
    """The body of a pointwise kernel in vectors, where memory lies so. ``aligned`` gives for each parameter a number of
    elements of which all places where it begins are multiples."""
    outer, body = plan.outer, plan.body
    if not outer or not all(isinstance(each, Let) or (isinstance(each, Store) and not each.combiner) for each in body):
        return None
    name = outer[-1].variable
    known = {each.name for each in plan.before if isinstance(each, Let)}
    before, body = _parted(body, name, known)
    still = known | {each.name for each in before}
    dtypes = {parameter.name: parameter.dtype for parameter in kernel.parameters}
    places: dict[tuple[str, Integer], list[bool]] = {}  # loaded, stored
    others = {str(load.source) for load in _certain_loads(scalars_of((*plan.before, *before)))}  # read in other ways
    for statement in body:
        for load in _certain_loads(scalars_of((statement,))):
            if load.source in dtypes:
                moves = _moves(load.index[0], name, still)
                if moves == "otherwise":
                    return None
                if moves != "by one":
                    others.add(str(load.source))
                else:
                    places.setdefault((str(load.source), load.index[0]), [False, False])[0] = True
        if isinstance(statement, Store):
            if _moves(statement.offset, name, still) != "by one":
                return None
            places.setdefault((statement.target, statement.offset), [False, False])[1] = True
    if not places:
        return None
    for scalar in walk_all(scalars_of(body)):  # what is written there may be read there, even if not certainly
        if isinstance(scalar, Load) and (scalar.source, scalar.index[0]) in places:
            places[str(scalar.source), scalar.index[0]][0] = True
    width = VECTOR_BYTES // max(dtypes[parameter].itemsize for parameter, _ in places)
    extent = outer[-1].stop - outer[-1].start
    if width < 2 or outer[-1].start != 0 or (len(outer) > 1 and extent % width != 0):
        return None
    for parameter, offset in places:
        if aligned.get(parameter, 0) % width or not _is_multiple(offset, name, width):
            return None
    # Of a parameter that is written, one vector alone: others might overlap it.
    written = [parameter for (parameter, _), (_, stored) in places.items() if stored]
    if any(each in others or sum(other == each for other, _ in places) > 1 for each in written):
        return None
    vectors = tuple(
        Vector(f"{parameter}_v{number or ''}", parameter, offset, dtypes[parameter], loaded, stored)
        for number, ((parameter, offset), (loaded, stored)) in enumerate(places.items())
    )
    return Vectors(width, before, vectors, _of_lane(body, name, extent, vectors))


def _certain_loads(scalars: Sequence[Scalar]) -> Iterator[Load]:
    """The loads that are made at every point: those in the branches of a choice are not."""
    pending = list(scalars)
    while pending:
        scalar = pending.pop()
        if isinstance(scalar, Load):
            yield scalar
        pending += (scalar.condition,) if isinstance(scalar, Choose) else parts(scalar)


def _parted(body: Sequence[Statement], name: str, known: set[str]) -> tuple[tuple[Let, ...], tuple[Statement, ...]]:
    """The definitions that are the same at all points of the innermost loop, and the other statements. What is
    ``known`` is the same at all points."""
    before: list[Let] = []
    rest: list[Statement] = []
    stored = {each.target for each in body if isinstance(each, Store)}
    known = set(known)
    for statement in body:
        still = isinstance(statement, Let)
        for part in walk_all(scalars_of((statement,))) if still else ():
            if isinstance(part, Local):
                still = still and part.name in known
            elif any(name in integer_variables(value) for value in integers_of(part)):
                still = False
            else:
                still = still and not (isinstance(part, Load) and part.source in stored)
        if still:
            assert isinstance(statement, Let)
            known.add(statement.name)
            before.append(statement)
        else:
            rest.append(statement)
    return tuple(before), tuple(rest)


def _moves(offset: Integer, name: str, still: set[str]) -> str:
    """How an offset goes on with a loop's variable: "still", "by one", "anywhere" (as memory says), or "otherwise".
    ``still`` are the locals that do not change with the variable."""
    if isinstance(offset, int):
        return "still"
    found = "still"
    for monomial, coefficient in offset.terms:
        read = [atom for atom in monomial if isinstance(atom, Opaque)]
        locals_read = {part.name for atom in read for part in walk_all((atom.value,)) if isinstance(part, Local)}
        if locals_read - still:
            return "anywhere"
        if not any(name in deep_variables(atom) for atom in monomial):
            continue
        if any(isinstance(atom, Opaque) for atom in monomial):
            return "anywhere"
        if len(monomial) != 1 or not isinstance(monomial[0], Variable) or coefficient != 1:
            return "otherwise"
        found = "by one"
    return found


def _is_multiple(offset: Integer, name: str, width: int) -> bool:
    """Whether an offset is a multiple of the width where the innermost loop's variable is one."""
    if isinstance(offset, int):
        return offset % width == 0
    for monomial, coefficient in offset.terms:
        own = len(monomial) == 1 and isinstance(monomial[0], Variable) and monomial[0].name == name
        if not own and coefficient % width:
            return False
    return True


def _of_lane(body: Sequence[Statement], name: str, extent: Integer, vectors: Sequence[Vector]) -> tuple[Statement, ...]:
    """The body for one element of the vectors."""
    names = {(each.parameter, each.offset): each.name for each in vectors}
    lane = variable(LANE, 0, VECTOR_BYTES - 1)

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Load) and (scalar.source, scalar.index[0]) in names:
            return Load(names[str(scalar.source), scalar.index[0]], (lane,), scalar.dtype)
        return scalar

    upper = extent - 1 if isinstance(extent, int) else None
    own = variable(name, 0, upper)
    moved: list[Statement] = []
    for statement in rewrite_statements(body, Rewriter({}, change)):
        if isinstance(statement, Store):
            target = names[statement.target, statement.offset]
            statement = replace(statement, target=target, offset=lane)
        moved.append(statement)
    return rewrite_statements(moved, Rewriter({name: own + lane}))
