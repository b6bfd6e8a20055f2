"""Kernels as static C functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.codegen.c.expressions import Expressions, Used
from graphc.codegen.c.literals import c_type
from graphc.codegen.c.names import Names
from graphc.codegen.c.statements import Statements
from graphc.codegen.c.strided_loads import strided_under_conditions, with_loads_apart
from graphc.codegen.loops import (
    Accumulate,
    Accumulator,
    Advance,
    CallOut,
    CallRow,
    CheckIndex,
    Contract,
    If,
    Kernel,
    Let,
    Local,
    Loop,
    Parameter,
    Random,
    Statement,
    Store,
)
from graphc.ir.integers import Integer, Opaque, Variable, atoms, bounds, variable
from graphc.ir.scalars import Call, FromIndex, Load, Scalar, Within, walk
from graphc.ir.types import int64


@dataclass(frozen=True, slots=True)
class Phase:
    """One C function of a kernel. ``start`` and ``items`` give the range that threads share; items is None where one
    thread does it all.  ``arguments`` are positions of the kernel's parameters; ``symbols`` are sizes that are known at
    run time only, handed on behind them; ``extra`` are other names handed on."""

    name: str
    arguments: tuple[int, ...]
    start: Integer = 0
    items: Integer | None = None
    extra: tuple[str, ...] = ()
    checks: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelText:
    """A kernel in C: its functions, and the scratch memory that they need (bytes, for all and for each thread)."""

    definition: str
    phases: tuple[Phase, ...]
    shared_bytes: int = 0
    local_bytes: int = 0
    vectors: tuple[tuple[str, int], ...] = ()  # vector types (dtype, lanes) that it is written with
    scratch_type: str = "float"


def declaration(parameter: Parameter, name: str) -> str:
    """A kernel's parameter in C. Kernels are never given one piece of memory twice, so all are ``restrict``."""
    constant = "const " if parameter.access == "read" else ""
    return f"{constant}{c_type(parameter.dtype)} *restrict {name}"


def print_loops(
    kernel: Kernel, name: str, body: Sequence[Statement], used: Used, symbols: frozenset[str] = frozenset()
) -> KernelText:
    """A kernel of statements as one function. ``symbols`` are the program's sizes that are known at run time only."""
    body = with_loads_apart(without_unused(body))
    names = Names()
    for parameter in kernel.parameters:
        names(parameter.name)
    for symbol in sorted(symbols):
        names(symbol)
    whole = parallel_loop(body)
    printer = Statements(Expressions(names, used, strided_under_conditions(kernel, body)), whole)
    lines = list(printer.block(body, 1))
    mentioned = sources(body)
    arguments = tuple(i for i, parameter in enumerate(kernel.parameters) if parameter.name in mentioned)
    declarations = [declaration(kernel.parameters[i], names(kernel.parameters[i].name)) for i in arguments]
    extra: list[str] = []
    if any(isinstance(statement, Random) for statement in statements_within(body)):
        declarations.append("gc_random_state *restrict state")
        extra.append("state")
    if any(isinstance(statement, CallOut) for statement in body):
        declarations += ["const gc_host *restrict host", "int64_t launch"]
        extra += ["host", "launch"]
    if printer.checks:
        declarations.append("int64_t *restrict error")
        extra.append("error")
        lines.append("    return 0;")
    shared = whole is not None and not printer.checks and not extra
    pairs = [statement.pairs for statement in statements_within(body) if isinstance(statement, CallRow)]
    room = 16 * max((most(each) for each in pairs), default=0)
    if room:
        declarations.append("gc_pair *restrict pairs")
        extra.append("local" if shared else "shared")
    # The range of a loop that threads share comes in other parameters.
    reading = (*body[:-1], *whole.body) if shared and whole is not None else body
    limits = {symbol for size in printer.expressions.bounded_by for symbol in names_in_integer(size)}
    sizes = tuple(sorted((sources(reading) | limits) & symbols))
    sized = [f"int64_t {names(symbol)}" for symbol in sizes]
    declarations[len(arguments) : len(arguments)] = sized
    if shared:
        declarations += ["int64_t first", "int64_t last"]
    elif whole is not None:
        first, last = printer.expressions.integer(whole.start), printer.expressions.integer(whole.stop)
        lines.insert(0, f"    const int64_t first = {first}, last = {last};")
    may_fail = printer.checks or "host" in extra
    returns = "int" if may_fail else "void"
    head = wrap_declarations(f"GC_KERNEL {returns} {name}(", declarations)
    definition = "\n".join([head, "{", *lines, "}"])
    start, items = (whole.start, whole.stop - whole.start) if shared else (0, None)
    phase = Phase(name, arguments, start, items, tuple(extra), may_fail, sizes)
    for_all, for_each = (0, room) if shared else (room, 0)
    return KernelText(definition, (phase,), for_all, for_each, scratch_type="gc_pair")


def most(size: Integer) -> int:
    """The greatest number that a size may be. Raises TypeError for one that has no bound."""
    greatest = bounds(size)[1]
    if greatest is None:
        raise TypeError(f"a row of {size} elements has no greatest length")
    return greatest


