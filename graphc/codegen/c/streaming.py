"""Results that go past the caches.

A store to a line that is not in cache reads it first, and puts out something that may still be needed. Of a large
result that no launch reads, whole rows are made in a small array instead and copied by stores that do neither
(`gc_stream` in templates/c/stream.h.j2).
"""

from __future__ import annotations

from dataclasses import replace

from graphc.codegen.loops import Contract, Kernel, Launch, LoopProgram, Parameter, Repeat
from graphc.ir.applications import applies

# Smaller results may well be in cache when the caller reads them.
FEWEST_BYTES = 16 << 20


def with_streams(program: LoopProgram) -> LoopProgram:
    """The program whose kernels are told which of their parameters are large results that nothing reads."""
    uses: dict[str, int] = {}
    for launch in program.launches:
        for name in set(launch.buffers):
            uses[name] = uses.get(name, 0) + 1
    large = {
        buffer.name
        for buffer in program.buffers
        if buffer.kind == "output" and isinstance(buffer.nbytes, int) and buffer.nbytes >= FEWEST_BYTES
    }
    once = {name for name in large if uses.get(name) == 1}
    if not once:
        return program
    repeated = {n for block in program.blocks if isinstance(block, Repeat) for n in range(block.first, block.stop)}
    known: dict[tuple[int, tuple[Parameter, ...]], Kernel] = {}

    def streamed(position: int, launch: Launch) -> Launch:
        kernel = launch.kernel
        if position in repeated or isinstance(kernel.body, Contract) or not once.intersection(launch.buffers):
            return launch
        parameters = tuple(
            replace(parameter, streamed=parameter.access == "write" and name in once)
            for parameter, name in zip(kernel.parameters, launch.buffers, strict=True)
        )
        if parameters == kernel.parameters or not applies("stream results", launch):
            return launch
        key = (id(kernel), parameters)
        if key not in known:
            known[key] = replace(kernel, parameters=parameters)
        return replace(launch, kernel=known[key])

    launches = tuple(streamed(position, launch) for position, launch in enumerate(program.launches))
    return replace(program, launches=launches)
