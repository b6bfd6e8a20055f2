"""A function recorded with sizes that are known at run time only: what it rests on, and runs of what is built of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from graphc.capture.guards import SizeGuard
from graphc.capture.trace import capture
from graphc.codegen.executable import Executable, compile_loops, load
from graphc.codegen.lower import lower
from graphc.compiled.execution import BoundProgram
from graphc.compiled.stages import build
from graphc.ir.graph import Graph
from graphc.ir.integers import IntegerExpression, variables
from graphc.ir.passes.pipeline import optimize
from graphc.tensor import Tensor

Dims = Sequence[Mapping[int, IntegerExpression]]


def executable_of(graph: Graph) -> Executable:
    """A graph, optimized and built."""
    return load(compile_loops(lower(optimize(graph).graph)))


class RecordedProgram:
    """A function of a list of tensors; ``symbols`` has for each tensor the dimensions that are dynamic, and what they
    are."""

    def __init__(self, function: Callable[[list[Tensor]], Any], tensors: list[Tensor], symbols: Dims):
        with np.errstate(all="ignore"):
            self.recording, self.returned = capture(function, (tensors,), {}, symbols)

    @cached_property
    def bound(self) -> BoundProgram:
        """The program, built when it is first asked for."""
        return BoundProgram(self.recording, load(build(self.recording).compiled), executable_of)

    @property
    def fixed(self) -> Mapping[str, str]:
        """Why sizes are not dynamic, by name."""
        return self.recording.fixed

    @property
    def messages(self) -> str:
        """The warnings of the compiler."""
        return self.bound.executable.build.messages

    def guards(self, name: str) -> list[SizeGuard]:
        """What the program rests on of a size."""
        return [guard for guard, _ in self.recording.sizes if name in variables(guard.expression)]

    def serves(self, name: str, size: int) -> bool:
        """Whether the program says that it is right for a size, beside others as they were recorded."""
        return name not in self.fixed and all(guard.holds({name: size}) for guard in self.guards(name))

    def __call__(self, tensors: list[Tensor]) -> Any:
        """Run on tensors of any sizes that it serves."""
        assert self.bound.holds(tensors)
        return self.bound.call(tensors)
