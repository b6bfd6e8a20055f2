"""``compile``: a function of tensors becomes one program.

Python function -> Recording -> (:mod:`graphc.compiled.stages`) -> Executable -> BoundProgram
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphc.byte_sizes import byte_count
from graphc.capture.containers import refill
from graphc.capture.dynamic import (
    Declared,
    Symbols,
    check_declared,
    declared_symbols,
    shown_symbols,
    without_few,
)
from graphc.capture.errors import CaptureError
from graphc.capture.recorded import Recording
from graphc.capture.trace import capture
from graphc.capture.trees import flatten, flatten_results, is_gone
from graphc.codegen.executable import Runnable
from graphc.codegen.memory import MemoryPlan
from graphc.compiled.builds import Entry, Stages, observers
from graphc.compiled.checking import check_run, checked_call
from graphc.compiled.execution import BoundProgram
from graphc.compiled.latest import FIRST_KIND, Latest, kind_told, wants_gradient
from graphc.compiled.many_steps import run_many
from graphc.compiled.placement import Place, place_of
from graphc.compiled.report import Report, describe_build
from graphc.compiled.stages import build, refuse_call_outs
from graphc.compiled.torch_options import check_options
from graphc.device_memory import use
from graphc.fork_safe import recursive_lock
from graphc.ir.graph import Graph
from graphc.ir.passes.pipeline import optimize
from graphc.missing_names import lazy_names
from graphc.ops.checks import GuardMissed
from graphc.ops.promotion import get_default_dtype
from graphc.recording import state
from graphc.runtime.errors import CompileError, CompilerNotFound
from graphc.runtime.memory import give_back_free_memory
from graphc.runtime.threads import building_ahead
from graphc.source_lines import defined_at, user_location
from graphc.tensor import Tensor

# Builds of one function after which its author is told, and how many are kept.
MANY_BUILDS = 8
MOST_BUILDS = 64
# Kinds of arguments, by all their sizes, whose builds are known without a search.
MOST_KINDS = 1024
# Ways through one function that differ by the values of tensors and get a program each.
MOST_PATHS = 16


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
        dynamic: bool | Declared | None = None,
        memory_limit: int | str | None = None,
        backend: Any = None,
    ):
        check_declared(dynamic)
        self._most_bytes = None if memory_limit is None else byte_count(memory_limit, "memory_limit")
        if is_module(function):
            self.__name__, self.__doc__ = type(function).__name__, type(function).__doc__
        else:
            functools.update_wrapper(self, function)
        self.function = function
        self.fallback = fallback
        self.max_paths = max_paths
        self.check = check or os.environ.get("GRAPHC_CHECK", "0") not in ("", "0")
        self.fullgraph = fullgraph
        self.dynamic = dynamic
        self.memory_limit = memory_limit
        self.backend = backend
        # Builds by the exact kind of arguments, and all of them by their kind but for shapes.
        self._entries: dict[Any, list[Entry]] = {}
        self._families: dict[Any, list[Entry]] = {}
        self._of_classes: weakref.WeakKeyDictionary[type, CompiledFunction] = weakref.WeakKeyDictionary()
        self._latest: Latest | None = None
        self._newest: Entry | None = None
        self._stages: Stages | None = None
        self._lock = recursive_lock()
        self._builds = 0
        self._captures = 0
        self._let_go = 0
        self._eager = ""  # why the whole function runs eagerly from now on
        self._eager_calls: Counter[str] = Counter()  # calls that ran eagerly, by the reason

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if state.recorder is not None:
            # Within another capture the function's operations become part of that program.
            return self.function(*arguments, **keywords)
        if self._eager:
            return self._eagerly(self._eager, arguments, keywords)
        latest = self._latest
        key = None
        if latest is not None and not keywords and latest.is_of(arguments):
            tensors, entries = arguments, latest.entries
        else:
            tensors, description = flatten((arguments, keywords) if keywords else arguments)
            if latest is not None and latest.is_of(tensors, description):
                entries = latest.entries
            else:
                key = self._key(description, tensors)
                entries = self._known(key, tensors)
                self._latest = Latest(key, tensors, entries) if entries else None
        missed: Sequence[tuple[Entry, int]] = ()
        for entry in entries:
            bound = entry.bound
            with bound.lock:
                if bound.holds(tensors) and not (missed and entry.must_miss(missed)):
                    try:
                        result = checked_call(bound, tensors) if self.check else bound.call(tensors)
                    except GuardMissed as miss:
                        missed = (*missed, (entry, miss.number))
                        continue
                    entry.calls += 1
                    return self._refilled(bound, result, arguments, keywords) if bound.refills else result
        if missed and sum(1 for entry in entries if entry.path) >= self.max_paths:
            return self._too_many_paths(missed[-1], arguments, keywords)
        key = key or self._key(latest.description, tensors)
        return self._first_call(key, list(tensors), arguments, keywords, missed)

    def run(self, steps: int, *arguments: Any, **keywords: Any) -> Any:
        """Run the function many times in one call, the loop in C, as far as nothing needs Python in between.

        Args:
            steps: how often, 1 or more.
            arguments, keywords: as in a call, but each tensor holds what all steps take, one after the other along a
                first dimension of that extent; ``x.expand(steps, *x.shape)`` where it is the same in every step.

        Returns what the function returns, each tensor with the results of all steps along a new first dimension.
        Parameters, other state, random numbers, and gradients are as after so many calls; run-time scalars such as a
        learning rate are read once.

        Raises ValueError for another first extent and for arguments that want gradients.
        """
        if state.recorder is not None:
            raise RuntimeError(f"{self.__name__}.run can't be part of another compiled function; call it step by step")

        def ready(tensors: list[Tensor]) -> list[Entry]:
            if self._eager or self.check:
                return []
            return self._known(self._key(description, tensors), tensors)

        _, description = flatten((arguments, keywords) if keywords else arguments)
        return run_many(self, ready, steps, arguments, keywords)

    def _known(self, key: Any, tensors: Sequence[Tensor]) -> list[Entry]:
        return self._entries.get(key) or self._of_other_sizes(key, tensors)

    @staticmethod
    def _key(description: Any, tensors: Sequence[Tensor]) -> Any:
        """What the kind of a call is."""
        kinds = [(tensor._array.shape, tensor.dtype.short, wants_gradient(tensor)) for tensor in tensors]
        if use.active:
            kinds = [
                (shape, short if tensor.is_cpu else f"{short} on {tensor.device}", wanted)
                for (shape, short, wanted), tensor in zip(kinds, tensors, strict=True)
            ]
        return (description, state.gradients, state.autocast, get_default_dtype(), *kinds)

    @staticmethod
    def _refilled(bound: BoundProgram, result: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a run returned, after containers among the arguments were changed as the function changes them."""
        if bound.refills:
            result, contents = result
            refill(bound.recording.refilled, contents, arguments, keywords)
        return result

    def _family(self, key: Any) -> Any:
        """The kind of arguments but for their shapes."""
        return tuple(part if position < FIRST_KIND else (len(part[0]), *part[1:]) for position, part in enumerate(key))

    def _of_other_sizes(self, key: Any, tensors: Sequence[Tensor]) -> list[Entry]:
        """Builds for other sizes that are right for these; from now on they are known to be."""
        with self._lock:
            found = [
                entry for entry in self._families.get(self._family(key), ()) if entry.symbols and entry.fits(tensors)
            ]
            if found:
                if len(self._entries) >= MOST_KINDS:
                    self._entries.pop(next(iter(self._entries)))
                self._entries[key] = found
            return found

    def _symbols(self, key: Any, tensors: list[Tensor], arguments: Any, keywords: Any) -> Symbols | None:
        """Which sizes of a new build are to be known at run time only."""
        if self.dynamic is False or not tensors:
            return None
        family = self._families.get(self._family(key), ())
        most: dict[str, int] = {}
        for entry in family:
            for name, bound in entry.bound.most_sizes().items():
                most[name] = max(most.get(name, 0), 2 * bound)
        if self.dynamic is not None:
            return declared_symbols(self.dynamic, self.function, arguments, keywords, tensors, most)
        shapes = [tensor._array.shape for tensor in tensors]
        for entry in family:
            if entry.shapes != shapes and not entry.stages.recording.fixed:
                symbols = shown_symbols(entry.shapes, shapes, most.get("N", 0))
                if symbols is not None:
                    return symbols
        return None

    def _first_call(
        self,
        key: Any,
        tensors: list[Tensor],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        missed: Sequence[tuple[Entry, int]],
    ) -> Any:
        with self._lock:
            reason = self._reason(key, tensors, missed)
            for entry in self._entries.get(key, ()):
                with entry.bound.lock, contextlib.suppress(GuardMissed):
                    if entry.bound.holds(tensors):  # another thread has built it meanwhile
                        return self._refilled(entry.bound, entry.bound.call(tensors), arguments, keywords)
            symbols, few = without_few(self._symbols(key, tensors, arguments, keywords), tensors)
            made: list[Runnable | None] = []
            places: list[Place] = []

            def use(recording: Recording) -> Runnable | None:
                places.append(place_of(recording, tensors, self.backend, self.fullgraph, self.__name__))
                recording = places[-1].guarded(recording)
                if few and self.dynamic is not None:
                    recording = replace(recording, fixed={**few, **recording.fixed})
                made.append(self._built(recording, reason, places[-1]))
                return made[-1] if places[-1].is_plain else None

            self._captures += 1
            try:
                with building_ahead():
                    postpones = not self.check
                    _, returned = capture(self.function, arguments, keywords, symbols or (), use, postpones=postpones)
            except CaptureError as error:
                if not self.fallback or self.fullgraph:
                    raise
                self._run_eagerly(f"it can't be recorded: {error}", 4)
                return self._eagerly(self._eager, arguments, keywords)
            (executable,) = made
            if executable is None:
                return returned
            build_backward = functools.partial(self._backward_of, places[-1])
            bound = BoundProgram(self._stages.recording, executable, build_backward)
            self._newest = Entry(self._stages, bound, reason, tensors, symbols)
            for tensor in flatten_results(returned)[0]:
                # As at later calls: what was swept inside can't be swept again.
                if tensor._grad_fn is not None and tensor._grad_fn.released:
                    tensor._leave_graph()
            self._keep(key, self._newest)
            return returned

    def _built(self, recording: Recording, reason: str, place: Place) -> Runnable | None:
        """The program of a recording; None where the function runs eagerly from now on."""
        # What the function left, run eagerly, is not to stand beside what the build and the program need.
        give_back_free_memory()
        self._stages = build(recording, self._most_bytes, self.fullgraph, place)
        for observer in observers:
            observer(self.__name__, self._stages)
        try:
            return place.load(self._stages.compiled)
        except CompilerNotFound as error:
            self._eager = f"there is no C compiler: {error}"
            _warn_once(f"compiled functions run eagerly: {error}", 7)
        except CompileError as error:
            if not self.fallback:
                raise
            self._run_eagerly(f"the C compiler refused a program (its reason: {reason}): {error}", 7)
        return None

    def _run_eagerly(self, reason: str, stacklevel: int) -> None:
        """From now on, and say so."""
        line = defined_at(self.function)
        self._eager = reason
        warnings.warn(
            f"{self.__name__}{f' ({line})' if line is not None else ''} keeps running eagerly, whatever its "
            f"arguments: {reason}",
            RuntimeWarning,
            stacklevel=stacklevel,
        )

    def _backward_of(self, place: Place, graph: Graph) -> Runnable | None:
        """A backward part, built and loaded; None where there is no program for it, and numpy carries it out."""
        optimized = optimize(graph).graph
        if self.fullgraph:
            refuse_call_outs(optimized)
        compiled = place.compile(optimized, place.lower(optimized), self._most_bytes)
        try:
            executable = place.load(compiled)
            executable.check = functools.partial(check_run, graph) if self.check else None
            return executable
        except (CompilerNotFound, CompileError) as error:
            if isinstance(error, CompileError) and not self.fallback:
                raise
            # At the line that sweeps: how many calls of the tape lie between differs.
            line = user_location()
            message = f"numpy computes a backward part of {self.__name__}: {error}"
            warnings.warn_explicit(message, RuntimeWarning, line.file, line.line)
        return None

    def _reason(self, key: Any, tensors: list[Tensor], missed: list[tuple[Entry, int]]) -> str:
        """Why a call needs a build of its own."""
        if not self._entries:
            return "first call"
        if missed:
            entry, number = missed[-1]
            guard = entry.guards[number]
            return f"another way at {guard.location}, where the value was {guard.attrs['expected']}"
        if key in self._entries:
            return self._entries[key][0].bound.broken(tensors) or "another thread changed what the build rests on"
        unfit = [entry.unfit(tensors) for entry in self._families.get(self._family(key), ()) if entry.symbols]
        told = kind_told(next(reversed(self._entries)), key, tensors)
        return "; ".join((f"other arguments: {told}", *dict.fromkeys(filter(None, unfit))))

    def report(self, *, times: bool = False) -> Report:
        """What was built and why, what each build rests on, and the kernels with their bytes and operations.

        Args:
            times: also run each build, instrumented, on copies of its state and made-up arguments, and tell how long
                each kernel takes.
        """
        entries = [entry for family in self._families.values() for entry in reversed(family)]
        return Report(
            self.__name__,
            tuple(describe_build(entry, times) for entry in entries),
            self._captures,
            self._eager,
            dict(self._eager_calls),
            self._let_go,
        )

    def _eagerly(self, reason: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        with self._lock:
            self._eager_calls[reason] += 1
        return self.function(*arguments, **keywords)

    def _too_many_paths(self, missed: tuple[Entry, int], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        entry, number = missed
        location = entry.guards[number].location
        _warn_once(
            f"{self.__name__} has taken {self.max_paths} ways (max_paths) through what its code decides by the "
            f"values of tensors, most lately at {location}; other ways run eagerly"
        )
        return self._eagerly(f"max_paths = {self.max_paths}: another way at {location}", arguments, keywords)

    def _keep(self, key: Any, entry: Entry) -> None:
        """Keep a build, newest first: after a change outside it is the one that holds. Old ones are let go."""
        self._builds += not entry.path
        if self._builds == MANY_BUILDS:
            warnings.warn(
                f"{self.__name__} has had {MANY_BUILDS} builds; every new shape, every new Python number, and every "
                "new object that has a state of its own, among its arguments, is one (give numbers that change as "
                f"tensors; make such objects once). The latest: {entry.reason}",
                RuntimeWarning,
                stacklevel=4,
            )
        self._latest = None
        self._forget_gone()
        self._entries.setdefault(key, []).insert(0, entry)
        self._families.setdefault(self._family(key), []).insert(0, entry)
        while sum(map(len, self._families.values())) > MOST_BUILDS:
            oldest = next(iter(self._families))
            gone = self._families[oldest].pop()
            self._let_go += 1
            if not self._families[oldest]:
                del self._families[oldest]
            for kind, entries in list(self._entries.items()):
                self._entries[kind] = [each for each in entries if each is not gone]
                if not self._entries[kind]:
                    del self._entries[kind]

    def _forget_gone(self) -> None:
        """Let builds go for objects that exist no longer: no call can be theirs."""
        for family in [family for family in self._families if is_gone(family[0])]:
            self._let_go += len(self._families.pop(family))
        for key in [key for key in self._entries if is_gone(key[0])]:
            del self._entries[key]

    def _options(self) -> dict[str, Any]:
        names = ("fallback", "max_paths", "check", "fullgraph", "dynamic", "memory_limit", "backend")
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
        """Buffers, bytes, lifetimes, and the peak; with sizes that are known at run time only as formulas too, and for
        those of the last call."""
        plan = self.stages.compiled.plan
        sizes = None if self._newest is None else self._newest.bound.last_sizes
        return plan if sizes is None else replace(plan, sizes=sizes)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A method that is compiled is bound for each object on its own, a method of a class for each class."""
        if instance is None:
            return self
        kept = self._of_classes if isinstance(instance, type) else instance.__dict__
        name = instance if isinstance(instance, type) else self.__name__
        bound = kept.get(name)
        if bound is None:
            bound = kept[name] = CompiledFunction(self.function.__get__(instance, owner), **self._options())
        return bound

    def __repr__(self) -> str:
        return f"<compiled function {self.__name__}, {sum(map(len, self._families.values()))} builds>"


_warned: set[str] = set()


def _warn_once(message: str, stacklevel: int = 4) -> None:
    """Warn the caller of a compiled function of what holds for all of them, and so is said once in a process."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)


# As a namespace of PyTorch's, whose other names have no effect here.
__getattr__ = lazy_names(
    __name__,
    {
        name: f"graphc._dynamo:{name}"
        for name in (
            "allow_in_graph",
            "cudagraph_mark_step_begin",
            "disable",
            "is_compiling",
            "is_exporting",
            "list_backends",
            "reset",
            "set_stance",
        )
    },
)


def compile(
    function: Callable[..., Any] | None = None,
    *,
    model: Callable[..., Any] | None = None,
    fallback: bool | None = None,
    max_paths: int = MOST_PATHS,
    check: bool = False,
    fullgraph: bool = False,
    dynamic: bool | Declared | None = None,
    memory_limit: int | str | None = None,
    disable: bool = False,
    mode: str | None = None,
    backend: Any = None,
    options: Any = None,
    **more: Any,
) -> Any:
    """Compile a function of tensors: a model, or a whole training step with backward() and optimizer.step().

    Args:
        function: what to compile; left out, ``compile(...)`` is a decorator. A module compiles as its call, and the
            result is a module around it (:class:`graphc.compiled_module.OptimizedModule`). PyTorch's name for it is
            ``model``.
        fallback: keep running eagerly, with a warning, where the function can't be recorded or the C compiler refuses
            the program. None: so it is where graphc stands in PyTorch's place, whose compiler runs such functions too.
        max_paths: how many ways through ``if`` and ``while`` on values of tensors get a program of their own; further
            ones run eagerly, with a warning that names the line.
        check: after every call, and every sweep through its results, compute it again node by node with numpy; the
            first value that differs beyond rounding raises CheckError, which names the node, the Python line, and both
            values. The environment variable GRAPHC_CHECK=1 asks for this everywhere.
        fullgraph: refuse what is not computed by the program itself: operations that the host carries out.
        dynamic: which sizes the program is given at run time, so that one build serves them all. By name of the
            argument, ``{"x": {0: "N", 1: ("T", 512)}}``: a name for the dimension, and the most that it may be (the
            first call's, where it is not said; a larger one is another build). True: the first dimension of every
            tensor. None: the first dimension of the arguments, once a call differs from an earlier one in it alone.
            False: every shape is a build.

            To the code such a size is an int. What it compares (``if x.shape[0] > 8``) the build rests on; where a
            plain number is taken (``range(n)``, ``int(n)``, ``len(x)``, ``[0] * n``, numpy's functions of sizes) the
            size is fixed, and every other one is a build of its own. ``report()`` tells both, with the lines. A call
            with no row or one is recorded as it is. Not seen, and as in the call that was recorded: a size within
            formatted text, and whether reshape() and contiguous() copied, where one row alone would be a view.
        disable: give the function back as it is.
        backend: "cuda" for a program that runs on a GPU: that of the tensors, or the first where they are on the CPU;
            "c" for one that runs on the CPU. Otherwise it runs where its tensors are. What no kernel does on a GPU
            leaves the program to the CPU, with a warning. PyTorch's own names of backends mean nothing here; one of
            the caller's own is not called, and a warning says so.
        mode, options: taken for programs written for PyTorch, as further arguments of its ``compile`` are.
        memory_limit: the most bytes that the program may hold for itself while it runs, a number or text such as
            ``"48MiB"``: its arena, that is every value between its operations and what kernels work in, on as many
            threads as this process may use, for the greatest sizes declared. Arguments, parameters, state, results, and
            gradients are not counted. Where the plan takes more, values are computed a second time in the backward
            part rather than kept; results and gradients keep every bit, and random numbers are drawn once.

    Arguments are tensors, Python values, and tuples, lists, dicts, and objects of them: a dataclass or another plain
    object is what its attributes are, so that an equal one is no other build. Modules, optimizers, and functions are
    told apart by identity. What the function puts into lists, dicts, and objects that it is given is put there at every
    call. Results have the strides of eager mode, but for a part of a value that nothing else shows: that has memory of
    its own.

    Returns:
        a callable that gives the function's results. Without any C compiler it runs eagerly, with a warning that names
        the command that installs one.

    Raises (at calls):
        CaptureError: naming the Python line, for what a program can't express, where ``fallback`` is off.
        CompileError: where the C compiler refuses the program and ``fallback`` is off.
        MemoryLimitError: where the program does not fit into ``memory_limit``, naming the least that it can do with.
    """
    function = model if function is None else function
    check_options(mode, backend, options, more)
    if fallback is None:
        from graphc.as_torch import stands_for_torch

        fallback = stands_for_torch()
    given: dict[str, Any] = {
        "fallback": fallback,
        "max_paths": max_paths,
        "check": check,
        "fullgraph": fullgraph,
        "dynamic": dynamic,
        "memory_limit": memory_limit,
        "backend": backend,
    }
    if function is None:
        return functools.partial(compile, **given, disable=disable)
    if disable:
        return function
    if not callable(function):
        raise TypeError(f"compile expects a function or a module, got {type(function).__name__}")
    if is_module(function):
        from graphc.compiled_module import OptimizedModule

        module = function._orig_mod if isinstance(function, OptimizedModule) else function
        return OptimizedModule(module, CompiledFunction(module, **given))
    if not hasattr(function, "__name__"):
        called = function

        @functools.wraps(type(called).__call__)
        def function(*arguments: Any, **keywords: Any) -> Any:
            return called(*arguments, **keywords)

        function.__name__ = type(called).__name__
    return CompiledFunction(function, **given)


def is_module(function: Any) -> bool:
    """Whether what is compiled is a module of :mod:`graphc.nn`, which this room does not know."""
    return hasattr(function, "named_parameters")
