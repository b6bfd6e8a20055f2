"""What a capture knows of one memory, of one number, and of one gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import numpy as np

from graphc.ir.graph import Location, Node
from graphc.ir.types import dtype_of
from graphc.tensor import Tensor, View


@dataclass(slots=True)
class Memory:
    """One memory during a capture: the tensor that stands for the whole of it, and its value now.

    Memory that was made within is free as soon as the function that runs has no use for it: only the tensor's
    reference is weak then, and the recorder finds it by its storage as long as that is there.
    """

    holder: Tensor | ref[Tensor]
    node: Node
    input: Node | None  # the graph input that it was at entry; None for memory made within
    prefix: tuple[View, ...] = ()  # how `tensor` lies within its storage
    written_at: Location | None = None
    written: list[Tensor] = field(default_factory=list)  # of memory from outside, the tensors that were written to
    at_entry: np.ndarray | None = None  # a copy from before the first write, to undo a capture that is refused
    joined: bool = False  # all of the memory that arguments show parts of
    owner: Tensor | None = None  # the tensor whose memory it was at entry, where that has been given other memory
    history: tuple[bool, bool] = (False, True)  # what `history_of` said of the tensor at entry

    @property
    def tensor(self) -> Tensor:
        """The tensor that stands for the whole of memory from outside."""
        assert isinstance(self.holder, Tensor)
        return self.holder

    def whole(self, tensor: Tensor) -> Tensor:
        """The tensor that stands for the whole of the memory that ``tensor`` shows; this itself where it is gone."""
        holder = self.holder
        found = holder if isinstance(holder, Tensor) else holder()
        return tensor if found is None else found


@dataclass(slots=True)
class Scalar:
    """A number of the user's that is read anew at every call."""

    holder: Any
    key: Any
    tensor: Tensor
    node: Node

    def current(self) -> float:
        """The number now."""
        return self.holder[self.key]


@dataclass(slots=True)
class GradientSlot:
    """What happened to the ``grad`` of one tensor: what it was at entry, and whether that was read first."""

    tensor: Tensor
    at_entry: Tensor | None
    read_first: bool
    location: Location = field(repr=False)


def whole_of(tensor: Tensor) -> Tensor:
    """All of the memory that a tensor shows a part of."""
    storage = tensor._storage
    return Tensor._wrap(storage.array, dtype_of(storage.array.dtype), storage)
