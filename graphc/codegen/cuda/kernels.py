"""Kernels of loops as ``__global__`` functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from graphc.codegen.c.expressions import Used
from graphc.codegen.c.kernels import (
    integers_of,
    most,
    parallel_loop,
    sources,
    statements_within,
    without_unused,
    wrap_declarations,
)
from graphc.codegen.c.literals import c_type
from graphc.codegen.c.names import Names
from graphc.codegen.c.spelling import ADD
from graphc.codegen.cuda.expressions import CudaExpressions, all_integers, index_type
from graphc.codegen.cuda.schedule import Schedule, schedule
from graphc.codegen.cuda.statements import Combined, CudaStatements
from graphc.codegen.cuda.turned import PITCH, PLACE, ROWS, SIDE, Turned, in_tiles
from graphc.codegen.cuda.vectors import LANE, Vectors, in_vectors
from graphc.codegen.loops import CallRow, Kernel, Let, Loop, Parameter, Random, Statement
from graphc.codegen.statements import scalars_of, substitute_statements
from graphc.codegen.trace import walk_all
from graphc.ir.integers import Integer, bounds, variable
from graphc.ir.scalars import Load
from graphc.ir.types import DType

INDENT = "    "
PAIR_BYTES = 16  # of a pair that the functions of rows work with
# Threads that sort, each with a row and scratch of its own, and how many of them are a block.
MOST_ROWS_AT_ONCE = 1 << 14
ROW_THREADS = 64
_TAKEN_TEXT = "row column is_there launch wrong place pairs pairs_of_all partial tile step"
_TAKEN = (LANE, *_TAKEN_TEXT.split())


@dataclass(slots=True)
class Calls:
    """What the kernels of a program call: C's functions, combinations of threads, vector types (dtype, width), and
    tensor cores. With ``tf32`` these multiply float32 too."""

    used: Used = field(default_factory=Used)
    combined: Combined = field(default_factory=Combined)
    vectors: set[tuple[DType, int]] = field(default_factory=set)
    tensor_cores: bool = False
    tf32: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One function of a kernel and how it is launched. ``arguments`` are positions of the kernel's parameters,
    ``symbols`` sizes that are known at run time only, and ``extra`` is, in this order, out of "scratch", "launch",
    "error", and "random"."""

    name: str
    arguments: tuple[int, ...]
    grid: tuple[Integer, Integer, Integer]
    block: tuple[int, int, int]
    symbols: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """A kernel in CUDA: its functions in the order in which they are launched, and the bytes that they work in. Of one
    function that may stand beside others in a launch ``declarations`` and ``lines`` are its parameters and body."""

    definition: str
    parts: tuple[Part, ...]
    scratch_bytes: int = 0
    declarations: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What a kernel is printed for. ``symbols`` are the program's sizes that are known at run time only; with
    ``guarded`` it does nothing once a launch has failed; ``aligned`` gives for each parameter a number of elements of
    which every place where it begins is a multiple."""

    symbols: frozenset[str]
    guarded: bool
    aligned: Mapping[str, int]


def print_loops(kernel: Kernel, name: str, body: Sequence[Statement], calls: Calls, frame: Frame) -> CudaKernel:
    """A kernel of statements as one function."""
    body = without_unused(body)
    plan = schedule(body)
    names = kernel_names(kernel, frame.symbols, _TAKEN)
    names.bind(LANE, LANE)
    vectors = turned = None
    if plan.mode == "threads":
        vectors = in_vectors(kernel, plan, frame.aligned)
        turned = None if vectors is not None else in_tiles(kernel, plan)
    printer = CudaStatements(
        _expressions(kernel, body, names, calls, frame), plan, calls.combined, _updated(kernel, body)
    )
    points = plan.points
    rows = [statement for statement in statements_within(body) if isinstance(statement, CallRow)]
    scratch = 0
    if rows:
        plan = replace(plan, mode="threads", block=(ROW_THREADS, 1, 1))
        at_once = min(_most_points(_blocks(points, ROW_THREADS)) * ROW_THREADS, MOST_ROWS_AT_ONCE)
        room = max(most(each.pairs) for each in rows)
        scratch = PAIR_BYTES * room * at_once
        lines, grid = _rows(printer, plan, room, at_once), at_once // ROW_THREADS
    elif plan.mode == "random":
        lines, grid = list(printer.block(body, 1)), 1
    elif plan.mode == "check":
        lines, grid = _checks(printer, body), 1
    elif vectors is not None:
        calls.vectors |= {(each.dtype, vectors.width) for each in vectors.vectors}
        lines, grid = _vectors(printer, plan, vectors), _blocks(points, plan.block[0] * vectors.width)
    elif turned is not None and not rows:
        plan = replace(plan, block=(SIDE, ROWS, 1))
        lines, grid = _tiles(printer, plan, turned), turned.blocks
    else:
        lines, grid = _points(printer, plan), _blocks(points, plan.points_per_block)
    return function(kernel, name, lines, body, plan.block, (grid, 1, 1), printer, frame, scratch)


def function(
    kernel: Kernel,
    name: str,
    lines: Sequence[str],
    body: Iterable[Statement],
    block: tuple[int, int, int],
    grid: tuple[Integer, Integer, Integer],
    printer: CudaStatements,
    frame: Frame,
    scratch: int = 0,
) -> CudaKernel:
    """A function of lines, with the parameters that they mention, as the whole of a kernel."""
    body = tuple(body)
    names = printer.names
    mentioned = sources(body)
    arguments = tuple(i for i, parameter in enumerate(kernel.parameters) if parameter.name in mentioned)
    declarations = [declaration(kernel.parameters[i], names(kernel.parameters[i].name)) for i in arguments]
    extra: list[str] = []
    if "partial" in mentioned:
        arguments = tuple(i for i in arguments if kernel.parameters[i].name != "partial")
        extra.append("scratch")
    if scratch:
        extra.append("scratch")
        declarations.append("gc_pair *__restrict__ pairs_of_all")
    if any(isinstance(statement, Random) for statement in statements_within(body)):
        extra.append("random")
        declarations.append("gc_random_state *__restrict__ state")
    if printer.checks or frame.guarded:
        extra.append("error")
        declarations.append("int64_t *__restrict__ error")
    if printer.checks:
        extra.append("launch")
        declarations.append("int64_t launch")
    symbols = tuple(sorted(mentioned & frame.symbols))
    declarations[len(arguments) : len(arguments)] = [f"int64_t {names(symbol)}" for symbol in symbols]
    text = [*opening(frame.guarded or printer.checks), *lines]
    definition = "\n".join([head(name, declarations, block), "{", *text, "}"])
    part = Part(name, arguments, grid, block, symbols, tuple(extra))
    return CudaKernel(definition, (part,), scratch, tuple(declarations), tuple(text))


def opening(guarded: bool) -> list[str]:
    """What a kernel begins with that does nothing once a launch has failed."""
    if not guarded:
        return []
    return [f"{INDENT}if (error[0] != 0)", f"{INDENT * 2}return; /* a launch before has failed */"]


def head(name: str, declarations: Sequence[str], block: tuple[int, int, int]) -> str:
    """The first lines of a kernel's function."""
    threads = block[0] * block[1] * block[2]
    return wrap_declarations(f'extern "C" __global__ void __launch_bounds__({threads}) {name}(', declarations)


