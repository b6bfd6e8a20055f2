"""Small launches side by side: independent kernels become one launch, whose first blocks are the first kernel's.

Starting a kernel takes as long as much of the work of a small one. So a small launch waits until something needs what
it makes, and then runs together with all others that have waited: the updates of many parameters, the counts of many
steps, the statistics of many layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.c.kernels import wrap_declarations
from graphc.codegen.c.names import Names, wrapped
from graphc.codegen.cuda.kernels import INDENT, CudaKernel, Part, head
from graphc.codegen.loops import Kernel, Launch, LoopProgram
from graphc.codegen.memory import most_bytes
from graphc.ir.applications import applies

MOST_MEMBERS = 32
MOST_ARGUMENTS = 240  # addresses of 8 bytes: well below the 4096 bytes that every driver passes on
MOST_BLOCKS = 1024  # of a launch that waits: larger ones keep a GPU busy by themselves
MOST_WAITING_BYTES = 1 << 25  # of temporaries that are held meanwhile


@dataclass(frozen=True, slots=True)
class Bundles:
    """A program whose launches are bundles of another's: which launches each consists of."""

    program: LoopProgram
    members: tuple[tuple[int, ...], ...]


def bundle_launches(program: LoopProgram, kernels: Sequence[CudaKernel]) -> Bundles:
    """Small launches that do not depend on each other together; ``kernels`` are those of the program's launches."""
    groups: list[tuple[int, ...]] = []
    waiting: list[list[int]] = []  # in turns: what waits in one stands side by side, and depends on the turns before
    held = {buffer.name: most_bytes(buffer) for buffer in program.buffers if buffer.kind == "temporary"}
    touched = [_touched(launch, kernel) for launch, kernel in zip(program.launches, kernels, strict=True)]

    def go(needed: set[int]) -> None:
        """Run those that are needed, what they depend on, and what may stand beside them."""
        for at in reversed(range(len(waiting))):
            before = [other for turn in waiting[:at] for other in turn]
            for number in needed.intersection(waiting[at]):
                needed |= {other for other in before if _depend(touched[number], touched[other])}
        left: list[int] = []
        for turn in waiting:
            shapes = {kernels[number].parts[0].block for number in turn if number in needed}
            for number in turn:
                beside = kernels[number].parts[0].block in shapes
                if number in needed or (beside and not any(_depend(touched[number], touched[o]) for o in left)):
                    needed.add(number)
            left += [number for number in turn if number not in needed]
            groups.extend(_side_by_side([number for number in turn if number in needed], kernels))
        waiting[:] = [rest for turn in waiting if (rest := [number for number in turn if number not in needed])]

    for number, launch in enumerate(program.launches):
        depends = [{other for other in turn if _depend(touched[number], touched[other])} for turn in waiting]
        if program.blocks or not _is_small(kernels[number]) or not applies("run side by side", launch):
            go(set().union(*depends))
            groups.append((number,))
            continue
        at = 1 + max((at for at, others in enumerate(depends) if others), default=-1)
        while at < len(waiting) and _is_full([*waiting[at], number], program):
            at += 1
        if at == len(waiting):
            waiting.append([])
        waiting[at].append(number)
        everything = {other for turn in waiting for other in turn}
        names = {name for other in everything for name in program.launches[other].buffers}
        if sum(held.get(name, 0) for name in names) > MOST_WAITING_BYTES:
            go(everything)
    go({other for turn in waiting for other in turn})
    launches = tuple(_together([program.launches[number] for number in group]) for group in groups)
    return Bundles(replace(program, launches=launches), tuple(groups))


def each_alone(program: LoopProgram) -> Bundles:
    """A program's launches as they are."""
    return Bundles(program, tuple((number,) for number in range(len(program.launches))))


def _is_full(numbers: Sequence[int], program: LoopProgram) -> bool:
    """Whether these are too many to stand side by side."""
    arguments = sum(len(program.launches[number].buffers) + 1 for number in numbers)
    return len(numbers) > MOST_MEMBERS or arguments > MOST_ARGUMENTS


