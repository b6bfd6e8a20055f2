"""Batches of sequences of different lengths: packed without padding, or padded.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from graphc.creation import arange, from_numpy, full
from graphc.ops.functions.indexing import index_select, where
from graphc.ops.functions.padding import pad
from graphc.ops.functions.shaping import stack
from graphc.recording import state
from graphc.tensor import Tensor

_UNSORTED = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
    "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
    "need ONNX exportability."
)


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """The steps of several sequences under each other: all first steps, then all second steps, and so on.

    ``data`` is [all steps, ...]; ``batch_sizes``, int64, says how many sequences have each step, so that the longest
    sequence comes first. ``sorted_indices`` is the order that made it so, ``unsorted_indices`` the way back; both None
    where the order was so already. Made by :func:`pack_padded_sequence` and :func:`pack_sequence`.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            if not (isinstance(data, tuple | list) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The sequence with its data in another dtype or on another device; itself where nothing changes."""
        return self._with(self.data.to(*args, **kwargs))

    def _with(self, data: Tensor) -> Self:
        if data is self.data:
            return self
        orders = (None if order is None else order.to(data.device) for order in self[2:])
        return type(self)(data, self.batch_sizes, *orders)

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """The sequence with its data in the processor's memory."""
        return self.to(*args, **{"device": "cpu", **kwargs})

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """The sequence with its data on a GPU."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    def double(self) -> Self:
        """The sequence with its data as float64."""
        return self._with(self.data.double())

    def float(self) -> Self:
        """The sequence with its data as float32."""
        return self._with(self.data.float())

    def half(self) -> Self:
        """The sequence with its data as float16."""
        return self._with(self.data.half())

    def long(self) -> Self:
        """The sequence with its data as int64."""
        return self._with(self.data.long())

    def int(self) -> Self:
        """The sequence with its data as int32."""
        return self._with(self.data.int())

    def short(self) -> Self:
        """The sequence with its data as int16."""
        return self._with(self.data.short())

    def char(self) -> Self:
        """The sequence with its data as int8."""
        return self._with(self.data.char())

    def byte(self) -> Self:
        """The sequence with its data as uint8."""
        return self._with(self.data.byte())

    @property
    def is_cuda(self) -> bool:
        return self.data.device.type == "cuda"

    def is_pinned(self) -> bool:
        """Whether the data lies in memory that a GPU can copy from by itself."""
        return self.data.is_pinned()

    def pin_memory(self) -> Self:
        """The sequence in memory that a GPU can copy from by itself."""
        orders = (None if order is None else order.pin_memory() for order in self[2:])
        return type(self)(self.data.pin_memory(), self.batch_sizes, *orders)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes an order."""
    if permutation is None:
        return None
    return permutation.scatter(0, permutation, arange(permutation.numel(), dtype=permutation.dtype))


def _counts(values: np.ndarray) -> Tensor:
    """Numbers of sequences or steps as a tensor. Under a capture it remembers them, for they don't depend on inputs."""
    tensor = from_numpy(values)
    if state.recorder is not None:
        tensor._known = (state.recorder, values.tolist())
    return tensor


def sizes_of(batch_sizes: Tensor) -> list[int]:
    """How many sequences have each step. Under a capture known only where lengths were given as Python numbers."""
    known = getattr(batch_sizes, "_known", None)
    if known is not None and known[0] is state.recorder:
        return known[1]
    return batch_sizes.tolist()


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a batch of padded sequences: (steps, sequences, ...), or with ``batch_first`` (sequences, steps, ...).

    ``lengths`` are ints, or an int64 tensor (not of a compiled function's inputs: the program's shapes depend on
    them). Unless ``enforce_sorted``, they may come in any order.

    Raises RuntimeError for lengths that are not descending where they must be, not positive, or too few, and
    ValueError for lengths beyond the steps there are.
    """
    counts = _lengths(lengths)
    sequences, steps = (input.shape[0], input.shape[1]) if batch_first else (input.shape[1], input.shape[0])
    order = np.arange(len(counts)) if enforce_sorted else np.argsort(-counts, kind="stable")
    counts = counts[order]
    _require_lengths(input, counts, sequences, steps)
    sizes = (counts[:, None] > np.arange(counts[0])).sum(0)
    step, place = _steps_and_places(sizes)
    index = order[place] * steps + step if batch_first else step * sequences + order[place]
    data = index_select(input.flatten(0, 1), 0, from_numpy(index))
    if enforce_sorted:
        return PackedSequence(data, _counts(sizes))
    return PackedSequence(data, _counts(sizes), from_numpy(order), from_numpy(np.argsort(order)))


def _lengths(lengths: Any) -> np.ndarray:
    if isinstance(lengths, Tensor):
        known = getattr(lengths, "_known", None)
        if known is not None and known[0] is state.recorder:
            return np.array(known[1])
        lengths = lengths._value("pack_padded_sequence() of lengths in a tensor")
    return np.asarray(lengths, np.int64)


def _require_lengths(input: Tensor, counts: np.ndarray, sequences: int, steps: int) -> None:
    if not input.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    if len(counts) != sequences:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={sequences})"
        )
    if counts[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (counts[1:] > counts[:-1]).any():
        raise RuntimeError(_UNSORTED)
    if counts[0] > steps:
        raise RuntimeError(
            f"Expected `len(lengths)` to be at most the number of steps, {steps}, but got a length of {counts[0]}"
        )


def _steps_and_places(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every row of packed data the step that it is, and the place of its sequence in the order."""
    step = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    return step, np.arange(len(step)) - first[step]


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """A packed batch as a padded one, (steps, sequences, ...) or with ``batch_first`` (sequences, steps, ...), and the
    lengths, int64. ``total_length`` asks for more steps than the longest sequence has; ValueError for fewer."""
    sizes = np.array(sizes_of(sequence.batch_sizes), np.int64)
    steps, sequences = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    step, place = _steps_and_places(sizes)
    rows = np.full((sequences, steps), -1)
    rows[place, step] = np.arange(len(step))
    lengths = _counts((sizes[:, None] > np.arange(sequences)).sum(0))
    shape = (sequences, steps) if batch_first else (steps, sequences)
    rows = rows if batch_first else rows.T
    padded = index_select(sequence.data, 0, from_numpy(np.maximum(rows, 0).reshape(-1)))
    if (rows < 0).any():
        filled = from_numpy((rows >= 0).reshape(-1, *(1,) * (padded.dim() - 1)))
        padded = where(filled, padded, full((), padding_value, dtype=padded.dtype))
    padded = padded.unflatten(0, shape)
    if sequence.unsorted_indices is None:
        return padded, lengths
    order = sequence.unsorted_indices
    return index_select(padded, 0 if batch_first else 1, order), index_select(lengths, 0, order)


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences of (steps, ...) as one tensor, (steps, sequences, ...) or with ``batch_first`` (sequences, steps, ...),
    padded at the end or, with ``padding_side="left"``, before the beginning. Raises RuntimeError for what is no
    sequence of tensors that agree but for their lengths."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(part.shape[0] for part in parts)
    padded = []
    for part in parts:
        if tuple(part.shape[1:]) != tuple(parts[0].shape[1:]):
            raise RuntimeError(
                f"The size of tensor a ({longest}) must match the size of tensor b: sequences agree in all but the "
                f"first dimension, but got {list(parts[0].shape)} and {list(part.shape)}"
            )
        missing = longest - part.shape[0]
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        padded.append(pad(part, (0, 0) * (part.dim() - 1) + ends, value=padding_value) if missing else part)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each as long as it is."""
    counts = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [sequence[:count] for sequence, count in zip(batch, counts, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of (steps, ...); unless ``enforce_sorted``, they may come in any order."""
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
