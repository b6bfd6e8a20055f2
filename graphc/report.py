"""What a compiled function tells of itself: why each build happened, what it rests on, and what its kernels do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.c.program import describe, notable
from graphc.codegen.executable import CompiledProgram, compile_loops, load
from graphc.codegen.host import statement_of
from graphc.codegen.loops import Launch
from graphc.codegen.rematerialize import Rematerialization
from graphc.execution import BoundProgram
from graphc.ir.integers import bounds, substitute

# Runs of an instrumented program: the first ones warm caches.
WARM_UPS, RUNS = 3, 20


@dataclass(frozen=True, slots=True)
class LaunchReport:
    """One launch of a kernel: primitives, Python lines, bytes of its buffers, scalar operations, seconds if timed."""

    operations: str
    places: str
    nbytes: int
    work: int
    seconds: float | None
    calls_out: bool


@dataclass(frozen=True, slots=True)
class BuildReport:
    """One build. ``path`` are the values by which the user's code decided; ``seconds`` tells stages of the build, and
    ``cached`` whether the C compiler had nothing to do."""

    reason: str
    path: tuple[Any, ...]
    guards: tuple[str, ...]
    calls: int
    cached: bool
    seconds: Mapping[str, float]
    arena_bytes: int
    launches: tuple[LaunchReport, ...]
    rematerialization: Rematerialization | None = None

    @property
    def call_outs(self) -> tuple[LaunchReport, ...]:
        """The launches that the host carries out, for want of a kernel."""
        return tuple(launch for launch in self.launches if launch.calls_out)


@dataclass(frozen=True, slots=True)
class Report:
    """All builds of a compiled function, oldest first for each kind of arguments. Prints as text."""

    name: str
    builds: tuple[BuildReport, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.builds)} build{'s' if len(self.builds) != 1 else ''}"]
        for number, build in enumerate(self.builds):
            lines += ["", *_build_lines(number, build)]
        return "\n".join(lines)


def describe_build(
    compiled: CompiledProgram,
    bound: BoundProgram,
    reason: str,
    path: tuple[Any, ...],
    calls: int,
    seconds: Mapping[str, float],
    times: bool,
) -> BuildReport:
    """The report of one build; ``times`` runs it, instrumented, on copies of its state."""
    build = bound.executable.build
    measured = _measure(bound) if times else None
    launches = tuple(
        _describe_launch(launch, None if measured is None else float(measured[position]))
        for position, launch in enumerate(compiled.program.launches)
    )
    return BuildReport(
        reason,
        tuple(value for _, value in path),
        tuple(bound.guards()),
        calls,
        build.cached,
        {**seconds, "compile": build.seconds},
        compiled.plan.arena_bytes,
        launches,
        compiled.rematerialization,
    )


def _describe_launch(launch: Launch, seconds: float | None) -> LaunchReport:
    nbytes = sum(bounds(parameter.size * parameter.dtype.itemsize)[1] or 0 for parameter in launch.kernel.parameters)
    operations = ", ".join(dict.fromkeys(notable(launch.kernel.operations)))
    work = bounds(launch.operations)[1] or 0
    return LaunchReport(operations, describe(launch), nbytes, work, seconds, statement_of(launch) is not None)


def _measure(bound: BoundProgram) -> np.ndarray | None:
    """Seconds of each launch, or None where made-up arguments lead the program another way."""
    program = bound.executable.compiled.program
    executable = load(compile_loops(program, timed=True))
    generator = np.random.default_rng(0)
    outside = {slot: tensor._array for slot, tensor, _ in bound.outside}
    arrays = []
    sizes = bound.most_sizes()
    extents = [sizes[symbol] for symbol in program.symbols]
    for slot, buffer in enumerate(executable.compiled.buffers):
        if slot in outside:
            arrays.append(np.array(outside[slot], order="C"))
        elif buffer.dtype.is_floating_point and buffer.kind != "output":
            arrays.append(generator.standard_normal(substitute(buffer.size, sizes)).astype(buffer.dtype.numpy))
        else:
            arrays.append(np.zeros(substitute(buffer.size, sizes), buffer.dtype.numpy))
    if executable.compiled.draws_random:
        from graphc.random_stream import RandomStream

        arrays.append(RandomStream().buffer)
    try:
        for run in range(WARM_UPS + RUNS):
            if run == WARM_UPS:
                executable.seconds[:] = 0
            executable.run(arrays, extents)
    except Exception:
        return None
    return executable.seconds / RUNS


def _build_lines(number: int, build: BuildReport) -> list[str]:
    stages = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in build.seconds.items())
    lines = [f"build {number}: {build.reason}; {build.calls} calls since"]
    lines.append(f"    {stages}{' (from the cache)' if build.cached else ''}; arena {build.arena_bytes:,} bytes")
    if build.rematerialization is not None:
        lines.append(f"    {build.rematerialization}")
    if build.path:
        lines.append(f"    values read: {', '.join(map(str, build.path))}")
    for guard, count in Counter(build.guards).items():
        lines.append(f"    rests on: {guard}" + (f" ({count} times)" if count > 1 else ""))
    if build.call_outs:
        lines.append(f"    carried out by the host: {', '.join(launch.operations for launch in build.call_outs)}")
    timed = any(launch.seconds is not None for launch in build.launches)
    lines.append(f"    {'launch':>6} {'bytes':>12} {'operations':>13}{'us':>10}" + "  kernel")
    for position, launch in enumerate(build.launches):
        time = f"{launch.seconds * 1e6:10.1f}" if timed and launch.seconds is not None else f"{'-':>10}"
        text = f"{launch.operations}  {launch.places}"
        lines.append(f"    {position:6} {launch.nbytes:12,} {launch.work:13,}{time}  {text}")
    return lines
