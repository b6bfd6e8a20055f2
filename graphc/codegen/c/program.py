"""A whole program as one C translation unit."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.c.contractions import print_contraction
from graphc.codegen.c.expressions import Expressions, Used
from graphc.codegen.c.kernels import KernelText, names_in_integer, print_loops
from graphc.codegen.c.launches import Braces, Stretch, Writer, all_stretches, leaves_early
from graphc.codegen.c.literals import c_type, literal
from graphc.codegen.c.names import Names, comment, wrapped
from graphc.codegen.c.rolling import VARIABLES, Argument, memory_text
from graphc.codegen.c.schedule import Step, schedule
from graphc.codegen.c.statements import identity
from graphc.codegen.host import calls_out, host_draws
from graphc.codegen.loops import (
    Block,
    Branch,
    Buffer,
    Contract,
    Element,
    Kernel,
    Launch,
    LoopProgram,
    Random,
    Repeat,
)
from graphc.codegen.memory import MemoryPlan, Placement, Scratch
from graphc.codegen.render import render
from graphc.ir.applications import applies, working_on
from graphc.ir.integers import round_up
from graphc.ir.types import DType

# A step of more launches is compiled as it stands: the time to optimize it grows faster than it does, and a call takes
# a few nanoseconds more.
MOST_OPTIMIZED = 96
CALLER_KINDS = ("argument", "state", "constant", "scalar")


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """What ``templates/c/scalar_functions.h.j2`` must know of one helper."""

    macro: str
    d: str
    t: str
    f: str | None
    u: str
    bits: int
    signed: bool
    source: str
    source_t: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class RowFunction:
    """What ``templates/c/rows.h.j2`` must know of one function of rows."""

    name: str
    d: str
    t: str
    kind: str  # "float", "int" with a sign, "uint" without, "bool"
    bits: int


@dataclass(frozen=True, slots=True)
class Reduction:
    """An OpenMP reduction of the program's own."""

    name: str
    t: str
    function: str
    identity: str


@dataclass(frozen=True, slots=True)
class Table:
    """A literal array of the program."""

    t: str
    name: str
    values: str


@dataclass(frozen=True, slots=True)
class KernelContext:
    """A kernel and the comment above it."""

    comment: str
    definition: str


@dataclass(frozen=True, slots=True)
class ProgramContext:
    """The holes of ``templates/c/program.c.j2``, which describes them."""

    title: tuple[str, ...]
    draws_random: bool
    has_random: bool
    host_draws: bool
    has_host: bool
    timed: bool
    scalar_functions: tuple[ScalarFunction, ...]
    library_functions: frozenset[str]
    row_functions: tuple[RowFunction, ...]
    random_functions: frozenset[str]
    vector_types: tuple[tuple[str, int], ...]
    reductions: tuple[Reduction, ...]
    tables: tuple[Table, ...]
    checks: bool
    kernels: tuple[KernelContext, ...]
    sizes: tuple[str, ...]
    pointers: tuple[str, ...]
    items: tuple[Stretch | Braces, ...]
    stretches: tuple[Stretch, ...]
    threaded: bool
    names_thread: bool
    can_fail: bool
    leaves_early: bool
    most_threads: int
    launch_count: int
    step_level: str
    unused_parameters: tuple[str, ...]
    buffer_count: int


@dataclass(frozen=True, slots=True)
class PrintedKernels:
    """Every launch's kernel in C, equal kernels once, and what they call."""

    texts: tuple[KernelText, ...]  # one for each distinct kernel, in order of first use
    of_launch: tuple[int, ...]  # which of them each launch calls
    used: Used
    scratch: tuple[Scratch, ...]


# The bytes of scratch memory, shared and for each thread, by what kernels do.
ScratchNeeds = dict[object, tuple[int, int]]


def _kinds(program: LoopProgram) -> list[_ByContent]:
    """What tells the kernels of the launches from others: what they do. Many launches share one kernel."""
    known: dict[int, _ByContent] = {}
    for launch in program.launches:
        kernel = launch.kernel
        if id(kernel) not in known:
            known[id(kernel)] = _ByContent((kernel.parameters, kernel.body))
    return [known[id(launch.kernel)] for launch in program.launches]


