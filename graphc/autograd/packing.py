"""A saved tensor that the user's functions keep in a form of their own, such as on disk.

Source: https://docs.pytorch.org/docs/stable/autograd.html#saved-tensors-default-hooks
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphc.recording import state

if TYPE_CHECKING:
    from graphc.tensor import Tensor


class Packed:
    """What a tape node saved, as ``pack`` made it; ``unpacked()`` is a tensor of the same place in the graph."""

    __slots__ = ("_content", "_edge", "_unpack")
    # The memory is not watched: what is kept is the user's.
    _storage = None

    def __init__(self, tensor: Tensor, edge: Any, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]):
        self._edge = edge
        self._unpack = unpack
        outer, state.gradients = state.gradients, False
        try:
            self._content = pack(tensor)
        finally:
            state.gradients = outer

    def unpacked(self, edge: Any = None) -> Tensor:
        """The tensor again. Raises TypeError where the user's function gives something else."""
        from graphc.autograd.tape import AccumulateGrad
        from graphc.tensor import Tensor

        outer, state.gradients = state.gradients, False
        try:
            given = self._unpack(self._content)
        finally:
            state.gradients = outer
        if not isinstance(given, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                + (type(given).__name__)
            )
        edge = self._edge if edge is None else edge
        if isinstance(edge, AccumulateGrad):
            restored = Tensor._wrap(given._array, given.dtype, given._storage, given._chain)
            restored._accumulator, restored._requires_grad = edge, True
            return restored
        return Tensor._wrap(given._array, given.dtype, given._storage, given._chain, grad_fn=edge)
