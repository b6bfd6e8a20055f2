"""The eager tape: what ran, kept so that it can be swept in reverse.

Every differentiable operation leaves a :class:`TapeNode`. The sweep (:mod:`graphc.autograd.engine`) calls the
primitives' own rules on tensors, so under capture the backward pass is recorded as it runs, node by node, like any
other operation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from graphc.autograd.descriptions import (
    Description,
    described_functions,
    named_class,
    node_of_primitive,
    output_number,
)
from graphc.autograd.hooks import Hook, Hooks
from graphc.autograd.packing import Packed
from graphc.autograd.watching import Trace, switch, watching
from graphc.hook_handles import RemovableHandle, entered
from graphc.ir.graph import Location
from graphc.ir.primitive import Attributes, Primitive
from graphc.ir.types import DType
from graphc.ops.operands import sum_to_shape
from graphc.ops.type_names import type_name
from graphc.recording import state
from graphc.sizes import plain

if TYPE_CHECKING:
    from graphc.tensor import Tensor

_sequence = itertools.count()
_new = object.__new__
# What users note of nodes, which few do.
_notes: WeakKeyDictionary[Node, dict[Any, Any]] = WeakKeyDictionary()
# Of leaves: a sweep comes to them before it goes on.
_LEAF = 1 << 62
# An update in place is one operation or a short composite.
_MOST_STEPS_OF_ONE_UPDATE = 16


def next_sequence() -> int:
    """The number of the next node: later operations have higher ones."""
    return next(_sequence)


def refuse_second_sweep() -> None:
    """Raise RuntimeError in PyTorch's words for a node whose saved values were freed."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
        "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
        "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
        "saved tensors after calling backward."
    )


def refuse_overwritten(saved: Tensor, maker: Any, expected: int, location: Location | None = None) -> None:
    """Raise RuntimeError in PyTorch's words for a saved tensor, made by a node or None, that was written to since."""
    refuse_changed(saved.dtype, saved._array.shape, maker, saved._storage.version, expected, location)


def refuse_changed(
    dtype: DType, shape: tuple[int, ...], maker: Any, found: int, expected: int, location: Location | None
) -> None:
    """As :func:`refuse_overwritten`, of what is known of the tensor."""
    made = "" if maker is None else f", which is output 0 of {maker.name().rpartition('Backward')[0]},"
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{type_name(dtype)}Tensor {list(shape)}]{made} is at version "
        f"{found}; expected version {expected} instead."
        + (f" The operation was made at {location}." if location is not None else _HINT[watching.anomalies])
    )


_HINT = {
    False: " Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False).",
    True: " Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable in "
    "question was changed in there or anywhere later. Good luck!",
}


