"""The tape's view of a compiled function whose results are differentiated from outside.

A call leaves one node for each differentiable result, and behind them one node that runs the compiled backward program
once all their cotangents are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.autograd.tape import Edge, gradient_edge, next_sequence, refuse_overwritten, refuse_second_sweep
from graphc.codegen.executable import Executable
from graphc.ir.graph import Graph
from graphc.recording import state
from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Cotangents:
    """Cotangents of several results, by the results' numbers."""

    values: dict[int, Tensor]

    def __add__(self, other: Cotangents) -> Cotangents:
        total = dict(self.values)
        for number, value in other.values.items():
            total[number] = total[number] + value if number in total else value
        return Cotangents(total)


class BackwardProgram:
    """The backward half of a compiled function, built when it is first needed."""

    def __init__(self, graph: Graph, build: Callable[[Graph], Executable]):
        self.graph = graph
        self._build = build
        self._executable: Executable | None = None

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on arrays for the graph's inputs; gives those of its outputs."""
        if self._executable is None:
            self._executable = self._build(self.graph)
        results = [np.empty(output.node.type.shape, output.node.type.dtype.numpy) for output in self.graph.outputs]
        code = self._executable.program.call([*(np.ascontiguousarray(array) for array in arrays), *results])
        if code:
            self._executable.raise_error(code)
        return results


class CompiledBackward:
    """A tape node: the backward half of one call. Its cotangent is a :class:`Cotangents`."""

    __slots__ = ("_inputs", "_program", "_saved", "_versions", "edges", "hooks", "location", "released", "sequence")

    def __init__(
        self,
        program: BackwardProgram,
        inputs: Mapping[str, Tensor],
        wanted: Sequence[str],
        saved: Sequence[np.ndarray],
    ):
        self._program = program
        self._inputs = dict(inputs)
        self._saved = list(saved)
        self._versions = {name: tensor._storage.version for name, tensor in inputs.items()}
        self.edges: tuple[Edge | None, ...] = tuple(gradient_edge(inputs[name]) for name in wanted)
        self.hooks: list[Callable[[Any], Any]] = []
        self.location = None
        self.released = False
        self.sequence = next_sequence()

    def name(self) -> str:
        """The node's name as it prints."""
        return "CompiledFunctionBackward"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that receive the cotangents of the inputs."""
        return tuple((edge, 0) for edge in self.edges)

    def release(self) -> None:
        """Let go of the saved values."""
        self.released = True
        self._saved, self._inputs = [], {}

    def pull_back(self, cotangents: Cotangents) -> list[Tensor]:
        """The cotangents of the inputs that want one. Raises RuntimeError as the eager tape does."""
        if self.released:
            refuse_second_sweep()
        if state.gradients:
            raise RuntimeError(
                "create_graph=True through a compiled function from outside: its backward program can't be "
                "differentiated again; call backward() inside the compiled function, or run it eagerly"
            )
        arrays = []
        for node in self._program.graph.inputs:
            kind, _, number = node.name.rpartition("_")
            if node.name in self._inputs:
                tensor = self._inputs[node.name]
                if tensor._storage.version != self._versions[node.name]:
                    refuse_overwritten(self.name(), tensor, self._versions[node.name])
                arrays.append(tensor._array)
            elif kind == "saved":
                arrays.append(self._saved[int(number)])
            else:
                cotangent = cotangents.values.get(int(number))
                shape, dtype = node.type.shape, node.type.dtype.numpy
                arrays.append(np.zeros(shape, dtype) if cotangent is None else cotangent._array)
        return [Tensor.from_array(array) for array in self._program(arrays)]


class CompiledResult:
    """A tape node: one differentiable result of a call; hands its cotangent to the call's node."""

    __slots__ = ("_number", "edges", "hooks", "location", "released", "sequence")

    def __init__(self, call: CompiledBackward, number: int):
        self.edges = (call,)
        self._number = number
        self.hooks: list[Callable[[Any], Any]] = []
        self.location = None
        self.released = False
        self.sequence = next_sequence()

    def name(self) -> str:
        """The node's name as it prints."""
        return "CompiledFunctionBackward"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The call's node."""
        return ((self.edges[0], 0),)

    def register_hook(self, hook: Callable[[Any], Any]) -> None:
        """Call ``hook`` with the cotangent of the result; what it returns, unless None, replaces it."""
        self.hooks.append(hook)

    def release(self) -> None:
        """Nothing is saved here."""
        self.released = True

    def pull_back(self, cotangent: Tensor) -> tuple[Cotangents]:
        """The cotangent, under the result's number."""
        return (Cotangents({self._number: cotangent}),)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"
