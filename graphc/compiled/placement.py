"""Where a build's program runs: on the CPU, or on the GPU that its tensors are on or that was asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from graphc.capture.errors import CaptureError
from graphc.capture.recorded import FromArgument, FromGradient, FromOutside, Recording
from graphc.codegen.cuda import CudaProgram, compile_cuda
from graphc.codegen.cuda.executable import load_cuda
from graphc.codegen.executable import CompiledProgram, Runnable, compile_loops, load
from graphc.codegen.loops import LoopProgram
from graphc.codegen.lower import LoweringOptions, lower
from graphc.codegen.target import GPU
from graphc.compiled.binding import Output
from graphc.device import current
from graphc.device_memory import gpu_of
from graphc.ir.graph import Graph
from graphc.runtime.gpus import ALIGNMENT, Gpu, gpu
from graphc.settings import tf32_is_allowed
from graphc.tensor import Tensor

# What `backend` may say beside the names of PyTorch's own, which have no meaning here.
CPU_BACKEND, GPU_BACKEND = "c", "cuda"


_BYTE = np.dtype(np.uint8)


class _ResultsOnGpu:
    """As :class:`graphc.runtime.ResultMemory`, of a GPU, which keeps memory for the next array of its size itself."""

    def __init__(self, gpu: Gpu):
        self.empty = gpu.empty

    def begin(self) -> None:
        """Begin a round."""

    def source(self, shape: tuple[int, ...], dtype: np.dtype) -> Callable[..., np.ndarray]:
        """What makes such arrays."""
        return self.empty

    def several(self, outputs: Sequence[Output]) -> Iterator[tuple[Output, np.ndarray, int]]:
        """New arrays side by side in one block, for outputs that come and go together: each with its address."""
        ends = tuple(accumulate(-(-output.nbytes // ALIGNMENT) * ALIGNMENT for output in outputs))
        block = self.empty((ends[-1],), _BYTE)
        address = block.__array_interface__["data"][0]
        for output, start in zip(outputs, (0, *ends), strict=False):
            yield output, np.ndarray(output.shape, output.kind, block, start), address + start


@dataclass(frozen=True, slots=True)
class PrecisionGuard:
    """A program holds while float32 products may be as exact as they were when it was built."""

    tf32: bool

    def holds(self) -> bool:
        """Whether that is so."""
        return tf32_is_allowed() == self.tf32

    def __str__(self) -> str:
        return f"float32 products {'rounded to tf32' if self.tf32 else 'exact to float32'}"


class Place:
    """Where programs of one recording run, and how they are made there. ``gpu`` None is the CPU; ``home`` is where
    results are: with the tensors that the program is given."""

    def __init__(self, gpu: Gpu | None, home: Gpu | None = None, name: str = "", fullgraph: bool = False):
        self.gpu = gpu
        self.home = home
        self._precision = PrecisionGuard(tf32_is_allowed())
        self._name = name
        self._fullgraph = fullgraph

    @property
    def is_plain(self) -> bool:
        """Whether programs run on the CPU, on tensors that are there too."""
        return self.gpu is None and self.home is None

    def guarded(self, recording: Recording) -> Recording:
        """A recording that rests on what its program does."""
        return recording if self.gpu is None else replace(recording, guards=(*recording.guards, self._precision))

    def lower(self, graph: Graph) -> LoopProgram:
        """The loops of a graph, as they suit the machine."""
        return lower(graph) if self.gpu is None else lower(graph, LoweringOptions(target=GPU))

    def compile(
        self, graph: Graph, loops: LoopProgram, memory_limit: int | None = None
    ) -> CompiledProgram | CudaProgram:
        """The text and plan of a program. What no kernel can do is left to the CPU, with a warning.

        Raises CaptureError where, with ``fullgraph``, that is not wanted.
        """
        if self.gpu is not None:
            try:
                return compile_cuda(loops, memory_limit, tf32=self._precision.tf32)
            except NotImplementedError as error:
                if self._fullgraph:
                    raise CaptureError(f"fullgraph=True, and {error}") from error
                warnings.warn(f"{self._name} runs on the CPU: {error}", RuntimeWarning, stacklevel=2)
            loops = lower(graph)
        return compile_loops(loops, memory_limit=memory_limit)

    def load(self, compiled: CompiledProgram | CudaProgram) -> Runnable:
        """The program, ready to be called. Raises CompileError, CompilerNotFound, GpuOutOfMemory."""
        if isinstance(compiled, CudaProgram):
            assert self.gpu is not None
            made: Runnable = load_cuda(compiled, self.gpu)
        else:
            made = load(compiled)
        if self.home is not None:
            made.results, made.empty = _ResultsOnGpu(self.home), self.home.empty
        return made


def place_of(recording: Recording, tensors: Iterable[Tensor], backend: Any, fullgraph: bool, name: str) -> Place:
    """Where the program of a recording runs: on the GPU of the tensors that it reads; for backend "cuda" on the current
    GPU, where they are on none.

    Raises RuntimeError where they are on several, GpuError where there is no GPU to run on.
    """
    given = list(tensors)
    found: dict[int, Gpu] = {}
    for binding in recording.bindings:
        tensor = None
        if isinstance(binding, FromArgument):
            tensor = given[binding.position]
        elif isinstance(binding, FromOutside):
            tensor = binding.tensor
        elif isinstance(binding, FromGradient):
            tensor = binding.owner.of(given)._grad
        where = None if tensor is None else gpu_of(tensor._array)
        if where is not None:
            found[where.number] = where
    if len(found) > 1:
        raise RuntimeError(
            "a compiled function runs on one GPU; its tensors are on "
            + " and ".join(f"cuda:{number}" for number in sorted(found))
        )
    home = next(iter(found.values()), None)
    if backend == CPU_BACKEND:
        return Place(None, home)
    wanted = gpu(current.number) if home is None and backend == GPU_BACKEND else home
    return Place(wanted, home, name, fullgraph)
