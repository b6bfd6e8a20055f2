"""Recording a function that runs eagerly as a graph in which nothing is written in place.

Every memory that the function touches has a current value, a node. A view is the chain of view primitives that leads
from the memory to it; a write through a view makes a new value of the whole memory, by the views' own rules. At the end
a memory from outside whose value changed is state, one that was only read is a constant or an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary, ref

import numpy as np

from graphc.autograd.tape import next_sequence
from graphc.capture.errors import CaptureError, OverlapError
from graphc.capture.guards import Guard
from graphc.capture.memories import GradientSlot, Memory, Scalar, whole_of
from graphc.capture.object_recorder import ObjectRecorder
from graphc.capture.places import history_of
from graphc.capture.postponed import Postponed
from graphc.capture.streams import exchanged
from graphc.ir.graph import Location, Node, Projection
from graphc.ir.integers import IntegerExpression, variables
from graphc.ir.primitive import PRIMITIVES, Attributes, Primitive
from graphc.ir.types import TensorType, dtype_of, float64, int32, int64
from graphc.ops.checks import Guard as ValueGuard
from graphc.ops.comparisons import Ne
from graphc.ops.operands import cast, truth
from graphc.ops.pointwise import Cast, Copy
from graphc.ops.reductions import Any_
from graphc.ops.sources import Constant, Literal, number_like
from graphc.randomness.generator import default_generator
from graphc.randomness.stream import RandomStream
from graphc.recording import state
from graphc.sizes import dynamic_size, fixed
from graphc.source_lines import user_location
from graphc.storage import byte_range
from graphc.tensor import RunTimeNumber, Size, Storage, Tensor, View

# So many numbers that the code gives are written into the program.
MOST_ELEMENTS_WRITTEN = 16
# Code may decide by the elements of a tensor with so many, such as the lengths of a batch's sequences.
MOST_ELEMENTS_READ = 64


class GraphRecorder(ObjectRecorder):
    """The recorder of one capture; see :class:`graphc.recording.Recorder`."""

    def __init__(self, name: str, find_names: Callable[[], dict[int, str]] = dict, postpones: bool = False):
        super().__init__(name)
        self.postponed = Postponed(postpones)
        self.scalars: list[Scalar] = []
        self.gradients: dict[int, GradientSlot] = {}
        # Tensors whose `requires_grad` was changed, and what it was at entry.
        self.flags: dict[int, tuple[Tensor, bool]] = {}
        # Leaves from outside that were computed with, and whether they wanted a gradient.
        self.leaves: dict[int, tuple[Tensor, bool]] = {}
        # The values that a leaf that wants a gradient had where it was used.
        self.leaf_values: dict[int, dict[Node, None]] = {}
        self._memories: WeakKeyDictionary[Storage, list[Memory]] = WeakKeyDictionary()
        self._saved: list[Memory] = []  # in the order of their first writes
        self._made: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # views that were made within
        self._of_numbers: WeakSet[Storage] = WeakSet()  # memory that was made within of numbers, as `tensor` does
        self.reaches_array: Callable[[np.ndarray], bool] = lambda array: False  # whether it is of the user's variables
        # Tensors that were given other memory, with what they had at entry.
        self.rebound: dict[int, tuple[Tensor, Tensor]] = {}
        # Generators of the user's that were drawn from, with tensors that show their states.
        self.streams: dict[int, tuple[RandomStream, Tensor]] = {}
        # Whether the rules of the user's functions are recorded with their calls, and how; and the nodes of such calls.
        self.records_rules = False
        self.add_rule: Callable[..., None] = lambda *call: None
        self.ruled: set[Any] = set()
        self.first_sequence = next_sequence()
        self._generator_at_entry = default_generator.buffer.copy()
        self._find_names = find_names
        self._names = find_names()
        self._named_by_bodies: set[int] = set()  # what only bodies of structured operations have variables for
        self._taken: dict[str, int] = {}
        # Memory that the body of a structured operation made, and which operation: its values are there only within.
        self.leaked: WeakKeyDictionary[Storage, str] = WeakKeyDictionary()
        self._reads = 0  # how often the code read values
        # What the first call hands out of each output: an array that shows it, and its memory.
        self.shown: list[tuple[np.ndarray, Storage] | None] = []
        # Where the forward pass ends: the loss and how many nodes stand before its backward pass.
        self.backward_began: int | None = None

    # -- inputs --------------------------------------------------------------------------------------------------

    def _unique(self, name: str) -> str:
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return name if not count else self._unique(f"{name}_{count}")

    def argument(
        self, tensor: Tensor, name: str, symbols: Mapping[int, IntegerExpression] = MappingProxyType({})
    ) -> Memory:
        """Make a tensor an argument of the graph. One memory that is given twice is one value.

        ``symbols`` are what its dimensions are of which the size is known at run time only.
        """
        known = self._find(tensor)
        if known is not None:
            return known
        for dim, symbol in symbols.items():
            self.symbols[str(symbol)] = tensor._array.shape[dim]
        return self._enter(tensor, tensor._chain, name, "argument", symbols)

    def joined_argument(self, tensor: Tensor, name: str) -> Memory:
        """Make all of the memory that a tensor shows a part of an argument of the graph."""
        known = self._find(tensor)
        if known is None:
            known = self._enter(whole_of(tensor), (), name, "argument")
            known.joined = True
        return known

    def _enter(
        self,
        tensor: Tensor,
        prefix: tuple[View, ...],
        name: str,
        kind: str,
        symbols: Mapping[int, IntegerExpression] = MappingProxyType({}),
    ) -> Memory:
        shape = tuple(symbols.get(dim, extent) for dim, extent in enumerate(tensor._array.shape))
        type = TensorType(tensor.dtype, shape)
        node = self.builder.input(self._unique(name), type, kind).node
        memory = Memory(tensor, node, node, prefix, history=history_of(tensor))
        self._memories.setdefault(tensor._storage, []).append(memory)
        return memory

    def enter(self, tensor: Tensor) -> Memory:
        """Memory that no operation made, as a whole: of numbers that the function gave, or from outside."""
        return self._enter_numbers(tensor) if tensor._storage in self._of_numbers else self.enter_outside(tensor)

    def _enter_numbers(self, tensor: Tensor) -> Memory:
        """Memory that holds these numbers anew at every call: a constant of the program, or a copy of memory that
        nobody writes to."""
        array = tensor._storage.array
        dtype = dtype_of(array.dtype)
        if array.size <= MOST_ELEMENTS_WRITTEN and not dtype.is_complex:
            literal = {"literal": Literal(array.copy(), dtype)}
            node = self.builder.add(Constant.instance, (), literal, self.location())
        else:
            kept = self.enter_outside(Tensor._wrap(array.copy(), dtype))
            node = self.builder.add(Copy.instance, [kept.node], {}, self.location())
        memory = Memory(ref(tensor), node, None)
        self._memories.setdefault(tensor._storage, []).append(memory)
        return memory

    def enter_outside(self, tensor: Tensor) -> Memory:
        """Memory that the function reaches from outside."""
        self.refuse_leaked(tensor)
        if id(tensor._storage) not in self._names:
            # Made since the names were looked up, as an optimizer's state is in its first step.
            self._names = {id(tensor._storage): "tensor", **self._find_names()}
        name = self._names[id(tensor._storage)]
        if self._memories.get(tensor._storage):
            # Another window on memory that an argument shows in part: a value of its own unless something is written.
            return self._enter(tensor, tensor._chain, name, "constant")
        return self._enter(whole_of(tensor) if tensor._chain else tensor, (), name, "constant")

    def refuse_leaked(self, tensor: Tensor) -> None:
        """Raise CaptureError for a tensor that was made in the body of a structured operation."""
        if tensor._storage in self.leaked:
            raise CaptureError(
                f"a tensor that was made in the body of {self.leaked[tensor._storage]} is used outside of it, where it "
                "has no value; give it as a result of the body",
                self.location(),
            )

    def name_of(self, tensor: Tensor) -> str:
        """A name for a tensor: that of the input whose memory it shows, or of the variable that holds it."""
        memory = self._find(tensor)
        if memory is not None and memory.input is not None:
            return memory.input.name
        return self._names.get(id(tensor._storage), "value")

    def _find(self, tensor: Tensor) -> Memory | None:
        for memory in self._memories.get(tensor._storage, ()):
            if tensor._chain[: len(memory.prefix)] == memory.prefix:
                return memory
        return None

    def node_of(self, tensor: Tensor) -> Node:
        """The value of a tensor now."""
        memory = self._find(tensor) or self.enter(tensor)
        leaf = tensor if tensor._base is None else tensor._base
        node = self._flagged(memory.node, leaf._requires_grad) if id(leaf) in self.flags else memory.node
        return self._follow(node, tensor._chain[len(memory.prefix) :])[-1]

    def _flagged(self, node: Node, wants_gradient: bool) -> Node:
        """A leaf's value since its ``requires_grad`` was changed: a node of its own, so that a sweep from outside tells
        it from the value that was used before."""
        variant = f"requires_grad={wants_gradient}"
        copy = self.builder.add(PRIMITIVES["copy"], [node], {}, self.location(), variant)
        self._variants[copy] = variant
        if not wants_gradient:
            self.stopped.add(copy)
        return copy

    def _follow(self, node: Node, chain: Sequence[View]) -> list[Node]:
        stages = [node]
        for primitive, attrs in chain:
            stages.append(self.builder.add(primitive, [stages[-1]], self.with_symbols(attrs), self.location()))
        return stages

    # -- the recorder's part -------------------------------------------------------------------------------------

    def location(self) -> Location:
        forward = state.location
        if forward is not None and state.phase == "backward":
            return Location(forward.file, forward.line, "backward")
        return user_location(state.phase)

    def record(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, output: Tensor) -> None:
        if state.phase == "backward" and self.backward_began is None:
            self.backward_began = len(self.builder.nodes)
        self.postponed.note(output)
        self._note_leaves(inputs)
        if output._chain and output._storage in self._memories:
            self._made[id(output)] = output
            return
        nodes = self._operands(primitive, inputs, attrs, output)
        if output._chain:
            self._made[id(output)] = output
            return  # a view of memory that has just been entered: its node is made when it is read
        node = self._add(primitive, nodes, self.with_symbols(attrs))
        self._memories[output._storage] = [Memory(ref(output), node, None)]

    def record_several(
        self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, outputs: Sequence[Tensor]
    ) -> None:
        self._note_leaves(inputs)
        try:
            several = self._add(primitive, [self.node_of(tensor) for tensor in inputs], self.with_sizes(attrs))
        except TypeError:
            # A body took a plain number on its way: then all are.
            self.fix_all_sizes(f"a body of {primitive.name} at {self.location()} rests on numbers")
            several = self._add(primitive, [self.node_of(tensor) for tensor in inputs], self.with_sizes(attrs))
        for index, output in enumerate(outputs):
            node = self._add(Projection.instance, [several], {"index": index})
            self._memories[output._storage] = [Memory(ref(output), node, None)]

    def _add(self, primitive: Primitive, nodes: Sequence[Node], attrs: Attributes) -> Node:
        """The node of an operation; one that ran where gradients are off is a node of its own."""
        variant = "" if state.gradients else "no gradient"
        node = self.builder.add(primitive, nodes, attrs, self.location(), variant)
        if not state.gradients:
            self.stopped.add(node)
            self._variants[node] = variant
        return node

    def _note_leaves(self, inputs: Sequence[Tensor]) -> None:
        """Keep which leaves are computed with, and with which values; not those made within that want no gradient."""
        for tensor in inputs:
            if tensor.dtype.is_differentiable and self._comes_from_outside(tensor):
                if not tensor._requires_grad and self.made_within(tensor):
                    continue
                self.leaves.setdefault(id(tensor), (tensor, tensor.requires_grad))
                if tensor._requires_grad and state.gradients:
                    self.leaf_values.setdefault(id(tensor), {})[self.node_of(tensor)] = None

    def _comes_from_outside(self, tensor: Tensor) -> bool:
        """Whether a sweep goes on into a tensor from within: it is a leaf, or has a history of its own outside."""
        return tensor._grad_fn is None or tensor._grad_fn.sequence < self.first_sequence

    def _operands(
        self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, output: Tensor
    ) -> list[Node]:
        """The values of an operation's operands now. Where they do not make the type of the result what it is, since
        the program took a plain number on its way, the sizes that take part are fixed."""
        while True:
            nodes = [self.node_of(tensor) for tensor in inputs]
            if not self.symbols:
                return nodes
            given = self.with_symbols(attrs)
            try:
                shape = primitive.infer(*(node.type for node in nodes), **given).bind(self.symbols).shape
            except (TypeError, ValueError, IndexError, NotImplementedError):
                shape = None
            if shape == output._array.shape:
                return nodes
            names = _names_in((*given.values(), *(node.type.shape for node in nodes))) & self.symbols.keys()
            self.fix_sizes(names or tuple(self.symbols), f"{primitive.name} at {self.location()} rests on it")

    def assign(self, target: Tensor, value: Tensor) -> None:
        new = self.node_of(value)
        memory = self._find(target) or self.enter(target)
        chain = target._chain[len(memory.prefix) :]
        stages = self._follow(memory.node, chain)
        self.builder.location = self.location()
        for stage, (primitive, attrs) in zip(reversed(stages[:-1]), reversed(chain), strict=True):
            base, update = self.builder.symbol(stage), self.builder.symbol(new)
            new = primitive.write_back(base, update, **self.with_symbols(attrs)).node
        if target._requires_grad and not state.gradients and state.phase == "forward":
            # A leaf's value is a node of its own, so that its gradient is not that of what was written to it.
            variant = f"written {len(self.builder.nodes)}"
            new = self.builder.add(PRIMITIVES["copy"], [new], {}, variant=variant)
            self._variants[new] = variant
        memory.node = new
        memory.written_at = self.builder.location
        if memory.input is not None and not self.made(target) and not any(target is each for each in memory.written):
            memory.written.append(target)

    def write_waits(self, target: Tensor, value: Tensor) -> bool:
        memory = self._find(target)

        def keep() -> None:
            if memory.input is not None and memory.at_entry is None:
                memory.at_entry = memory.tensor._array.copy()
                self._saved.append(memory)

        if self.postponed.written(target, value, keep):
            return True
        keep()
        return False

    def compute(self, tensor: Tensor) -> None:
        if self.postponed.waits(tensor):
            self.postponed.carry_out()

    def gradient_read(self, tensor: Tensor) -> None:
        self._gradient_slot(tensor, read=True)

    def gradient_written(self, tensor: Tensor) -> None:
        self._gradient_slot(tensor, read=False)

    def flag_written(self, tensor: Tensor) -> None:
        self.flags.setdefault(id(tensor), (tensor, tensor._requires_grad))

    def _gradient_slot(self, tensor: Tensor, read: bool) -> None:
        if id(tensor) not in self.gradients:
            self.gradients[id(tensor)] = GradientSlot(tensor, tensor._grad, read, self.location())

    def memory_made(self, tensor: Tensor) -> None:
        self._of_numbers.add(tensor._storage)

    def memory_shown(self, tensor: Tensor) -> None:
        if not self.reaches_array(tensor._array):
            self._of_numbers.add(tensor._storage)

    def view_made(self, tensor: Tensor) -> None:
        self._made[id(tensor)] = tensor

    def data_written(self, tensor: Tensor, value: Tensor) -> None:
        if self.made(tensor) or self.made_within(tensor):
            return
        if tensor._base is not None or (tensor.dtype, tensor._array.shape) != (value.dtype, value._array.shape):
            self.attribute_written(tensor, "data", value)
        self.node_of(value)  # memory from outside is entered as it was
        was = Tensor._wrap(tensor._array, tensor.dtype, tensor._storage, tensor._chain)
        self.rebound.setdefault(id(tensor), (tensor, was))
        memory = self._find(tensor)
        if memory is not None and memory.holder is tensor:
            memory.holder, memory.owner = was, tensor

    def refuse_value(self, tensor: Tensor, what: str) -> None:
        raise CaptureError(
            f"{what} needs the value of a tensor of shape {list(tensor._array.shape)} while the program is being "
            "recorded; a compiled function computes with tensors alone (return the tensor and read its value outside, "
            "or choose with graphc.where)",
            self.location(),
        )

    def value_read(self, tensor: Tensor, what: str) -> None:
        self.compute(tensor)
        array = tensor._array
        # A float is seldom twice the same: code that decides by one compares it.
        if array.size > MOST_ELEMENTS_READ or (tensor.dtype.is_floating_point and what not in ("bool()", "int()")):
            self.refuse_value(tensor, what)
        location = self.builder.location = self.location()
        fixed(self.shape_of(tensor))
        found = self.builder.symbol(self.node_of(tensor))
        if what == "bool()":
            found, array = truth(found), array.astype(bool)
        elif what == "int()":
            found, array = cast(found, int64), array.astype(np.int64)
        if array.size == 1:
            known = number_like(found, array.item())
        else:
            known = found.apply(Constant.instance, (), {"literal": Literal(array, found.dtype)})
        differs = Ne.bind(found, known)
        missed = cast(Any_.bind(differs, dims=tuple(range(differs.ndim))), int64)
        expected = array.item() if array.size == 1 else tuple(array.reshape(-1).tolist())
        attrs = {"expected": expected, "number": self._reads}
        self._reads += 1
        self.builder.add(ValueGuard.instance, [missed.node], attrs, location)

    def require(self, holds: Tensor, error: Exception) -> None:
        # A guard: where it misses, recording anew raises the error.
        if not bool(holds):
            raise error

    def number_read(self, tensor: Tensor) -> Tensor:
        gradients, state.gradients = state.gradients, False
        try:
            single = tensor.reshape(()).detach()
            return RunTimeNumber.of(Copy.bind(single) if single.dtype == float64 else Cast.bind(single, dtype=float64))
        finally:
            state.gradients = gradients

    def drawing_from(self, generator: RandomStream) -> AbstractContextManager[None]:
        if generator is default_generator:
            return nullcontext()
        if id(generator) not in self.streams:
            array = generator.buffer.view(np.int32)
            self.streams[id(generator)] = (generator, Tensor._wrap(array, int32))
            if id(generator) in self._objects:
                self.memory_made(self.streams[id(generator)][1])
        return exchanged(self.streams[id(generator)][1])

    def touch_stream(self, generator: RandomStream, what: str) -> None:
        # One that the function makes is seeded anew by every call, before its state is a value of the program.
        if id(generator) in self.streams or id(generator) not in self._objects:
            raise CaptureError(f"{what} can't run inside a compiled function", self.location())

    def function_begins(self, inputs: Sequence[Tensor]) -> list[Node] | None:
        if not self.records_rules:
            return None
        self._note_leaves(inputs)
        return [self.node_of(tensor) for tensor in inputs]

    def function_ran(
        self, begun: list[Node] | None, node: Any, results: Sequence[tuple[int, Tensor]], single: bool
    ) -> None:
        if begun is not None:
            self.add_rule(self, begun, node, results, single)

    def scalar(self, holder: Any, key: Any, value: float) -> Tensor:
        for known in self.scalars:
            if known.key == key and (
                known.holder is holder or (not isinstance(holder, dict) and known.holder == holder)
            ):
                return known.tensor
        tensor = Tensor._wrap(np.array(value, np.float64), float64, kind=RunTimeNumber)
        memory = self._enter(tensor, (), str(key), "scalar")
        self.scalars.append(Scalar(holder, key, tensor, memory.node))
        return tensor

    def guard(self, holder: Any, key: Any, value: Any, truth: bool = False) -> None:
        if id(holder) in self._objects:
            return
        self.guards.setdefault((id(holder), key), Guard(holder, key, bool(value) if truth else value, truth))

    def back_to_entry(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Give memory from outside that was written, and the generator, what they had at entry; gives what they had."""
        held = [(memory.tensor._array, memory.tensor._array.copy()) for memory in self._saved]
        held.append((default_generator.buffer, default_generator.buffer.copy()))
        for memory in reversed(self._saved):
            np.copyto(memory.tensor._array, memory.at_entry)
        np.copyto(default_generator.buffer, self._generator_at_entry)
        return held

    def is_outside(self, storage: Storage) -> bool:
        """Whether a memory was there before the capture."""
        return any(memory.input is not None for memory in self._memories.get(storage, ()))

    def undo(self) -> None:
        """Give memory from outside, gradients, and ``requires_grad`` the values that they had at entry."""
        # The last write first: a copy of memory that overlaps other memory may hold what was written there before it.
        for memory in reversed(self._saved):
            np.copyto(memory.tensor._array, memory.at_entry)
        for slot in self.gradients.values():
            slot.tensor._grad = slot.at_entry
        for tensor, flag in self.flags.values():
            tensor._requires_grad = flag
        for place, before, _ in self.attributes.values():
            place.put(before)
        for module, mode, _ in self._modes.values():
            module.training = mode
        for tensor, was in self.rebound.values():
            tensor.data = was
        np.copyto(default_generator.buffer, self._generator_at_entry)

    def made_within(self, tensor: Tensor) -> bool:
        """Whether the tensor's memory was made while the function ran."""
        memory = self._find(tensor)
        return memory is not None and memory.input is None and id(tensor) not in self.rebound

    def swept(self, sequence: int, name: str) -> None:
        if sequence < self.first_sequence:
            raise CaptureError(
                f"backward() goes on into {name}, which was computed before the compiled function was called: its "
                "values would be built in. Call backward() outside, or compute that part inside",
                self.location(),
            )

    # -- sizes ---------------------------------------------------------------------------------------------------

    def shape_of(self, tensor: Tensor) -> Size:
        shape = tensor._array.shape
        if not self.symbols:
            return Size(shape)
        memory = self._find(tensor)
        if memory is None:
            return Size(shape)
        node = self._follow(memory.node, tensor._chain[len(memory.prefix) :])[-1]
        return Size(map(dynamic_size, shape, node.type.shape))

    def nodes_replaced(self, new: dict[Node, Node]) -> None:
        self.leaf_values = {leaf: {new[node]: None for node in nodes} for leaf, nodes in self.leaf_values.items()}
        for scalar in self.scalars:
            scalar.node = new[scalar.node]
        for memory in (memory for group in self._memories.values() for memory in group):
            memory.node = new[memory.node]
            memory.input = memory.input and new[memory.input]

    # -- what was found ------------------------------------------------------------------------------------------

    def memories(self) -> list[Memory]:
        """Every memory that was there at entry, in the order in which it was met."""
        return [memory for group in self._memories.values() for memory in group if memory.input is not None]

    def histories(self) -> Iterator[tuple[Memory, Tensor]]:
        """The memories from outside that are left with a history made within, each with the tensor that has it."""
        for memory in self.memories():
            if self._has_history_from_within(memory.tensor):
                if not memory.tensor.grad_fn.released:
                    yield memory, memory.tensor
            elif any(map(self._has_history_from_within, memory.written)):
                raise CaptureError(
                    f"{memory.input.name} shows memory that other tensors show too, and is left with a history of "
                    "gradients, which later calls could not give all of them; write detach()ed values, or write "
                    "within no_grad()",
                    memory.written_at,
                )

    def _has_history_from_within(self, tensor: Tensor) -> bool:
        node = tensor.grad_fn if tensor.requires_grad else None
        return node is not None and node.sequence >= self.first_sequence

    def knows(self, tensor: Tensor) -> bool:
        """Whether the function computed with a tensor, or gave it a gradient."""
        return tensor._storage in self._memories or id(tensor) in self.gradients

    def writes(self, array: np.ndarray) -> bool:
        """Whether the function wrote to memory that an array shows."""
        return any(
            memory.written_at is not None and np.may_share_memory(memory.tensor._array, array)
            for memory in self.memories()
        )

    def settle_changes(self) -> None:
        """Let guards of modules whose attributes the function gave other values hold at the next call."""
        for holder, _ in self.attributes:
            guard = self.guards.get((holder, "_changes"))
            if guard is not None:
                self.guards[holder, "_changes"] = replace(guard, value=guard.current())

    def made(self, tensor: Tensor) -> bool:
        """Whether a view was made by the function, rather than found."""
        return id(tensor) in self._made

    def reaches(self, storage: Storage) -> bool:
        """Whether the function has a variable of its own for this memory."""
        return id(storage) in self._names and id(storage) not in self._named_by_bodies

    def memory_of(self, tensor: Tensor) -> Memory | None:
        """The memory that a tensor lies in, where the capture knows it."""
        return self._find(tensor)

    def refuse_overlaps(self) -> None:
        """Raise OverlapError where memory was written that another value of the graph shows too."""
        ranges = [(*byte_range(memory.tensor._array), memory) for memory in self.memories()]
        ranges.sort(key=lambda each: each[0])
        for position, (_, stop, memory) in enumerate(ranges):
            for start, _, other in ranges[position + 1 :]:
                if start >= stop:
                    break
                written, shown = (memory, other) if memory.written_at is not None else (other, memory)
                if written.written_at is not None and np.may_share_memory(memory.tensor._array, other.tensor._array):
                    raise OverlapError(
                        f"{written.input.name} is written in place while {shown.input.name} shows the same memory; "
                        "give one of them memory of its own with clone()",
                        written.written_at,
                    )


def _names_in(value: Any) -> set[str]:
    """The names of the sizes in an attribute, or a tuple of them, that are known at run time only."""
    if isinstance(value, tuple):
        return set().union(*map(_names_in, value))
    return variables(value) if isinstance(value, IntegerExpression) else set()
