"""``compile``: a function of tensors becomes one program. The one place that sees every stage:

Python function -> Recording -> optimized Graph -> LoopProgram -> C text -> Executable -> BoundProgram
"""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphc.capture.errors import CaptureError
from graphc.capture.trace import Recording, capture
from graphc.capture.trees import flatten
from graphc.checking import checked_call
from graphc.codegen.executable import CompiledProgram, Executable, compile_loops, load
from graphc.codegen.listing import print_program
from graphc.codegen.lower import lower
from graphc.codegen.memory import MemoryPlan
from graphc.codegen.trace import is_host_work
from graphc.execution import BoundProgram
from graphc.ir.graph import Graph, exact_key
from graphc.ir.passes.pipeline import PassRecord, optimize
from graphc.ir.types import TensorType
from graphc.ops.checks import GuardMissed
from graphc.recording import state
from graphc.report import Report, describe_build
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Stages:
    """What every stage of one build made, and how long it took."""

    recording: Recording
    optimized: Graph
    passes: tuple[PassRecord, ...]
    compiled: CompiledProgram
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


def build(recording: Recording) -> Stages:
    """From a recording to C text and a memory plan; no compiler is run."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = function(*arguments)
        seconds[name] = time.perf_counter() - began
        return result

    optimized = timed("optimize", optimize, recording.graph)
    loops = timed("lower", lower, optimized.graph)
    compiled = timed("render", compile_loops, loops)
    return Stages(recording, optimized.graph, optimized.records, compiled, seconds)


def _executable_of(graph: Graph) -> Executable:
    """A graph without ties to the outside, built and loaded."""
    return load(compile_loops(lower(optimize(graph).graph)))


# Builds of one function after which its author is told, and how many are kept.
MANY_BUILDS = 8
MOST_BUILDS = 64
# Ways through one function that differ by the values of tensors and get a program each.
MOST_PATHS = 16


class _Entry:
    """One build of a function: for one shape of arguments and one state of what it depends on outside."""

    __slots__ = ("bound", "calls", "guards", "path", "reason", "stages")

    def __init__(self, stages: Stages, bound: BoundProgram, reason: str):
        self.stages = stages
        self.bound = bound
        self.reason = reason
        self.calls = 0
        self.guards = [node for node in stages.recording.graph.nodes if node.op.effect == "guard"]
        self.path = tuple(exact_key(guard.attrs["expected"]) for guard in self.guards)

    def must_miss(self, missed: list[tuple[_Entry, int]]) -> bool:
        """Whether a guard that was missed on another path of the same code is one of this path too."""
        return any(
            self.path[:number] != other.path[:number]
            or self.path[number : number + 1] == other.path[number : number + 1]
            for other, number in missed
        )


class CompiledFunction:
    """A function that runs as one compiled program after its first call.

    The first call with a new kind of arguments (tree, dtypes, shapes) runs the function eagerly and records it; later
    calls never run the user's Python code. Attributes describe the newest build and raise RuntimeError before the
    first call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        fallback: bool = False,
        max_paths: int = MOST_PATHS,
        check: bool = False,
        fullgraph: bool = False,
    ):
        if hasattr(function, "named_parameters"):
            self.__name__, self.__doc__ = type(function).__name__, type(function).__doc__
        else:
            functools.update_wrapper(self, function)
        self.function = function
        self.fallback = fallback
        self.max_paths = max_paths
        self.check = check
        self.fullgraph = fullgraph
        self._entries: dict[Any, list[_Entry]] = {}
        self._newest: _Entry | None = None
        self._stages: Stages | None = None
        self._lock = threading.RLock()
        self._without_compiler = False
        self._builds = 0

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if state.recorder is not None or self._without_compiler:
            # Within another capture the function's operations become part of that program.
            return self.function(*arguments, **keywords)
        tensors, description = flatten((arguments, keywords) if keywords else arguments)
        key = (
            description,
            state.gradients,
            *[(tensor._array.shape, tensor.dtype.short, tensor._requires_grad) for tensor in tensors],
        )
        missed: list[tuple[_Entry, int]] = []
        entries = self._entries.get(key, ())
        for entry in entries:
            with entry.bound.lock:
                if entry.bound.holds(tensors) and not (missed and entry.must_miss(missed)):
                    try:
                        result = checked_call(entry.bound, tensors) if self.check else entry.bound(tensors)
                        entry.calls += 1
                        return result
                    except GuardMissed as miss:
                        missed.append((entry, miss.number))
        if len(missed) and sum(1 for entry in entries if entry.path) >= self.max_paths:
            return self._too_many_paths(missed[-1], arguments, keywords)
        return self._first_call(key, tensors, arguments, keywords, missed)

    def _first_call(
        self,
        key: Any,
        tensors: list[Tensor],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        missed: list[tuple[_Entry, int]],
    ) -> Any:
        with self._lock:
            reason = self._reason(key, tensors, missed)
            for entry in self._entries.get(key, ()):
                with entry.bound.lock, contextlib.suppress(GuardMissed):
                    if entry.bound.holds(tensors):  # another thread has built it meanwhile
                        return entry.bound(tensors)
            recording, returned = capture(self.function, arguments, keywords)
            if self.fullgraph:
                refuse_call_outs(recording.graph)
            self._stages = build(recording)
            for observer in _observers:
                observer(self.__name__, self._stages)
            try:
                executable = load(self._stages.compiled)
            except CompilerNotFound as error:
                self._without_compiler = True
                _warn_once(f"compiled functions run eagerly: {error}")
                return returned
            except CompileError as error:
                if not self.fallback:
                    raise
                self._without_compiler = True
                warnings.warn(f"{self.__name__} keeps running eagerly: {error}", RuntimeWarning, stacklevel=3)
                return returned
            self._newest = _Entry(self._stages, BoundProgram(recording, executable, _executable_of), reason)
            for tensor in flatten(returned)[0]:
                # As at later calls: what was swept inside can't be swept again.
                if tensor._grad_fn is not None and tensor._grad_fn.released:
                    tensor._leave_graph()
            self._keep(key, self._newest)
            return returned

    def _reason(self, key: Any, tensors: list[Tensor], missed: list[tuple[_Entry, int]]) -> str:
        """Why a call needs a build of its own."""
        if not self._entries:
            return "first call"
        if missed:
            entry, number = missed[-1]
            guard = entry.guards[number]
            return f"another way at {guard.location}, where the value was {guard.attrs['expected']}"
        if key in self._entries:
            return self._entries[key][0].bound.broken(tensors) or "another thread changed what the build rests on"
        kinds = ", ".join(str(TensorType(tensor.dtype, tensor._array.shape)) for tensor in tensors)
        return f"other arguments: {kinds or 'no tensors'}"

    def report(self, *, times: bool = False) -> Report:
        """What was built and why, what each build rests on, and the kernels with their bytes and operations.

        Args:
            times: also run each build, instrumented, on copies of its state and made-up arguments, and tell how long
                each kernel takes.
        """
        entries = [entry for kind in self._entries.values() for entry in reversed(kind)]
        return Report(
            self.__name__,
            tuple(
                describe_build(
                    entry.stages.compiled,
                    entry.bound,
                    entry.reason,
                    entry.path,
                    entry.calls,
                    entry.stages.seconds,
                    times,
                )
                for entry in entries
            ),
        )

    def _too_many_paths(self, missed: tuple[_Entry, int], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        entry, number = missed
        location = entry.guards[number].location
        _warn_once(
            f"{self.__name__} has taken {self.max_paths} ways (max_paths) through what its code decides by the "
            f"values of tensors, most lately at {location}; other ways run eagerly"
        )
        return self.function(*arguments, **keywords)

    def _keep(self, key: Any, entry: _Entry) -> None:
        """Keep a build, newest first: after a change outside it is the one that holds. Old ones are let go."""
        self._builds += not entry.path
        if self._builds == MANY_BUILDS:
            warnings.warn(
                f"{self.__name__} has had {MANY_BUILDS} builds; every new shape and every new Python number among its "
                "arguments is one (give numbers that change as tensors)",
                RuntimeWarning,
                stacklevel=4,
            )
        self._entries.setdefault(key, []).insert(0, entry)
        while sum(map(len, self._entries.values())) > MOST_BUILDS:
            oldest = next(iter(self._entries))
            self._entries[oldest].pop()
            if not self._entries[oldest]:
                del self._entries[oldest]

    def _options(self) -> dict[str, Any]:
        names = ("fallback", "max_paths", "check", "fullgraph")
        return {name: getattr(self, name) for name in names}

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        return CompiledFunction(copy.deepcopy(self.function, memo), **self._options())

    def __reduce__(self) -> Any:
        return functools.partial(CompiledFunction, **self._options()), (self.function,)

    @property
    def stages(self) -> Stages:
        """Every stage of the newest build."""
        if self._stages is None:
            raise RuntimeError(f"{self.__name__} has not been called yet: its first call records and builds it")
        return self._stages

    @property
    def graph(self) -> Graph:
        """The tensor IR of the whole step as it was captured, each node with its Python line."""
        return self.stages.joint

    @property
    def source(self) -> str:
        """The C program."""
        return self.stages.compiled.source

    @property
    def plan(self) -> MemoryPlan:
        """Buffers, bytes, lifetimes, and the peak."""
        return self.stages.compiled.plan

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A method that is compiled is bound for each object on its own."""
        if instance is None:
            return self
        function = self.function.__get__(instance, owner)
        bound = CompiledFunction(function, **self._options())
        instance.__dict__[self.__name__] = bound
        return bound

    def __repr__(self) -> str:
        return f"<compiled function {self.__name__}, {sum(map(len, self._entries.values()))} builds>"


def refuse_call_outs(graph: Graph) -> None:
    """Raise CaptureError, naming operations and lines, where a graph holds what the host must carry out."""
    found = [node for node in graph.nodes if is_host_work(node)]
    if found:
        places = ", ".join(dict.fromkeys(f"{node.op.name} at {node.location}" for node in found))
        raise CaptureError(f"fullgraph=True, and no kernel computes {places}", found[0].location)


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    """Warn the caller of a compiled function of what holds for all of them, and so is said once in a process."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)


_observers: list[Callable[[str, Stages], None]] = []


@contextlib.contextmanager
def observe_builds(observer: Callable[[str, Stages], None]) -> Iterator[None]:
    """Call ``observer`` with the function's name and the stages of every build made within the block."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def compile(
    function: Callable[..., Any] | None = None,
    *,
    fallback: bool = False,
    max_paths: int = MOST_PATHS,
    check: bool = False,
    fullgraph: bool = False,
) -> Any:
    """Compile a function of tensors: a model, or a whole training step with backward() and optimizer.step().

    Args:
        function: what to compile; left out, ``compile(...)`` is a decorator. A module compiles as its call.
        fallback: keep running eagerly, with a warning, where the C compiler refuses the program.
        max_paths: how many ways through ``if`` and ``while`` on values of tensors get a program of their own; further
            ones run eagerly, with a warning that names the line.
        check: after every call, compute it again node by node with numpy; the first value that differs beyond
            rounding raises CheckError, which names the node, the Python line, and both values.
        fullgraph: refuse what is not computed by the program itself: operations that the host carries out.

    Returns:
        a callable that gives the function's results. Without any C compiler it runs eagerly, with a warning that names
        the command that installs one.

    Raises (at calls):
        CaptureError: naming the Python line, for what a program can't express.
        CompileError: where the C compiler refuses the program and ``fallback`` is off.
    """
    if function is None:
        return functools.partial(compile, fallback=fallback, max_paths=max_paths, check=check, fullgraph=fullgraph)
    if not callable(function):
        raise TypeError(f"compile expects a function or a module, got {type(function).__name__}")
    if not hasattr(function, "__name__") and not hasattr(function, "named_parameters"):
        called = function

        @functools.wraps(type(called).__call__)
        def function(*arguments: Any, **keywords: Any) -> Any:
            return called(*arguments, **keywords)

        function.__name__ = type(called).__name__
    return CompiledFunction(function, fallback=fallback, max_paths=max_paths, check=check, fullgraph=fullgraph)