class Unsaved:
    """Stands for a value that a rule does not read: shape and dtype alone."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: DType):
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Node:
    """What a cotangent can go to: an operation that ran, or a leaf.

    Subclasses have ``edges``, the nodes that the cotangents of the inputs go to (None where none is needed), and
    ``pull_back``, which gives those cotangents for the cotangent of the result.
    """

    __slots__ = ("__weakref__", "description", "hooks", "location", "released", "sequence", "trace")

    edges: Sequence[Node | None]
    # Later operations have higher numbers.
    sequence: int
    hooks: Hooks | None
    # PyTorch's words for what this node is the end of, where they are not its own.
    description: Description | None
    location: Location | None
    released: bool
    # ``pull_back`` also takes for each edge whether its cotangent is asked for, and ``prepare`` builds what it needs.
    selects: ClassVar[bool] = False

    def name(self) -> str:
        """PyTorch's name for the node, such as ``MulBackward0``."""
        return self.own_name() if self.description is None else self.description[0].name

    def own_name(self) -> str:
        """The name where nobody described the node."""
        return type(self).__name__

    def own_edges(self) -> Sequence[Node | None]:
        """The edges that PyTorch's node has, where nobody described the node."""
        return self.edges

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that receive the cotangents of the inputs, each with the number of the result that it made."""
        if self.description is not None:
            return described_functions(self.description)
        return tuple((visible(edge), output_number(edge)) for edge in self.own_edges())

    def pull_back(self, cotangent: Any) -> Sequence[Any]:
        """The cotangents of the inputs; one may be given as a function that computes it, or as None for zero."""
        raise NotImplementedError

    def unstretched(self, cotangent: Tensor, position: int) -> Tensor:
        """The cotangent of an input that the operation stretched to the shape of its result, summed to its shape."""
        return cotangent

    def release(self) -> None:
        """Let go of the saved values."""
        self.released = True

    def unbundled(self, cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the node's results, as hooks are given them."""
        return (cotangent,)

    def bundled(self, cotangents: tuple[Any, ...]) -> Any:
        """What ``pull_back`` takes, of the cotangents of the node's results."""
        return cotangents[0]

    # -- for the user --------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> dict[Any, Any]:
        """What the user notes of this node."""
        return _notes.setdefault(self, {})

    def hooked(self) -> Hooks:
        """The hooks of this node, to add one."""
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """After this node ran, call ``hook(grad_inputs, grad_outputs)``; what it returns, unless None, replaces the
        cotangents of the inputs."""
        return entered(self.hooked().after, hook)

    def register_prehook(self, hook: Hook) -> RemovableHandle:
        """Before this node runs, call ``hook(grad_outputs)``; what it returns, unless None, replaces them."""
        return entered(self.hooked().before, hook)

    def __call__(self, *cotangents: Tensor) -> Any:
        """The cotangents of the inputs, for those of the results: this node alone."""
        results: list[Any] = []
        for position, result in enumerate(self.pull_back(self.bundled(cotangents))):
            wanted = self.edges[position] is not None
            value = result() if wanted and callable(result) else result
            results.append(self.unstretched(value, position) if wanted and value is not None else None)
        return results[0] if len(results) == 1 else tuple(results)

    def __repr__(self) -> str:
        return f"<{self.name().rpartition(':')[2]} object at {hex(id(self))}>"


def dressed(node: Node | None) -> Node | None:
    """The node as users see it: with the class that is called as PyTorch calls its own, and the function's node for
    that of one of its results."""
    node = getattr(node, "core", node)
    kind = type(node)
    if node is not None and kind.__name__ != (name := node.name().rpartition(":")[2]):
        node.__class__ = named_class(kind if kind.__module__ != "builtins" else kind.__bases__[0], name)
    return node


def visible(node: Node | None) -> Node | None:
    """The node that PyTorch has at an edge: broadcasts and conversions that an operator makes are part of it."""
    while isinstance(node, TapeNode) and node.description is None and node.primitive.implicit:
        node = node.edges[0]
    return dressed(node)


class Watched(NamedTuple):
    """A tensor that PyTorch's node saves, as it was: its memory's version, its type, and who made it."""

    storage: Any
    version: int
    dtype: DType
    shape: Sequence[Any]
    maker: Any
    # The node that its cotangent goes to.
    edge: Node | None


# One is made for many calls: the class's own constructor takes twice as long.
_watched = partial(tuple.__new__, Watched)


def _shape(tensor: Tensor) -> Sequence[Any]:
    return tensor._array.shape if state.recorder is None else tuple(tensor.shape)


