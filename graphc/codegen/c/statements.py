"""Statements of the loop-nest IR as lines of C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.codegen.c.expressions import Expressions, Text
from graphc.codegen.c.literals import c_type, greatest, integer_literal, least, literal
from graphc.codegen.c.names import Names
from graphc.codegen.c.spelling import ADD, CONDITIONAL
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    CallOut,
    CallRow,
    Carried,
    CheckIndex,
    If,
    Let,
    LocalArray,
    Loop,
    Random,
    Statement,
    Store,
)
from graphc.ir.applications import applies
from graphc.ir.types import DType, float64

INDENT = "    "
# The scalar function that combines two values; "sum" and "prod" of floats are operators of C and OpenMP.
COMBINE: dict[str, str] = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "any": "add", "all": "mul"}
POSITION_COMBINERS = {"argmax": ">", "argmin": "<"}
_OPERATORS: dict[tuple[str, str], str] = {
    ("sum", "float"): "+",
    ("prod", "float"): "*",
    ("any", "bool"): "|",
    ("max", "bool"): "|",
    ("all", "bool"): "&",
    ("min", "bool"): "&",
}


def identity(combiner: str, dtype: DType) -> str:
    """What an accumulation starts from, as C."""
    if combiner in ("max", "argmax", "any"):
        return least(dtype)
    if combiner in ("min", "argmin", "all"):
        return greatest(dtype)
    return literal(0 if combiner == "sum" else 1, dtype)


class Statements:
    """Prints the statements of one kernel. ``whole`` is the kernel's outermost parallel loop, whose range is not its
    own but the parameters ``first`` and ``last``."""

    def __init__(self, expressions: Expressions, whole: Loop | None = None):
        self.expressions = expressions
        self.names: Names = expressions.names
        self.whole = whole
        self.checks = False

    def block(self, statements: Sequence[Statement], depth: int) -> Iterator[str]:
        """The lines of a sequence of statements, indented by ``depth`` levels.

        An unrolled loop defines its names again and again; from the second time on they are new ones in C.
        """
        defined: set[str] = set()
        for statement in statements:
            if isinstance(statement, Let | Carried | Accumulator | LocalArray):
                if statement.name in defined:
                    for name in (statement.name, statement.name + "_position"):
                        self.names.bind(name, self.names.fresh(name))
                defined.add(statement.name)
            yield from self.statement(statement, depth)

    def statement(self, statement: Statement, depth: int) -> Iterator[str]:
        """The lines of one statement."""
        margin = INDENT * depth
        match statement:
            case Let(name, dtype, value):
                yield f"{margin}const {c_type(dtype)} {self.names(name)} = {self.expressions.scalar(value)};"
            case Carried(name, dtype, start):
                yield f"{margin}{c_type(dtype)} {self.names(name)} = {self.expressions.scalar(start)};"
            case Advance(name, _, value):
                yield f"{margin}{self.names(name)} = {self.expressions.scalar(value)};"
            case Accumulator(name, dtype, combiner):
                yield f"{margin}{c_type(dtype)} {self.names(name)} = {identity(combiner, dtype)};"
                if combiner in POSITION_COMBINERS:
                    yield f"{margin}int64_t {self.names(name + '_position')} = 0;"
            case Accumulate(combiner=combiner) if combiner in POSITION_COMBINERS:
                yield from self._accumulate_position(statement, margin)
            case Accumulate(name, dtype, combiner, value):
                yield margin + self._combine(self.names(name), dtype, combiner, value)
            case LocalArray(name, dtype, size):
                yield f"{margin}_Alignas(64) {c_type(dtype)} {self.names(name)}[{max(size, 1)}];"
            case Store(target, offset, value, dtype, combiner):
                place = f"{self.names(target)}[{self.expressions.integer(offset)}]"
                if combiner is None:
                    yield f"{margin}{place} = {self.expressions.scalar(value)};"
                else:
                    yield margin + self._combine(place, dtype, combiner, value)
            case Loop():
                yield from self._loop(statement, depth)
            case If(condition, body):
                yield from self._braced(f"{margin}if ({self.expressions.scalar(condition)})", body, depth)
            case CheckIndex(value, extent):
                self.checks = True
                arguments = f"{self.expressions.scalar(value)}, {self.expressions.integer(extent)}, error"
                yield f"{margin}if (gc_is_outside({arguments}))"
                yield f"{margin}{INDENT}return 1;"
            case Random():
                yield from self._random(statement, margin)
            case CallRow():
                yield margin + self._call_row(statement)
            case CallOut():
                operands = ", ".join(self.names(name) for name in (*statement.operands, statement.target))
                yield f"{margin}const void *const operands[] = {{{operands}}};"
                yield f"{margin}return host->call_out(launch, operands) != 0;"

    def _call_row(self, call: CallRow) -> str:
        """The call of a library function: where each span begins and its step, then the numbers."""
        dtype = call.spans[0].dtype
        self.expressions.used.rows.add((call.function, dtype))
        arguments: list[str] = []
        for span in call.spans:
            arguments.append(f"&{self.names(span.name)}[{self.expressions.integer(span.offset)}]")
            if span.step is not None:
                arguments.append(self.expressions.integer(span.step))
        arguments += map(self.expressions.integer, call.numbers)
        if call.pairs != 0:
            arguments.append("pairs")
        return f"gc_{call.function}_{dtype.short}({', '.join(arguments)});"

    def _combine(self, place: str, dtype: DType, combiner: str, value: object) -> str:
        operator = _OPERATORS.get((combiner, dtype.category))
        if operator is not None:
            return f"{place} {operator}= {self.expressions.scalar(value)};"
        texts = [Text(place), Text(self.expressions.scalar(value), CONDITIONAL)]
        return f"{place} = {self.expressions.apply(COMBINE[combiner], dtype, texts).text};"

    def _accumulate_position(self, statement: Accumulate, margin: str) -> Iterator[str]:
        best, position = self.names(statement.name), self.names(statement.name + "_position")
        candidate = self.names.fresh(statement.name + "_candidate")
        symbol = POSITION_COMBINERS[statement.combiner]
        better = f"{candidate} {symbol} {best}"
        if statement.dtype.is_floating_point:  # the first NaN beats all
            better += f" || ({candidate} != {candidate} && {best} == {best})"
        yield f"{margin}const {c_type(statement.dtype)} {candidate} = {self.expressions.scalar(statement.value)};"
        yield f"{margin}if ({better}) {{"
        yield f"{margin}{INDENT}{best} = {candidate};"
        yield f"{margin}{INDENT}{position} = {self.expressions.integer(statement.position)};"
        yield f"{margin}}}"

    def _loop(self, loop: Loop, depth: int) -> Iterator[str]:
        margin = INDENT * depth
        variable = self.names(loop.variable)
        start, stop = self.expressions.integer(loop.start), self.expressions.integer(loop.stop, ADD)
        if loop is self.whole:
            start, stop = "first", "last"
        if _is_vector(loop):
            yield f"{margin}#pragma omp simd{self._reductions(loop)}"
        head = f"{margin}for (int64_t {variable} = {start}; {variable} < {stop}; ++{variable})"
        yield from self._braced(head, loop.body, depth)

    def _braced(self, head: str, body: Sequence[Statement], depth: int) -> Iterator[str]:
        lines = list(self.block(body, depth + 1))
        if len(lines) == 1:
            yield head
            yield lines[0]
        else:
            yield head + " {"
            yield from lines
            yield INDENT * depth + "}"

    def _reductions(self, loop: Loop) -> str:
        groups: dict[str, list[str]] = {}
        for statement in accumulations(loop.body):
            operator = _OPERATORS.get((statement.combiner, statement.dtype.category))
            if operator is None:
                function = COMBINE[statement.combiner]
                self.expressions.used.reductions.add((function, statement.combiner, statement.dtype))
                self.expressions.apply(function, statement.dtype, [Text("a"), Text("b")])  # its combiner calls it
                operator = f"gc_{function}"
            names = groups.setdefault(operator, [])
            if self.names(statement.name) not in names:
                names.append(self.names(statement.name))
        return "".join(f" reduction({operator} : {', '.join(names)})" for operator, names in groups.items())

    def _random(self, statement: Random, margin: str) -> Iterator[str]:
        function = statement.function.removeprefix("random_")
        target, size = self.names(statement.target), self.expressions.integer(statement.size)
        used = self.expressions.used.random
        if function in ("uniform", "normal", "exponential"):
            name = f"gc_random_{function}_{statement.dtype.short}"
            arguments = [literal_double(argument) for argument in statement.arguments]
            used.add(name)
            yield f"{margin}{name}({', '.join(['state', *arguments, target, size])});"
        elif function == "bernoulli" and statement.dtype.category != "bool":
            used.add("gc_random_next_f64")
            (probability,) = statement.arguments
            yield f"{margin}for (int64_t i = 0; i < {self.expressions.integer(statement.size, ADD)}; ++i)"
            yield f"{margin}{INDENT}{target}[i] = gc_random_next_f64(state) < {literal_double(probability)};"
        elif function == "bernoulli":
            used.add("gc_random_bernoulli")
            (probability,) = statement.arguments
            yield f"{margin}gc_random_bernoulli(state, {literal_double(probability)}, {target}, {size});"
        elif function == "integers":
            used.add("gc_random_integers")
            low, span = statement.arguments
            # In 64 bits the upper bound may be beyond int64; for all integers there are it is the lower one.
            high = (int(low) + int(span) + 2**63) % 2**64 - 2**63
            low, high = integer_literal(int(low)), integer_literal(high)
            yield f"{margin}gc_random_integers(state, {low}, {high}, {target}, {size});"
        elif function == "bits":
            used.add("gc_random_bits")
            (bits,) = statement.arguments
            yield f"{margin}gc_random_bits(state, {bits}, {target}, {size});"
        elif function == "permutation":
            used.add("gc_random_permutation")
            yield f"{margin}gc_random_permutation(state, {target}, {size});"
        else:
            raise NotImplementedError(f"the C printer cannot draw {statement.function}")


def literal_double(value: float) -> str:
    """A number as a C double."""
    return literal(float(value), float64)


def accumulations(body: Sequence[Statement]) -> Iterator[Accumulate]:
    """The Accumulate statements of a loop body into accumulators from outside it, those under conditions too."""
    own = {statement.name for statement in body if isinstance(statement, Accumulator)}
    for statement in body:
        if isinstance(statement, Accumulate) and statement.name not in own:
            yield statement
        elif isinstance(statement, If):
            yield from accumulations(statement.body)


def _is_vector(loop: Loop) -> bool:
    if any(statement.combiner in POSITION_COMBINERS for statement in accumulations(loop.body)):
        return False
    if any(isinstance(statement, CallRow) for statement in loop.body):
        return False
    # Iterations of a parallel loop are independent too; where it is also the innermost one it runs as vectors.
    innermost = not any(isinstance(statement, Loop) for statement in loop.body)
    return (loop.kind == "vector" or (loop.kind == "parallel" and innermost)) and applies("vectorize")
