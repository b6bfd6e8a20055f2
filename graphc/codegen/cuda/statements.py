"""Statements of the loop-nest IR as lines of CUDA, for one thread of those that work on a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphc.codegen.c.literals import c_type, integer_literal
from graphc.codegen.c.spelling import ADD, UNARY
from graphc.codegen.c.statements import INDENT, POSITION_COMBINERS, Statements, literal_double
from graphc.codegen.cuda.expressions import CudaExpressions
from graphc.codegen.cuda.schedule import Schedule, vector_nest
from graphc.codegen.loops import (
    Accumulate,
    CheckIndex,
    If,
    LocalArray,
    Loop,
    Random,
    Statement,
    Store,
)
from graphc.codegen.materialize import static_size
from graphc.ir.integers import Integer, product
from graphc.ir.types import DType

# Iterations of a shared loop that are in flight together, where each does little.
UNROLL = 4


@dataclass(slots=True)
class Combined:
    """The functions by which threads combine: (scope, combiner, dtype, threads that share a point)."""

    functions: set[tuple[str, str, DType, int]] = field(default_factory=set)


class CudaStatements(Statements):
    """Prints what a thread does for its point. ``updated`` are the parameters that the kernel
    reads and writes."""

    def __init__(self, expressions: CudaExpressions, schedule: Schedule, combined: Combined, updated: frozenset[str]):
        super().__init__(expressions)
        self.schedule = schedule
        self.combined = combined
        self.updated = updated
        self.index = expressions.index
        self.arrays: set[str] = set()  # those of the kernel's own
        self._within_loop = False

    @property
    def barrier(self) -> str:
        """Where the threads of a point wait for each other."""
        return "__syncwarp();" if self.schedule.mode == "warp" else "__syncthreads();"

    @property
    def helper(self) -> str:
        """The number of a thread among those of its point."""
        return "threadIdx.y" if self.schedule.mode == "columns" else "threadIdx.x"

    def point(self, statements: Sequence[Statement], depth: int) -> Iterator[str]:
        """The lines of what is done at one point."""
        if not self.schedule.cooperates:
            yield from self.block(statements, depth)
            return
        loops = [at for at, statement in enumerate(statements) if isinstance(statement, Loop)]
        after = loops[-1] + 1 if loops else 0
        pending: list[Store] = []
        for statement in statements[:after]:
            if isinstance(statement, Store):
                pending.append(statement)
                continue
            yield from self._by_one(pending, depth)
            pending = []
            yield from self.block((statement,), depth)
        meets = any(bool(_accumulates(vector_nest(statements[at])[1])) for at in loops[-1:])
        yield from self._by_one(statements[after:], depth, meets)

    def _by_one(self, statements: Sequence[Statement], depth: int, met: bool = False) -> Iterator[str]:
        """What one thread of a point does. Nobody may still be reading what it overwrites: all have ``met`` before, or
        meet here."""
        if not statements:
            return
        margin = INDENT * depth
        if not met and any(store.target in self.updated for store in _stores(statements)):
            yield margin + self.barrier
        condition = f"{self.helper} == 0"
        if self.schedule.mode == "columns":
            condition += " && is_there"
        yield from self._braced(f"{margin}if ({condition})", statements, depth)

    def statement(self, statement: Statement, depth: int) -> Iterator[str]:
        margin = INDENT * depth
        match statement:
            case LocalArray(name, dtype, size):
                yield from self._array(name, dtype, max(size, 1), margin)
            case _:
                yield from super().statement(statement, depth)

    def _random(self, statement: Random, margin: str) -> Iterator[str]:
        """Draws by all threads of a block, but for a permutation, whose numbers depend on those before."""
        function = statement.function.removeprefix("random_")
        target, size = self.names(statement.target), self.expressions.integer(statement.size)
        kind, used = statement.dtype.short, self.expressions.used.random
        arguments = statement.arguments
        unit, words = "gc_random_unit_f64(words)", 2
        match function:
            case "normal":
                used.add(f"gc_random_normal_{kind}")
                yield f"{margin}gc_random_normal_together_{kind}(state, {target}, {size});"
                return
            case "uniform":
                words = 1 if statement.dtype.itemsize == 4 else 2
                value = f"gc_random_unit_{kind}(words)"
            case "exponential":
                value = f"({c_type(statement.dtype)})(-1.0 / {literal_double(arguments[0])} * log1p(-{unit}))"
            case "bernoulli":
                value = f"{unit} < {literal_double(arguments[0])}"
            case "integers":
                low, span = (int(argument) for argument in arguments)
                words = 2 if span >= 1 << 28 or span <= 0 else 1
                drawn = "gc_random_64(words)" if words == 2 else "(uint64_t)words[0]"
                rest = drawn if span % 2**64 == 0 else f"{drawn} % {integer_literal(span % 2**64)}"
                value = f"(int64_t)((uint64_t){integer_literal(low)} + {rest})"
            case "bits":
                words = 2 if arguments[0] > 32 else 1
                drawn = "gc_random_64(words)" if words == 2 else "words[0]"
                value = f"(int64_t)({drawn} & (UINT64_MAX >> {64 - int(arguments[0])}))"
            case _:
                yield f"{margin}if (threadIdx.x == 0)"
                yield from super()._random(statement, margin + INDENT)
                return
        used.add("gc_random_fill")
        yield f"{margin}gc_random_fill<{words}>(state, {size}, [&](int64_t i, const uint32_t *words) {{"
        yield f"{margin}{INDENT}{target}[i] = {value};"
        yield f"{margin}}});"

    def _array(self, name: str, dtype: DType, size: int, margin: str) -> Iterator[str]:
        kind = c_type(dtype)
        self.arrays.add(name)
        if self.schedule.mode == "warp":
            rows = self.schedule.block[1]
            yield f"{margin}__shared__ {kind} {self.names(name)}_of_warp[{rows}][{size}];"
            yield f"{margin}{kind} *const {self.names(name)} = {self.names(name)}_of_warp[threadIdx.y];"
        elif self.schedule.cooperates:
            yield f"{margin}__shared__ {kind} {self.names(name)}[{size}];"
        else:
            yield f"{margin}{kind} {self.names(name)}[{size}];"

    # Loops.

    def _loop(self, loop: Loop, depth: int) -> Iterator[str]:
        loops, body = vector_nest(loop)
        if not loops or not self.schedule.cooperates or self._within_loop:
            yield from self._serial(loop, depth)
            return
        self._within_loop = True
        yield from self._shared(loops, body, depth)
        self._within_loop = False
        accumulates = _accumulates(body)
        for each in dict.fromkeys((each.name, each.dtype, each.combiner) for each in accumulates):
            yield INDENT * depth + self._combination(*each)
        if any(each.target in self.updated or each.target in self.arrays for each in _stores(body)):
            yield INDENT * depth + self.barrier

    def _serial(self, loop: Loop, depth: int) -> Iterator[str]:
        margin = INDENT * depth
        variable_name = self.names(loop.variable)
        start, stop = self.expressions.integer(loop.start), self.expressions.integer(loop.stop, ADD)
        head = f"{margin}for ({self.index} {variable_name} = {start}; {variable_name} < {stop}; ++{variable_name})"
        yield from self._braced(head, loop.body, depth)

    def _shared(self, loops: Sequence[Loop], body: Sequence[Statement], depth: int) -> Iterator[str]:
        """Loops whose iterations the threads of a point share out: those of the innermost where it is long, else all as
        one."""
        margin, helpers = INDENT * depth, self.schedule.helpers
        *around, last = loops
        length = static_size(last.stop - last.start)
        if around and length is not None and length >= 2 * helpers:
            for number, loop in enumerate(around):
                name = self.names(loop.variable)
                start, stop = self.expressions.integer(loop.start), self.expressions.integer(loop.stop, ADD)
                head = f"for ({self.index} {name} = {start}; {name} < {stop}; ++{name})"
                yield INDENT * (depth + number) + head
            depth += len(around)
            loops = (last,)
            margin = INDENT * depth
        if len(loops) == 1:
            name = self.names(last.variable)
            start = "" if last.start == 0 else self.expressions.integer(last.start, ADD) + " + "
            stop = self.expressions.integer(last.stop, ADD)
            first = f"{start}{self._helper_as_index()}"
            definitions: list[str] = []
        else:
            name = self.names.fresh("point")
            self.names.bind(name, name)
            first, stop = self._helper_as_index(), self.expressions.integer(_count(loops), ADD)
            definitions = list(self.indices(loops, name, depth + 1))
        lines = [*definitions, *self._body(body, depth + 1)]
        if len(lines) <= 3:
            yield f"{margin}#pragma unroll {UNROLL}"
        yield f"{margin}for ({self.index} {name} = {first}; {name} < {stop}; {name} += {helpers}) {{"
        yield from lines
        yield margin + "}"

    def _body(self, body: Sequence[Statement], depth: int) -> Iterator[str]:
        """What is done at one iteration of a shared loop. A column that is not there stores nothing."""
        if self.schedule.mode != "columns":
            yield from self.block(body, depth)
            return
        for statement in body:
            if isinstance(statement, Store):
                yield from self._braced(f"{INDENT * depth}if (is_there)", (statement,), depth)
            else:
                yield from self.block((statement,), depth)

    def _helper_as_index(self) -> str:
        return f"(int){self.helper}" if self.index == "int" else f"(int64_t){self.helper}"

    def indices(self, loops: Sequence[Loop], position: str, depth: int) -> Iterator[str]:
        """The variables of loops at a position among all of their points."""
        stride: Integer = 1
        lines: list[str] = []
        for number, loop in enumerate(reversed(loops)):
            extent = loop.stop - loop.start
            text = position
            if stride != 1:
                text = f"{text} / {self.expressions.integer(stride, UNARY)}"
            if number + 1 < len(loops):
                text = f"{text} % {self.expressions.integer(extent, UNARY)}"
            if loop.start != 0:
                text = f"{self.expressions.integer(loop.start, ADD)} + {text}"
            lines.append(f"{INDENT * depth}const {self.index} {self.names(loop.variable)} = {text};")
            stride = stride * extent
        yield from reversed(lines)

    def look(self, statement: Statement, depth: int) -> Iterator[str]:
        """What the threads of a block do to look at indices, together for those of a nest of loops."""
        loops, body = _nest_around_all(statement)
        margin = INDENT * depth
        if loops:
            count = self.expressions.integer(_count(loops), ADD)
            head = f"for ({self.index} place = threadIdx.x; place < {count}; place += {self.schedule.helpers})"
        else:
            head = "for (int place = threadIdx.x; place < 1; ++place)"
        yield f"{margin}{head} {{"
        yield from self.indices(loops, "place", depth + 1)
        for each in body:
            if isinstance(each, CheckIndex):
                arguments = f"{self.expressions.scalar(each.value)}, {self.expressions.integer(each.extent)}"
                yield f"{INDENT * (depth + 1)}gc_look_at_index({arguments}, place, &wrong);"
            else:
                yield from self.statement(each, depth + 1)
        yield margin + "}"

    def _combination(self, name: str, dtype: DType, combiner: str) -> str:
        """The line after which every thread of a point knows what they found together."""
        place = self.names(name)
        scope = {"warp": "warp", "columns": "column"}.get(self.schedule.mode, "block")
        self.combined.functions.add((scope, combiner, dtype, self.schedule.helpers))
        function = f"gc_{scope}_{combiner}_{dtype.short}"
        if combiner in POSITION_COMBINERS:
            return f"{function}(&{place}, &{self.names(name + '_position')});"
        return f"{place} = {function}({place});"


def _nest_around_all(statement: Statement) -> tuple[tuple[Loop, ...], tuple[Statement, ...]]:
    """The loops within each other, and all that is done at a point of the innermost."""
    loops: list[Loop] = []
    definitions: list[Statement] = []
    body: tuple[Statement, ...] = (statement,)
    while body and isinstance(body[-1], Loop):
        definitions += body[:-1]
        loops.append(body[-1])
        body = body[-1].body
    return tuple(loops), (*definitions, *body)


def _accumulates(body: Sequence[Statement]) -> list[Accumulate]:
    found: list[Accumulate] = []
    for statement in body:
        if isinstance(statement, Accumulate):
            found.append(statement)
        elif isinstance(statement, If):
            found += _accumulates(statement.body)
    return found


def _stores(body: Sequence[Statement]) -> list[Store]:
    found: list[Store] = []
    for statement in body:
        if isinstance(statement, Store):
            found.append(statement)
        elif isinstance(statement, If):
            found += _stores(statement.body)
    return found


def _count(loops: Sequence[Loop]) -> Integer:
    return product(loop.stop - loop.start for loop in loops)
