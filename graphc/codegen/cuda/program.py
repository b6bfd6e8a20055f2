"""A whole program as one ``.cu`` text, its launches, and its memory plan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.blocks import Item, arranged
from graphc.codegen.c.expressions import Text
from graphc.codegen.c.literals import c_type
from graphc.codegen.c.names import Names, comment, wrapped
from graphc.codegen.c.program import (
    KernelContext,
    RowFunction,
    ScalarFunction,
    Table,
    draws_random,
    kernel_comment,
    literal_tables,
    row_functions,
    scalar_helpers,
)
from graphc.codegen.c.statements import COMBINE, POSITION_COMBINERS, identity
from graphc.codegen.cuda.bundles import Bundles, bundle_launches, device_function, each_alone, print_bundle
from graphc.codegen.cuda.contractions import print_contraction
from graphc.codegen.cuda.expressions import CudaExpressions
from graphc.codegen.cuda.kernels import Calls, CudaKernel, Frame, Part, print_loops
from graphc.codegen.cuda.launches import (
    Argument,
    BufferArgument,
    CudaLaunch,
    CudaProgram,
    ErrorArgument,
    NumberArgument,
    RandomArgument,
    SizeArgument,
)
from graphc.codegen.inplace import reuse_in_place
from graphc.codegen.loops import (
    CallOut,
    CheckIndex,
    Contract,
    Kernel,
    Launch,
    Loop,
    LoopProgram,
    Repeat,
    Statement,
)
from graphc.codegen.memory import MemoryPlan, Scratch, check_plan, plan_memory
from graphc.codegen.ordering import order_for_memory
from graphc.codegen.rematerialize import Rematerialization, fit
from graphc.codegen.render import render
from graphc.ir.applications import applies
from graphc.ir.integers import Integer, substitute
from graphc.ir.types import DType, bool_

# Bytes: what the driver's own allocations are multiples of, and a run of memory that a warp reads at once.
ALIGNMENT = 256
# Names of CUDA's that no kernel may have; those of C are known.
_TAKEN_TEXT = """
    rsqrt rcbrt cbrt min max norm norm3d norm4d rnorm hypot rhypot erfinv erfcinv erfcx normcdf normcdfinv sinpi cospi
    sincospi cyl_bessel_i0 cyl_bessel_i1 exp10 fdivide saturate clock clock64 printf assert signbit isnan isinf
    isfinite and or not xor new delete class template operator this namespace using try catch throw public private
    protected virtual friend explicit export typename mutable concept requires
"""
_TAKEN = tuple(_TAKEN_TEXT.split())
# A loop of launches is written out; one of more launches than this is refused.
MOST_LAUNCHES = 20_000


@dataclass(frozen=True, slots=True)
class VectorType:
    """A struct of neighbouring elements."""

    name: str
    t: str
    width: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Combination:
    """What ``templates/cuda/combine.cu.j2`` must know of one function."""

    scope: str
    name: str
    d: str
    t: str
    w: str
    identity: str
    combined: str
    threads: int
    positional: bool


@dataclass(frozen=True, slots=True)
class ProgramContext:
    """The holes of ``templates/cuda/program.cu.j2``, which describes them."""

    title: tuple[str, ...]
    tensor_cores: bool
    scalar_functions: tuple[ScalarFunction, ...]
    library_functions: frozenset[str]
    row_functions: tuple[RowFunction, ...]
    random_functions: frozenset[str]
    checks: bool
    combinations: tuple[Combination, ...]
    vectors: tuple[VectorType, ...]
    tables: tuple[Table, ...]
    kernels: tuple[KernelContext, ...]


@dataclass(frozen=True, slots=True)
class _Printed:
    """Every launch's kernel, equal kernels once."""

    kernels: tuple[CudaKernel, ...]
    of_launch: tuple[int, ...]
    calls: Calls
    names: Names

    @property
    def by_launch(self) -> list[CudaKernel]:
        """The kernel of each launch."""
        return [self.kernels[number] for number in self.of_launch]


