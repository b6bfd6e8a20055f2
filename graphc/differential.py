"""The tape's view of a compiled function whose results are differentiated from outside.

A call leaves one node for each differentiable result; the node runs that result's compiled backward program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from graphc.autograd.partition import Backward, Cotangent, Saved
from graphc.autograd.tape import Edge, gradient_edge, next_sequence, refuse_overwritten, refuse_second_sweep
from graphc.autograd.tape import Node as GraphNode
from graphc.codegen.executable import Executable
from graphc.codegen.loops import symbols_of
from graphc.ir.graph import Graph, Node
from graphc.ir.interp import bind_sizes
from graphc.recording import state
from graphc.tensor import Tensor


class BackwardProgram:
    """The backward half of a compiled function, for one result; built when it is first needed."""

    def __init__(self, half: Backward, build: Callable[[Graph], Executable]):
        self.half = half
        self._build = build
        self._executable: Executable | None = None
        self._symbols = symbols_of(half.graph)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on arrays for the graph's inputs; gives those of its outputs."""
        graph = self.half.graph
        if self._executable is None:
            self._executable = self._build(graph)
        given = [np.array(array, order="C", copy=None) for array in arrays]
        names = [node.name for node in graph.inputs]
        sizes = bind_sizes(graph, dict(zip(names, given, strict=True))) if self._symbols else {}
        extents = [sizes[symbol] for symbol in self._symbols]
        types = [output.node.type.bind(sizes) for output in graph.outputs]
        results = [np.empty(type.shape, type.dtype.numpy) for type in types]
        with self._executable.program.lock:
            self._executable.set_sizes(extents)
            code = self._executable.program.call([*given, *results], extents)
        if code:
            self._executable.raise_error(code)
        return results


class CompiledBackward(GraphNode):
    """A tape node: one differentiable result of a call of a compiled function."""

    __slots__ = ("_inputs", "_program", "_saved", "_versions", "edges")

    def __init__(self, program: BackwardProgram, inputs: Mapping[str, Tensor], saved: Mapping[Node, np.ndarray]):
        self._program = program
        self._inputs = dict(inputs)
        self._saved = dict(saved)
        self._versions = {name: tensor._storage.version for name, tensor in inputs.items()}
        self.edges: tuple[Edge | None, ...] = tuple(gradient_edge(inputs[name]) for name in program.half.wanted)
        self.hooks = self.description = self.location = None
        self.released = False
        self.sequence = next_sequence()

    def name(self) -> str:
        """The node's name as it prints."""
        return "CompiledFunctionBackward"

    def release(self) -> None:
        """Let go of the saved values."""
        self.released = True
        self._saved, self._inputs = {}, {}

    def pull_back(self, cotangent: Tensor) -> list[Tensor]:
        """The cotangents of the inputs that want one. Raises RuntimeError as the eager tape does."""
        if self.released:
            refuse_second_sweep()
        if state.gradients:
            raise RuntimeError(
                "create_graph=True through a compiled function from outside: its backward program can't be "
                "differentiated again; call backward() inside the compiled function, or run it eagerly"
            )
        arrays = []
        for binding in self._program.half.bindings:
            if isinstance(binding, Cotangent):
                arrays.append(cotangent._array)
            elif isinstance(binding, Saved):
                arrays.append(self._saved[binding.node])
            else:
                tensor = self._inputs[binding.name]
                if tensor._storage.version != self._versions[binding.name]:
                    refuse_overwritten(tensor, tensor.grad_fn, self._versions[binding.name])
                arrays.append(tensor._array)
        return [Tensor.from_array(array) for array in self._program(arrays)]
