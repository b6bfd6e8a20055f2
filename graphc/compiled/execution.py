"""Calling a compiled program: Python tensors in, one C call, Python tensors out.

Everything that can be settled when the program is bound is settled then; a call checks one counter, fills in the
addresses of arguments and results, and runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.autograd.modes import enable_grad
from graphc.capture.guards import GradientGuard, Guard, gradients_as_found
from graphc.capture.memories import whole_of
from graphc.capture.places import ArraysGuard, KindGuard, LengthGuard, SameGuard, VariablesGuard, replace_all
from graphc.capture.recorded import FromArgument, FromArgumentMemory, FromGradient, FromOutside, FromScalar, Recording
from graphc.capture.results import Result, Seen, Shared
from graphc.capture.sharing import SharingCheck
from graphc.capture.trees import unflatten
from graphc.codegen.executable import Runnable
from graphc.codegen.memory import ROOM_ALIGNMENT
from graphc.codegen.ordering import may_fail
from graphc.compiled.binding import Inputs, Output, make, make_side_by_side, write_back
from graphc.compiled.differential import CompiledBackward, DifferentiableProgram
from graphc.device_memory import settle_all, use
from graphc.ir.graph import Graph
from graphc.ir.integers import bind_attribute, bounds
from graphc.ops.checks import GuardMissed
from graphc.randomness.generator import default_generator
from graphc.recording import generation, paused
from graphc.runtime.abi import ffi
from graphc.tensor import Tensor, View

_from_buffer = ffi.from_buffer
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
        # Whether a call gives what the function puts into containers among its arguments, beside its result.
        self.refills = bool(recording.refilled)
        graph = recording.graph
        self._inputs = Inputs(recording, self._program.pointers)
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
        self._keeps_memory = bool(self.symbols) or not all(output.keeps for output in self._outputs)
        self._outputs_of_sizes: dict[tuple[int, ...], list[Output]] = {}
        self._sharing = SharingCheck(
            recording.sharing,
            self._inputs.written_arguments,
            recording.arguments,
            [(tensor, position) for _, tensor, position, _ in self._inputs.gradients] if self._inputs.writes else (),
        )
        # Gradients that every run replaces: let go before their successors get memory, where nothing can fail between.
        kept = {(id(tensor), position) for _, tensor, position, _ in self._inputs.gradients}
        program = executable.compiled.program
        fails = bool(program.blocks) or any(map(may_fail, program.launches))
        self._replaced = [
            (effect.owner.tensor, effect.owner.position)
            for effect in recording.gradients
            if not fails and effect.place is not None and (id(effect.owner.tensor), effect.owner.position) not in kept
        ]
        self._draws = any(node.op.effect == "random" for node in graph.nodes)
        self._plain = self._plain_results(recording)
        # The output that is the result, where there is one alone.
        self._alone = self._plain[0] if self._plain is not None and recording.description is Tensor else None
        self._gradients = [
            (
                effect.owner.tensor,
                effect.owner.position,
                effect.place.output if isinstance(effect.place, Seen) else None,
                effect.value,
            )
            for effect in recording.gradients
        ]
        # On a GPU: outputs that are gradients and nothing else.
        seen = {result.place.output for result in recording.results if isinstance(result.place, Seen)}
        gradients = {effect.place.output for effect in recording.gradients if isinstance(effect.place, Seen)}
        together = hasattr(executable.results, "several") and not executable.waits and not recording.differentiable
        together = together and all(result.gradient is None for result in recording.results) and not recording.data
        self._together = tuple(sorted(gradients - seen)) if together else ()
        self._random_slot = self._first_output + len(graph.outputs)
        self._checked_every_call = [guard for guard in recording.guards if _changes_unnoted(guard)]
        self._checked_on_change = [guard for guard in recording.guards if not _changes_unnoted(guard)]
        # What a change of hyper-parameters can break.
        self._of_values = [guard for guard in self._checked_on_change if isinstance(guard, Guard)]
        found = [guard for guard in self._checked_every_call if isinstance(guard, GradientGuard)]
        self._gradients_found = [guard.found for guard in found]
        self._looks = [guard.holds for guard in self._checked_every_call if not isinstance(guard, GradientGuard)]
        # Places that may hold another tensor without that being noted.
        self._looked_at = [
            (at, place) for at, placed in self._inputs.placed for place in placed.places if not place.noted
        ]
        self._generation = self._values = -1
        self._extents: tuple[int, ...] = ()
        whole = recording.differentiable
        self._differentiable = None if whole is None else DifferentiableProgram(whole, build)

    @property
    def outside(self) -> list[tuple[int, Tensor, bool]]:
        """The slot, tensor, and whether it is written, of each tensor from outside."""
        return self._inputs.outside

    def _outputs_for(self, sizes: Mapping[str, int]) -> list[Output]:
        """The outputs for sizes that are known at run time only."""
        results = self.executable.results
        return [
            Output(self._first_output + position, tuple(type.bind(sizes).shape), type.dtype, order, results)
            for position, (type, order) in enumerate(zip(self._output_types, self.recording.orders, strict=True))
        ]

    def sizes(self, tensors: Sequence[Tensor]) -> dict[str, int]:
        """The sizes of one call that are known at run time only."""
        extents = [tensors[position]._array.shape[dim] for position, dim in self._places]
        return dict(zip(self.symbols, extents, strict=True))

    def _take_sizes(self, tensors: Sequence[Tensor]) -> list[Output]:
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
        # Before the guards look: what another thread changes meanwhile is looked at next time.
        seen, values = generation.count, generation.values
        moved = self._looked_at and any(place.get() is not self.outside[at][1] for at, place in self._looked_at)
        if seen != self._generation or moved:
            if self._inputs.placed and not self._follow_places():
                return False
            if not all(guard.holds() for guard in self._checked_on_change) or not self._inputs.outside_fits():
                return False
            self._bind(seen, values)
        elif values != self._values:
            for guard in self._of_values:
                if not guard.holds():
                    return False
            self._inputs.read_scalars()
            self._values = values
        for look in self._looks:
            if not look(tensors):
                return False
        if self._gradients_found and not gradients_as_found(self._gradients_found, tensors):
            return False
        return self._sharing.trivial or self._sharing.holds(tensors)

    def broken(self, tensors: Sequence[Tensor]) -> str:
        """What of that which the recording rests on is no longer so, in words; empty where all is."""
        for guard in self._checked_on_change:
            if not guard.holds():
                return f"no longer {guard}"
        if (self._inputs.placed and not self._follow_places()) or not self._inputs.outside_fits():
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
        self._generation = -1
        return self._inputs.follow_places()

    def _bind(self, seen: int, values: int) -> None:
        """Take what is from outside as it is since the generation that was seen."""
        self._inputs.bind_outside()
        self._inputs.read_scalars()
        self._sharing.bind([(tensor, changed) for _, tensor, changed in self.outside])
        self._generation, self._values = seen, values

    def call(self, tensors: Sequence[Tensor], look: Callable[[list[Tensor]], None] | None = None) -> Any:
        """Run on the tensors of one call, for a caller that holds ``lock``; what the function returns. ``look`` is
        given the graph's outputs, as they are seen, before anything is made of them.

        Raises IndexError, with no state changed, as eager does.
        """
        program, inputs = self._program, self._inputs
        if use.active and self.executable.waits:
            settle_all()
        staged = inputs.bind(tensors)
        for tensor, position in self._replaced:
            (tensors[position] if tensor is None else tensor)._grad = None
        if self._keeps_memory:
            self.executable.results.begin()
        outputs = self._take_sizes(tensors) if self._places else self._outputs
        if self._together:
            memories = make_side_by_side(outputs, program.pointers, self._together, self.executable.results)
        else:
            memories = make(outputs, program.pointers)
        code = 0
        try:
            code = self._run_drawing() if self._draws else program.run_again()
        finally:
            # An interrupt that came while the program ran is raised here: its writes are done.
            if inputs.writes and not code:
                inputs.count_writes(tensors)
        if code:
            raise self.executable.failure()
        if staged:
            write_back(staged)
        if look is not None:
            look(memories)
        if self._plain is None:
            return self.returned(memories, tensors)
        for tensor, position, output, value in self._gradients:
            gradient = value if output is None else memories[output]
            (tensors[position] if tensor is None else tensor)._grad = gradient
        if self._alone is not None:
            return memories[self._alone]
        results = iter([memories[output] for output in self._plain])
        fixed = self.recording.fixed_values
        numbers = {**self.sizes(tensors), **fixed} if self._places else fixed
        return unflatten(self.recording.description, results, numbers)

    def _run_drawing(self) -> int:
        """Run a program that draws random numbers. The stream has one order: others wait until it has drawn."""
        with default_generator.lock:
            stream = default_generator.buffer if self.executable.waits else default_generator.memory
            self._program.pointers[self._random_slot] = _from_buffer(stream)
            return self._program.run_again()

    def values(self, memories: Sequence[Tensor]) -> list[np.ndarray]:
        """The arrays that the program wrote, of its outputs as they are seen."""
        orders = zip(memories, self.recording.orders, strict=True)
        return [
            memory._array if order is None else memory._array.transpose(np.argsort(order)) for memory, order in orders
        ]

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
            for array, changed in ((stacked[position], changed) for _, position, changed in self._inputs.arguments)
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
            and not (recording.data or recording.replacements or self._inputs.memories)
            and not (self._inputs.gradients and recording.gradients)
            and all(tensor is not None for _, tensor, *_ in self._inputs.gradients)
            and self._differentiable is None
            and self.executable.check is None
        )

    def run_many(self, tensors: Sequence[Tensor], strides: Sequence[int], steps: int) -> tuple[Any, int]:
        """Run on the arguments of one step, and of the steps after it as they lie in memory, each by so many bytes
        behind the one before; on fewer where a guard misses.

        Returns what the function returns, results stacked along a new first dimension, and how many steps were done.
        Only after :meth:`repeats` and :meth:`holds`.
        """
        program, inputs = self._program, self._inputs
        if use.active:
            settle_all()
        with program.lock:
            staged = inputs.bind(tensors)
            for tensor, position in self._replaced:
                (tensors[position] if tensor is None else tensor)._grad = None
            moves = inputs.moves(strides)
            # Of a gradient only what the last step leaves is seen.
            gradients = {effect.place.output for effect in self.recording.gradients if effect.place is not None}
            outputs = list(self._take_sizes(tensors) if self._places else self._outputs)
            for position, output in enumerate(outputs):
                if position not in gradients:
                    moves[output.slot] = output.nbytes
                    whole = (steps, *output.shape)
                    outputs[position] = Output(output.slot, whole, output.dtype, None, self.executable.results)
            if self._keeps_memory or steps > 1:
                self.executable.results.begin()
            memories = make(outputs, program.pointers)
            with default_generator.lock if self._draws else contextlib.nullcontext():
                if self._draws:
                    program.pointers[self._random_slot] = _from_buffer(default_generator.buffer)
                code, done = program.run_many(steps, moves)
            if done:
                inputs.count_writes(tensors)
                write_back(staged)
            if code:
                failure = self.executable.failure()
                if not isinstance(failure, GuardMissed):
                    raise failure
            if done < steps:
                for output, memory in enumerate(memories):
                    if output not in gradients:
                        memory._array = memory._array[:done]
            return (self.returned(memories, tensors) if done else None), done

    def inputs(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """The tensors behind the graph's inputs in one call, by name; numbers as they are now."""
        recording = self.recording
        inputs = {
            node.name: self._bound_to(slot, tensors)
            for slot, (node, binding) in enumerate(zip(recording.graph.inputs, recording.bindings, strict=True))
            if not isinstance(binding, FromScalar)
        }
        scalars = [node.name for node in recording.graph.inputs if node.kind == "scalar"]
        numbers = [Tensor.from_array(value.copy()) for _, value in self._inputs.scalars]
        return inputs | dict(zip(scalars, numbers, strict=True))

    def returned(self, memories: list[Tensor], tensors: Sequence[Tensor]) -> Any:
        """Given the graph's outputs, as they are seen, put gradients where they belong, and make what the function
        returns; where it changes containers among its arguments, also what is new in them."""
        recording = self.recording
        for flag in recording.flags:
            flag.owner.of(tensors).requires_grad_(flag.value)
        sizes = self.sizes(tensors) if self._places else {}
        leaves = {
            position: self._leaf(result, memories, tensors, sizes)
            for position, result in enumerate(recording.results)
            if result.leaf
        }
        if self._differentiable is not None:
            saved = {node: memories[output]._array for node, output in recording.saved.items()}
            made = {name: leaves[position] for name, position in recording.made_leaves.items()}
            inputs = self.inputs(tensors) | dict(recording.leaves) | made
            call = CompiledBackward.of_call(self._differentiable, inputs, saved)
            for place, output in enumerate(recording.differentiated):
                call.result(place, memories[output])
            for slot, place in recording.histories:
                _give_history(call, place, self._bound_to(slot, tensors))
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


def _give_history(call: CompiledBackward, place: int, written: Tensor) -> None:
    """Make a tensor that a run has written the result at a place on the tape; its base too, where it is a view."""
    if written._base is None:
        call.result(place, written)
        return
    value = call.result(place, Tensor.from_array(written._array.copy()))
    if value.requires_grad:
        with enable_grad():
            written.copy_(value)


def _seen(place: Seen, memories: list[Tensor], sizes: Mapping[str, int]) -> Tensor:
    return _follow(memories[place.output], place.chain, sizes)


def _follow(tensor: Tensor, chain: Sequence[View], sizes: Mapping[str, int]) -> Tensor:
    """The view of a tensor that a chain of view primitives leads to, for sizes that are known at run time only."""
    if not chain:
        return tensor
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
