"""Values that a capture need not compute: they are left to the program that is made of it.

An operation on much memory gives a tensor whose array has its memory and no elements yet, and so does every operation
on such a tensor; the steps that would fill them are kept in order. Whoever asks for elements has all steps carried out,
and everything is as if they never had waited. Where nobody asks, the program that was built is run in place of them: it
writes the state, and its results go to the memory of the tensors that the function returned or left in gradients.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakSet

import numpy as np

from graphc.device_memory import use as device_use
from graphc.ir.primitive import Attributes, Indexed, Pointwise, Primitive, Source
from graphc.ir.types import TensorType
from graphc.ops.gathers import first_outside
from graphc.tensor import Storage, Tensor

# Operations that read so many bytes wait; smaller ones cost less than what is to be gained.
WORTH_WAITING_BYTES = 1 << 16
# Smaller arrays lie side by side in mappings of so many bytes: an allocator that wrote beside each of them would have
# the system find memory for what may never be used.
SMALL_BYTES, MAPPING_BYTES = 1 << 20, 1 << 22
# Programs may want what they work in to begin at such places.
ALIGNMENT = 64


@dataclass(slots=True)
class Step:
    """What fills ``array`` when it is carried out; with ``before``, that comes first."""

    array: np.ndarray
    values: Callable[..., np.ndarray]
    arrays: tuple[np.ndarray, ...]
    attrs: Attributes
    before: Callable[[], None] | None = None


class Postponed:
    """The steps of one capture that wait.

    ``waiting`` are the memories whose elements are not what they should be before the steps are carried out. While
    ``allowed`` is false nothing more is postponed.
    """

    def __init__(self, allowed: bool = True):
        self.allowed = allowed
        self.waiting: WeakSet[Storage] = WeakSet()
        self._steps: deque[Step] = deque()
        self._made: np.ndarray | None = None
        self._mapping = np.empty(0, np.uint8)  # what is left of the newest one

    def __bool__(self) -> bool:
        return bool(self._steps)

    def waits(self, tensor: Tensor) -> bool:
        """Whether a tensor's elements are not there yet."""
        return bool(self._steps) and tensor._memory is not None and tensor._memory in self.waiting

    def result_of(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> np.ndarray | None:
        """The array of an operation's result, which waits; None where the operation is to be carried out now."""
        late = any(map(self.waits, inputs))
        if not late and not self._is_worth_waiting(primitive, inputs):
            return None
        room = self._room(primitive, inputs, attrs)
        if room is None and late:
            self.carry_out()
        return room

    def _is_worth_waiting(self, primitive: Primitive, inputs: Sequence[Tensor]) -> bool:
        if not self.allowed or primitive.aliases or isinstance(primitive, Source) or device_use.active:
            return False
        return sum([tensor._array.nbytes for tensor in inputs]) >= WORTH_WAITING_BYTES

    def _room(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes) -> np.ndarray | None:
        if primitive.effect is not None or any(tensor.dtype.is_complex for tensor in inputs):
            return None
        types = [TensorType(tensor.dtype, tensor._array.shape) for tensor in inputs]
        try:
            type = primitive.infer(*types, **attrs)
        except (TypeError, ValueError, IndexError, NotImplementedError, RuntimeError):
            return None  # to be told as eager mode tells it
        if isinstance(primitive, Pointwise) and type.dtype.is_integer and not primitive.moves:
            return None  # some integers have no power
        if isinstance(primitive, Indexed) and not self._known_inside(primitive, inputs, types, attrs):
            return None
        arrays = tuple(tensor._array for tensor in inputs)
        room = primitive.room(type, *arrays, **attrs)
        if room is None or (primitive.aliases and np.may_share_memory(room, arrays[0])):
            return room
        if room.flags.c_contiguous and room.nbytes:
            room = self._placed(room)
        values = primitive.evaluate if inputs[0].dtype.is_direct else primitive.compute
        self._steps.append(Step(room, values, arrays, attrs))
        self._made = room
        return room

    def _placed(self, room: np.ndarray) -> np.ndarray:
        """Memory as given, which nothing was written to, that begins where programs may want it to."""
        nbytes = -(-room.nbytes // ALIGNMENT) * ALIGNMENT
        if nbytes < SMALL_BYTES:
            if nbytes > self._mapping.size:
                self._mapping = np.frombuffer(_private_mapping(), np.uint8)
            block, self._mapping = self._mapping[:nbytes], self._mapping[nbytes:]
        else:
            block = np.empty(nbytes + ALIGNMENT, np.uint8)
            block = block[-block.ctypes.data % ALIGNMENT :]
        return block[: room.nbytes].view(room.dtype).reshape(room.shape)

    def _known_inside(
        self, primitive: Indexed, inputs: Sequence[Tensor], types: Sequence[TensorType], attrs: Attributes
    ) -> bool:
        """Whether everything that an operation requires of values can be seen now and holds."""
        for position, extent in primitive.checked_indices(types, **attrs):
            given = inputs[position]
            if (
                type(primitive).checked_value is not Indexed.checked_value
                or self.waits(given)
                or first_outside(given._array, extent) is not None
            ):
                return False
        return True

    def note(self, output: Tensor) -> None:
        """The tensor of the array that :meth:`result_of` gave last."""
        if self._made is not None and output._array is self._made:
            self.waiting.add(output._storage)
            self._made = None

    def written(self, target: Tensor, value: Tensor, before: Callable[[], None]) -> bool:
        """Whether the write of a value to a tensor's memory waits, as all do while there are steps, which may read what
        was there. ``before`` is called when it is carried out."""
        if not self._steps:
            return False
        self._steps.append(Step(target._array, _as_given, (value._array,), {}, before))
        self.waiting.add(target._storage)
        return True

    def laid_out(self, tensor: Tensor, array: np.ndarray) -> None:
        """A tensor whose elements wait, and which nothing shares, gets another array for them."""
        self._steps.append(Step(array, _as_given, (tensor._array,), {}))

    def carry_out(self) -> None:
        """Compute all that waits, in order."""
        steps = self._steps
        while steps:
            step = steps.popleft()
            if step.before is not None:
                step.before()
            np.copyto(step.array, step.values(*step.arrays, **step.attrs))
        self.waiting.clear()

    def forget(self) -> None:
        """Let all that waits go: its memory was filled in another way, or is of use to nobody."""
        self._steps.clear()
        self.waiting.clear()


def _as_given(array: np.ndarray) -> np.ndarray:
    return array


def _private_mapping() -> mmap.mmap:
    # Python's default is memory that forked children share.
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, MAPPING_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, MAPPING_BYTES)