def declaration(parameter: Parameter, name: str) -> str:
    """A kernel's parameter. Kernels are never given one piece of memory twice."""
    constant = "const " if parameter.access == "read" else ""
    return f"{constant}{c_type(parameter.dtype)} *__restrict__ {name}"


def kernel_names(kernel: Kernel, symbols: frozenset[str], taken: Sequence[str]) -> Names:
    """The identifiers of a kernel: its parameters and the program's sizes have theirs, and some are taken."""
    names = Names(tuple(taken))
    for parameter in kernel.parameters:
        names(parameter.name)
    for symbol in sorted(symbols):
        names(symbol)
    return names


def _expressions(
    kernel: Kernel, body: Sequence[Statement], names: Names, calls: Calls, frame: Frame
) -> CudaExpressions:
    statements = list(statements_within(body))
    integers = list(all_integers(scalars_of(body), chain.from_iterable(map(integers_of, statements))))
    extents = [parameter.size for parameter in kernel.parameters]
    extents += [loop.stop - loop.start for loop in statements if isinstance(loop, Loop)]
    whole = parallel_loop(body)
    if whole is not None:
        extents.append(schedule(body).points)
    known = [extent if isinstance(extent, int) else bounds(extent)[1] or extent for extent in extents]
    index = index_type(integers, known)
    return CudaExpressions(names, calls.used, index)


