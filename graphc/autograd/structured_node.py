"""Tape nodes of what gives several results: a structured operation, and one result of it or of another such node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.autograd.tape import Node, gradient_edge, next_sequence, refuse_overwritten, refuse_second_sweep
from graphc.ir.graph import Bundle
from graphc.ir.primitive import Attributes, Primitive
from graphc.recording import state

if TYPE_CHECKING:
    from graphc.tensor import Tensor


class StructuredNode(Node):
    """A structured operation that ran: its rule, and the tensors that it was given."""

    __slots__ = ("_count", "_numbers", "_saved", "_versions", "attrs", "edges", "primitive")

    def __init__(
        self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, results: Sequence[Tensor]
    ) -> None:
        self.primitive = primitive
        self.attrs = attrs
        # What a sweep after the capture finds, for which there are no symbolic sizes.
        self._numbers = attrs if state.recorder is None else state.recorder.with_numbers(attrs)
        self.edges = [gradient_edge(tensor) for tensor in inputs]
        self._saved: tuple[Tensor, ...] | None = tuple(inputs)
        self._versions = [tensor._storage.version for tensor in inputs]
        self._count = len(results)
        self.hooks = self.description = None
        self.released = False
        self.location = state.recorder.location() if state.recorder is not None else None
        self.sequence = next_sequence()

    def own_name(self) -> str:
        return f"{self.primitive.name.title().replace('_', '')}Backward"

    def pull_back(self, cotangent: Bundle) -> Sequence[Any]:
        """The cotangents of the inputs. Raises RuntimeError where a saved value is gone or was overwritten."""
        if self._saved is None:
            refuse_second_sweep()
        for saved, version in zip(self._saved, self._versions, strict=True):
            if saved._storage.version != version:
                refuse_overwritten(saved, saved.grad_fn, version, self.location)
        recorder = state.recorder
        attrs = self._numbers if recorder is None else recorder.with_sizes(self.attrs)
        return self.primitive.vjp(cotangent, None, *self._saved, **attrs)

    def release(self) -> None:
        self.released = True
        self._saved = None

    def unbundled(self, cotangent: Bundle) -> tuple[Any, ...]:
        return tuple(cotangent.parts.get(position) for position in range(self._count))

    def bundled(self, cotangents: tuple[Any, ...]) -> Bundle:
        return Bundle({position: each for position, each in enumerate(cotangents) if each is not None})


class ResultNode(Node):
    """One result of a node that has several: it hands its cotangent on to that node, in a bundle."""

    __slots__ = ("core", "edges", "place")

    def __init__(self, core: Node, place: int):
        self.core = core
        self.edges = (core,)
        self.place = place
        self.hooks = None
        self.description = None
        self.location = core.location
        self.released = False
        self.sequence = next_sequence()

    def name(self) -> str:
        return self.core.name()

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        return (Bundle({self.place: cotangent}),)
