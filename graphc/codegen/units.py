"""Blocks as single launches: to what orders launches, or runs some of them again, a loop or a branch is one launch.

:func:`collapse` makes a program without blocks, in which the outermost ones are launches of a :class:`BlockKernel`, and
:func:`expand` puts them back, on the buffers that the launches then name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.codegen.blocks import Nested, arranged
from graphc.codegen.loops import (
    Block,
    Branch,
    Contract,
    Element,
    Kernel,
    Launch,
    LoopProgram,
    Parameter,
    Repeat,
    Statement,
)
from graphc.ir.integers import Integer


@dataclass(frozen=True, slots=True)
class BlockKernel(Kernel):
    """A block as a kernel, whose body has the statements of all kernels in it, for those who ask whether there is one
    of a kind. ``blocks`` count ``launches`` from 0; ``names`` are the buffers that these are given, a parameter each.
    """

    launches: tuple[Launch, ...] = ()
    blocks: tuple[Block, ...] = ()
    names: tuple[str, ...] = ()


def collapse(program: LoopProgram) -> LoopProgram:
    """The program with every outermost block as one launch; itself where there is none."""
    if not program.blocks:
        return program
    buffers = {buffer.name: buffer for buffer in program.buffers}
    launches: list[Launch] = []
    for item in arranged(program):
        if isinstance(item, int):
            launches.append(program.launches[item])
            continue
        outer = item.block
        inner = program.launches[outer.first : outer.stop]
        blocks = [block for block in program.blocks if outer.first <= block.first and block.stop <= outer.stop]
        written: dict[str, bool] = {name: False for block in blocks for name in block.controls}
        for launch in inner:
            for name, parameter in zip(launch.buffers, launch.kernel.parameters, strict=True):
                written[name] = written.get(name, False) or parameter.access != "read"
        parameters = tuple(
            Parameter(f"p{number}", buffers[name].dtype, buffers[name].size, "write" if writes else "read")
            for number, (name, writes) in enumerate(written.items())
        )
        body: list[Statement] = []
        for launch in inner:
            body += launch.kernel.body.epilogue if isinstance(launch.kernel.body, Contract) else launch.kernel.body
        kernel = BlockKernel(
            parameters,
            tuple(body),
            tuple(name for launch in inner for name in launch.kernel.operations),
            inner,
            tuple(_moved(block, -outer.first) for block in blocks),
            tuple(written),
        )
        origins = tuple(origin for launch in inner for origin in launch.origins)
        launches.append(Launch(kernel, tuple(written), origins, _operations(item, program.launches)))
    return replace(program, launches=tuple(launches), blocks=())


def _operations(item: int | Nested, launches: tuple[Launch, ...]) -> Integer:
    """The scalar operations of a launch or a block: of a branch those of the longer arm, of a loop without a known
    number of runs those of one."""
    if isinstance(item, int):
        return launches[item].operations
    arms = [sum((_operations(each, launches) for each in arm), 0) for arm in (item.items, item.otherwise)]
    count = item.block.count if isinstance(item.block, Repeat) else None
    return (arms[0] + arms[1]) * (1 if count is None or isinstance(count, Element) else count)


def expand(program: LoopProgram) -> LoopProgram:
    """The program with the blocks that :func:`collapse` made launches of."""
    launches: list[Launch] = []
    blocks: list[Block] = []
    for launch in program.launches:
        kernel = launch.kernel
        if not isinstance(kernel, BlockKernel):
            launches.append(launch)
            continue
        known = dict(zip(kernel.names, launch.buffers, strict=True))
        blocks += [_renamed(_moved(block, len(launches)), known) for block in kernel.blocks]
        launches += [replace(inner, buffers=tuple(known[name] for name in inner.buffers)) for inner in kernel.launches]
    return replace(program, launches=tuple(launches), blocks=tuple(blocks))


def expanded_places(program: LoopProgram) -> list[int]:
    """For each launch of the expanded program the launch of this one that it lies in."""
    return [
        number
        for number, launch in enumerate(program.launches)
        for _ in range(len(launch.kernel.launches) if isinstance(launch.kernel, BlockKernel) else 1)
    ]


def _moved(block: Block, by: int) -> Block:
    moved: Block = replace(block, first=block.first + by, stop=block.stop + by)
    return replace(moved, middle=moved.middle + by) if isinstance(moved, Branch) else moved


def _renamed(block: Block, names: dict[str, str]) -> Block:
    def renamed(value: object) -> object:
        return replace(value, buffer=names[value.buffer]) if isinstance(value, Element) else value

    if isinstance(block, Branch):
        return replace(block, condition=renamed(block.condition))
    return replace(block, count=renamed(block.count), going=renamed(block.going))