@dataclass(frozen=True, slots=True)
class _Bundled:
    """Launches side by side: of each bundle the kernels, by number, of more than one its function."""

    bundles: Bundles
    kernels: tuple[tuple[int, ...], ...]
    functions: Mapping[tuple[int, ...], tuple[str, Part]]


def compile_cuda(program: LoopProgram, memory_limit: int | None = None, tf32: bool = False) -> CudaProgram:
    """The text, launches, and memory plan of a loop program that was lowered for :data:`graphc.codegen.target.GPU`.

    With ``tf32`` factors of float32 products are rounded to 11 significant bits, and tensor cores multiply them. Needs
    neither a GPU nor a compiler. Raises NotImplementedError, naming the operation and its Python line, for what
    only the host can do, and MemoryLimitError where the arena can't be made to fit into ``memory_limit`` bytes.
    """
    refuse_host_work(program)
    if not program.blocks and applies("order launches", "the program as a whole"):
        program = order_for_memory(program)
    done: Rematerialization | None = None
    if memory_limit is not None and applies("compute values again", "the program as a whole"):
        program, done = fit(program, memory_limit, lambda given: _plan_alone(reuse_in_place(given), tf32))
    program = reuse_in_place(program)
    printed = _print_kernels(program, tf32)
    bundled = _bundled(program, printed, bundle_launches(program, printed.by_launch))
    plan = _planned(printed, bundled)
    if memory_limit is not None and plan.arena_bytes > memory_limit:
        bundled = _bundled(program, printed, each_alone(program))
        plan = _planned(printed, bundled)
    together = bundled.bundles.program
    check_plan(together, plan)
    return CudaProgram(
        name=program.name,
        source=_text(program, plan, printed, bundled),
        launches=tuple(_launches(program, printed, bundled)),
        program=together,
        plan=plan,
        draws_random=draws_random(program),
        can_fail=any("launch" in part.extra for kernel in printed.kernels for part in kernel.parts),
        rematerialization=done,
    )


def _plan_alone(program: LoopProgram, tf32: bool) -> MemoryPlan:
    """The plan of a program whose launches stand by themselves."""
    printed = _print_kernels(program, tf32)
    return _planned(printed, _bundled(program, printed, each_alone(program)))


def _planned(printed: _Printed, bundled: _Bundled) -> MemoryPlan:
    scratch = tuple(
        Scratch(position, f"scratch{position}", printed.kernels[numbers[0]].scratch_bytes)
        for position, numbers in enumerate(bundled.kernels)
        if printed.kernels[numbers[0]].scratch_bytes
    )
    return plan_memory(bundled.bundles.program, scratch, alignment=ALIGNMENT, in_outputs=False)


def refuse_host_work(program: LoopProgram) -> None:
    """Raise NotImplementedError where a launch is the host's, or control flow depends on what a kernel computed."""
    for launch in program.launches:
        body = launch.kernel.body
        if not isinstance(body, Contract) and any(isinstance(statement, CallOut) for statement in body):
            origin = launch.origins[0]
            raise NotImplementedError(
                f"{origin.operation}, at {origin.location}, is computed by the host; a CUDA program has kernels only"
            )
    for block in program.blocks:
        if not isinstance(block, Repeat) or not isinstance(block.count, int) or block.going:
            name = (
                "a loop or branch" if block.origin is None else f"{block.origin.operation}, at {block.origin.location},"
            )
            raise NotImplementedError(
                f"{name} decides by values which kernels run; a CUDA program has the same launches at every run"
            )


def _print_kernels(program: LoopProgram, tf32: bool) -> _Printed:
    calls = Calls(tf32=tf32)
    names = Names(_TAKEN)
    numbers: dict[object, int] = {}
    kernels: list[CudaKernel] = []
    of_launch: list[int] = []
    symbols = frozenset(program.symbols)
    keys = []
    aligned: dict[object, dict[str, int]] = {}
    fails = False
    for launch in program.launches:
        key = (launch.kernel.parameters, launch.kernel.body, fails)
        keys.append(key)
        fails = fails or _checks(launch.kernel.body)
        known = aligned.setdefault(key, {})
        for number, parameter in enumerate(launch.kernel.parameters):
            known[parameter.name] = math.gcd(known.get(parameter.name, 0), _step(launch.start(number)))
    for launch, key in zip(program.launches, keys, strict=True):
        if key not in numbers:
            numbers[key] = len(kernels)
            steps = {name: step or 1 << 20 for name, step in aligned[key].items()}
            frame = Frame(symbols, key[-1], steps)
            kernels.append(_print_kernel(launch.kernel, names.fresh(launch.kernel.title), calls, frame))
        of_launch.append(numbers[key])
    return _Printed(tuple(kernels), tuple(of_launch), calls, names)


