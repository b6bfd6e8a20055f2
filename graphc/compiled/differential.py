"""The tape's view of a compiled function whose results are differentiated from outside.

A call leaves one node, which runs compiled backward programs, and one for each differentiable result, which hands it
that result's cotangent. A program is made for the cotangents that arrive and the gradients that are asked for, when
they first are. Where the sweep is itself recorded (``create_graph``), running a backward program is again a call that
leaves such nodes: the derivative of the forward and backward part together, of any order.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.autograd.partition import (
    Backward,
    Differentiable,
    Kept,
    differentiated_again,
    reaches,
    split_backward,
    with_saved,
)
from graphc.autograd.second_sweep import behind
from graphc.autograd.tape import Edge, gradient_edge, next_sequence, refuse_overwritten, refuse_second_sweep
from graphc.autograd.tape import Node as GraphNode
from graphc.autograd.watching import switch
from graphc.codegen.executable import Runnable
from graphc.device_memory import settle, settle_all, use
from graphc.fork_safe import recursive_lock
from graphc.ir.graph import Bundle, Graph, Node
from graphc.ir.interp import bind_sizes, interpret
from graphc.recording import state
from graphc.tensor import Tensor

# Builds a graph; None where there is no compiler for it, and it is interpreted.
Build = Callable[[Graph], Runnable | None]


class DifferentiableProgram:
    """What the calls of one compiled function share: its graph, and the backward programs that were needed so far."""

    def __init__(self, whole: Differentiable, build: Build):
        self.whole = whole
        self.build = build
        self.names = tuple(whole.wrt)
        self.reaches = reaches(whole)
        # The inputs that tell the sizes that are known at run time only.
        self.sized = tuple(
            node for node in whole.builder.inputs if any(not isinstance(extent, int) for extent in node.type.shape)
        )
        self._backward: dict[Any, BackwardProgram] = {}
        self._lock = recursive_lock()

    def backward(self, positions: tuple[int, ...], wanted: tuple[str, ...]) -> BackwardProgram:
        """The program for cotangents of the results at these positions, and the gradients of these inputs."""
        with self._lock:
            found = self._backward.get((positions, wanted))
            if found is None:
                half = split_backward(self.whole, positions, wanted)
                found = self._backward[positions, wanted] = BackwardProgram(self, half)
            return found

    def programs(self, name: str) -> Iterator[tuple[str, Runnable]]:
        """The programs that were built so far, each with what it is for."""
        with self._lock:
            found = list(self._backward.items())
        for (positions, wanted), program in found:
            results = ", ".join(map(str, positions))
            yield from program.programs(f"{name} of results {results} for {', '.join(wanted)}")


class BackwardProgram:
    """One backward part of a compiled function; what it needs is built when it is first needed."""

    def __init__(self, forward: DifferentiableProgram, half: Backward):
        self.forward = forward
        self.half = half
        self.plain = RunnableGraph(half.graph, forward.build)
        self._recorded: dict[tuple[str, ...], tuple[DifferentiableProgram, tuple[Node, ...], RunnableGraph]] = {}
        self._lock = recursive_lock()

    def recorded(
        self, names: tuple[str, ...], held: Mapping[Node, Any]
    ) -> tuple[DifferentiableProgram, tuple[Node, ...], RunnableGraph]:
        """How the gradients are differentiated by the inputs and cotangents of these names, in a call that holds saved
        values of ``held``: what that needs of the values of this program, and the program that also gives them."""
        with self._lock:
            if names not in self._recorded:
                again = differentiated_again(self.forward.whole, self.half, names, held.keys())
                extra = tuple(node for node in split_backward(again).saved if node not in held)
                graph = with_saved(self.half, extra)
                program = RunnableGraph(graph, self.forward.build) if extra else self.plain
                self._recorded[names] = DifferentiableProgram(again, self.forward.build), extra, program
            return self._recorded[names]

    def programs(self, name: str) -> Iterator[tuple[str, Runnable]]:
        """The programs that were built so far, each with what it is for."""
        with self._lock:
            recorded = list(self._recorded.values())
        kept = [runnable for _, _, runnable in recorded if runnable is not self.plain]
        for runnable, what in ((self.plain, name), *((each, f"{name}, differentiable") for each in kept)):
            if runnable.executable is not None:
                yield what, runnable.executable
        for again, _, _ in recorded:
            yield from again.programs(f"backward of {name}")


class RunnableGraph:
    """A graph to run on arrays; built when it is first run."""

    def __init__(self, graph: Graph, build: Build):
        self.graph = graph
        self._build = build
        self.executable: Runnable | None = None
        self._built = False
        self._lock = recursive_lock()

    def prepare(self) -> None:
        """Build it, where it is not."""
        with self._lock:
            if not self._built:
                self.executable = self._build(self.graph)
                self._built = True

    def __call__(self, arrays: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
        """Run on arrays for the graph's inputs; gives those of its outputs. ``sizes`` are those of this call that are
        known at run time only."""
        self.prepare()
        if use.active and (self.executable is None or self.executable.waits):
            settle_all()
        if self.executable is None:
            inputs = dict(zip((node.name for node in self.graph.inputs), arrays, strict=True))
            return list(interpret(self.graph, inputs).outputs.values())
        program = self.executable.program
        if use.active:
            settle(*(array for array in arrays if not array.flags.c_contiguous))
        given = [np.array(array, order="C", copy=None) for array in arrays]
        extents = [sizes[symbol] for symbol in self.executable.compiled.program.symbols]
        types = [output.node.type.bind(sizes) for output in self.graph.outputs]
        results = [self.executable.empty(type.shape, type.dtype.numpy) for type in types]
        with program.lock:
            self.executable.set_sizes(extents)
            code = program.call([*given, *results], extents)
        if code:
            raise self.executable.failure()
        if self.executable.check is not None:
            inputs = dict(zip((node.name for node in self.graph.inputs), given, strict=True))
            named = dict(zip((output.name for output in self.graph.outputs), results, strict=True))
            self.executable.check(inputs, named, sizes)
        return results


class CompiledBackward(GraphNode):
    """A tape node: one call of a compiled function, or of the backward program of one.

    ``inputs`` are the tensors that it was given, by their names in the graph, ``saved`` what it saved for its backward
    programs, and ``versions`` which state of the inputs' memory it saw.
    """

    __slots__ = ("_inputs", "_program", "_results", "_saved", "_sizes", "_versions", "edges", "pending")
    selects: ClassVar[bool] = True

    def __init__(
        self,
        program: DifferentiableProgram,
        inputs: Mapping[str, Tensor],
        saved: Mapping[Node, np.ndarray],
        versions: Mapping[str, int],
        sizes: Mapping[str, int],
    ):
        self._program = program
        self._inputs = inputs
        self._saved = saved
        self._versions = versions
        self._sizes = sizes
        self.edges: tuple[Edge | None, ...] = tuple(gradient_edge(inputs[name]) for name in program.names)
        self.hooks = self.description = self.location = None
        self.released = False
        # The results whose cotangents have not been swept yet, or will be again.
        self.pending: set[int] = set()
        self._results: dict[int, weakref.ref[CompiledResult]] = {}
        self.sequence = next_sequence()
        switch.builds = True

    @staticmethod
    def of_call(
        program: DifferentiableProgram, inputs: Mapping[str, Tensor], saved: Mapping[Node, np.ndarray]
    ) -> CompiledBackward:
        """The node of a call from outside, which has just been made."""
        versions = {name: tensor._storage.version for name, tensor in inputs.items()}
        sizes: dict[str, int] = {}
        if program.sized:
            arrays = {node.name: inputs[node.name]._array for node in program.sized}
            sizes = bind_sizes(Graph("sizes", program.sized, (), ()), arrays)
        return CompiledBackward(program, inputs, saved, versions, sizes)

    def result(self, position: int, tensor: Tensor) -> Tensor:
        """Make a tensor the result at a position, where it can have a gradient; gives the tensor."""
        names = self._program.reaches[position]
        if any(edge is not None and name in names for name, edge in zip(self._program.names, self.edges, strict=True)):
            tensor._grad_fn = CompiledResult(self, position)
            tensor._requires_grad = True
            self._results[position] = weakref.ref(tensor._grad_fn)
        return tensor

    def name(self) -> str:
        """The node's name as it prints."""
        return "CompiledFunctionBackward"

    def release(self) -> None:
        """Let go of the saved values, once all results were swept."""
        if not self.pending:
            self.released = True
            self._saved, self._inputs = {}, {}

    def unbundled(self, cotangent: Bundle) -> tuple[Any, ...]:
        return tuple(cotangent.parts.get(position) for position in range(len(self._program.whole.outputs)))

    def bundled(self, cotangents: tuple[Any, ...]) -> Bundle:
        return Bundle({position: each for position, each in enumerate(cotangents) if each is not None})

    def pull_back(self, cotangent: Bundle, useful: Sequence[bool] | None = None) -> list[Tensor | None]:
        """The cotangents of the inputs, of those that are ``useful``. Raises RuntimeError as the eager tape does."""
        if self.released:
            refuse_second_sweep()
        wanted = self._wanted(lambda position: useful is None or useful[position])
        program = self._program.backward(tuple(sorted(cotangent.parts)), wanted)
        half = program.half
        inputs = dict(self._inputs)
        for position, name in half.cotangents.items():
            inputs[name] = cotangent.parts[position]
        arrays = [
            self._current(binding.name, inputs) if isinstance(binding, Kept) else self._saved[binding.node]
            for binding in half.bindings
        ]
        if state.gradients:
            results = self._recorded(program, inputs, arrays)
        else:
            results = [Tensor.from_array(array) for array in program.plain(arrays, self._sizes)]
        found = dict(zip(half.found, results, strict=True))
        return [found.get(name) for name in self._program.names]

    def prepare(self, reached: Container[GraphNode]) -> None:
        """Build what a sweep that is not recorded needs, which comes to these nodes."""
        if self.released:
            return
        positions = tuple(sorted(place for place, result in self._results.items() if result() in reached))
        wanted = self._wanted(lambda position: self.edges[position] in reached)
        self._program.backward(positions, wanted).plain.prepare()

    def _wanted(self, chosen: Callable[[int], bool]) -> tuple[str, ...]:
        """The names of the inputs whose gradients are asked for."""
        named = enumerate(zip(self._program.names, self.edges, strict=True))
        return tuple(name for position, (name, edge) in named if edge is not None and chosen(position))

    def _recorded(
        self, program: BackwardProgram, inputs: Mapping[str, Tensor], arrays: Sequence[np.ndarray]
    ) -> list[Tensor]:
        """The results of a backward program, which leaves a node on the tape in its turn."""
        candidates = (*self._program.names, *program.half.cotangents.values())
        names = tuple(name for name in candidates if inputs[name].requires_grad)
        again, extra, runnable = program.recorded(names, self._saved)
        values = runnable(arrays, self._sizes)
        count = len(values) - len(extra)
        versions = {name: tensor._storage.version for name, tensor in inputs.items()} | dict(self._versions)
        saved = {**self._saved, **dict(zip(extra, values[count:], strict=True))}
        node = CompiledBackward(again, inputs, saved, versions, self._sizes)
        results = [node.result(position, Tensor.from_array(value)) for position, value in enumerate(values[:count])]
        zeros = [
            self._program.whole.zeros[position] for position in program.half.cotangents if self._program.whole.zeros
        ]
        for place, name in enumerate(program.half.found):
            found = [each[name] for each in zeros if name in each]
            if found:
                others = frozenset().union(*found)
                operands = [inputs[other] for other in names if other in others]
                results[place] = behind(results[place], operands)
        return results

    def _current(self, name: str, inputs: Mapping[str, Tensor]) -> np.ndarray:
        """The elements of an input, which must still be what the call saw."""
        tensor = inputs[name]
        seen = self._versions.get(name)
        if seen is not None and tensor._storage.version != seen:
            refuse_overwritten(tensor, tensor.grad_fn, seen)
        return tensor._array


class CompiledResult(GraphNode):
    """A tape node: one differentiable result of a call."""

    __slots__ = ("core", "edges", "place")

    def __init__(self, core: CompiledBackward, place: int):
        self.core = core
        self.edges = (core,)
        self.place = place
        self.hooks = self.description = self.location = None
        self.released = False
        core.pending.add(place)
        self.sequence = next_sequence()

    def name(self) -> str:
        """The node's name as it prints."""
        return self.core.name()

    def release(self) -> None:
        """After this no other sweep may come."""
        self.released = True
        self.core.pending.discard(self.place)

    def pull_back(self, cotangent: Tensor) -> tuple[Bundle]:
        """The cotangent, on its way to the call's node."""
        if self.released:
            refuse_second_sweep()
        return (Bundle({self.place: cotangent}),)
