"""Scalar and integer expressions as C text, with as few parentheses as C and its warnings allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from graphc.codegen.c.literals import c_type, integer_literal, literal
from graphc.codegen.c.names import Names
from graphc.codegen.c.spelling import (
    ADD,
    AND,
    CASTS,
    COMPARE,
    CONDITIONAL,
    MULTIPLY,
    OR,
    PRIMARY,
    UNARY,
    Spelling,
    spelling_of,
)
from graphc.codegen.loops import Local
from graphc.codegen.trace import is_guard
from graphc.ir.integers import Atom, Integer, IntegerExpression, Quotient, Remainder, Variable, bounds
from graphc.ir.scalars import Call, Choose, Constant, FromIndex, Load, Scalar, Within
from graphc.ir.types import DType, contiguous_strides, float32, int64


@dataclass(frozen=True, slots=True)
class Text:
    """C text and how tightly its outermost operator binds."""

    text: str
    level: int = PRIMARY

    def at(self, *levels: int) -> str:
        """The text for a place that takes these levels, or anything tighter than all of them."""
        if self.level in levels or self.level >= max(levels):
            return self.text
        return f"({self.text})"


# For the operators of a level: what stands bare on their left and on their right.
_LEFT = {OR: (OR, COMPARE), AND: (AND, COMPARE), COMPARE: (ADD,), ADD: (ADD,), MULTIPLY: (MULTIPLY,)}
_RIGHT = {OR: (COMPARE,), AND: (COMPARE,), COMPARE: (ADD,), ADD: (MULTIPLY,), MULTIPLY: (UNARY,)}


@dataclass(slots=True)
class Used:
    """What a program calls: scalar helpers (name, operand dtype, source dtype of a cast), functions of the mathematical
    library (name, dtype), functions of rows (name, dtype of the first operand), random functions, and reductions of
    vector loops (function, combiner, dtype)."""

    scalar: set[tuple[str, DType, DType | None]] = field(default_factory=set)
    library: set[tuple[str, DType]] = field(default_factory=set)
    rows: set[tuple[str, DType]] = field(default_factory=set)
    random: set[str] = field(default_factory=set)
    reductions: set[tuple[str, str, DType]] = field(default_factory=set)
    tables: dict[Any, str] = field(default_factory=dict)  # literal arrays and their identifiers

    def table(self, literal: Any) -> str:
        """The identifier of a literal array; equal arrays have one."""
        return self.tables.setdefault(literal, f"gc_table{len(self.tables)}")


def flat_index(load: Load) -> Integer:
    """The offset of a load: that of a literal array may still be an index in the array's shape."""
    if len(load.index) == 1:
        return load.index[0]
    strides = contiguous_strides(load.source.shape)
    return sum((at * stride for at, stride in zip(load.index, strides, strict=True)), 0)


