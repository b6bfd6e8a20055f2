"""Which arguments of a compiled function may share memory, with each other and with tensors from outside.

A program is recorded for one pattern of sharing. Where it writes in place, or where arguments shared memory when it was
recorded, a call with another pattern is another program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.tensor import Storage, Tensor, View


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the recording took for granted about its arguments' memory.

    ``same``: this argument is that earlier one seen through views. ``pinned``: this argument's memory is that of a
    tensor that the function also reaches from outside. ``joined``: this argument is that part of memory which it shares
    with the argument at the second position, all of which has this shape and dtype.
    """

    same: tuple[tuple[int, int, tuple[View, ...]], ...] = ()
    pinned: tuple[tuple[int, Storage], ...] = ()
    joined: tuple[tuple[int, int, tuple[View, ...], tuple[int, ...], np.dtype], ...] = ()


NOTHING_SHARED = Sharing()


class SharingCheck:
    """Tells at each call whether the arguments share memory as when the program was recorded.

    Attributes:
        trivial: whether all arguments do.
    """

    __slots__ = (
        "_apart",
        "_gradients",
        "_gradients_apart",
        "_outside",
        "_outside_written",
        "_patterned",
        "_sharing",
        "_written",
        "trivial",
    )

    def __init__(
        self,
        sharing: Sharing,
        written: Sequence[int],
        count: int,
        gradients: Sequence[tuple[Tensor | None, int]] = (),
    ):
        """``written``: the positions of arguments that the program writes; ``count``: how many arguments there are;
        ``gradients``: the tensors, or None and the positions of arguments, whose gradients it finds in memory of their
        own."""
        self._sharing = sharing
        self._written = tuple(written)
        one = {position: first for position, first, *_ in (*sharing.same, *sharing.joined)}
        self._apart = tuple(
            (position, other)
            for position in written
            for other in range(count)
            if one.get(other, other) != one.get(position, position)
        )
        self._gradients = gradients
        self._gradients_apart: list[int] = []  # the ids of their storages, which were found to be apart
        self._patterned = bool(sharing.same or sharing.pinned or sharing.joined or written)
        self._outside: frozenset[Storage] = frozenset()
        self._outside_written: frozenset[Storage] = frozenset()
        self.trivial = False

    def bind(self, outside: Sequence[tuple[Tensor, bool]]) -> None:
        """Take note of the tensors from outside, each with whether it is written."""
        self._outside = frozenset(tensor._storage for tensor, _ in outside)
        self._outside_written = frozenset(tensor._storage for tensor, changed in outside if changed)
        self.trivial = not (self._patterned or self._outside_written or self._gradients)
        self._gradients_apart = []

    def holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the program is right for arguments that share memory as these do."""
        if self.trivial:
            return True
        if self._patterned and not self._as_recorded(tensors):
            return False
        gradients: Sequence[int] = ()
        if self._gradients:
            gradients = [
                id((tensors[position] if tensor is None else tensor)._grad._memory)
                for tensor, position in self._gradients
            ]
            # All of these live now, as do those from outside: equal ids mean that nothing has become another's.
            if gradients != self._gradients_apart and not self._own_gradients(tensors):
                return False
        written = self._outside_written
        for tensor in tensors:
            memory = tensor._memory
            # None: of memory that has no storage yet nobody else knows.
            if memory is not None and (memory in written or id(memory) in gradients):
                return False
        return True

    def _as_recorded(self, tensors: Sequence[Tensor]) -> bool:
        for position, first, chain in self._sharing.same:
            tensor, earlier = tensors[position], tensors[first]
            if tensor._storage is not earlier._storage or tensor._chain != earlier._chain + chain:
                return False
        for position, first, chain, shape, dtype in self._sharing.joined:
            tensor, storage = tensors[position], tensors[first]._storage
            if tensor._storage is not storage or tensor._chain != chain:
                return False
            if storage.array.shape != shape or storage.array.dtype != dtype:
                return False
        for position, storage in self._sharing.pinned:
            if tensors[position]._storage is not storage:
                return False
        for position, other in self._apart:
            if _overlap(tensors[position], tensors[other]):
                return False
        return not any(tensors[position]._storage in self._outside for position in self._written)

    def _own_gradients(self, tensors: Sequence[Tensor]) -> bool:
        """Whether gradients share memory neither with each other nor with anything from outside."""
        owners = [tensors[position] if tensor is None else tensor for tensor, position in self._gradients]
        found = [id(owner._grad._storage) for owner in owners]
        if len(set(found)) < len(found) or not {id(storage) for storage in self._outside}.isdisjoint(found):
            return False
        if not {id(tensor._memory) for tensor in tensors}.isdisjoint(found):
            return False
        self._gradients_apart = found
        return True


def _overlap(one: Tensor, other: Tensor) -> bool:
    return one._storage is other._storage and np.may_share_memory(one._array, other._array)