def _bundled(program: LoopProgram, printed: _Printed, bundles: Bundles) -> _Bundled:
    kernels = tuple(tuple(printed.of_launch[number] for number in members) for members in bundles.members)
    functions: dict[tuple[int, ...], tuple[str, Part]] = {}
    for numbers in kernels:
        if len(numbers) > 1 and numbers not in functions:
            members = [printed.kernels[number] for number in numbers]
            titles = list(dict.fromkeys(member.parts[0].name for member in members))
            name = f"{titles[0]}_{'x' if len(titles) == 1 else 'and'}_{len(numbers) - (len(titles) > 1)}"
            functions[numbers] = print_bundle(members, printed.names.fresh(name))
    return _Bundled(bundles, kernels, functions)


def _step(start: Integer) -> int:
    """A number of which a start is a multiple whatever the variables in it are; 0 for 0."""
    if isinstance(start, int):
        return start
    return math.gcd(*(coefficient for _, coefficient in start.terms))


def _checks(body: Sequence[Statement] | Contract) -> bool:
    if isinstance(body, Contract):
        return False
    return any(isinstance(each, CheckIndex) or (isinstance(each, Loop) and _checks(each.body)) for each in body)


def _print_kernel(kernel: Kernel, name: str, calls: Calls, frame: Frame) -> CudaKernel:
    if isinstance(kernel.body, Contract):
        return print_contraction(kernel, name, calls, frame)
    return print_loops(kernel, name, kernel.body, calls, frame)


# The text.


def _text(program: LoopProgram, plan: MemoryPlan, printed: _Printed, bundled: _Bundled) -> str:
    calls = printed.calls
    combinations = _combinations(calls)
    used = calls.used
    context = ProgramContext(
        title=(
            comment(f"graphc: {program.name}"),
            f"{len(bundled.kernels)} launches of {len(printed.kernels)} kernels; arena: {plan.arena_bytes:,} bytes",
        ),
        tensor_cores=calls.tensor_cores,
        scalar_functions=scalar_helpers(used),
        library_functions=frozenset(f"{name}_{dtype.short}" for name, dtype in used.library),
        row_functions=row_functions(used),
        random_functions=frozenset(used.random),
        checks=any("launch" in part.extra for kernel in printed.kernels for part in kernel.parts),
        combinations=combinations,
        vectors=tuple(
            VectorType(f"gc_{dtype.short}x{width}", c_type(dtype), width, dtype.itemsize * width)
            for dtype, width in sorted(calls.vectors, key=lambda each: (each[0].short, each[1]))
        ),
        tables=literal_tables(used),
        kernels=tuple(_kernel_contexts(program, printed, bundled)),
    )
    return render("cuda/program.cu.j2", context)


def _kernel_contexts(program: LoopProgram, printed: _Printed, bundled: _Bundled) -> Iterator[KernelContext]:
    """The functions of kernels, as kernels and as parts of bundles, then the bundles."""
    alone = {numbers for numbers in bundled.kernels if len(numbers) == 1}
    within = {number for numbers in bundled.functions for number in numbers}
    for number, kernel in enumerate(printed.kernels):
        launches = [
            launch for launch, other in zip(program.launches, printed.of_launch, strict=True) if other == number
        ]
        said = kernel_comment(launches)
        if (number,) in alone:
            yield KernelContext(said, kernel.definition)
        if number in within:
            yield KernelContext(said, device_function(kernel))
    for numbers, (definition, _) in bundled.functions.items():
        counts = Counter(printed.kernels[number].parts[0].name for number in numbers)
        members = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in counts.items())
        said = "\n   ".join(wrapped(f"Side by side: {members}", 112))
        yield KernelContext(f"/* {said} */", definition)