def wrap_declarations(head: str, declarations: Sequence[str], width: int = 120) -> str:
    """``head`` and the parameters, on as many lines as needed."""
    lines, current = [], head
    for position, text in enumerate(declarations or ["void"]):
        piece = text + (", " if position + 1 < len(declarations) else ")")
        if len(current) + len(piece.rstrip()) > width:
            lines.append(current.rstrip())
            current = "    "
        current += piece
    return "\n".join([*lines, current])


def parallel_loop(body: Sequence[Statement]) -> Loop | None:
    """The loop whose range threads can share: the last statement, where only definitions stand before it."""
    whole = body[-1] if body and all(isinstance(statement, Let) for statement in body[:-1]) else None
    return whole if isinstance(whole, Loop) and whole.kind == "parallel" else None


def statements_within(body: Iterable[Statement]) -> Iterable[Statement]:
    """All statements of a body and of what is nested in it."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop | If):
            yield from statements_within(statement.body)


def scalars_of(statement: Statement) -> tuple[Scalar, ...]:
    """The scalar expressions that stand directly in a statement."""
    if isinstance(statement, Let | Advance | Accumulate | Store | CheckIndex):
        return (statement.value,)
    return (statement.condition,) if isinstance(statement, If) else ()


def integers_of(statement: Statement) -> tuple[Integer, ...]:
    """The integer expressions that stand directly in a statement."""
    match statement:
        case Loop():
            return (statement.start, statement.stop)
        case Store():
            return (statement.offset,)
        case CheckIndex():
            return (statement.extent,)
        case Random():
            return (statement.size,)
        case CallRow():
            places = [part for span in statement.spans for part in (span.offset, span.step) if part is not None]
            return (*places, *statement.numbers)
        case Accumulate():
            return () if statement.position is None else (statement.position,)
    return ()


def names_in_integer(value: Integer) -> set[str]:
    """The variables, locals and sources that an integer expression reads."""
    found: set[str] = set()
    for atom in atoms(value):
        if isinstance(atom, Variable):
            found.add(atom.name)
        elif isinstance(atom, Opaque):
            found |= names_in_scalar(atom.value)
    return found


def names_in_scalar(value: Scalar | Local) -> set[str]:
    """The variables, locals and sources that a scalar expression reads."""
    found: set[str] = set()
    for part in walk(value):
        if isinstance(part, Local):
            found.add(part.name)
        elif isinstance(part, Load):
            found.add(part.source)
            for offset in part.index:
                found |= names_in_integer(offset)
        elif isinstance(part, FromIndex):
            found |= names_in_integer(part.value)
        elif isinstance(part, Within):
            found |= names_in_integer(part.value) | names_in_integer(part.lower) | names_in_integer(part.upper)
    return found


def names_read(statement: Statement) -> set[str]:
    """The names that a statement reads itself; what is nested in it not counted."""
    found: set[str] = set()
    for scalar in scalars_of(statement):
        found |= names_in_scalar(scalar)
    for integer in integers_of(statement):
        found |= names_in_integer(integer)
    return found


def sources(body: Iterable[Statement]) -> set[str]:
    """All names that a body mentions, as source or as target."""
    found: set[str] = set()
    for statement in statements_within(body):
        found |= names_read(statement)
        if isinstance(statement, Store | Random | CallOut):
            found.add(statement.target)
        if isinstance(statement, CallOut):
            found.update(statement.operands)
        if isinstance(statement, CallRow):
            found.update(span.name for span in statement.spans)
    return found


def without_unused(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The body without definitions and sums that nothing reads."""
    while True:
        read: set[str] = set()
        for statement in statements_within(body):
            read |= names_read(statement)
        smaller = _drop(body, read)
        if smaller == tuple(body):
            return smaller
        body = smaller


def _drop(body: Sequence[Statement], read: set[str]) -> tuple[Statement, ...]:
    kept: list[Statement] = []
    for statement in body:
        if isinstance(statement, Let) and statement.name not in read:
            continue
        if isinstance(statement, Accumulator | Accumulate) and not read & {
            statement.name,
            f"{statement.name}_position",
        }:
            continue
        if isinstance(statement, Loop):
            inner = _drop(statement.body, read)
            if not inner:
                continue
            statement = Loop(statement.variable, statement.start, statement.stop, inner, statement.kind)
        elif isinstance(statement, If):
            statement = If(statement.condition, _drop(statement.body, read))
        kept.append(statement)
    return tuple(kept)


def contract_loops(contract: Contract) -> tuple[Statement, ...]:
    """A contraction as plain loops: what small ones, and those of integers, run as."""
    row = variable("row", 0, None)
    inner: list[Statement] = [
        Accumulator("total", contract.dtype, "sum"),
        Loop(
            "k",
            0,
            contract.depth,
            (Accumulate("total", contract.dtype, "sum", Call("mul", (contract.left, contract.right), contract.dtype)),),
            "vector",
        ),
        *contract.epilogue,
    ]
    body: tuple[Statement, ...] = (Loop("n", 0, contract.columns, tuple(inner)),)
    if contract.batch == 1:
        return (
            Let("b", int64, FromIndex(0, int64)),
            Loop("m", 0, contract.rows, body, "parallel"),
        )
    return (
        Loop(
            "row",
            0,
            contract.batch * contract.rows,
            (
                Let("b", int64, FromIndex(row // contract.rows, int64)),
                Let("m", int64, FromIndex(row % contract.rows, int64)),
                *body,
            ),
            "parallel",
        ),
    )
