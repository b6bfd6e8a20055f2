"""From drafts over values to kernels over parameters, named by position so that equal kernels are equal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.loops import (
    Buffer,
    CallOut,
    CallRow,
    Contract,
    If,
    Kernel,
    Let,
    Loop,
    Parameter,
    Random,
    Statement,
    Store,
)
from graphc.codegen.statements import rewrite_statements, scalars_of
from graphc.codegen.storage import Draft
from graphc.codegen.trace import Rewriter, walk_all
from graphc.codegen.windows import with_windows
from graphc.ir.integers import Integer, bounds, variable
from graphc.ir.scalars import Load, Scalar


@dataclass
class _Use:
    loaded: bool = False
    stored: bool = False
    combined: bool = False

    @property
    def access(self) -> str:
        if not self.stored:
            return "read"
        return "update" if self.loaded or self.combined else "write"


def make_kernel(
    draft: Draft, buffer_of: Mapping[str, str], buffers: Mapping[str, Buffer], operations: Sequence[str]
) -> tuple[Kernel, tuple[str, ...], tuple[int, ...]]:
    """The kernel of a draft, and for each of its parameters the buffer and the element of it at which it begins.

    ``buffer_of`` maps keys of values and places to names of buffers.
    """
    uses = _uses(draft, buffer_of)
    names: dict[str, str] = {}
    counts = {"in": 0, "out": 0}
    for buffer, use in uses.items():
        side = "in" if use.access == "read" else "out"
        names[buffer] = f"{side}{counts[side]}"
        counts[side] += 1
    ordered = sorted(uses, key=lambda buffer: uses[buffer].access != "read")
    parameters = tuple(
        Parameter(names[buffer], buffers[buffer].dtype, buffers[buffer].size, uses[buffer].access) for buffer in ordered
    )

    def change(scalar: Scalar) -> Scalar:
        if isinstance(scalar, Load) and scalar.source in buffer_of:
            return Load(names[buffer_of[str(scalar.source)]], scalar.index, scalar.dtype)
        return scalar

    def target(key: str) -> str:
        return names.get(buffer_of.get(key, ""), key)

    rewriter = Rewriter(_loop_names(draft.body), change)
    if isinstance(draft.body, Contract):
        body: tuple[Statement, ...] | Contract = draft.body.changed(
            rewriter.scalar, lambda epilogue: _rename(epilogue, rewriter, target)
        )
    else:
        body = _rename(draft.body, rewriter, target)
    kernel, starts = with_windows(Kernel(parameters, body, tuple(operations)))
    return kernel, tuple(ordered), starts


def _loop_names(body: tuple[Statement, ...] | Contract) -> dict[str, Integer]:
    """New names for loop variables: i0, i1, ... for outer ones, r0, r1, ... for reduced ones, as they appear."""
    if isinstance(body, Contract):
        return {}
    names: dict[str, Integer] = {}
    counts: dict[str, int] = {}
    for loop in _loops(body):
        if loop.variable not in names:
            prefix = loop.variable[0]
            number = counts.get(prefix, 0)
            counts[prefix] = number + 1
            names[loop.variable] = _bounded(f"{prefix}{number}", loop)
    return names


def _bounded(name: str, loop: Loop) -> Integer:
    upper = loop.stop - 1 if isinstance(loop.stop, int) and loop.stop > 0 else None
    if upper is None and not isinstance(loop.stop, int):
        greatest = bounds(loop.stop)[1]
        upper = None if greatest is None else max(greatest - 1, 0)
    return variable(name, 0, upper)


def _loops(statements: Sequence[Statement]) -> Iterator[Loop]:
    for statement in statements:
        if isinstance(statement, Loop):
            yield statement
            yield from _loops(statement.body)


def _rename(statements: Sequence[Statement], rewriter: Rewriter, target: Callable[[str], str]) -> tuple[Statement, ...]:
    """Statements with expressions rewritten, and targets and loop variables renamed."""

    def renamed(statement: Statement) -> Statement:
        if isinstance(statement, Store | Random):
            return replace(statement, target=target(statement.target))
        if isinstance(statement, CallOut):
            operands = tuple(map(target, statement.operands))
            return replace(statement, operands=operands, target=target(statement.target))
        if isinstance(statement, CallRow):
            *spans, last = (replace(span, name=target(span.name)) for span in statement.spans)
            return replace(statement, operands=tuple(spans), target=last)
        if isinstance(statement, Loop):
            (atom,) = rewriter.variables[statement.variable].terms[0][0]  # type: ignore[union-attr]
            return replace(statement, variable=atom.name, body=tuple(renamed(inner) for inner in statement.body))
        if isinstance(statement, If):
            return replace(statement, body=tuple(renamed(inner) for inner in statement.body))
        return statement

    return tuple(renamed(statement) for statement in rewrite_statements(statements, rewriter))


def _uses(draft: Draft, buffer_of: Mapping[str, str]) -> dict[str, _Use]:
    """How each buffer is used, in the order in which the body names it."""
    uses: dict[str, _Use] = {}

    def load(scalar: Scalar) -> None:
        for part in sorted_loads(scalar):
            if part.source in buffer_of:
                uses.setdefault(buffer_of[str(part.source)], _Use()).loaded = True

    def visit(statements: Sequence[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Loop):
                visit(statement.body)
                continue
            if isinstance(statement, If):
                load(statement.condition)
                visit(statement.body)
                continue
            for scalar in scalars_of((statement,)):
                load(scalar)
            if isinstance(statement, Let):
                load(statement.value)
            if isinstance(statement, CallOut):
                for operand in statement.operands:
                    uses.setdefault(buffer_of[operand], _Use()).loaded = True
            if isinstance(statement, CallRow):
                for span in statement.operands:
                    uses.setdefault(buffer_of[span.name], _Use()).loaded = True
                uses.setdefault(buffer_of[statement.target.name], _Use()).stored = True
            if isinstance(statement, Store | Random | CallOut) and statement.target in buffer_of:
                use = uses.setdefault(buffer_of[statement.target], _Use())
                use.stored = True
                use.combined |= isinstance(statement, Store) and statement.combiner is not None

    if isinstance(draft.body, Contract):
        for factor in draft.body.factors:
            load(factor)
        visit(draft.body.epilogue)
    else:
        visit(draft.body)
    return uses


def sorted_loads(scalar: Scalar) -> list[Load]:
    """The loads in an expression, in the order in which it is written."""
    return [part for part in reversed(list(walk_all((scalar,)))) if isinstance(part, Load)][::-1]
