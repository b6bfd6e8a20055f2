"""The tape nodes of functions with a rule of the user's own; one is the ``ctx`` that the rule works with.

A function of several results has a node for each of them, which hand their cotangents, bundled, to the function's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from graphc.autograd.packing import Packed
from graphc.autograd.structured_node import ResultNode
from graphc.autograd.tape import AccumulateGrad, Node, next_sequence, refuse_overwritten, refuse_second_sweep
from graphc.autograd.watching import Trace, switch, watching
from graphc.ir.graph import Bundle
from graphc.ops.operands import cast, sum_to_shape
from graphc.ops.sources import number_like
from graphc.recording import state
from graphc.tensor import Tensor


class FunctionNode(Node):
    """A call of a function of the user's: its ``ctx``, and its node in the graph. Holds what the user puts on it."""

    _forward_cls: ClassVar[Any]

    def __init__(self, arguments: Sequence[Any], edges: Sequence[Node | None]):
        self.edges = tuple(edges)
        self.needs_input_grad = tuple(isinstance(value, Tensor) and value.requires_grad for value in arguments)
        # Where the tensors stand among the arguments, and what their gradients must look like.
        self._places = [place for place, value in enumerate(arguments) if isinstance(value, Tensor)]
        self._types = [(arguments[place].shape, arguments[place].dtype) for place in self._places]
        self._count = len(arguments)
        self._to_save: Sequence[Any] = ()
        self._saved: list[Any] | None = []
        self._outputs: list[Any] = []
        self.dirty: tuple[Tensor, ...] = ()
        self.non_differentiable: tuple[Tensor, ...] = ()
        self.materialize_grads = True
        self.hooks = self.description = None
        self.released = False
        recorder = state.recorder
        self.location = recorder.location() if recorder is not None else None
        self.sequence = next_sequence()
        if switch.active and watching.anomalies:
            self.trace = Trace()

    # -- what the user calls -------------------------------------------------------------------------------------

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or results for ``backward``, which finds them in ``saved_tensors``."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for forward-mode differentiation, which there is none of: the names are checked alone."""
        for tensor in tensors:
            if not isinstance(tensor, Tensor | type(None)):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs ``forward`` has written to."""
        self.dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which results have no gradient."""
        self.non_differentiable = tensors

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Does nothing: memory that results share with inputs is found out."""

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` is given zeros for results that have no gradient, or None."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved. Raises RuntimeError after the graph was freed, and for what was written to since."""
        if self._saved is None:
            refuse_second_sweep()
        return tuple(None if entry is None else self._restored(*entry) for entry in self._saved)

    saved_variables = saved_tensors

    # -- the node ------------------------------------------------------------------------------------------------

    def results_are(self, outputs: Sequence[Any]) -> None:
        """Note what ``backward`` will be given cotangents for."""
        self._outputs = [output if isinstance(output, Tensor) else None for output in outputs]
        for position, value in enumerate(self._to_save):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {position} is of type "
                    f"{type(value).__name__}"
                )

    def keep(self, results: Sequence[Any]) -> None:
        """Keep what was saved: of a result its memory alone, since the result holds this node."""
        entries: list[Any] = []
        for tensor in self._to_save:
            if tensor is None:
                entries.append(None)
                continue
            own = next((place for place, output in enumerate(self._outputs) if output is tensor), None)
            if own is not None:
                result = results[own]
                tensor = Tensor._wrap(result._array, result.dtype, result._storage, result._chain)
            maker = None if own is None else results[own]._grad_fn
            if watching.packing:
                entries.append((Packed(tensor, None, *watching.packing[-1]), 0, maker is not None, own))
            else:
                entries.append((tensor, tensor._storage.version, maker is not None, own))
        self._saved = entries
        self._to_save = ()
        self._outputs = [None if output is None else (output.shape, output.dtype) for output in self._outputs]

    def _restored(self, kept: Any, version: int, has_maker: bool, own: int | None) -> Tensor:
        if isinstance(kept, Packed):
            return kept.unpacked()
        maker = None
        if has_maker:
            maker = self if len(self._outputs) == 1 else ResultNode(self, own)
        if kept._storage.version != version:
            refuse_overwritten(kept, maker or kept.grad_fn, version, self.location)
        if maker is None:
            return kept
        return Tensor._wrap(kept._array, kept.dtype, kept._storage, kept._chain, grad_fn=maker)

    def pull_back(self, cotangent: Tensor | Bundle) -> Sequence[Tensor | None]:
        if self.released and self._saved is None:
            refuse_second_sweep()
        kind = type(self)._forward_cls
        rule = kind.backward if kind.vjp is _plain_vjp() else kind.vjp
        given = rule(self, *self._gradients(cotangent))
        name = self.name()
        results = list(given) if isinstance(given, tuple) else [given]
        while len(results) > self._count and results[-1] is None:
            results.pop()
        if len(results) != self._count:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {self._count}, got "
                f"{len(results)})"
            )
        for place, result in enumerate(results):
            if result is None:
                continue
            if place not in self._places:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {place + 1}, but the "
                    "corresponding forward input was not a Variable"
                )
            if not isinstance(result, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(result).__name__})")
        return [results[place] for place in self._places]

    def _gradients(self, cotangent: Tensor | Bundle) -> list[Tensor | None]:
        parts = cotangent.parts if isinstance(cotangent, Bundle) else {0: cotangent}
        reference = next(iter(parts.values()))
        gradients: list[Tensor | None] = []
        for place, output in enumerate(self._outputs):
            if place in parts or output is None or not self.materialize_grads:
                gradients.append(parts.get(place))
            else:
                shape, dtype = output
                zeros = number_like(reference, 0, shape=tuple(shape), dtype=dtype)
                gradients.append(zeros if state.recorder is not None else zeros.clone())
        return gradients

    def unstretched(self, cotangent: Tensor, position: int) -> Tensor:
        """The gradient in the shape and dtype of its input. Raises RuntimeError where it is not of that shape."""
        shape, dtype = self._types[position]
        cotangent = cast(cotangent, dtype)
        if cotangent.shape == shape:
            return cotangent
        summed = sum_to_shape(cotangent, tuple(shape)) if _stretches(tuple(shape), tuple(cotangent.shape)) else None
        if summed is None:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {position} - got "
                f"{list(cotangent.shape)} but expected shape compatible with {list(shape)}"
            )
        return summed

    def release(self) -> None:
        self.released = True
        if self._saved:
            self._saved = None

    def unbundled(self, cotangent: Any) -> tuple[Any, ...]:
        return tuple(self._gradients(cotangent))

    def bundled(self, cotangents: tuple[Any, ...]) -> Any:
        if len(cotangents) == 1:
            return cotangents[0]
        return Bundle({place: each for place, each in enumerate(cotangents) if each is not None})

    def __repr__(self) -> str:
        return object.__repr__(self)


