"""What a compiled function tells of itself: why each build happened, what it rests on, and what its kernels do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.codegen.blocks import runs_of
from graphc.codegen.c.program import describe
from graphc.codegen.cuda.executable import CudaExecutable, load_cuda
from graphc.codegen.executable import Executable, compile_loops, load
from graphc.codegen.host import statement_of
from graphc.codegen.loops import Launch
from graphc.codegen.rematerialize import Rematerialization
from graphc.compiled.builds import Entry
from graphc.device_memory import at
from graphc.ir.integers import bounds, substitute
from graphc.randomness.stream import RandomStream

# Runs of an instrumented program: the first ones warm caches.
WARM_UPS, RUNS = 3, 20


@dataclass(frozen=True, slots=True)
class LaunchReport:
    """One launch of a kernel: primitives, Python lines, bytes of its buffers, scalar operations, seconds if timed.

    ``kernel`` numbers the distinct kernels of a program: equal launches have one. ``runs`` is how often it runs in one
    call where loops around it tell; the other figures are of one run, and the seconds of all.
    """

    operations: str
    places: str
    nbytes: int
    work: int
    seconds: float | None
    calls_out: bool
    kernel: int
    runs: int = 1


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """One C program. ``cached``: the C compiler had nothing to do. ``untimed`` says why its launches have no times
    although they were asked for: with made-up arguments it ends early."""

    name: str
    cached: bool
    compile_seconds: float
    arena_bytes: int
    launches: tuple[LaunchReport, ...]
    untimed: str = ""

    @property
    def kernels(self) -> int:
        """How many distinct kernels there are."""
        return len({launch.kernel for launch in self.launches})


@dataclass(frozen=True, slots=True)
class BuildReport:
    """One build. ``path`` are the values by which the user's code decided; ``seconds`` tells stages of the build.
    ``backward`` are the programs that differentiate it from outside, as far as they were needed."""

    reason: str
    path: tuple[Any, ...]
    guards: tuple[str, ...]
    calls: int
    seconds: Mapping[str, float]
    program: ProgramReport
    backward: tuple[ProgramReport, ...] = ()
    rematerialization: Rematerialization | None = None

    @property
    def cached(self) -> bool:
        """Whether the C compiler had nothing to do."""
        return self.program.cached

    @property
    def arena_bytes(self) -> int:
        """The memory that the program holds for itself while it runs."""
        return self.program.arena_bytes

    @property
    def launches(self) -> tuple[LaunchReport, ...]:
        """The launches of the program, in order."""
        return self.program.launches

    @property
    def call_outs(self) -> tuple[LaunchReport, ...]:
        """The launches that the host carries out, for want of a kernel."""
        return tuple(launch for launch in self.launches if launch.calls_out)


@dataclass(frozen=True, slots=True)
class Report:
    """All builds of a compiled function, oldest first for each kind of arguments. Prints as text.

    Attributes:
        captures: how often the function was recorded, refused recordings included.
        eager: why the whole function runs eagerly from now on; empty where it does not.
        eager_calls: how many calls ran eagerly, by the reason.
        let_go: builds that are kept no longer.
    """

    name: str
    builds: tuple[BuildReport, ...]
    captures: int = 0
    eager: str = ""
    eager_calls: Mapping[str, int] = field(default_factory=dict)
    let_go: int = 0

    @property
    def calls(self) -> int:
        """Calls that a build served which was there already: the cache hits."""
        return sum(build.calls for build in self.builds)

    def __str__(self) -> str:
        counts = [_counted(len(self.builds), "build"), _counted(self.captures, "capture")]
        counts += [f"{_counted(self.calls, 'call')} served by a build that was there"]
        counts += [f"{_counted(self.let_go, 'build')} let go"] if self.let_go else []
        lines = [f"{self.name}: {', '.join(counts)}"]
        lines += [f"runs eagerly from now on: {self.eager}"] if self.eager else []
        lines += [f"{_counted(count, 'call')} ran eagerly: {reason}" for reason, count in self.eager_calls.items()]
        for number, build in enumerate(self.builds):
            lines += ["", *_build_lines(number, build)]
        return "\n".join(lines)


def describe_build(entry: Entry, times: bool) -> BuildReport:
    """The report of one build; ``times`` runs it, instrumented, on copies of its state."""
    bound, compiled = entry.bound, entry.stages.compiled
    outside = {slot: tensor._settled for slot, tensor, _ in bound.outside}
    sizes = bound.most_sizes() if times else None
    program = _describe_program("forward", bound.executable, outside, sizes)
    return BuildReport(
        entry.reason,
        tuple(value for _, value in entry.path),
        tuple(bound.guards()),
        entry.calls,
        {**entry.stages.seconds, "compile": program.compile_seconds},
        program,
        tuple(_describe_program(name, executable, {}, sizes) for name, executable in bound.backward_programs()),
        compiled.rematerialization,
    )


def _describe_program(
    name: str, executable: Executable, values: Mapping[int, np.ndarray], sizes: Mapping[str, int] | None
) -> ProgramReport:
    compiled = executable.compiled
    measured, untimed = (None, "") if sizes is None else _measure(executable, values, sizes)
    numbers: dict[Any, int] = {}
    runs = runs_of(compiled.program)
    launches = tuple(
        _describe_launch(
            launch,
            None if measured is None else float(measured[position]),
            numbers.setdefault(launch.kernel, len(numbers)),
            runs[position],
        )
        for position, launch in enumerate(compiled.program.launches)
    )
    build = executable.build
    return ProgramReport(name, build.cached, build.seconds, compiled.plan.arena_bytes, launches, untimed)


def _describe_launch(launch: Launch, seconds: float | None, kernel: int, runs: int) -> LaunchReport:
    nbytes = sum(bounds(parameter.size * parameter.dtype.itemsize)[1] or 0 for parameter in launch.kernel.parameters)
    operations = ", ".join(dict.fromkeys(launch.kernel.notable))
    work = bounds(launch.operations)[1] or 0
    calls_out = statement_of(launch) is not None
    return LaunchReport(operations, describe(launch), nbytes, work, seconds, calls_out, kernel, runs)


def _measure(
    executable: Executable, values: Mapping[int, np.ndarray], sizes: Mapping[str, int]
) -> tuple[np.ndarray | None, str]:
    """Seconds of each launch on copies of the values given by slot, and made-up ones elsewhere, for these sizes; or
    None, and how the program ended with them."""
    compiled = executable.compiled
    program, on_gpu = compiled.program, isinstance(executable, CudaExecutable)
    timed = load_cuda(compiled, executable.gpu) if on_gpu else load(compile_loops(program, timed=True))
    generator = np.random.default_rng(0)
    arrays = []
    for slot, buffer in enumerate(timed.compiled.buffers):
        if slot in values:
            arrays.append(np.array(values[slot], order="C"))
        elif buffer.dtype.is_floating_point and buffer.kind != "output":
            arrays.append(generator.standard_normal(substitute(buffer.size, sizes)).astype(buffer.dtype.numpy))
        else:
            arrays.append(np.zeros(substitute(buffer.size, sizes), buffer.dtype.numpy))
    if timed.compiled.draws_random:
        arrays.append(RandomStream().buffer)
    extents = [sizes[symbol] for symbol in program.symbols]
    try:
        if on_gpu:
            return timed.seconds([at(array, executable.gpu) for array in arrays], extents, WARM_UPS, RUNS), ""
    except Exception as error:  # of an operation, or a guard
        return None, f"with made-up arguments it ends with {type(error).__name__}: {error}"
    for run in range(WARM_UPS + RUNS):
        if run == WARM_UPS:
            timed.seconds[:] = 0
        if timed.attempt(arrays, extents):
            error = timed.failure()
            return None, f"with made-up arguments it ends with {type(error).__name__}: {error}"
    return timed.seconds / RUNS, ""


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _build_lines(number: int, build: BuildReport) -> Iterator[str]:
    stages = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in build.seconds.items())
    yield f"build {number}: {build.reason}; {_counted(build.calls, 'call')} since"
    yield f"    {stages}{' (from the cache)' if build.cached else ''}; arena {build.arena_bytes:,} bytes"
    if build.rematerialization is not None:
        yield f"    {build.rematerialization}"
    if build.path:
        yield f"    values read: {', '.join(map(str, build.path))}"
    for guard, count in Counter(build.guards).items():
        yield f"    rests on: {guard}" + (f" ({count} times)" if count > 1 else "")
    if build.call_outs:
        yield f"    carried out by the host: {', '.join(launch.operations for launch in build.call_outs)}"
    yield from _launch_lines(build.program)
    for program in build.backward:
        built = f"compile {program.compile_seconds * 1e3:.1f} ms{' (from the cache)' if program.cached else ''}"
        yield f"    {program.name}: {built}; arena {program.arena_bytes:,} bytes"
        yield from _launch_lines(program)


def _launch_lines(program: ProgramReport) -> Iterator[str]:
    if program.untimed:
        yield f"    no times: {program.untimed}"
    yield f"    {'launch':>6} {'bytes':>14} {'operations':>16} {'us':>10} {'GB/s':>7} {'Gop/s':>7}  kernel"
    for position, launch in enumerate(program.launches):
        rates = _rates(launch)
        often = f" ({launch.runs} runs)" if launch.runs > 1 else ""
        text = f"{launch.kernel}: {launch.operations}{often}  {launch.places}"
        yield f"    {position:6} {launch.nbytes:14,} {launch.work:16,} {rates}  {text}"


def _rates(launch: LaunchReport) -> str:
    if not launch.seconds:
        return f"{'-':>10} {'-':>7} {'-':>7}"
    once = launch.seconds / launch.runs
    each = (launch.nbytes / once * 1e-9, launch.work / once * 1e-9)
    return f"{launch.seconds * 1e6:10.1f} {each[0]:7.1f} {each[1]:7.1f}"
