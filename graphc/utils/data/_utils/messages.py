"""Batches as messages: a pickle, and the memory of large arrays beside it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphc.nn.parameter import Parameter
from graphc.tensor import Tensor

__all__ = ["EndOfStream", "Message", "decode", "encode"]

# A buffer below this size costs less to copy into the pickle than to map.
_LARGE = 1 << 15


class Message(NamedTuple):
    """A task on its way to a worker (its indices), or the result on its way back.

    Attributes:
        epoch: the pass through the data that it belongs to.
        number: its place in the order of batches of that pass.
        content: indices; or a batch, a Failure, or EndOfStream.
    """

    epoch: int
    number: int
    content: Any


class EndOfStream:
    """Instead of a batch: this worker's stream has no more samples."""


def encode(content: Any, most_buffers: int) -> tuple[bytes, list[memoryview]]:
    """A message's content as a pickle and the large buffers in it, at most as many as are asked for.

    Raises RuntimeError for a tensor with a history of operations, and what pickling raises otherwise.
    """
    large: list[memoryview] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _LARGE or len(large) == most_buffers:
            return True
        large.append(raw)
        return False

    stream = io.BytesIO()
    _Pickler(stream, is_small).dump(content)
    return stream.getvalue(), large


def decode(body: bytes | bytearray, large: Sequence[memoryview]) -> Any:
    """The content of a pickle and its large buffers, which the arrays in it share."""
    return pickle.loads(body, buffers=large)


class _Pickler(pickle.Pickler):
    """Sends the memory of a tensor as it lies; an ordinary pickle would copy it first."""

    def __init__(self, stream: io.BytesIO, is_small: Callable[[pickle.PickleBuffer], bool]):
        super().__init__(stream, protocol=5, buffer_callback=is_small)

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
                "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor "
                "before serializing (e.g., putting it on the queue)."
            )
        if type(value) not in (Tensor, Parameter):
            return NotImplemented
        array = value._settled
        if not array.flags.writeable or not array.flags.c_contiguous:
            # A pickle keeps an array read-only, and sends no buffer of one with gaps.
            array = np.array(array, order="C")
        return _tensor, (type(value), array, value.requires_grad)


def _tensor(kind: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = Tensor.from_array(array)
    if kind is Parameter:
        return Parameter(tensor, requires_grad=requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor
