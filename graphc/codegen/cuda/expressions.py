"""Scalar and integer expressions as CUDA text: C's printer, with indices of 32 bits where all of a kernel's fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphc.codegen.c.expressions import Expressions, Text, Used
from graphc.codegen.c.names import Names
from graphc.codegen.c.spelling import UNARY, Spelling
from graphc.codegen.cuda.spelling import cuda_spelling_of
from graphc.codegen.trace import integers_of, walk_all
from graphc.ir.integers import Atom, Integer, IntegerExpression, Opaque, Quotient, Remainder, bounds
from graphc.ir.scalars import FromIndex, Scalar
from graphc.ir.types import DType, int64

# What an index of 32 bits may come to, steps of a loop beyond its end included.
LARGEST_INDEX = (1 << 31) - (1 << 16)


class CudaExpressions(Expressions):
    """Prints the expressions of one kernel. ``index`` is the type of its indices, "int" or "int64_t"."""

    def __init__(self, names: Names, used: Used, index: str = "int64_t"):
        super().__init__(names, used)
        self.index = index

    def spelling(self, function: str, operand: DType) -> Spelling:
        return cuda_spelling_of(function, operand)

    def _from_index(self, value: FromIndex) -> Text:
        if value.dtype == int64 and self.index != "int64_t":
            return Text(f"(int64_t){self.integer(value.value, UNARY)}", UNARY)
        return super()._from_index(value)

    def _atom(self, atom: Atom) -> Text:
        if isinstance(atom, Opaque):
            scalar = self._scalar(atom.value)
            name = {4: "i32", 8: "i64"}[4 if self.index == "int" else 8]
            if atom.value.dtype.short == name:
                return scalar
            return Text(f"({self.index}){scalar.at(UNARY)}", UNARY)
        return super()._atom(atom)


def all_integers(scalars: Iterable[Scalar], integers: Iterable[Integer]) -> Iterator[Integer]:
    """All integer expressions in scalar expressions and among integers, those inside divisions too."""
    pending = [*integers, *(value for scalar in walk_all(scalars) for value in integers_of(scalar))]
    while pending:
        value = pending.pop()
        yield value
        if isinstance(value, int):
            continue
        for monomial, _ in value.terms:
            for atom in monomial:
                if isinstance(atom, Quotient | Remainder):
                    pending += [atom.dividend, atom.divisor]
                elif isinstance(atom, Opaque):
                    pending += [part for scalar in walk_all((atom.value,)) for part in integers_of(scalar)]


def index_type(integers: Iterable[Integer], extents: Iterable[Integer]) -> str:
    """The narrowest type of indices in which no step of computing these expressions can overflow, for sizes that are
    known at run time only within their bounds; these are given as int64.

    ``extents`` are numbers of elements or of iterations, the most of them where they are not known.
    """
    for extent in extents:
        if not isinstance(extent, int) or extent > LARGEST_INDEX:
            return "int64_t"
    for value in integers:
        if isinstance(value, int):
            if abs(value) > LARGEST_INDEX:
                return "int64_t"
            continue
        reach = 0
        for monomial, coefficient in value.terms:
            least, greatest = bounds(IntegerExpression(((monomial, coefficient),)) if monomial else coefficient)
            if least is None or greatest is None:
                return "int64_t"
            reach += max(abs(least), abs(greatest))
        if reach > LARGEST_INDEX:
            return "int64_t"
    return "int"