class TapeNode(Node):
    """One operation that ran: its rule, what the rule reads, and where the cotangents of its inputs go."""

    __slots__ = (
        "_output",
        "_saved",
        "_versions",
        "attrs",
        "edges",
        "primitive",
        "types",
        "watched",
    )

    # What the rule is given for each operand: the tensor itself, or its type alone. None once it was freed.
    _saved: Sequence[Any] | None
    # The version of each saved operand's memory; of what is not saved, None. Empty where nothing is saved.
    _versions: Sequence[int | None]

    def __init__(
        self,
        primitive: Primitive,
        inputs: Sequence[Tensor],
        edges: Sequence[Node | None],
        attrs: Attributes,
        output: Tensor,
        recorder: Any,
    ):
        self.primitive = primitive
        self.attrs = attrs
        self.edges = edges
        self.sequence = next(_sequence)
        types: Sequence[Unsaved]
        if recorder is not None:
            types = [Unsaved(tuple(tensor.shape), tensor.dtype) for tensor in inputs]
            self.location = recorder.location()
        else:
            tensor = inputs[0]
            shape, dtype = tensor._array.shape, tensor.dtype
            first = _new(Unsaved)
            first.shape = shape
            first.dtype = dtype
            types = [first]
            for tensor in inputs[1:]:
                own = tensor._array.shape
                alike = own == shape and tensor.dtype is dtype
                types.append(first if alike else Unsaved(own, tensor.dtype))
            self.location = None
        self.types = types
        kept = primitive.saves_inputs
        if primitive.saves_for is not None:
            kept = ()
            for position, edge in enumerate(edges):
                if edge is not None:
                    kept += primitive.saves_for[position]
        if kept is None:
            self._saved = inputs
            self._versions = [0 if tensor._memory is None else tensor._memory.version for tensor in inputs]
        elif kept:
            self._saved, self._versions = saved, versions = list(types), [None] * len(types)
            for position, tensor in enumerate(inputs):
                if position in kept:
                    saved[position] = tensor
                    versions[position] = 0 if tensor._memory is None else tensor._memory.version
        else:
            self._saved, self._versions = types, ()
        if primitive.saves_output:
            memory = output._storage
            self._output = (output._wrap, output._array, memory, memory.version, output.dtype, output._chain)
        else:
            self._output = None
        self.hooks = self.description = None
        self.released = False
        if switch.active:
            self._watched()

    def _watched(self) -> None:
        """Keep the stack in anomaly mode; pack what was saved where the user asked for it."""
        for tensor in self._saved:
            if type(tensor) is not Unsaved and tensor.is_inference():
                raise RuntimeError(
                    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference "
                    "mode in computation tracked by autograd. To work around this, you can make a clone to get a "
                    "normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
                    "`torch.inference_mode()`."
                )
        if watching.anomalies:
            self.trace = Trace()
        if watching.packing:
            self.__class__ = PackedTapeNode
            self._pack(*watching.packing[-1])

    def watch(self, operands: Sequence[tuple[Tensor, int, Node | None]], result: Tensor, saves_result: bool) -> None:
        """Raise in the sweep where memory that PyTorch's node saves was written to after this version, though the rule
        here may not read it. Each operand comes with the version of its memory and its node; one that the function
        overwrote with its result is not saved."""
        saves_result = saves_result and self._output is None  # else the rule looks at it
        if not operands and not saves_result:
            return
        watched = [
            _watched((tensor._storage, version, tensor.dtype, _shape(tensor), tensor._grad_fn, edge))
            for tensor, version, edge in operands
            if tensor._memory is None or tensor._memory is not result._memory
        ]
        if saves_result:
            memory = result._storage
            watched.append(_watched((memory, memory.version, result.dtype, result._array.shape, self, None)))
        if type(self) is TapeNode:
            self.__class__ = WatchingTapeNode
            self.watched = watched
        elif type(self) is WatchingTapeNode:
            self.watched += watched

    def forget(self, storage: Any) -> None:
        """``storage`` is about to be overwritten with a value that this node leads to."""

    def own_name(self) -> str:
        return node_of_primitive(self)[0]

    def own_edges(self) -> Sequence[Node | None]:
        return node_of_primitive(self)[1]

    def keep_overwritten(self, storage: Any) -> None:
        """Before ``storage`` is overwritten with this node's result: what the rules that lead to it have saved of the
        memory is kept in a copy, as ``x *= y`` needs ``x``."""
        pending, steps = [self], 0
        while pending and steps < _MOST_STEPS_OF_ONE_UPDATE:
            node, steps = pending.pop(0), steps + 1
            node.forget(storage)
            if node._saved is None:
                continue
            saved, versions = list(node._saved), list(node._versions)
            for position, version in enumerate(versions):
                tensor = saved[position]
                if version is not None and tensor._storage is storage and storage.version == version:
                    saved[position] = tensor.clone()
                    versions[position] = saved[position]._storage.version
            node._saved, node._versions = saved, versions
            pending += [edge for edge in node.edges if isinstance(edge, TapeNode)]

    def release(self) -> None:
        """Let go of the saved values; where there were some, a second sweep through the node is then an error."""
        self.released = True
        if self._versions or self._output is not None:
            self._output = self._saved = None

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        """The cotangents of the inputs. Raises RuntimeError where a saved value is gone or was overwritten."""
        saved = self._saved
        if saved is None:
            refuse_second_sweep()
        primitive = self.primitive
        for position, version in enumerate(self._versions):
            if version is not None:
                memory = saved[position]._memory
                if memory is not None and memory.version != version:
                    if primitive.vjp_of_output is not None:
                        return primitive.vjp_of_output(cotangent, self._restored_output(), **self.attrs)
                    tensor = saved[position]
                    refuse_overwritten(tensor, tensor.grad_fn, version, self.location)
        # A result that is not saved has the shape and the dtype of its cotangent.
        output = cotangent if self._output is None else self._restored_output()
        return primitive.vjp(cotangent, output, *saved, **self.attrs)

    def unstretched(self, cotangent: Tensor, position: int) -> Tensor:
        """The cotangent of an input that the operation stretched to the shape of its result, summed to its shape."""
        shape = self.types[position].shape
        own = shape if state.recorder is None else plain(shape)
        return cotangent if cotangent._array.shape == own else sum_to_shape(cotangent, shape)

    def _restored_output(self) -> Tensor:
        wrap, array, storage, version, dtype, chain = self._output
        output = wrap(array, dtype, storage, chain, grad_fn=self)
        if storage.version != version:
            refuse_overwritten(output, self, version, self.location)
        return output