def print_kernels(program: LoopProgram, vector_bytes: int = 16) -> PrintedKernels:
    """The program's kernels as C functions; kernels that do the same are printed once.

    ``vector_bytes`` is the width of the target's vector registers.
    """
    used = Used()
    names = Names(("graphc_run", "graphc_run_many"))
    numbers: dict[object, int] = {}
    texts: list[KernelText] = []
    of_launch: list[int] = []
    scratch: list[Scratch] = []
    symbols = frozenset(program.symbols)
    for position, (launch, key) in enumerate(zip(program.launches, _kinds(program), strict=True)):
        if key not in numbers or not applies("print equal kernels once", launch):
            numbers[key] = len(texts)
            name = names.fresh(launch.kernel.title)
            with working_on(launch):
                texts.append(_print_kernel(launch.kernel, name, used, vector_bytes, symbols))
        text = texts[numbers[key]]
        of_launch.append(numbers[key])
        if text.shared_bytes or text.local_bytes:
            scratch.append(Scratch(position, f"scratch{position}", text.shared_bytes, text.local_bytes))
    return PrintedKernels(tuple(texts), tuple(of_launch), used, tuple(scratch))


def count_of_kernels(program: LoopProgram) -> int:
    """How many kernels there are that do different things."""
    return len(set(_kinds(program)))


def scratch_of(program: LoopProgram, vector_bytes: int, known: ScratchNeeds) -> tuple[Scratch, ...]:
    """The scratch memory that :func:`print_kernels` finds, where the text is not wanted. ``known`` keeps what each
    kernel needs, for programs that have most of their kernels in common."""
    symbols = frozenset(program.symbols)
    scratch: list[Scratch] = []
    for position, (launch, key) in enumerate(zip(program.launches, _kinds(program), strict=True)):
        if key not in known:
            with working_on(launch):
                text = _print_kernel(launch.kernel, "kernel", Used(), vector_bytes, symbols)
            known[key] = text.shared_bytes, text.local_bytes
        if any(known[key]):
            scratch.append(Scratch(position, f"scratch{position}", *known[key]))
    return tuple(scratch)


class _ByContent:
    """A key in a dict whose hash is computed once: that of a kernel walks all of it."""

    __slots__ = ("content", "hash")

    def __init__(self, content: object):
        self.content = content
        self.hash = hash(content)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _ByContent) and self.content == other.content)


def _print_kernel(kernel: Kernel, name: str, used: Used, vector_bytes: int, symbols: frozenset[str]) -> KernelText:
    if isinstance(kernel.body, Contract):
        return print_contraction(kernel, name, used, vector_bytes, symbols)
    return print_loops(kernel, name, kernel.body, used, symbols)


def caller_buffers(program: LoopProgram) -> tuple[Buffer, ...]:
    """The buffers that the caller hands in, in the order of the entry: the graph's inputs, then its outputs."""
    inputs = [buffer for buffer in program.buffers if buffer.kind in CALLER_KINDS]
    by_node = {node: buffer for buffer in inputs for node in buffer.nodes if node.is_input}
    if len(by_node) == len(inputs) == len(program.graph.inputs):
        inputs = [by_node[node] for node in program.graph.inputs]
    return (*inputs, *(program.buffer(name) for name in program.outputs))


def draws_random(program: LoopProgram) -> bool:
    """Whether a program draws random numbers, itself or by its host; the state is then one of its buffers."""
    bodies = [launch.kernel.body for launch in program.launches if not isinstance(launch.kernel.body, Contract)]
    drawn = any(isinstance(statement, Random) for body in bodies for statement in body)
    return drawn or any(node.op.effect == "random" for node in program.graph.nodes)


