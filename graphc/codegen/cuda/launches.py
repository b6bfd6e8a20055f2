"""What a program does on a GPU, as data: its text, and the launches of its kernels in order.

Whoever runs it needs nothing else: no launch allocates, none waits for the host, and all go into one stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.c.program import caller_buffers
from graphc.codegen.loops import Buffer, LoopProgram, Origin
from graphc.codegen.memory import MemoryPlan
from graphc.codegen.rematerialize import Rematerialization
from graphc.ir.integers import Integer


@dataclass(frozen=True, slots=True)
class BufferArgument:
    """The address of element ``start`` of a buffer: the caller's, or in the arena, where the plan has put it. A
    launch's scratch memory goes by the name of its placement."""

    buffer: str
    start: Integer = 0

    def __str__(self) -> str:
        return self.buffer if self.start == 0 else f"{self.buffer} + {self.start}"


@dataclass(frozen=True, slots=True)
class SizeArgument:
    """A size that is known at run time only, as an int64."""

    symbol: str

    def __str__(self) -> str:
        return self.symbol


@dataclass(frozen=True, slots=True)
class NumberArgument:
    """An int64."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class ErrorArgument:
    """The address of four int64 on the device, zero before a run: the number of the launch that failed plus one, the
    index that is out of range, and the extent that it exceeds."""

    def __str__(self) -> str:
        return "error"


@dataclass(frozen=True, slots=True)
class RandomArgument:
    """The address of the random generator's state on the device (2512 bytes, those of ``RandomStream.buffer``)."""

    def __str__(self) -> str:
        return "random state"


Argument = BufferArgument | SizeArgument | NumberArgument | ErrorArgument | RandomArgument


@dataclass(frozen=True, slots=True)
class CudaLaunch:
    """A launch of the kernel function ``kernel``: blocks and threads in x, y, z. A number of blocks may be an
    expression of sizes that are known at run time only; less than one is one.

    ``launch`` is the number of the loop program's launch that this is, or is a part of.
    """

    kernel: str
    grid: tuple[Integer, Integer, Integer]
    block: tuple[int, int, int]
    arguments: tuple[Argument, ...]
    launch: int
    origins: tuple[Origin, ...] = ()
    shared_bytes: int = 0


@dataclass(frozen=True)
class CudaProgram:
    """A loop program as one ``.cu`` text, its launches, and its memory plan."""

    name: str
    source: str
    launches: tuple[CudaLaunch, ...]
    program: LoopProgram
    plan: MemoryPlan
    draws_random: bool
    can_fail: bool
    rematerialization: Rematerialization | None = None  # where the arena has a limit

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """The caller's buffers in order: the graph's inputs, then its outputs."""
        return caller_buffers(self.program)