class WatchingTapeNode(TapeNode):
    """A node of which PyTorch's saves more than the rule reads: ``watched`` holds what, with the versions it had."""

    __slots__ = ()

    def forget(self, storage: Any) -> None:
        self.watched = [entry for entry in self.watched if entry.storage is not storage]

    def release(self) -> None:
        super().release()
        self.watched = None

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        """As a :class:`TapeNode`; raises RuntimeError where what PyTorch saves is gone or was overwritten too."""
        if self.watched is None:
            refuse_second_sweep()
        for saved in self.watched:
            found = saved.storage.version
            if found != saved.version:
                refuse_changed(saved.dtype, saved.shape, saved.maker, found, saved.version, self.location)
        return super().pull_back(cotangent)


class PackedTapeNode(TapeNode):
    """A node whose saved tensors the user's functions keep (:class:`graphc.autograd.graph.saved_tensors_hooks`)."""

    __slots__ = ()

    def _pack(self, pack: Hook, unpack: Hook) -> None:
        self._saved = [
            tensor if type(tensor) is Unsaved else Packed(tensor, edge, pack, unpack)
            for tensor, edge in zip(self._saved, self.edges, strict=True)
        ]
        if self._output is not None:
            self._output = Packed(self._restored_output(), None, pack, unpack)

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        if self._saved is None:
            refuse_second_sweep()
        inputs = [packed if type(packed) is Unsaved else packed.unpacked() for packed in self._saved]
        output = cotangent if self._output is None else self._output.unpacked(self)
        return self.primitive.vjp(cotangent, output, *inputs, **self.attrs)


class AccumulateGrad(Node):
    """Where the cotangent of a leaf ends: it is added to ``tensor.grad``."""

    __slots__ = ("variable",)
    edges = ()

    def __init__(self, tensor: Tensor):
        self.variable = tensor
        self.hooks = self.description = self.location = None
        self.released = False
        self.sequence = _LEAF

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        """Adds the cotangent to the leaf's gradient, unless the leaf has been frozen since it was used."""
        if self.variable._requires_grad:
            self.variable._accumulate(cotangent)
        return ()


def edges_of(inputs: Sequence[Tensor]) -> Sequence[Node | None] | None:
    """For each operand the node that its cotangent goes to; None where no operand needs a gradient."""
    # Asking a view for its node may make that node: its number must be lower than that of the operation's.
    edges = [None if not tensor._requires_grad and tensor._base is None else gradient_edge(tensor) for tensor in inputs]
    for edge in edges:
        if edge is not None:
            return edges
    return None


Edge = Node


def gradient_edge(tensor: Tensor) -> Edge | None:
    """The tape node that a tensor's cotangent goes to; None for a tensor that needs no gradient."""
    if tensor._base is None:
        if not tensor._requires_grad:
            return None
        node = tensor._grad_fn
    else:
        if not tensor.requires_grad:
            return None
        node = tensor._node()
    if node is not None:
        return node
    if tensor._accumulator is None:
        tensor._accumulator = AccumulateGrad(tensor)
    return tensor._accumulator
