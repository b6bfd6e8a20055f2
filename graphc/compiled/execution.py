"""Calling a compiled program: Python tensors in, one C call, Python tensors out.

Everything that can be settled when the program is bound is settled then; a call checks one counter, fills in the
addresses of arguments and results, and runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.capture.guards import GradientGuard, Owner
from graphc.capture.places import ArraysGuard, KindGuard, LengthGuard, Placed, SameGuard, VariablesGuard, replace_all
from graphc.capture.recorded import FromArgument, FromArgumentMemory, FromGradient, FromOutside, FromScalar, Recording
from graphc.capture.recorder import whole_of
from graphc.capture.results import Result, Seen, Shared
from graphc.capture.sharing import SharingCheck
from graphc.capture.trees import unflatten
from graphc.codegen.executable import Runnable
from graphc.codegen.memory import ROOM_ALIGNMENT
from graphc.codegen.ordering import may_fail
from graphc.compiled.differential import CompiledBackward, DifferentiableProgram
from graphc.device_memory import gpu_of, use
from graphc.ir.graph import Graph
from graphc.ir.integers import bind_attribute, bounds
from graphc.ir.types import DType
from graphc.ops.checks import GuardMissed
from graphc.randomness.generator import default_generator
from graphc.recording import generation, paused
from graphc.runtime.abi import ffi
from graphc.runtime.memory import is_small
from graphc.tensor import Storage, Tensor, View

_from_buffer, _empty, _new = ffi.from_buffer, np.empty, object.__new__
# Of an output: its slot, shape, dtype, and numpy's word for that.
_Output = tuple[int, tuple[int, ...], DType, np.dtype]
# For so many sizes the shapes of a program's results are kept.
_MOST_SIZES = 256


class BoundProgram:
    """A recording and its executable, bound to the tensors from outside that the recording met."""

    def __init__(self, recording: Recording, executable: Runnable, build: Callable[[Graph], Runnable]):
        self.recording = recording
        self.executable = executable
        self._program = executable.program
        # Held over `holds` and the call: they bind addresses that belong together.
        self.lock = executable.program.lock
        graph = recording.graph
        written = {update.state for update in graph.updates}
        self._arguments: list[tuple[int, int, bool]] = []
        self._memories: list[tuple[int, int, bool]] = []  # arguments that are given with all of their memory
        self.outside: list[tuple[int, Tensor, bool]] = []
        # Of those from outside, the ones that are whatever certain places hold.
        self._placed: list[tuple[int, Placed]] = []
        self._gradient_inputs: list[tuple[int, Owner, bool]] = []
        self._scalars: list[tuple[FromScalar, np.ndarray]] = []
        self._kept: list[Any] = []
        for slot, (node, binding) in enumerate(zip(graph.inputs, recording.bindings, strict=True)):
            if isinstance(binding, FromArgument):
                self._arguments.append((slot, binding.position, node in written))
            elif isinstance(binding, FromArgumentMemory):
                self._memories.append((slot, binding.position, node in written))
            elif isinstance(binding, FromGradient):
                self._gradient_inputs.append((slot, binding.owner, node in written))
            elif isinstance(binding, FromOutside):
                if binding.placed is not None:
                    self._placed.append((len(self.outside), binding.placed))
                self.outside.append((slot, binding.tensor, node in written))
            else:
                value = np.zeros((), node.type.dtype.numpy)
                self._scalars.append((binding, value))
                self._program.pointers[slot] = _from_buffer(value)
        self._homes = [gpu_of(tensor._array) for _, tensor, _ in self.outside]
        first = len(graph.inputs)
        self.symbols = executable.compiled.program.symbols
        # Where each size that is known at run time only is found: an argument and its dimension.
        self._places = [
            next(
                (binding.position, dim)
                for node, binding in zip(graph.inputs, recording.bindings, strict=True)
                if isinstance(binding, FromArgument)
                for dim, extent in enumerate(node.type.shape)
                if str(extent) == symbol
            )
            for symbol in self.symbols
        ]
        self._output_types = [output.node.type for output in graph.outputs]
        self._first_output = first
        self._outputs = [] if self.symbols else self._outputs_for({})
        self._outputs_of_sizes: dict[tuple[int, ...], list[_Output]] = {}
        self._written: list[Storage] = []
        self._sharing = SharingCheck(
            recording.sharing,
            [position for _, position, changed in (*self._arguments, *self._memories) if changed],
            recording.arguments,
        )
        # Gradients that every run replaces: let go before their successors get memory, where nothing can fail between.
        kept = {(id(owner.tensor), owner.position) for _, owner, _ in self._gradient_inputs}
        program = executable.compiled.program
        fails = bool(program.blocks) or any(map(may_fail, program.launches))
        self._replaced = [
            effect.owner
            for effect in recording.gradients
            if not fails and effect.place is not None and (id(effect.owner.tensor), effect.owner.position) not in kept
        ]
        self._draws = any(node.op.effect == "random" for node in graph.nodes)
        simple = not (self._draws or self._gradient_inputs or self._memories or self.symbols)
        simple = simple and executable.runs_many and not use.active  # on the CPU
        self._plain = self._plain_results(recording) if simple else None
        plain = () if self._plain is None else zip(self._outputs, recording.orders, strict=True)
        self._made = [
            (*output, order, _empty if is_small(output[1], output[3]) else executable.results.empty)
            for output, order in plain
        ]
        self._keeps_memory = any(empty is not _empty for *_, empty in self._made)
        self._gradients = [
            (effect.owner, effect.place.output if isinstance(effect.place, Seen) else None, effect.value)
            for effect in recording.gradients
        ]
        self._random_slot = first + len(graph.outputs)
        self._checked_every_call = [guard for guard in recording.guards if _changes_unnoted(guard)]
        self._checked_on_change = [guard for guard in recording.guards if not _changes_unnoted(guard)]
        # Places that may hold another tensor without that being noted.
        self._looked_at = [(at, place) for at, placed in self._placed for place in placed.places if not place.noted]
        self._writes = bool(written)
        self._staged: list[tuple[np.ndarray, np.ndarray, bool]] = []
        self._generation = -1
        self._extents: tuple[int, ...] = ()
        whole = recording.differentiable
        self._differentiable = None if whole is None else DifferentiableProgram(whole, build)

    def _outputs_for(self, sizes: Mapping[str, int]) -> list[_Output]:
        """The slot, shape, and dtype of every output."""
        return [
            (self._first_output + position, tuple(type.bind(sizes).shape), type.dtype, type.dtype.numpy)
            for position, type in enumerate(self._output_types)
        ]

    def sizes(self, tensors: Sequence[Tensor]) -> dict[str, int]:
        """The sizes of one call that are known at run time only."""
        extents = [tensors[position]._array.shape[dim] for position, dim in self._places]
        return dict(zip(self.symbols, extents, strict=True))

    def _take_sizes(self, tensors: Sequence[Tensor]) -> list[_Output]:
        """Tell the program the sizes of this call; gives its outputs."""
        extents = tuple(tensors[position]._array.shape[dim] for position, dim in self._places)
        outputs = self._outputs_of_sizes.get(extents)
        if outputs is None:
            if len(self._outputs_of_sizes) >= _MOST_SIZES:
                self._outputs_of_sizes.clear()
            outputs = self._outputs_for(dict(zip(self.symbols, extents, strict=True)))
            self._outputs_of_sizes[extents] = outputs
        self.executable.set_sizes(extents)
        self._extents = extents
        return outputs

    @property
    def last_sizes(self) -> dict[str, int] | None:
        """The sizes of the last call that are known at run time only; None before one, and where there are none."""
        return dict(zip(self.symbols, self._extents, strict=True)) if self._extents else None

    def right_for(self, sizes: Mapping[str, int]) -> bool:
        """Whether what the recording rests on of sizes holds for these."""
        return not self.wrong_for(sizes)

    def wrong_for(self, sizes: Mapping[str, int]) -> str:
        """What the recording rests on of sizes and does not hold for these, in words; empty where all does."""
        for guard, location in self.recording.sizes:
            if not guard.holds(sizes):
                return f"not {guard}, as {location} decides by it"
        return ""

    def most_sizes(self) -> dict[str, int]:
        """The most that each size which is known at run time only may be."""
        extents = [extent for node in self.recording.graph.inputs for extent in node.type.shape]
        return {str(extent): bounds(extent)[1] or 0 for extent in extents if str(extent) in self.symbols}

    def backward_programs(self) -> Iterator[tuple[str, Runnable]]:
        """The programs that were needed so far to differentiate calls from outside, each with what it is for."""
        if self._differentiable is not None:
            yield from self._differentiable.programs("backward")

    def holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the recording is right for these arguments and the state of the world now; binds anew what has
        moved."""
        seen = generation.count  # before the guards look: what another thread changes meanwhile is looked at next time
        moved = self._looked_at and any(place.get() is not self.outside[at][1] for at, place in self._looked_at)
        if seen != self._generation or moved:
            if self._placed and not self._follow_places():
                return False
            if not all(guard.holds() for guard in self._checked_on_change) or not self._outside_fits():
                return False
            self._bind(seen)
        if self._checked_every_call and not all(guard.holds(tensors) for guard in self._checked_every_call):
            return False
        return self._sharing.trivial or self._sharing.holds(tensors)

    def broken(self, tensors: Sequence[Tensor]) -> str:
        """What of that which the recording rests on is no longer so, in words; empty where all is."""
        for guard in self._checked_on_change:
            if not guard.holds():
                return f"no longer {guard}"
        if (self._placed and not self._follow_places()) or not self._outside_fits():
            return "a tensor from outside has another shape, dtype, or device"
        for guard in self._checked_every_call:
            if not guard.holds(tensors):
                return f"no longer: {guard.broken() if isinstance(guard, VariablesGuard) else guard}"
        return "" if self._sharing.holds(tensors) else "arguments share memory in another way"

    def guards(self) -> list[str]:
        """What the recording rests on, in words."""
        sizes = [f"{guard}, since {location} decides by it" for guard, location in self.recording.sizes]
        fixed = [f"{name} is fixed: {reason}" for name, reason in self.recording.fixed.items()]
        return [*sizes, *fixed, *map(str, (*self._checked_on_change, *self._checked_every_call))]

    def _follow_places(self) -> bool:
        """Take the tensors that certain places hold now. Whether the program may be bound to them."""
        self._generation = -1
        for at, placed in self._placed:
            tensor = placed.tensor()
            if tensor is None:
                return False
            slot, _, changed = self.outside[at]
            self.outside[at] = (slot, tensor, changed)
        storages = [tensor._storage for _, tensor, _ in self.outside]
        return all(storages.count(self.outside[at][1]._storage) == 1 for at, _ in self._placed)

    def _outside_fits(self) -> bool:
        """Whether tensors from outside still have the shapes, dtypes, and devices that the program was built for."""
        types = [node.type for node in self.recording.graph.inputs]
        if use.active and [gpu_of(tensor._array) for _, tensor, _ in self.outside] != self._homes:
            return False
        return all(
            tensor._array.shape == types[slot].shape and tensor.dtype == types[slot].dtype
            for slot, tensor, _ in self.outside
        )

    def _bind(self, seen: int) -> None:
        """Take the addresses of tensors from outside and the values of run-time scalars, as they are since the
        generation that was seen."""
        self._staged = []
        pointers = self._program.pointers
        for slot, tensor, changed in self.outside:
            array = tensor._array
            if not array.flags.c_contiguous:
                self._staged.append((array, np.ascontiguousarray(array), changed))
                array = self._staged[-1][1]
            pointers[slot] = _from_buffer(array)
        self._written = [tensor._storage for _, tensor, changed in self.outside if changed]
        self._sharing.bind([(tensor, changed) for _, tensor, changed in self.outside])
        for binding, value in self._scalars:
            value[()] = binding.scalar.current()
        self._generation = seen

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        """Run on the tensors of one call, for a caller that holds ``lock``. Raises IndexError, with no state changed,
        as eager does."""
        if self._plain is not None and not self._staged:
            return self._call_plainly(tensors)
        return self.returned(self.run(tensors), tensors)

    def run(self, tensors: Sequence[Tensor]) -> list[tuple[np.ndarray, DType]]:
        """Run on the tensors of one call; the arrays of the graph's outputs."""
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
            for slot, position, changed in self._memories:
                array = tensors[position]._storage.array
                if not array.flags.c_contiguous or (changed and not array.flags.writeable):
                    staged.append((array, np.ascontiguousarray(array), changed))
                    array = staged[-1][1]
                pointers[slot] = _from_buffer(array)
            for slot, owner, changed in self._gradient_inputs:
                array = owner.of(tensors)._grad._array
                if not array.flags.c_contiguous:
                    staged.append((array, np.ascontiguousarray(array), changed))
                    array = staged[-1][1]
                pointers[slot] = _from_buffer(array)
            for original, copy, _ in self._staged:
                np.copyto(copy, original)
            for owner in self._replaced:
                owner.of(tensors)._grad = None
            results = []
            memory = self.executable.results
            memory.begin()
            for slot, shape, dtype, kind in self._take_sizes(tensors) if self._places else self._outputs:
                array = memory.empty(shape, kind)
                pointers[slot] = _from_buffer(array)
                results.append((array, dtype))
            code = 0
            try:
                if self._draws:
                    # The stream has one order: others who draw wait until the program has.
                    with default_generator.lock:
                        pointers[self._random_slot] = _from_buffer(default_generator.buffer)
                        code = program.run_again()
                else:
                    code = program.run_again()
            finally:
                # An interrupt that came while the program ran is raised here: its writes are done.
                if self._writes and not code:
                    self._count_writes(tensors)
            if code:
                raise self.executable.failure()
            for original, copy, changed in (*staged, *self._staged):
                if changed:
                    np.copyto(original, copy)
        return results

    def repeats(self, stacked: Sequence[np.ndarray]) -> bool:
        """Whether runs can follow each other within C: what is returned of each is values in new memory and no more,
        no gradient is read before it is replaced, and each run finds its part of the arguments in dense memory.

        ``stacked`` are the arrays of the arguments of all runs, one after the other along the first dimension.
        """
        recording = self.recording
        shown = {result.place.output for result in recording.results if isinstance(result.place, Seen)}
        gradients = {effect.place.output for effect in recording.gradients if effect.place is not None}
        plain = all(
            isinstance(result.place, Seen)
            and not (result.place.chain or result.leaf or result.number or result.gradient is not None)
            and (result.kind is Tensor and recording.orders[result.place.output] is None)
            for result in recording.results
        )
        dense = all(
            array[0].flags.c_contiguous and not (changed and (array.strides[0] == 0 or not array.flags.writeable))
            for array, changed in ((stacked[position], changed) for _, position, changed in self._arguments)
        )
        # What a program works in before it is written begins where any allocator's memory may.
        aligned = not self.executable.rooms or not (
            self.symbols or any(self._output_types[output].nbytes % ROOM_ALIGNMENT for output in shown)
        )
        return (
            self.executable.runs_many
            and plain
            and aligned
            and dense
            and not (shown & gradients or recording.refilled or recording.flags)
            and not (recording.data or recording.replacements or self._memories)
            and not (self._gradient_inputs and recording.gradients)
            and all(
                owner.tensor is not None and owner.tensor._grad._array.flags.c_contiguous
                for _, owner, _ in self._gradient_inputs
            )
            and self._differentiable is None
            and self.executable.check is None
        )

    def run_many(self, tensors: Sequence[Tensor], strides: Sequence[int], steps: int) -> tuple[Any, int]:
        """Run on the arguments of one step, and of the steps after it as they lie in memory, each by so many bytes
        behind the one before; on fewer where a guard misses.

        Returns what the function returns, results stacked along a new first dimension, and how many steps were done.
        Only after :meth:`repeats` and :meth:`holds`.
        """
        program, memory = self._program, self.executable.results
        with program.lock:
            moves = {}
            for slot, position, _ in self._arguments:
                program.pointers[slot] = _from_buffer(tensors[position]._array)
                moves[slot] = strides[position]
            for slot, owner, _ in self._gradient_inputs:
                program.pointers[slot] = _from_buffer(owner.of(tensors)._grad._array)
            for original, copy, _ in self._staged:
                np.copyto(copy, original)
            for owner in self._replaced:
                owner.of(tensors)._grad = None
            memory.begin()
            gradients = {effect.place.output for effect in self.recording.gradients if effect.place is not None}
            results = []
            outputs = self._take_sizes(tensors) if self._places else self._outputs
            for output, (slot, shape, dtype, kind) in enumerate(outputs):
                # Of a gradient only what the last step leaves is seen.
                array = memory.empty(shape if output in gradients else (steps, *shape), kind)
                program.pointers[slot] = _from_buffer(array)
                if output not in gradients:
                    moves[slot] = array[0].nbytes
                results.append((array, dtype))
            with default_generator.lock if self._draws else contextlib.nullcontext():
                if self._draws:
                    program.pointers[self._random_slot] = _from_buffer(default_generator.buffer)
                code, done = program.run_many(steps, moves)
            if done:
                self._count_writes(tensors)
                for original, copy, changed in self._staged:
                    if changed:
                        np.copyto(original, copy)
            if code:
                failure = self.executable.failure()
                if not isinstance(failure, GuardMissed):
                    raise failure
            seen = [(array if n in gradients else array[:done], dtype) for n, (array, dtype) in enumerate(results)]
            return (self.returned(seen, tensors) if done else None), done

    def _count_writes(self, tensors: Sequence[Tensor]) -> None:
        """Let the tape see which memory a run has written."""
        for storage in self._written:
            storage.version += 1
        for _, position, changed in (*self._arguments, *self._memories):
            if changed:
                tensors[position]._storage.version += 1
        for _, owner, changed in self._gradient_inputs:
            if changed:
                owner.of(tensors)._grad._storage.version += 1

    def inputs(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """The tensors behind the graph's inputs in one call, by name; numbers as they are now."""
        recording = self.recording
        inputs = {
            node.name: self._bound_to(slot, tensors)
            for slot, (node, binding) in enumerate(zip(recording.graph.inputs, recording.bindings, strict=True))
            if not isinstance(binding, FromScalar)
        }
        scalars = [node.name for node in recording.graph.inputs if node.kind == "scalar"]
        numbers = [Tensor.from_array(value.copy()) for _, value in self._scalars]
        return inputs | dict(zip(scalars, numbers, strict=True))

    def returned(self, results: list[tuple[np.ndarray, DType]], tensors: Sequence[Tensor]) -> Any:
        """Put gradients where they belong, and make what the function returns; where it changes containers among its
        arguments, also what is new in them."""
        recording = self.recording
        for flag in recording.flags:
            flag.owner.of(tensors).requires_grad_(flag.value)
        sizes = self.sizes(tensors) if self._places else {}
        memories = [
            Tensor._wrap(array if order is None else array.transpose(order), dtype)
            for (array, dtype), order in zip(results, recording.orders, strict=True)
        ]
        leaves = {
            position: self._leaf(result, memories, tensors, sizes)
            for position, result in enumerate(recording.results)
            if result.leaf
        }
        if self._differentiable is not None:
            saved = {node: results[output][0] for node, output in recording.saved.items()}
            made = {name: leaves[position] for name, position in recording.made_leaves.items()}
            inputs = self.inputs(tensors) | dict(recording.leaves) | made
            call = CompiledBackward.of_call(self._differentiable, inputs, saved)
            for place, output in enumerate(recording.differentiated):
                call.result(place, memories[output])
        # All are looked up before any is replaced: tensors may exchange their memory.
        data = [(effect.owner, self._at(effect.place, memories, tensors, sizes)) for effect in recording.data]
        for owner, value in data:
            owner.of(tensors).data = value
        for effect in recording.gradients:
            gradient = effect.value if effect.place is None else _seen(effect.place, memories, sizes)
            effect.owner.of(tensors)._grad = gradient
        returned: list[Any] = []
        for position, result in enumerate(recording.results):
            if result.twin is not None:
                returned.append(returned[result.twin])
                continue
            tensor = leaves.get(position)
            if tensor is None:
                tensor = self._at(result.place, memories, tensors, sizes)
            if result.gradient is not None:
                tensor._grad = _seen(result.gradient, memories, sizes)
            if result.kind is not Tensor and isinstance(result.place, Seen):
                tensor.__class__ = result.kind
            returned.append(tensor.item() if result.number else tensor)
        if recording.description is Tensor and not recording.refilled and not recording.replacements:
            return returned[0]
        numbers = {**sizes, **recording.fixed_values}
        rest = iter(returned)
        whole = unflatten(recording.description, rest, numbers)
        if not recording.refilled and not recording.replacements:
            return whole
        contents = unflatten(recording.contents, rest, numbers)
        new = sum(each.source is None for each in recording.replacements)
        replace_all(recording.replacements, contents[len(contents) - new :])
        return (whole, contents) if recording.refilled else whole

    @staticmethod
    def _plain_results(recording: Recording) -> tuple[int, ...] | None:
        """The outputs that are the results, where each of them is just that and no call does more than to give them,
        and gradients that are outputs too; else None."""
        places = [result.place for result in recording.results]
        changed = [effect.place for effect in recording.gradients if effect.place is not None]
        plain = all(isinstance(place, Seen) and not place.chain for place in (*places, *changed))
        # What is a result in any other way: a leaf, of another class, with a gradient, a number, the twin of another.
        plain = plain and all(result == Result(result.place) for result in recording.results)
        more = (recording.flags, recording.differentiable, recording.refilled, recording.replacements, recording.data)
        plain = plain and not any(more)
        return tuple(place.output for place in places) if plain else None

    def _call_plainly(self, tensors: Sequence[Tensor]) -> Any:
        """As :meth:`run` and :meth:`returned`, of a program of which little more is asked than to be called."""
        program = self._program
        pointers = program.pointers
        for slot, position, changed in self._arguments:
            array = tensors[position]._array
            if not array.flags.c_contiguous or (changed and not array.flags.writeable):
                return self.returned(self.run(tensors), tensors)
            pointers[slot] = _from_buffer(array)
        for owner in self._replaced:
            (tensors[owner.position] if owner.tensor is None else owner.tensor)._grad = None
        memories: list[Tensor] = []
        if self._keeps_memory:
            self.executable.results.begin()
        for slot, shape, dtype, kind, order, empty in self._made:
            tensor = _new(Tensor)
            array = empty(shape, kind)
            pointers[slot] = _from_buffer(array)
            tensor._array = array if order is None else array.transpose(order)
            tensor.dtype = dtype
            memories.append(tensor)
        code = 0
        try:
            code = program.run_again()
        finally:
            if self._writes and not code:
                self._count_writes(tensors)
        if code:
            raise self.executable.failure()
        for owner, output, value in self._gradients:
            gradient = value if output is None else memories[output]
            (tensors[owner.position] if owner.tensor is None else owner.tensor)._grad = gradient
        recording = self.recording
        outputs = self._plain
        if recording.description is Tensor:
            return memories[outputs[0]]
        return unflatten(recording.description, iter([memories[output] for output in outputs]), recording.fixed_values)

    def _at(
        self, place: Seen | Shared, memories: list[Tensor], tensors: Sequence[Tensor], sizes: Mapping[str, int]
    ) -> Tensor:
        if isinstance(place, Seen):
            return _seen(place, memories, sizes)
        binding = self.recording.bindings[place.input]
        if place.same is not None and not (isinstance(binding, FromOutside) and binding.placed):
            return place.same
        return _follow(self._bound_to(place.input, tensors), place.chain, sizes)

    def _leaf(
        self, result: Result, memories: list[Tensor], tensors: Sequence[Tensor], sizes: Mapping[str, int]
    ) -> Tensor:
        """A leaf that the function made, anew."""
        shown = self._at(result.place, memories, tensors, sizes)
        leaf = Tensor._wrap(shown._array, shown.dtype, shown._storage, shown._chain, kind=result.kind)
        leaf._requires_grad = True
        return leaf

    def _bound_to(self, slot: int, tensors: Sequence[Tensor]) -> Tensor:
        """The tensor that an input of the graph is in one call."""
        binding = self.recording.bindings[slot]
        if isinstance(binding, FromArgument):
            return tensors[binding.position]
        if isinstance(binding, FromArgumentMemory):
            return whole_of(tensors[binding.position])
        if isinstance(binding, FromGradient):
            return binding.owner.of(tensors)._grad
        return next(tensor for at, tensor, _ in self.outside if at == slot) if binding.placed else binding.tensor


def _seen(place: Seen, memories: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return _follow(memories[place.output], place.chain, sizes)


def _follow(tensor: Tensor, chain: Sequence[View], sizes: Mapping[str, int]) -> Tensor:
    """The view of a tensor that a chain of view primitives leads to, for sizes that are known at run time only."""
    with paused():
        for primitive, attrs in chain:
            bound = {name: bind_attribute(value, sizes) for name, value in attrs.items()} if sizes else attrs
            tensor = tensor.apply(primitive, (tensor,), bound)
    return tensor


def _changes_unnoted(guard: Any) -> bool:
    """Whether what a guard looks at may change without that being noted, so that every call looks."""
    if isinstance(guard, KindGuard):
        return not guard.place.noted
    return isinstance(guard, GradientGuard | LengthGuard | VariablesGuard | SameGuard | ArraysGuard)