def print_program(
    program: LoopProgram, plan: MemoryPlan, kernels: PrintedKernels, *, timed: bool = False, roll: bool = True
) -> str:
    """The C text of a program whose kernels are printed and whose memory is planned.

    With ``timed`` the first thread adds the seconds that it spends on each launch to an array of doubles, whose address
    comes after all others in the table of buffers. With ``roll`` launches that repeat become loops.
    """
    functions = [phase.name for text in kernels.texts for phase in text.phases]
    names = Names(("graphc_run", "graphc_run_many", "stream", "done", "host", "none", *VARIABLES, *functions))
    sizes = {symbol: names(symbol) for symbol in program.symbols}
    identifiers = {buffer.name: names(buffer.name) for buffer in (*caller_buffers(program), *program.buffers)}
    used = kernels.used
    runs = {block.variable: names(block.variable) for block in program.blocks if isinstance(block, Repeat)}
    scheduled, threaded = schedule(program, plan, _steps(program, plan, kernels, identifiers, sizes | runs))
    writer = Writer(identifiers, names, _heads(program, identifiers, runs, sizes, used), roll)
    items = writer.items(scheduled)
    stretches = tuple(all_stretches(items))
    callers = caller_buffers(program)
    uses_arena = any(not placement.room for placement in plan.placements)
    phases = [phase for text in kernels.texts for phase in text.phases]
    can_fail, has_host = any(phase.checks for phase in phases), calls_out(program)
    mentioned = {symbol for phase in phases for symbol in phase.symbols}
    for phase in phases:
        mentioned |= names_in_integer(phase.start) | (set() if phase.items is None else names_in_integer(phase.items))
    starts = [start for launch in program.launches for start in launch.starts]
    starts += [each.start for block in program.blocks for each in block.elements]
    counts = [block.count for block in program.blocks if isinstance(block, Repeat)]
    for number in (*starts, *(count for count in counts if count is not None and not isinstance(count, Element))):
        mentioned |= names_in_integer(number)
    read = [(position, symbol) for position, symbol in enumerate(sizes) if symbol in mentioned]
    unused = [("extents", not read), ("arena", not uses_arena), ("threads", not threaded), ("error", not can_fail)]
    pointers = tuple(_pointers(program, plan, callers, identifiers, writer.named))
    within = [line for stretch in stretches for line in stretch.lines]
    reads = any("buffers[" in line for line in (*pointers, *within))
    unused.append(("buffers", not reads and not used.random and not has_host and not timed))
    context = ProgramContext(
        title=(comment(f"graphc: {program.name}"), *_summary(program, plan)),
        draws_random=draws_random(program),
        has_random=bool(used.random),
        host_draws=host_draws(program),
        has_host=has_host,
        timed=timed,
        scalar_functions=scalar_helpers(used),
        library_functions=frozenset(f"{name}_{dtype.short}" for name, dtype in used.library),
        row_functions=row_functions(used),
        random_functions=frozenset(used.random),
        vector_types=tuple(sorted({vector for text in kernels.texts for vector in text.vectors})),
        reductions=_reductions(used),
        tables=literal_tables(used),
        checks=any(phase.checks and "error" in phase.extra for phase in phases),
        kernels=_kernel_contexts(program, kernels),
        sizes=tuple(f"const int64_t {sizes[symbol]} = extents[{position}];" for position, symbol in read),
        pointers=pointers,
        items=items,
        stretches=stretches,
        threaded=threaded,
        names_thread=any("local" in phase.extra for phase in phases),
        can_fail=can_fail,
        leaves_early=leaves_early(items),
        most_threads=plan.threads,
        launch_count=len(program.launches),
        step_level="O1" if len(program.launches) <= MOST_OPTIMIZED else "O0",
        unused_parameters=tuple(name for name, is_unused in unused if is_unused),
        buffer_count=len(callers),
    )
    return render("c/program.c.j2", context)


def _heads(
    program: LoopProgram,
    identifiers: Mapping[str, str],
    runs: Mapping[str, str],
    sizes: Mapping[str, str],
    used: Used,
) -> dict[Block, str]:
    """What each block begins with in C."""
    names = Names()
    for variable, name in {**sizes, **runs}.items():
        names.bind(variable, name)
    expressions = Expressions(names, used)

    def text(element: Element) -> str:
        return f"{identifiers[element.buffer]}[{expressions.integer(element.start)}]"

    heads: dict[Block, str] = {}
    for block in program.blocks:
        if isinstance(block, Branch):
            heads[block] = f"if ({text(block.condition)})"
            continue
        run = runs[block.variable]
        launches = program.launches[block.first : block.stop]
        moves = any(block.variable in names_in_integer(start) for launch in launches for start in launch.starts)
        count = text(block.count) if isinstance(block.count, Element) else expressions.integer(block.count or 0)
        going = "" if block.going is None else text(block.going)
        if block.descending:
            heads[block] = f"for (int64_t {run} = {count}; {run}-- > 0;)"
        elif block.count is None and not moves:
            heads[block] = f"while ({going})"
        else:
            bounds = [f"{run} < {count}"] if block.count is not None else []
            heads[block] = f"for (int64_t {run} = 0; {' && '.join([*bounds, *filter(None, [going])])}; ++{run})"
    return heads


def _summary(program: LoopProgram, plan: MemoryPlan) -> list[str]:
    lines = []
    for kind in ("argument", "state", "scalar", "constant", "output"):
        number = sum(buffer.kind == kind for buffer in program.buffers)
        if number:
            lines.append(f"{number} {kind}{'s' if number > 1 else ''}: {plan.total(kind):,} bytes")
    return [f"{len(program.launches)} launches; {'; '.join(lines)}; arena: {plan.arena_bytes:,} bytes"]