class Expressions:
    """Prints the expressions of one kernel: ``names`` gives its identifiers, ``used`` collects what it calls.

    ``everywhere`` holds the sizes of arrays whose elements are loaded at the nearest place that there is, where a
    condition says that the index may lie outside.
    """

    def __init__(self, names: Names, used: Used, everywhere: Mapping[object, Integer] = MappingProxyType({})):
        self.names = names
        self.used = used
        self.everywhere = everywhere
        self.bounded_by: set[Integer] = set()  # the sizes of those that were loaded so
        self._under = False  # within a branch of a choice

    def scalar(self, value: Scalar | Local, *levels: int) -> str:
        """A scalar expression, fit for a place that takes these levels (default: any)."""
        return self._scalar(value).at(*(levels or (CONDITIONAL,)))

    def integer(self, value: Integer, *levels: int) -> str:
        """An integer expression as int64 arithmetic, fit for a place that takes these levels (default: any)."""
        return self._integer(value).at(*(levels or (CONDITIONAL,)))

    def _scalar(self, value: Scalar | Local) -> Text:
        if isinstance(value, Local):
            return Text(self.names(value.name))
        if isinstance(value, Constant):
            text = literal(value.value, value.dtype)
            return Text(text, UNARY if text.startswith(("-", "(")) else PRIMARY)
        if isinstance(value, Load):
            if self._under and value.source in self.everywhere:
                return self._nearest(value)
            return Text(f"{self._source(value.source)}[{self.integer(flat_index(value))}]")
        if isinstance(value, FromIndex):
            return self._from_index(value)
        if isinstance(value, Within):
            return self._within(value)
        if isinstance(value, Choose):
            condition, chosen, otherwise = value.condition, value.chosen, value.otherwise
            if isinstance(chosen, Load) and isinstance(otherwise, Load) and chosen.source == otherwise.source:
                # One load at a chosen place is better vector code than two under a mask.
                first, second = self.integer(flat_index(chosen)), self.integer(flat_index(otherwise))
                return Text(f"{self._source(chosen.source)}[{self.scalar(condition, OR)} ? {first} : {second}]")
            branch = self._guarded if is_guard(value) else self._scalar
            left, right = branch(chosen).at(OR), branch(otherwise).at(CONDITIONAL)
            return Text(f"{self.scalar(condition, OR)} ? {left} : {right}", CONDITIONAL)
        if value.function == "cast":
            return self._cast(value.arguments[0], value.dtype)
        return self._call(value)

    def _guarded(self, value: Scalar | Local) -> Text:
        """A branch of a choice that keeps loads within their arrays: those in it are right under the condition only."""
        before, self._under = self._under, True
        text = self._scalar(value)
        self._under = before
        return text

    def _nearest(self, value: Load) -> Text:
        """A load at the nearest place that is there."""
        self.used.scalar.add(("nearest_index", int64, None))
        self.bounded_by.add(self.everywhere[value.source])
        size = self.integer(self.everywhere[value.source])
        return Text(f"{self._source(value.source)}[gc_nearest_index({self.integer(flat_index(value))}, {size})]")

    def _source(self, source: object) -> str:
        """The array that a load reads: a parameter, an array of the kernel, or a literal of the program."""
        return self.names(source) if isinstance(source, str) else self.used.table(source)

    def _call(self, value: Call) -> Text:
        operand = value.arguments[-1 if value.function == "where" else 0].dtype
        return self.apply(value.function, operand, [self._scalar(argument) for argument in value.arguments])

    def spelling(self, function: str, operand: DType) -> Spelling:
        """How a scalar function of operands of a dtype is written."""
        return spelling_of(function, operand)

    def apply(self, function: str, operand: DType, arguments: list[Text]) -> Text:
        """A scalar function of arguments that are C text already."""
        spelling = self.spelling(function, operand)
        if spelling.helper is not None:
            self.used.scalar.add((spelling.helper, operand, None))
        if spelling.library is not None:
            self.used.library.add((spelling.library, operand))
        return self._fill(spelling, operand, arguments)

    def _fill(self, spelling: Spelling, operand: DType, arguments: list[Text]) -> Text:
        level = spelling.level
        if spelling.argument_level == level and level in _LEFT:
            texts = [arguments[0].at(*_LEFT[level]), *(argument.at(*_RIGHT[level]) for argument in arguments[1:])]
        else:
            texts = [argument.at(spelling.argument_level) for argument in arguments]
        suffix = "f" if operand == float32 else ""
        return Text(spelling.format.format(*texts, d=operand.short, f=suffix, t=c_type(operand)), level)

    def _cast(self, value: Scalar, target: DType) -> Text:
        source = value.dtype
        if source == target:
            return self._scalar(value)
        argument = self._scalar(value)
        if source.is_half or target.is_half:
            return self._half(argument, source, target)
        if source.category == "float" and target.category == "int":
            self.used.scalar.add(("cast", target, source))
            return Text(f"gc_cast_{source.short}_{target.short}({argument.text})")
        spelling = CASTS[source.category, target.category]
        text = spelling.format.format(argument.at(spelling.argument_level), t=c_type(target))
        return Text(text, spelling.level)

    def _half(self, argument: Text, source: DType, target: DType) -> Text:
        """A half as a float, what C converts to a float as a half, or one kind of half as the other."""
        if source.is_half and target.is_half:
            argument, source = self._half(argument, source, float32), float32
        name, half = ("widen", source) if source.is_half else ("round", target)
        self.used.scalar.add((name, half, None))
        return Text(f"gc_{name}_{half.short}({argument.text})")

    def _from_index(self, value: FromIndex) -> Text:
        if value.dtype == int64:
            return self._integer(value.value)
        if value.dtype.is_half:
            return self._half(self._integer(value.value), int64, value.dtype)
        if value.dtype.category == "bool":
            return Text(f"{self.integer(value.value, ADD)} != 0", COMPARE)
        return Text(f"({c_type(value.dtype)}){self.integer(value.value, UNARY)}", UNARY)

    def _within(self, value: Within) -> Text:
        least, greatest = bounds(value.value)
        text = self.integer(value.value, ADD)
        tests: list[str] = []
        if not (least is not None and isinstance(value.lower, int) and least >= value.lower):
            tests.append(f"{text} >= {self.integer(value.lower, ADD)}")
        if not (greatest is not None and isinstance(value.upper, int) and greatest < value.upper):
            tests.append(f"{text} < {self.integer(value.upper, ADD)}")
        if not tests:
            return Text("true")
        return Text(" && ".join(tests), COMPARE if len(tests) == 1 else AND)

    def _integer(self, value: Integer) -> Text:
        if isinstance(value, int):
            return Text(integer_literal(value), UNARY if value < 0 else PRIMARY)
        terms = [self._term(monomial, abs(coefficient)) for monomial, coefficient in value.terms]
        signs = [coefficient < 0 for _, coefficient in value.terms]
        # What is added stands first; among those, as people write offsets, the largest stride.
        order = sorted(range(len(terms)), key=lambda at: (signs[at], not value.terms[at][0], -abs(value.terms[at][1])))
        first = order[0]
        result = terms[first]
        if signs[first]:
            result = Text(f"-{result.at(PRIMARY)}", UNARY)
        for position in order[1:]:
            symbol = "-" if signs[position] else "+"
            result = Text(f"{result.at(*_LEFT[ADD])} {symbol} {terms[position].at(*_RIGHT[ADD])}", ADD)
        return result

    def _term(self, monomial: tuple[Atom, ...], coefficient: int) -> Text:
        factors = [self._atom(atom) for atom in monomial]
        if coefficient != 1 or not factors:
            factors.append(Text(integer_literal(coefficient)))
        result = factors[0]
        for factor in factors[1:]:
            result = Text(f"{result.at(*_LEFT[MULTIPLY])} * {factor.at(*_RIGHT[MULTIPLY])}", MULTIPLY)
        return result

    def _atom(self, atom: Atom) -> Text:
        if isinstance(atom, Variable):
            return Text(self.names(atom.name))
        if isinstance(atom, Quotient):
            return self._division(atom.dividend, atom.divisor, "/", "floor_div_index")
        if isinstance(atom, Remainder):
            return self._division(atom.dividend, atom.divisor, "%", "floor_mod_index")
        scalar = self._scalar(atom.value)
        if atom.value.dtype == int64:
            return scalar
        return Text(f"(int64_t){scalar.at(UNARY)}", UNARY)

    def _division(self, dividend: IntegerExpression, divisor: Integer, symbol: str, helper: str) -> Text:
        least = bounds(dividend)[0]
        if least is not None and least >= 0:
            left, right = self.integer(dividend, *_LEFT[MULTIPLY]), self.integer(divisor, *_RIGHT[MULTIPLY])
            return Text(f"{left} {symbol} {right}", MULTIPLY)
        self.used.scalar.add((helper, int64, None))
        return Text(f"gc_{helper}({self.integer(dividend)}, {self.integer(divisor)})")