def _combinations(calls: Calls) -> tuple[Combination, ...]:
    """The functions by which threads combine; those of a block rest on those of a warp."""
    wanted = set(calls.combined.functions)
    wanted |= {("warp", combiner, dtype, 32) for scope, combiner, dtype, _ in wanted if scope == "block"}
    distinct = {(scope, combiner, dtype.short): (dtype, threads) for scope, combiner, dtype, threads in wanted}
    expressions = CudaExpressions(Names(), calls.used)
    found = []
    for (scope, combiner, _), (dtype, threads) in sorted(distinct.items(), key=lambda each: each[0]):
        positional = combiner in POSITION_COMBINERS
        if positional:
            combined = f"b {POSITION_COMBINERS[combiner]} a"
            if dtype.is_floating_point:
                combined += " || (b != b && a == a)"
        else:
            combined = expressions.apply(COMBINE[combiner], dtype, [Text("a"), Text("b")]).text
        start = identity(combiner, dtype)
        found.append(
            Combination(
                scope, combiner, dtype.short, c_type(dtype), _shuffled(dtype), start, combined, threads, positional
            )
        )
    return tuple(found)


def _shuffled(dtype: DType) -> str:
    """The type in which an element goes from thread to thread."""
    if dtype.is_floating_point:
        return c_type(dtype)
    if dtype == bool_ or dtype.itemsize < 8:
        return "int" if dtype.is_signed or dtype == bool_ else "unsigned"
    return "long long" if dtype.is_signed else "unsigned long long"


# The launches.


def _launches(program: LoopProgram, printed: _Printed, bundled: _Bundled) -> list[CudaLaunch]:
    found: list[CudaLaunch] = []
    if program.blocks:  # then no launches stand together
        _add(arranged(program), {}, program, printed, found)
        return found
    for position, (members, numbers) in enumerate(zip(bundled.bundles.members, bundled.kernels, strict=True)):
        if len(members) == 1:
            launch = program.launches[members[0]]
            found += [_launch(launch, position, part, {}) for part in printed.kernels[numbers[0]].parts]
            continue
        _, whole = bundled.functions[numbers]
        arguments = [
            argument
            for member, number in zip(members, numbers, strict=True)
            for argument in _launch(program.launches[member], position, printed.kernels[number].parts[0], {}).arguments
        ]
        origins = bundled.bundles.program.launches[position].origins
        found.append(CudaLaunch(whole.name, whole.grid, whole.block, tuple(arguments), position, origins))
    return found


def _add(
    items: Sequence[Item],
    variables: Mapping[str, int],
    program: LoopProgram,
    printed: _Printed,
    found: list[CudaLaunch],
) -> None:
    """Add the launches of items in order, those of a loop as often as it runs."""
    for item in items:
        if isinstance(item, int):
            kernel = printed.kernels[printed.of_launch[item]]
            found += [_launch(program.launches[item], item, part, variables) for part in kernel.parts]
            continue
        block = item.block
        assert isinstance(block, Repeat)
        assert isinstance(block.count, int)
        for run in range(block.count):
            number = block.count - 1 - run if block.descending else run
            _add(item.items, {**variables, block.variable: number}, program, printed, found)
            if len(found) > MOST_LAUNCHES:
                raise NotImplementedError(f"a program of more than {MOST_LAUNCHES:,} launches, loops written out")


def _launch(launch: Launch, number: int, part: Part, variables: Mapping[str, int]) -> CudaLaunch:
    arguments: list[Argument] = []
    for position in part.arguments:
        start = launch.start(position)
        arguments.append(BufferArgument(launch.buffers[position], substitute(start, variables) if variables else start))
    arguments += [SizeArgument(symbol) for symbol in part.symbols]
    for name in part.extra:
        arguments.append(
            {
                "scratch": BufferArgument(f"scratch{number}"),
                "random": RandomArgument(),
                "error": ErrorArgument(),
                "launch": NumberArgument(number),
            }[name]
        )
    return CudaLaunch(part.name, part.grid, part.block, tuple(arguments), number, launch.origins)
