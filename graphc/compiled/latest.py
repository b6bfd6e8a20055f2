"""Kinds of calls of a compiled function: that of the latest one, and how one differs from another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.capture.trees import difference, tensors_alone
from graphc.compiled.builds import Entry
from graphc.device_memory import gpu_of, use
from graphc.ir.types import TensorType
from graphc.ops.promotion import get_default_dtype
from graphc.recording import state
from graphc.tensor import Tensor

FIRST_KIND = 4  # where in a key the kinds of tensors begin


def wants_gradient(tensor: Tensor) -> bool:
    """As ``tensor.requires_grad``; a view may have come to a history by its base."""
    return tensor._requires_grad or (tensor._base is not None and tensor.requires_grad)


class Latest:
    """The kind of the latest call, and its builds: most calls are of the same kind, which is seen without a key."""

    __slots__ = ("_alone", "_autocast", "_default", "_gradients", "_homes", "_tensors", "description", "entries")

    def __init__(self, key: tuple[Any, ...], tensors: Sequence[Tensor], entries: list[Entry]):
        self.description, self._gradients, self._autocast, self._default = key[:FIRST_KIND]
        kinds = zip(tensors, key[FIRST_KIND:], strict=True)
        self._tensors = [(shape, tensor.dtype, wanted) for tensor, (shape, _, wanted) in kinds]
        # How many tensors the call took, where it took nothing else.
        self._alone = len(tensors) if self.description == tensors_alone(len(tensors)) else -1
        self._homes = [gpu_of(tensor._array) for tensor in tensors] if use.active else [None] * len(tensors)
        self.entries = entries

    def is_of(self, tensors: Sequence[Tensor], description: Any = None) -> bool:
        """Whether a call is of this kind. Without a description ``tensors`` are its arguments, whatever they are."""
        if description is None:
            if len(tensors) != self._alone:
                return False
        elif description is not self.description and description != self.description:
            return False
        for tensor, (shape, dtype, wanted) in zip(tensors, self._tensors):  # noqa: B905  (as many of both)
            if not isinstance(tensor, Tensor) or tensor.dtype is not dtype or tensor._array.shape != shape:
                return False
            if (tensor._requires_grad if tensor._base is None else tensor.requires_grad) != wanted:
                return False
        if state.gradients is not self._gradients or state.autocast is not self._autocast:
            return False
        if use.active and [gpu_of(tensor._array) for tensor in tensors] != self._homes:
            return False
        return get_default_dtype() is self._default


def kind_told(before: Any, key: Any, tensors: Sequence[Tensor]) -> str:
    """How a kind of arguments differs from one before, in words."""
    modes = ("gradients", "autocast", "the default dtype")
    for mode, old, new in zip(modes, before[1:FIRST_KIND], key[1:FIRST_KIND], strict=True):
        if old != new:
            return f"{mode}: {new}, was {old}"
    told = ", ".join(str(TensorType(tensor.dtype, tensor._array.shape)) for tensor in tensors) or "no tensors"
    wanted = [[part[-1] for part in kind[FIRST_KIND:]] for kind in (before, key)]
    if wanted[0] != wanted[1] and [part[:-1] for part in before[FIRST_KIND:]] == [
        part[:-1] for part in key[FIRST_KIND:]
    ]:
        return f"{told}, with requires_grad {wanted[1]}, was {wanted[0]}"
    other = difference(before[0], key[0], "arguments")
    return f"{told}; {other}" if other else told