def _updated(kernel: Kernel, body: Sequence[Statement]) -> frozenset[str]:
    """The parameters that a body both reads and writes."""
    loaded = {part.source for part in walk_all(scalars_of(body)) if isinstance(part, Load)}
    return frozenset(each.name for each in kernel.parameters if each.access != "read" and each.name in loaded)


def _blocks(points: Integer, points_per_block: int) -> Integer:
    return (points + (points_per_block - 1)) // points_per_block


def _most_points(count: Integer) -> int:
    greatest = bounds(count)[1]
    return 1 << 62 if greatest is None else max(greatest, 1)


# What threads do.


def _points(printer: CudaStatements, plan: Schedule) -> list[str]:
    """Each thread, or group of threads, does what there is to do at its point."""
    index, expressions = printer.index, printer.expressions
    lines = list(printer.block(plan.before, 1))
    wide = "" if index == "int" else "(int64_t)"
    position = {
        "threads": f"{wide}blockIdx.x * {plan.block[0]} + threadIdx.x",
        "warp": f"{wide}blockIdx.x * {plan.block[1]} + threadIdx.y",
        "columns": f"{wide}blockIdx.x * {plan.block[0]} + threadIdx.x",
        "block": f"{wide}blockIdx.x",
    }[plan.mode]
    whole = isinstance(plan.points, int) and plan.points % plan.points_per_block == 0
    count = expressions.integer(plan.points, ADD)
    if not plan.outer:
        if plan.mode == "threads":
            lines += [f"{INDENT}if (threadIdx.x != 0)", f"{INDENT * 2}return;"] if plan.block[0] != 1 else []
        elif plan.mode == "warp":
            raise AssertionError("a warp works on many points")
        return [
            *lines,
            *(["    const bool is_there = true;"] if plan.mode == "columns" else []),
            *printer.point(plan.body, 1),
        ]
    single = len(plan.outer) == 1 and plan.outer[0].start == 0
    name = printer.names(plan.outer[0].variable) if single else "row"
    if plan.mode == "columns":
        lines.append(f"{INDENT}const {index} column = {position};")
        lines.append(f"{INDENT}const bool is_there = column < {count};")
        lines.append(f"{INDENT}const {index} {name} = is_there ? column : 0;")
    else:
        lines.append(f"{INDENT}const {index} {name} = {position};")
        if not whole:
            lines += [f"{INDENT}if ({name} >= {count})", f"{INDENT * 2}return;"]
    if not single:
        lines += printer.indices(plan.outer, name, 1)
    return [*lines, *printer.point(plan.body, 1)]


def _rows(printer: CudaStatements, plan: Schedule, room: int, at_once: int) -> list[str]:
    """Each thread lets a function work on one row after the other."""
    index, expressions = printer.index, printer.expressions
    lines = [
        f"{INDENT}const int thread = blockIdx.x * {ROW_THREADS} + threadIdx.x;",
        *([f"{INDENT}gc_pair *const pairs = pairs_of_all + {room} * (int64_t)thread;"] if room else []),
        f"{INDENT}for ({index} row = thread; row < {expressions.integer(plan.points, ADD)}; row += {at_once}) {{",
    ]
    return [*lines, *printer.indices(plan.outer, "row", 2), *printer.block(plan.body, 2), f"{INDENT}}}"]


