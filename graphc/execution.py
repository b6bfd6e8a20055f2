"""Calling a compiled program: Python tensors in, one C call, Python tensors out.

Everything that can be settled when the program is bound is settled then; a call checks one counter, fills in the
addresses of arguments and results, and runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.capture.trace import (
    AliasResult,
    FromArgument,
    FromOutside,
    FromScalar,
    NewResult,
    Recording,
    unflatten,
)
from graphc.codegen.executable import Executable
from graphc.differential import BackwardProgram, CompiledBackward, CompiledResult
from graphc.generator import default_generator
from graphc.ir.graph import Graph
from graphc.ir.types import DType
from graphc.recording import generation, paused
from graphc.runtime.abi import ffi
from graphc.sharing import SharingCheck
from graphc.tensor import Storage, Tensor

_from_buffer = ffi.from_buffer


class BoundProgram:
    """A recording and its executable, bound to the tensors from outside that the recording met."""

    def __init__(self, recording: Recording, executable: Executable, build: Callable[[Graph], Executable]):
        self.recording = recording
        self.executable = executable
        self._program = executable.program
        graph = recording.graph
        written = {update.state for update in graph.updates}
        self._arguments: list[tuple[int, int, bool]] = []
        self._outside: list[tuple[int, Tensor, bool]] = []
        self._scalars: list[tuple[FromScalar, np.ndarray]] = []
        self._kept: list[Any] = []
        for slot, (node, binding) in enumerate(zip(graph.inputs, recording.bindings, strict=True)):
            if isinstance(binding, FromArgument):
                self._arguments.append((slot, binding.position, node in written))
            elif isinstance(binding, FromOutside):
                self._outside.append((slot, binding.tensor, node in written))
            else:
                value = np.zeros((), node.type.dtype.numpy)
                self._scalars.append((binding, value))
                self._program.pointers[slot] = _from_buffer(value)
        first = len(graph.inputs)
        self._outputs = [
            (first + position, tuple(output.node.type.shape), output.node.type.dtype)
            for position, output in enumerate(graph.outputs)
        ]
        self._written: list[Storage] = []
        self._sharing = SharingCheck(
            recording.sharing,
            [position for _, position, changed in self._arguments if changed],
            recording.arguments,
        )
        self._draws = any(node.op.effect == "random" for node in graph.nodes)
        self._random_slot = first + len(graph.outputs)
        self._gradients = [(effect, _Reusable()) for effect in recording.gradients]
        self._of_gradient = {
            effect.output: reusable for effect, reusable in self._gradients if effect.output is not None
        }
        self._checked_every_call = [guard for guard in recording.guards if hasattr(guard, "found")]
        self._checked_on_change = [guard for guard in recording.guards if not hasattr(guard, "found")]
        self._staged: list[tuple[np.ndarray, np.ndarray, bool]] = []
        self._generation = -1
        self._backward = None if recording.backward is None else BackwardProgram(recording.backward, build)
        self._differentiable = [
            result.output for result in recording.results if isinstance(result, NewResult) and result.differentiable
        ]

    def holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the recording is right for these arguments and the state of the world now; binds anew what has
        moved."""
        if generation.count != self._generation:
            if not all(guard.holds() for guard in self._checked_on_change):
                return False
            self._bind()
        if self._checked_every_call and not all(guard.holds() for guard in self._checked_every_call):
            return False
        return self._sharing.holds(tensors)

    def _bind(self) -> None:
        """Take the addresses of tensors from outside and the values of run-time scalars."""
        self._staged = []
        pointers = self._program.pointers
        for slot, tensor, changed in self._outside:
            array = tensor._array
            if not array.flags.c_contiguous:
                self._staged.append((array, np.ascontiguousarray(array), changed))
                array = self._staged[-1][1]
            pointers[slot] = _from_buffer(array)
        self._written = [tensor._storage for _, tensor, changed in self._outside if changed]
        self._sharing.bind([(tensor, changed) for _, tensor, changed in self._outside])
        for binding, value in self._scalars:
            value[()] = binding.scalar.current()
        self._generation = generation.count

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        """Run on the tensors of one call. Raises IndexError, with no state changed, as eager does."""
        program = self._program
        with program.lock:
            pointers = program.pointers
            staged: list[tuple[np.ndarray, np.ndarray, bool]] = []
            for slot, position, changed in self._arguments:
                array = tensors[position]._array
                if not array.flags.c_contiguous or (changed and not array.flags.writeable):
                    staged.append((array, np.ascontiguousarray(array), changed))
                    array = staged[-1][1]
                pointers[slot] = _from_buffer(array)
            for original, copy, _ in self._staged:
                np.copyto(copy, original)
            results = []
            for position, (slot, shape, dtype) in enumerate(self._outputs):
                reusable = self._of_gradient.get(position)
                array = np.empty(shape, dtype.numpy) if reusable is None else reusable.array(shape, dtype)
                pointers[slot] = _from_buffer(array)
                results.append((array, dtype))
            if self._draws:
                pointers[self._random_slot] = _from_buffer(default_generator.buffer)
            code = program.run()
            if code:
                self.executable.raise_error(code)
            for original, copy, changed in (*staged, *self._staged):
                if changed:
                    np.copyto(original, copy)
        for storage in self._written:
            storage.version += 1
        for _, position, changed in self._arguments:
            if changed:
                tensors[position]._storage.version += 1
        for effect, reusable in self._gradients:
            if effect.output is not None:
                effect.tensor._grad = reusable.tensor(*results[effect.output])
            else:
                effect.tensor._grad = effect.value
        return self._returned(results, tensors)

    def _call_node(self, results: list[tuple[np.ndarray, DType]], tensors: Sequence[Tensor]) -> CompiledBackward:
        """The tape's node for a call whose results can be differentiated."""
        recording = self.recording
        inputs = {
            node.name: tensors[binding.position] if isinstance(binding, FromArgument) else binding.tensor
            for node, binding in zip(recording.graph.inputs, recording.bindings, strict=True)
            if not isinstance(binding, FromScalar)
        }
        scalars = {
            node.name: Tensor.from_array(value.copy())
            for node, (_, value) in zip(
                [node for node in recording.graph.inputs if node.kind == "scalar"], self._scalars, strict=True
            )
        }
        saved = [array for array, _ in results[recording.saved_from :]]
        return CompiledBackward(self._backward, inputs | scalars, recording.wanted, saved)

    def _returned(self, results: list[tuple[np.ndarray, DType]], tensors: Sequence[Tensor]) -> Any:
        recording = self.recording
        call = None if self._backward is None else self._call_node(results, tensors)
        if recording.description is Tensor:
            return self._result(recording.results[0], results, tensors, call)
        return unflatten(
            recording.description, iter([self._result(result, results, tensors, call) for result in recording.results])
        )

    def _result(
        self,
        result: NewResult | AliasResult,
        results: list[tuple[np.ndarray, DType]],
        tensors: Sequence[Tensor],
        call: CompiledBackward | None,
    ) -> Tensor:
        if isinstance(result, NewResult):
            tensor = Tensor._wrap(*results[result.output])
            if result.differentiable:
                tensor._grad_fn = CompiledResult(call, self._differentiable.index(result.output))
                tensor._requires_grad = True
            return tensor
        if result.same is not None:
            return result.same
        binding = self.recording.bindings[result.input]
        tensor = tensors[binding.position] if isinstance(binding, FromArgument) else binding.tensor
        with paused():
            for primitive, attrs in result.chain:
                tensor = tensor.apply(primitive, (tensor,), attrs)
        return tensor


class _Reusable:
    """The memory of a gradient, used again at the next call unless someone else holds on to it."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    def array(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        """Memory to write the gradient to."""
        kept = self._kept
        # References to the tensor: here twice, the call's argument, and the owner's `grad`. To its array: the tensor's,
        # the storage's, and the call's argument.
        if (
            kept is None
            or sys.getrefcount(kept) > 4
            or sys.getrefcount(kept._storage) > 2
            or sys.getrefcount(kept._array) > 3
            or kept._array.shape != shape
        ):
            self._kept = None
            return np.empty(shape, dtype.numpy)
        return kept._array

    def tensor(self, array: np.ndarray, dtype: DType) -> Tensor:
        """The tensor over memory that :meth:`array` gave."""
        kept = self._kept
        if kept is None or kept._array is not array:
            kept = self._kept = Tensor._wrap(array, dtype, Storage(array))
        else:
            kept._storage.version += 1
        return kept
