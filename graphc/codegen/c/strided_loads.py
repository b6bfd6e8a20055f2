"""Loads under conditions, by loops whose steps are longer than an element.

gcc 12.2 makes of such loads, side by side, one vector load under the condition of another place. Two ways around it:
where both sides of a condition may be read, they are read before it; and where a condition keeps a load within its
array, it is made at the nearest place that is always there, which needs no mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphc.codegen.c.spelling import is_conditional
from graphc.codegen.loops import If, Kernel, Let, Local, Loop, Statement
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.trace import Rewriter, integer_variables, is_guard
from graphc.ir.integers import Integer, coefficient_of
from graphc.ir.scalars import Call, Choose, Load, Scalar, children


def strided_under_conditions(kernel: Kernel, body: Sequence[Statement]) -> dict[object, Integer]:
    """The sizes of the arrays that are read more than once, with long steps, where a condition keeps the load within
    its array."""
    counts: dict[object, int] = {}
    for statement in _simple(body):
        for scalar in scalars_of((statement,)):
            for load in _guarded(scalar):
                counts[load.source] = counts.get(load.source, 0) + 1
    sizes = {parameter.name: parameter.size for parameter in kernel.parameters}
    return {source: sizes[source] for source, count in counts.items() if count > 1 and source in sizes}


def with_loads_apart(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The body with names for what is read more than once, with long steps, under conditions on values."""
    counts: dict[object, int] = {}
    for statement in _simple(body):
        for load in _optional_of(statement):
            counts[load.source] = counts.get(load.source, 0) + 1
    crowded = {source for source, count in counts.items() if count > 1}
    return _apart(body, crowded) if crowded else tuple(body)


def _apart(body: Sequence[Statement], crowded: set[object]) -> tuple[Statement, ...]:
    found: list[Statement] = []
    number = 0
    for statement in body:
        if isinstance(statement, Loop | If):
            found.append(replace(statement, body=_apart(statement.body, crowded)))
            continue
        names: dict[Load, Local] = {}
        for load in _optional_of(statement):
            if load.source in crowded and load not in names:
                names[load] = Local(f"v{number}", load.dtype)
                number += 1
        found += [Let(local.name, local.dtype, load) for load, local in names.items()]
        found += rewrite_statements((statement,), Rewriter({}, _replacing(names))) if names else (statement,)
    return tuple(found)


def _replacing(names: dict[Load, Local]):  # type: ignore[no-untyped-def]
    def change(scalar: Scalar) -> Scalar:
        return names.get(scalar, scalar) if isinstance(scalar, Load) else scalar  # type: ignore[return-value]

    return change


def _simple(body: Sequence[Statement]) -> Iterator[Statement]:
    """The statements of a body, and of what is nested in it, that hold no others."""
    for statement in body:
        if isinstance(statement, Loop | If):
            yield from _simple(statement.body)
        else:
            yield statement


def _optional_of(statement: Statement) -> list[Load]:
    """The loads with long steps that C makes if need be, though their places are there in any case."""
    return [load for scalar in scalars_of((statement,)) for load in _optional(scalar, False)]


def _optional(scalar: Scalar, under: bool) -> Iterator[Load]:
    if isinstance(scalar, Load):
        if under and isinstance(scalar.source, str) and _has_long_steps(scalar):
            yield scalar
    elif is_guard(scalar):
        yield from _optional(children(scalar)[0], under)
    else:
        conditional = isinstance(scalar, Choose) or (isinstance(scalar, Call) and is_conditional(scalar.function))
        for position, part in enumerate(children(scalar)):
            yield from _optional(part, under or (conditional and position > 0))


def _guarded(scalar: Scalar, under: bool = False) -> Iterator[Load]:
    """The loads with long steps whose places a condition keeps within their arrays."""
    if isinstance(scalar, Load):
        if under and _has_long_steps(scalar):
            yield scalar
    else:
        guard = is_guard(scalar)
        for position, part in enumerate(children(scalar)):
            yield from _guarded(part, under or (guard and position > 0))


def _has_long_steps(load: Load) -> bool:
    for offset in load.index:
        for name in integer_variables(offset):
            step = coefficient_of(offset, name)
            if not isinstance(step, int) or abs(step) > 1:
                return True
    return False