def _stretches(shape: tuple[int, ...], given: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to a given one."""
    if len(shape) > len(given):
        return False
    return all(extent in (1, other) for extent, other in zip(reversed(shape), reversed(given), strict=False))


def _plain_vjp() -> Any:
    from graphc.autograd.function import Function

    return Function.vjp


def python_rules_below(node: Node, since: int) -> Iterator[FunctionNode]:
    """The functions with rules of the user's own, numbered ``since`` or later, that a sweep from a node would reach."""
    return (below for below in nodes_below(node) if isinstance(below, FunctionNode) and below.sequence >= since)


def hooked_below(node: Node, since: int) -> Node | None:
    """A node that a sweep from a node would reach, numbered ``since`` or later, where the user's hooks would run."""
    for below in nodes_below(node):
        hooks = below.hooks
        made = below.sequence >= since and not isinstance(below, AccumulateGrad)
        if made and hooks is not None and (hooks.tensor or hooks.before or hooks.after):
            return below
    return None


def nodes_below(node: Node) -> Iterator[Node]:
    """A node, and those that a sweep from it would reach."""
    pending, seen = [node], {node}
    while pending:
        current = pending.pop()
        yield current
        for edge in current.edges:
            if edge is not None and not edge.released and edge not in seen:
                seen.add(edge)
                pending.append(edge)


class Refusal(Node):
    """Raises an error where a sweep comes to it."""

    __slots__ = ("_message", "edges")

    def __init__(self, message: str):
        self._message = message
        self.edges = ()
        self.hooks = self.description = self.location = None
        self.released = False
        self.sequence = next_sequence()

    def name(self) -> str:
        return "torch::autograd::Error"

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        raise RuntimeError(self._message)