def _touched(launch: Launch, kernel: CudaKernel) -> tuple[set[str], set[str]]:
    """The buffers that a launch reads and those that it writes; whether one has failed is a buffer too."""
    reads: set[str] = set()
    writes: set[str] = set()
    for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True):
        if parameter.access != "write":
            reads.add(name)
        if parameter.access != "read":
            writes.add(name)
    for part in kernel.parts:
        if "launch" in part.extra:
            writes.add("failure")
        elif "error" in part.extra:
            reads.add("failure")
        if "random" in part.extra:
            writes.add("random state")
    return reads, writes


def _depend(one: tuple[set[str], set[str]], other: tuple[set[str], set[str]]) -> bool:
    return bool(one[0] & other[1] or one[1] & other[0] or one[1] & other[1])


def _is_small(kernel: CudaKernel) -> bool:
    if len(kernel.parts) != 1 or not kernel.lines:
        return False
    (part,) = kernel.parts
    blocks, *others = part.grid
    return isinstance(blocks, int) and blocks <= MOST_BLOCKS and others == [1, 1] and set(part.extra) <= {"error"}


def _side_by_side(waiting: Sequence[int], kernels: Sequence[CudaKernel]) -> list[tuple[int, ...]]:
    """Those that have waited, by the shape of their blocks."""
    shapes: dict[tuple[int, int, int], list[int]] = {}
    for number in waiting:
        shapes.setdefault(kernels[number].parts[0].block, []).append(number)
    return [tuple(numbers) for numbers in shapes.values()]


def _together(launches: Sequence[Launch]) -> Launch:
    """The launches as one: what memory needs to know of them, and where they came from."""
    if len(launches) == 1:
        return launches[0]
    parameters = tuple(parameter for launch in launches for parameter in launch.kernel.parameters)
    operations = tuple(operation for launch in launches for operation in launch.kernel.operations)
    return Launch(
        Kernel(parameters, (), operations),
        tuple(name for launch in launches for name in launch.buffers),
        tuple(dict.fromkeys(origin for launch in launches for origin in launch.origins)),
        sum((launch.operations for launch in launches), 0),
        tuple(launch.start(number) for launch in launches for number in range(len(launch.buffers))),
    )


def device_function(kernel: CudaKernel) -> str:
    """A kernel as a function of the kernels that bundle it; it is told which of its blocks it is."""
    (part,) = kernel.parts
    first = wrap_declarations(f"static __device__ void {part.name}_block(", [*kernel.declarations, "int block"])
    return "\n".join([first, "{", *(line.replace("blockIdx.x", "block") for line in kernel.lines), "}"])


def print_bundle(members: Sequence[CudaKernel], name: str) -> tuple[str, Part]:
    """The function that runs kernels side by side, and how it is launched. Its arguments are those of all members."""
    names = Names()
    declarations: list[str] = []
    lines: list[str] = []
    blocks = 0
    for number, kernel in enumerate(members):
        (part,) = kernel.parts
        own = []
        for declaration in kernel.declarations:
            before, asterisk, after = declaration.rpartition("*__restrict__ ")
            if not asterisk:
                before, _, after = declaration.rpartition(" ")
                asterisk = " "
            own.append(names.fresh(f"{after}_{number}"))
            declarations.append(f"{before}{asterisk}{own[-1]}")
        here = "blockIdx.x" if blocks == 0 else f"blockIdx.x - {blocks}"
        blocks += part.grid[0]
        last = number + 1 == len(members)
        condition = "else" if last else f"{'else ' if number else ''}if (blockIdx.x < {blocks})"
        text = wrapped(f"{part.name}_block({', '.join([*own, here])});", 108)
        lines += [f"{INDENT}{condition}", *(f"{INDENT * (2 if at == 0 else 3)}{line}" for at, line in enumerate(text))]
    block = members[0].parts[0].block
    definition = "\n".join([head(name, declarations, block), "{", *lines, "}"])
    return definition, Part(name, (), (blocks, 1, 1), block)