def scalar_helpers(used: Used) -> tuple[ScalarFunction, ...]:
    """What the template of scalar functions is told of those that a program calls."""
    found = []
    for name, dtype, source in sorted(used.scalar, key=lambda each: (each[0], each[1].short, str(each[2]))):
        bits = dtype.itemsize * 8
        low = high = ""
        if source is not None:
            range_bits = 63 if bits == 64 else 31
            low, high = literal(-(2.0**range_bits), source), literal(2.0**range_bits, source)
        found.append(
            ScalarFunction(
                macro=_macro(name, dtype),
                d=dtype.short,
                t=c_type(dtype),
                f=("f" if dtype.itemsize == 4 else "") if dtype.is_floating_point else None,
                u="uint64_t" if bits == 64 else "uint32_t",
                bits=bits,
                signed=dtype.is_signed,
                source="" if source is None else source.short,
                source_t="" if source is None else c_type(source),
                low=low,
                high=high,
            )
        )
    return tuple(found)


def _macro(name: str, dtype: DType) -> str:
    """The macro that prints a scalar function of operands of a dtype."""
    if name in ("widen", "round"):
        return f"{name}_{dtype.short}"
    return "cast_to_unsigned" if name == "cast" and not dtype.is_signed and dtype.itemsize >= 4 else name


def row_functions(used: Used) -> tuple[RowFunction, ...]:
    """What the template of the functions of rows is told of those that a program calls."""
    found = []
    for name, dtype in sorted(used.rows, key=lambda each: (each[0], each[1].short)):
        kind = "uint" if dtype.category == "int" and not dtype.is_signed else dtype.category
        found.append(RowFunction(name, dtype.short, c_type(dtype), kind, dtype.itemsize * 8))
    return tuple(found)


def _reductions(used: Used) -> tuple[Reduction, ...]:
    ordered = sorted(used.reductions, key=lambda each: (each[0], each[2].short))
    return tuple(
        Reduction(function, c_type(dtype), f"gc_{function}_{dtype.short}", identity(combiner, dtype))
        for function, combiner, dtype in ordered
    )


def literal_tables(used: Used) -> tuple[Table, ...]:
    """The literal arrays of a program."""
    tables = []
    for array, name in used.tables.items():
        values = ", ".join(literal(value, array.dtype) for value in array.array.reshape(-1).tolist())
        tables.append(Table(c_type(array.dtype), name, "\n".join(f"    {line}" for line in wrapped(values, 112))))
    return tuple(tables)


def _kernel_contexts(program: LoopProgram, kernels: PrintedKernels) -> tuple[KernelContext, ...]:
    contexts = []
    for number, text in enumerate(kernels.texts):
        launches = [launch for launch, of in zip(program.launches, kernels.of_launch, strict=True) if of == number]
        contexts.append(KernelContext(kernel_comment(launches), text.definition))
    return tuple(contexts)


def kernel_comment(launches: Sequence[Launch], width: int = 112) -> str:
    """The operations of a kernel, and the Python lines of all its launches."""
    operations: list[str] = []
    for operation in launches[0].kernel.notable:
        if operations and operations[-1].split(" x")[0] == operation:
            count = int(operations[-1].split(" x")[1]) if " x" in operations[-1] else 1
            operations[-1] = f"{operation} x{count + 1}"
        else:
            operations.append(operation)
    lines = wrapped(comment(", ".join(operations)), width)
    for text in _places(launches):
        lines.extend(wrapped(text, width))
    return "/* " + "\n   ".join(lines) + " */"


def _places(launches: Sequence[Launch], most: int = 6) -> list[str]:
    """The Python lines of launches: files once, lines sorted, not more than ``most`` launches."""
    described = list(dict.fromkeys(describe(launch) for launch in launches))
    shown = [text for text in described[:most] if text]
    if len(described) > most:
        shown.append(f"and {len(described) - most} more")
    return shown


def describe(launch: Launch) -> str:
    """The Python lines that a launch came from, as comment text: ``mlp.py:12, 14; update mlp.py:30``."""
    lines: dict[tuple[str, str], set[int]] = {}
    for origin in launch.origins:
        if origin.location is not None:
            key = (origin.location.phase, origin.location.file)
            lines.setdefault(key, set()).add(origin.location.line)
    parts = []
    for (phase, file), numbers in lines.items():
        where = f"{file}:{', '.join(map(str, sorted(numbers)))}"
        parts.append(where if phase == "forward" else f"{phase} of {where}")
    return comment("; ".join(parts))


