"""Index arithmetic within scalar expressions and statements, rewritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.codegen.loops import Accumulate, Advance, CallRow, CheckIndex, If, Let, Loop, Random, Statement, Store
from graphc.ir.integers import (
    Atom,
    Integer,
    IntegerExpression,
    Opaque,
    Quotient,
    Remainder,
    atoms,
    bounds,
    opaque,
    rewrite_atoms,
    substitute,
    variables,
)
from graphc.ir.scalars import FromIndex, Load, Scalar, Within, rebuild
from graphc.ir.types import int32

Change = Callable[[Integer], Integer]


def map_scalar(scalar: Scalar, change: Change) -> Scalar:
    """The expression with every integer expression in it changed, those within run-time integers too."""

    def one(part: Scalar) -> Scalar:
        if isinstance(part, Load):
            return replace(part, index=tuple(map_integer(offset, change) for offset in part.index))
        if isinstance(part, FromIndex):
            return replace(part, value=map_integer(part.value, change))
        if isinstance(part, Within):
            fields = (part.value, part.lower, part.upper)
            return Within(*(map_integer(field, change) for field in fields))
        return part

    return rebuild(scalar, one)


def map_integer(value: Integer, change: Change) -> Integer:
    """An integer expression changed, and the scalar expressions within it too."""

    def atom(each: Atom) -> Integer | None:
        if isinstance(each, Opaque):
            return opaque(map_scalar(each.value, change), each.lower, each.upper)
        return None

    if not isinstance(value, int) and any(isinstance(each, Opaque) for each in atoms(value)):
        value = rewrite_atoms(value, atom)
    return change(value)


def map_statement(statement: Statement, change: Change) -> Statement:
    """The statement with every integer expression in it changed, those of nested statements too."""
    match statement:
        case Let() | Advance():
            return replace(statement, value=map_scalar(statement.value, change))
        case Accumulate():
            position = None if statement.position is None else map_integer(statement.position, change)
            return replace(statement, value=map_scalar(statement.value, change), position=position)
        case Store():
            offset = map_integer(statement.offset, change)
            return replace(statement, value=map_scalar(statement.value, change), offset=offset)
        case CheckIndex():
            extent = map_integer(statement.extent, change)
            return replace(statement, value=map_scalar(statement.value, change), extent=extent)
        case If():
            body = tuple(map_statement(inner, change) for inner in statement.body)
            return If(map_scalar(statement.condition, change), body)
        case Loop():
            body = tuple(map_statement(inner, change) for inner in statement.body)
            start, stop = map_integer(statement.start, change), map_integer(statement.stop, change)
            return Loop(statement.variable, start, stop, body, statement.kind)
        case CallRow():
            *operands, target = (replace(span, offset=map_integer(span.offset, change)) for span in statement.spans)
            return replace(statement, operands=tuple(operands), target=target)
        case Random():
            return replace(statement, size=map_integer(statement.size, change))
    return statement


def substitution(values: dict[str, Integer]) -> Change:
    """The change that puts integers in the place of variables."""
    return lambda value: substitute(value, values)


class Tables:
    """Divisions of one variable, moved into tables that are filled before a loop over it.

    Inside a loop over ``variable`` from ``start`` on, what an integer expression has of terms that divide the variable,
    and depend on nothing else, becomes an element ``table[variable - start]``.
    """

    def __init__(self, variable: str, start: IntegerExpression, position: IntegerExpression, prefix: str):
        self.variable = variable
        self.place = position - start
        self.prefix = prefix
        self.entries: dict[Integer, str] = {}

    def change(self, value: Integer) -> Integer:
        """The expression with its divisions of the variable read from tables."""
        if isinstance(value, int):
            return value
        mine: Integer = 0
        divides = False
        rest: Integer = 0
        for monomial, coefficient in value.terms:
            term = IntegerExpression(((monomial, coefficient),)) if monomial else coefficient
            if not isinstance(term, int) and self._is_mine(monomial):
                mine = mine + term
                divides = divides or any(isinstance(atom, Quotient | Remainder) for atom in monomial)
            else:
                rest = rest + term
        if not divides or not _fits(mine):
            return value
        name = self.entries.setdefault(mine, f"{self.prefix}{len(self.entries)}")
        return rest + opaque(Load(name, (self.place,), int32), *bounds(mine))

    def _is_mine(self, monomial: Sequence[Atom]) -> bool:
        if any(isinstance(atom, Opaque) for atom in monomial):
            return False
        names = set().union(*(variables(IntegerExpression((((atom,), 1),))) for atom in monomial))
        inner = [each for atom in monomial for each in atoms(IntegerExpression((((atom,), 1),)))]
        return names == {self.variable} and not any(isinstance(each, Opaque) for each in inner)


def _fits(value: Integer) -> bool:
    """Whether all values of an expression are int32, of which a vector register holds twice as many."""
    least, greatest = bounds(value)
    return least is not None and greatest is not None and least >= -(2**31) and greatest < 2**31


def table_and_rest(value: Integer, variable: str) -> tuple[Integer, Integer] | None:
    """An expression as an element of a table plus what does not depend on ``variable``; None where it is no such."""
    if isinstance(value, int):
        return None
    table: Integer = 0
    rest: Integer = 0
    for monomial, coefficient in value.terms:
        term = IntegerExpression(((monomial, coefficient),)) if monomial else coefficient
        if len(monomial) == 1 and isinstance(monomial[0], Opaque) and coefficient == 1 and table == 0:
            table = term
        elif any(isinstance(atom, Opaque) for atom in monomial) or (monomial and variable in variables(term)):
            return None
        else:
            rest = rest + term
    return None if table == 0 else (table, rest)
