"""CUDA programs run on the CPU, through the emulator of :mod:`graphc.runtime.emulated_gpu`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.capture.recorded import FromArgument, FromOutside
from graphc.capture.trace import capture
from graphc.codegen.cuda import (
    BufferArgument,
    CudaLaunch,
    CudaProgram,
    ErrorArgument,
    NumberArgument,
    RandomArgument,
    SizeArgument,
    compile_cuda,
)
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.ir.graph import Graph
from graphc.ir.integers import IntegerExpression, substitute
from graphc.ir.interp import Evaluation, bind_sizes, interpret
from graphc.ir.passes.pipeline import optimize
from graphc.ir.primitive import PRIMITIVES
from graphc.runtime.emulated_gpu import BACKWARDS, FORWARDS, EmulatedModule, kernels_of
from graphc.runtime.gpus import PreparedLaunch
from tests.every_way import difference

GUARD = 64  # elements around every array that no kernel may write to


def cuda_program(graph: Graph, tf32: bool = False, **options: Any) -> CudaProgram:
    """The CUDA program of a graph."""
    return compile_cuda(lower(graph, LoweringOptions(target=GPU, **options)), tf32=tf32)


class Memory:
    """An array with untouched elements on both sides."""

    def __init__(self, size: int, dtype: np.dtype):
        itemsize = dtype.itemsize
        self.bytes = np.full((size + 2 * GUARD) * itemsize + 512, 0xA5, np.uint8)
        address = self.bytes.ctypes.data
        self.first = -(address + GUARD * itemsize) % 256 + GUARD * itemsize
        self.array = self.bytes[self.first : self.first + size * itemsize].view(dtype)
        self.address = self.array.ctypes.data if size else address + self.first

    def check(self, name: str) -> None:
        """That nothing beside the array was written."""
        after = self.bytes[self.first + self.array.nbytes :]
        assert (self.bytes[: self.first] == 0xA5).all(), f"something was written before {name}"
        assert (after == 0xA5).all(), f"something was written behind {name}"


def run(
    program: CudaProgram,
    inputs: Mapping[str, np.ndarray],
    random_state: np.ndarray | None = None,
    *,
    backwards: bool = False,
) -> Evaluation:
    """Run a program once. Raises the operation's own error for an index out of range."""
    graph = program.program.graph
    sizes = bind_sizes(graph, inputs)
    module = EmulatedModule(program.source, kernels_of(program.source))
    module.order = BACKWARDS if backwards else FORWARDS
    memories: dict[str, Memory] = {}
    for buffer in program.buffers:
        memory = memories[buffer.name] = Memory(substitute(buffer.size, sizes), buffer.dtype.numpy)
        if buffer.kind != "output":
            name = buffer.name if buffer.name in inputs else buffer.nodes[0].name
            memory.array[:] = np.ascontiguousarray(inputs[name]).reshape(-1)
    arena = Memory(program.plan.arena_bytes, np.dtype(np.uint8))
    arena.array[:] = 0xFF  # NaN
    error = np.zeros(4, np.int64)

    def word(argument: Any) -> int:
        match argument:
            case BufferArgument(name, start):
                start = substitute(start, sizes)
                if name in memories:
                    return memories[name].address + start * memories[name].array.itemsize
                held = [buffer for buffer in program.program.buffers if buffer.name == name]
                return arena.address + program.plan.offset(name) + start * (held[0].dtype.itemsize if held else 1)
            case SizeArgument(symbol):
                return sizes[symbol]
            case NumberArgument(value):
                return value
            case ErrorArgument():
                return error.ctypes.data
            case RandomArgument():
                assert random_state is not None
                return random_state.ctypes.data
        raise TypeError(argument)

    def prepared(launch: CudaLaunch) -> PreparedLaunch:
        grid = tuple(max(1, substitute(each, sizes)) for each in launch.grid)
        words = tuple(map(word, launch.arguments))
        return PreparedLaunch(launch.kernel, grid, launch.block, launch.shared_bytes, words, launch.kernel)

    module.run([prepared(launch) for launch in program.launches])
    for name, memory in (*memories.items(), ("the arena", arena)):
        memory.check(name)
    if error[0]:
        origin = program.program.launches[int(error[0]) - 1].origins[0]
        raise PRIMITIVES[origin.operation].index_error(int(error[1]), int(error[2]), **dict(origin.attributes))
    outputs = {
        output.name: memories[buffer].array.reshape(output.node.type.bind(sizes).shape)
        for output, buffer in zip(graph.outputs, program.program.outputs, strict=True)
    }
    updates = {
        buffer.name: memories[buffer.name].array.reshape(buffer.nodes[0].type.bind(sizes).shape)
        for buffer in program.buffers
        if buffer.kind == "state"
    }
    return Evaluation(outputs, updates)


def captured(function: Callable[..., Any], *arguments: Any) -> Graph:
    """The optimized graph of a function, which runs once on these arguments."""
    return captured_with_inputs(function, *arguments)[0]


def captured_with_inputs(
    function: Callable[..., Any], *arguments: Any, symbols: Sequence[Mapping[int, IntegerExpression]] = ()
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The optimized graph of a function, and what it would be given at the next call with the same arguments.
    ``symbols`` are sizes that are known at run time only, as :func:`graphc.capture.trace.capture` takes them."""
    recording, _ = capture(function, arguments, {}, symbols)
    graph = optimize(recording.graph).graph
    inputs: dict[str, np.ndarray] = {}
    for node, binding in zip(graph.inputs, recording.bindings, strict=True):
        if isinstance(binding, FromArgument):
            inputs[node.name] = np.array(arguments[binding.position].detach()._value("a test"))
        elif isinstance(binding, FromOutside):
            inputs[node.name] = np.array(binding.tensor.detach()._value("a test"))
        else:
            inputs[node.name] = np.array(binding.scalar.current(), node.type.dtype.numpy)
    return graph, inputs


def differences(graph: Graph, inputs: Mapping[str, np.ndarray], relative: float = 2e-5, **options: Any) -> list[str]:
    """What a graph's CUDA program gives other than numpy does: outputs and state, in words. Threads and blocks run
    forwards and then backwards: where both give the same, no barrier is missing that matters."""
    expected = interpret(graph, inputs)
    program = cuda_program(graph)
    found = run(program, inputs, **options)
    again = run(program, inputs, backwards=True, **options)
    wrong = []
    for kind in ("outputs", "updates"):
        for name, array in getattr(expected, kind).items():
            mine = getattr(found, kind)[name]
            near, absolute = (relative, 0.0) if array.dtype.kind == "f" else (0.0, 0.0)
            if near:
                absolute = relative * float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
            said = difference(mine, array, near, absolute)
            said = said or difference(getattr(again, kind)[name], mine)
            if said:
                wrong.append(f"{name}: {said}")
    return wrong