def _pointers(
    program: LoopProgram,
    plan: MemoryPlan,
    callers: Sequence[Buffer],
    identifiers: Mapping[str, str],
    named: Container[str],
) -> list[str]:
    """The lines that give names to buffers, to those that are ``named``."""
    lines = []
    written = {
        name
        for launch in program.launches
        for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True)
        if parameter.access != "read"
    }
    for position, buffer in enumerate(callers):
        if buffer.name in named:
            constant = "" if buffer.name in written else "const "
            text = f"{constant}{c_type(buffer.dtype)} *const {identifiers[buffer.name]} = buffers[{position}];"
            lines.append(f"{text} /* {comment(_buffer_comment(buffer))} */")
    slots = {buffer.name: position for position, buffer in enumerate(callers)}
    for buffer in program.buffers:
        if buffer.kind == "temporary" and buffer.name in named:
            t, place = c_type(buffer.dtype), plan.place(buffer.name)
            text = f"{t} *const {identifiers[buffer.name]} = ({t} *)({_memory(place, slots)} + {place.offset});"
            lines.append(f"{text} /* {comment(_buffer_comment(buffer))} */")
    return lines


def _buffer_comment(buffer: Buffer) -> str:
    type_text = str(buffer.nodes[-1].type) if buffer.nodes else f"{buffer.dtype.short}[{buffer.size}]"
    if buffer.kind != "temporary":
        return f"{buffer.kind} {type_text}"
    return f"{buffer.nodes[-1].op.name} {type_text}" if buffer.nodes else type_text


def _memory(place: Placement, slots: Mapping[str, int]) -> str:
    """The first byte of the memory that a place is in."""
    return memory_text(f"room{slots[place.room]}" if place.room else "arena")


def _extra(name: str, position: int, text: KernelText, plan: MemoryPlan, slots: Mapping[str, int]) -> Argument:
    """What a phase is given beside buffers: the random state, the place for errors, the host and the launch's number,
    or scratch memory."""
    if name == "launch":
        return Argument(str(position), "{0}", (position,))
    if name not in ("shared", "local"):
        return Argument(name, name)
    place = plan.place(f"scratch{position}")
    offset, memory = place.offset, _memory(place, slots)
    shared = round_up(text.shared_bytes, plan.alignment)
    if name == "shared":
        if not shared:
            return Argument("NULL", "NULL")
        form = f"({text.scratch_type} *)({memory} + {{0}})"
    else:
        offset += shared
        form = f"({text.scratch_type} *)({memory} + {{0}} + thread * {round_up(text.local_bytes, plan.alignment)})"
    return Argument(form.format(offset), form, (offset,))


def _steps(
    program: LoopProgram,
    plan: MemoryPlan,
    kernels: PrintedKernels,
    identifiers: Mapping[str, str],
    sizes: Mapping[str, str],
) -> list[Step]:
    steps = []
    names = Names()
    for symbol, name in sizes.items():
        names.bind(symbol, name)
    expressions = Expressions(names, kernels.used)
    slots = {buffer.name: slot for slot, buffer in enumerate(caller_buffers(program))}

    def buffer(launch: Launch, position: int) -> Argument:
        name, start, parameter = launch.buffers[position], launch.start(position), launch.kernel.parameters[position]
        text = identifiers[name] if start == 0 else f"{identifiers[name]} + {expressions.integer(start)}"
        if not isinstance(start, int):
            return Argument(text, text, (), name, parameter.access != "read")
        if name in slots:
            space, number = "caller", slots[name]
        else:
            place = plan.place(name)
            space, number = f"room{slots[place.room]}" if place.room else "arena", place.offset
        return Argument(text, f"{space} {c_type(parameter.dtype)}", (number, start), name, parameter.access != "read")

    for position, launch in enumerate(program.launches):
        text = kernels.texts[kernels.of_launch[position]]
        operations = list(dict.fromkeys(launch.kernel.notable))[:6]
        for phase in text.phases:
            arguments = [buffer(launch, i) for i in phase.arguments]
            arguments += [Argument(sizes[symbol], sizes[symbol]) for symbol in phase.symbols]
            arguments += [_extra(name, position, text, plan, slots) for name in phase.extra]
            steps.append(
                Step(
                    operations=", ".join(operations),
                    places=describe(launch),
                    launch=position,
                    function=phase.name,
                    arguments=tuple(arguments),
                    start=expressions.integer(phase.start),
                    items=phase.items if phase.items is None else expressions.integer(phase.items),
                    may_fail=phase.checks,
                )
            )
    return steps
