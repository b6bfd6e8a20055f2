"""Statements and how passes over them are written: rewriting, nests of loops, blocks of an axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from graphc.codegen.domains import Axis, Domain, integer_expressions, merge_axes, split_divisions
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    CallRow,
    CheckIndex,
    If,
    Let,
    Local,
    Loop,
    Statement,
    Store,
)
from graphc.codegen.materialize import size_estimate, static_size
from graphc.codegen.target import CPU, Target
from graphc.codegen.trace import Rewriter, index_variable, linear_terms, walk_all
from graphc.ir.integers import Integer
from graphc.ir.scalars import Load, Scalar
from graphc.ir.types import int64

SHORT_AXIS = 4  # an innermost axis that is not longer is written out
LANES = 64  # neighbouring points that one thread carries together

Ranges = Mapping[str, tuple[Integer, Integer]]


def nest(
    domain: Sequence[Axis], body: Iterable[Statement], kinds: Sequence[str], ranges: Ranges | None = None
) -> tuple[Statement, ...]:
    """Loops over a domain; ``ranges`` holds the range of an axis that is not walked as a whole."""
    statements = tuple(body)
    for axis, kind in reversed(list(zip(domain, kinds, strict=True))):
        start, stop = (ranges or {}).get(axis.name, (0, axis.extent))
        statements = (Loop(axis.name, start, stop, statements, kind),)
    return statements


def blocks(axis: Axis) -> tuple[Integer, int, Integer, Integer]:
    """Blocks of an axis: their number, the largest width, and the range of block ``c``."""
    size = static_size(axis.extent)
    if size is not None:
        for width in range(2 * LANES, LANES // 2 - 1, -16):
            if size % width == 0:
                c = index_variable("c", size // width)
                return size // width, width, c * width, c * width + width
        count = -(-size // LANES)
        c = index_variable("c", count)
        return count, -(-size // count), (c * size) // count, ((c + 1) * size) // count
    count_expression = (axis.extent + (LANES - 1)) // LANES
    c = index_variable("c", count_expression)
    return count_expression, LANES, (c * axis.extent) // count_expression, ((c + 1) * axis.extent) // count_expression


def substitute_statements(statements: Sequence[Statement], mapping: dict[str, Integer]) -> tuple[Statement, ...]:
    """Statements with index variables replaced in every expression."""
    return rewrite_statements(statements, Rewriter(mapping)) if mapping else tuple(statements)


def rewrite_statements(statements: Sequence[Statement], rewriter: Rewriter) -> tuple[Statement, ...]:
    """Statements with every expression rewritten."""
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Store):
            statement = Store(
                statement.target,
                rewriter.integer(statement.offset),
                rewriter.scalar(statement.value),
                statement.dtype,
                statement.combiner,
            )
        elif isinstance(statement, Accumulate):
            position = None if statement.position is None else rewriter.integer(statement.position)
            statement = Accumulate(
                statement.name, statement.dtype, statement.combiner, rewriter.scalar(statement.value), position
            )
        elif isinstance(statement, Loop):
            statement = Loop(
                statement.variable,
                rewriter.integer(statement.start),
                rewriter.integer(statement.stop),
                rewrite_statements(statement.body, rewriter),
                statement.kind,
            )
        elif isinstance(statement, Let | Advance):
            statement = replace(statement, value=rewriter.scalar(statement.value))
        elif isinstance(statement, If):
            statement = If(rewriter.scalar(statement.condition), rewrite_statements(statement.body, rewriter))
        elif isinstance(statement, CallRow):
            statement = _rewritten_call(statement, rewriter)
        elif isinstance(statement, CheckIndex):
            statement = CheckIndex(rewriter.scalar(statement.value), rewriter.integer(statement.extent))
        result.append(statement)
    return tuple(result)


def _rewritten_call(call: CallRow, rewriter: Rewriter) -> CallRow:
    *operands, target = (replace(span, offset=rewriter.integer(span.offset)) for span in call.spans)
    return replace(call, operands=tuple(operands), target=target)


def scalars_of(statements: Iterable[Statement]) -> list[Scalar]:
    """The scalar expressions of statements; offsets and positions stand as loads of nothing."""
    found: list[Scalar] = []
    for statement in statements:
        if isinstance(statement, Store):
            found += [statement.value, Load("offset", (statement.offset,), int64)]
        elif isinstance(statement, Accumulate):
            found.append(statement.value)
            if statement.position is not None:
                found.append(Load("position", (statement.position,), int64))
        elif isinstance(statement, CheckIndex | Let | Advance):
            found.append(statement.value)
        elif isinstance(statement, CallRow):
            found += [Load("offset", (span.offset,), int64) for span in statement.spans]
        elif isinstance(statement, If):
            found += [statement.condition, *scalars_of(statement.body)]
        elif isinstance(statement, Loop):
            found += scalars_of(statement.body)
    return found


def written_out(domain: Domain, statements: Sequence[Statement]) -> tuple[Domain, tuple[Statement, ...]]:
    """Without a short innermost axis: its points are written out, so that the axis around it can be vectorised."""
    while len(domain) > 1:
        extent, around = static_size(domain[-1].extent), size_estimate(domain[-2].extent)
        if extent is None or not 0 < extent <= SHORT_AXIS or around < extent:
            break
        copies: list[Statement] = []
        for point in range(extent):
            copies += _renamed(statements, f"_{point}", {domain[-1].name: point})
        domain, statements = domain[:-1], copies
    return domain, tuple(statements)


def _renamed(statements: Sequence[Statement], suffix: str, point: dict[str, Integer]) -> list[Statement]:
    """A copy of statements at one point of an axis, its names ending in ``suffix``."""
    names = {statement.name for statement in statements if isinstance(statement, Let)}

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Local) and scalar.name in names:
            return Local(scalar.name + suffix, scalar.dtype)
        return scalar

    return [
        Let(statement.name + suffix, statement.dtype, statement.value) if isinstance(statement, Let) else statement
        for statement in rewrite_statements(statements, Rewriter(point, change))
    ]


def unit_score(domain: Domain, statements: Iterable[Statement]) -> dict[str, int]:
    """How often each axis is walked contiguously; stores count twice."""
    names = {axis.name for axis in domain}
    score = dict.fromkeys(names, 0)
    weights: dict[Integer, int] = {}
    for scalar in walk_all(scalars_of(statements)):
        if isinstance(scalar, Load):
            weight = 2 if scalar.source == "offset" else 1
            offset = scalar.index[0]
            weights[offset] = weights.get(offset, 0) + weight
    for offset, weight in weights.items():
        for name, factor in linear_terms(offset, names).items():
            score[name] += weight * (factor == 1)
    return score


def contiguous_last(domain: Domain, sweeps: Sequence[Sequence[Statement]]) -> Domain:
    """The domain with the axis innermost that memory is walked along most."""
    if len(domain) < 2:
        return domain
    score = unit_score(domain, [s for sweep in sweeps for s in sweep])
    best = max(reversed(domain), key=lambda axis: score[axis.name])
    if score[best.name] <= score[domain[-1].name]:
        return domain
    return (*(axis for axis in domain if axis is not best), best)


def outer_kinds(count: int, target: Target) -> list[str]:
    """The kinds of so many loops over independent points, from the outermost."""
    return ["parallel"] * count if target.all_parallel else ["parallel", *["serial"] * (count - 1)][:count]


def outer_nest(domain: Domain, body: Sequence[Statement], target: Target = CPU) -> tuple[Statement, ...]:
    """A nest over independent points: the first loop parallel, the last of several a vector loop; or all parallel."""
    domain, split = split_divisions(domain, integer_expressions(scalars_of(body)))
    # One after the other: axes merge by what expressions are once divisions are gone.
    statements = substitute_statements(body, split)
    domain, merged = merge_axes(domain, integer_expressions(scalars_of(statements)))
    statements = substitute_statements(statements, merged)
    domain = contiguous_last(domain, [statements])
    if not any(isinstance(statement, Accumulator) for statement in statements):
        domain, statements = written_out(domain, statements)
    kinds = outer_kinds(len(domain), target)
    if len(domain) > 1 and not target.all_parallel:
        kinds[-1] = "vector"
    return nest(domain, statements, kinds)