def _vectors(printer: CudaStatements, plan: Schedule, vectors: Vectors) -> list[str]:
    """Each thread works on a vector of neighbouring points, the last one perhaps on fewer."""
    index, expressions, names, width = printer.index, printer.expressions, printer.names, vectors.width
    wide = "" if index == "int" else "(int64_t)"
    last = plan.outer[-1]
    single = len(plan.outer) == 1
    name = names(last.variable) if single else "row"
    count = expressions.integer(plan.points, ADD)
    lines = [
        *printer.block(plan.before, 1),
        f"{INDENT}const {index} {name} = {width} * ({wide}blockIdx.x * {plan.block[0]} + threadIdx.x);",
        f"{INDENT}if ({name} >= {count})",
        f"{INDENT * 2}return;",
    ]
    if not single:
        lines += printer.indices(plan.outer, name, 1)
    points = plan.points
    if not (isinstance(points, int) and points % width == 0):
        rest = [
            Loop(
                "rest",
                0,
                last.stop,
                substitute_statements(plan.body, {last.variable: variable("rest", 0, _most_points(last.stop) - 1)}),
            )
        ]
        lines.append(f"{INDENT}if ({name} + {width} > {count}) {{")
        text = list(printer.block(rest, 2))
        text[0] = text[0].replace("rest = 0;", f"rest = {name};")
        lines += [*text, f"{INDENT * 2}return;", f"{INDENT}}}"]
    lines += printer.block(vectors.before, 1)
    for each in vectors.vectors:
        kind = f"gc_{each.dtype.short}x{width}"
        own = names.fresh(each.name)
        names.bind(each.name, f"{own}.at")
        place = f"&{names(each.parameter)}[{expressions.integer(each.offset)}]"
        constant = "" if each.stored else "const "
        value = f" = *(const {kind} *){place}" if each.loaded else ""
        lines.append(f"{INDENT}{constant}{kind} {own}{value};")
    lines.append(f"{INDENT}#pragma unroll")
    lines.append(f"{INDENT}for (int {LANE} = 0; {LANE} < {width}; ++{LANE}) {{")
    lines += printer.block(vectors.body, 2)
    lines.append(f"{INDENT}}}")
    for each in vectors.vectors:
        if each.stored:
            kind = f"gc_{each.dtype.short}x{width}"
            place = f"&{names(each.parameter)}[{expressions.integer(each.offset)}]"
            lines.append(f"{INDENT}*({kind} *){place} = {names(each.name).removesuffix('.at')};")
    return lines


def _tiles(printer: CudaStatements, plan: Schedule, turned: Turned) -> list[str]:
    """A block reads a tile along one dimension and goes on with it along the other."""
    index, names, expressions = printer.index, printer.names, printer.expressions
    read, written = names(turned.read.variable), names(turned.written.variable)
    down, across = turned.tiles
    lines = [*printer.block(plan.before, 1)]
    lines.append(f"{INDENT}const int tile = blockIdx.x % {down * across};")
    if turned.others:
        lines.append(f"{INDENT}const {index} row = blockIdx.x / {down * across};")
        lines += printer.indices(turned.others, "row", 1)
    for name, load in turned.loads:
        names.bind(name, name)
        lines.append(f"{INDENT}__shared__ {c_type(load.dtype)} {name}[{SIDE * PITCH}];")
    names.bind(PLACE, PLACE)
    first_read, first_written = f"tile / {across} * {SIDE}", f"tile % {across} * {SIDE}"
    inside = f"if ({read} < {turned.read.stop} && {written} < {turned.written.stop})"
    loop = f"{INDENT}for (int step = 0; step < {SIDE}; step += {ROWS}) {{"
    lines += [
        loop,
        f"{INDENT * 2}const {index} {read} = {first_read} + threadIdx.x;",
        f"{INDENT * 2}const {index} {written} = {first_written} + threadIdx.y + step;",
        f"{INDENT * 2}{inside} {{",
    ]
    for name, load in turned.loads:
        place = f"(threadIdx.y + step) * {PITCH} + threadIdx.x"
        lines.append(f"{INDENT * 3}{name}[{place}] = {expressions.scalar(load)};")
    lines += [
        f"{INDENT * 2}}}",
        f"{INDENT}}}",
        f"{INDENT}__syncthreads();",
        loop,
        f"{INDENT * 2}const {index} {read} = {first_read} + threadIdx.y + step;",
        f"{INDENT * 2}const {index} {written} = {first_written} + threadIdx.x;",
        f"{INDENT * 2}const int {PLACE} = threadIdx.x * {PITCH} + threadIdx.y + step;",
        f"{INDENT * 2}{inside} {{",
        *printer.block(turned.body, 3),
        f"{INDENT * 2}}}",
        f"{INDENT}}}",
    ]
    return lines


def _checks(printer: CudaStatements, body: Sequence[Statement]) -> list[str]:
    """The threads of one block look at all indices; the first that is out of range is noted."""
    lines: list[str] = []
    printer.checks = True
    definitions = [each for each in body if isinstance(each, Let)]
    lines += printer.block(definitions, 1)
    for statement in body:
        if isinstance(statement, Let):
            continue
        lines.append(f"{INDENT}{{")
        lines.append(INDENT * 2 + "gc_wrong_index wrong = {INT64_MAX, 0, 0};")
        lines += printer.look(statement, 2)
        lines.append(f"{INDENT * 2}if (gc_note_wrong_index(wrong, launch, error))")
        lines.append(f"{INDENT * 3}return;")
        lines.append(f"{INDENT}}}")
    return lines
