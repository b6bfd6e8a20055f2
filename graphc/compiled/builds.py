"""One build of a compiled function: what every stage made, and for which calls it is right."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphc.capture.dynamic import Symbols, sizes_of
from graphc.capture.recorded import Recording
from graphc.codegen.cuda import CudaProgram
from graphc.codegen.executable import CompiledProgram
from graphc.codegen.listing import print_program
from graphc.compiled.execution import BoundProgram
from graphc.ir.graph import Graph, exact_key
from graphc.ir.passes.pipeline import PassRecord
from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Stages:
    """What every stage of one build made, and how long it took."""

    recording: Recording
    optimized: Graph
    passes: tuple[PassRecord, ...]
    compiled: CompiledProgram | CudaProgram
    seconds: dict[str, float]

    @property
    def captured(self) -> Graph:
        """The forward part, as the user's code ran."""
        return self.recording.forward

    @property
    def joint(self) -> Graph:
        """Forward, backward, and update together, before any pass."""
        return self.recording.graph

    @property
    def loops(self) -> str:
        """The loop-nest IR as text."""
        return print_program(self.compiled.program)


class Entry:
    """One build of a function: for one shape of arguments and one state of what it depends on outside."""

    __slots__ = ("bound", "calls", "guards", "path", "reason", "shapes", "stages", "symbols")

    def __init__(
        self, stages: Stages, bound: BoundProgram, reason: str, tensors: Sequence[Tensor], symbols: Symbols | None
    ):
        self.stages = stages
        self.bound = bound
        self.reason = reason
        self.shapes = [tensor._array.shape for tensor in tensors]
        names = bound.symbols
        # Of dimensions that were declared or shown to be dynamic, those that the recording did not fix.
        self.symbols = tuple(
            {dim: symbol for dim, symbol in dims.items() if str(symbol) in names} for dims in symbols or ()
        )
        self.calls = 0
        self.guards = [node for node in stages.recording.graph.nodes if node.op.effect == "guard"]
        self.path = tuple(exact_key(guard.attrs["expected"]) for guard in self.guards)

    def fits(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the build is one for tensors of these shapes; their ranks and dtypes are known to be right."""
        shapes = [tensor._array.shape for tensor in tensors]
        if not self.symbols:
            return shapes == self.shapes
        for dims, shape, own in zip(self.symbols, shapes, self.shapes, strict=True):
            if any(extent != own[dim] and dim not in dims for dim, extent in enumerate(shape)):
                return False
        sizes = sizes_of(self.symbols, shapes)
        return sizes is not None and self.bound.right_for(sizes)

    def unfit(self, tensors: Sequence[Tensor]) -> str:
        """Which size a build of dynamic sizes is not right for, in words; empty where it is another."""
        shapes = [tensor._array.shape for tensor in tensors]
        most = self.bound.most_sizes()
        for dims, shape in zip(self.symbols, shapes, strict=True):
            for dim, symbol in dims.items():
                if shape[dim] > most[str(symbol)]:
                    return f"{symbol} is {shape[dim]}, and the build is for at most {most[str(symbol)]}"
        sizes = sizes_of(self.symbols, shapes)
        return "" if sizes is None else self.bound.wrong_for(sizes)

    def must_miss(self, missed: Sequence[tuple[Entry, int]]) -> bool:
        """Whether a guard that was missed on another path of the same code is one of this path too."""
        return any(
            self.path[:number] != other.path[:number]
            or self.path[number : number + 1] == other.path[number : number + 1]
            for other, number in missed
        )


observers: list[Callable[[str, Stages], None]] = []


@contextlib.contextmanager
def observe_builds(observer: Callable[[str, Stages], None]) -> Iterator[None]:
    """Call ``observer`` with the function's name and the stages of every build made within the block."""
    observers.append(observer)
    try:
        yield
    finally:
        observers.remove(observer)
