"""The eager tape: what ran, kept so that it can be swept in reverse.

Every differentiable operation leaves a :class:`TapeNode`. The sweep calls the primitives' own rules on tensors, so
under capture the backward pass is recorded as it runs, node by node, like any other operation.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graphc.ir.graph import Location
from graphc.ir.primitive import Attributes, Primitive
from graphc.ir.types import DType
from graphc.ops.operands import sum_to_shape
from graphc.recording import phase, state

if TYPE_CHECKING:
    from graphc.tensor import Tensor

_sequence = itertools.count()
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


def refuse_overwritten(name: str, saved: Tensor, expected: int, location: Location | None = None) -> None:
    """Raise RuntimeError in PyTorch's words for a saved tensor that was written to since."""
    kind = {"float32": "Float", "float64": "Double"}.get(saved.dtype.name, saved.dtype.name.capitalize())
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{kind}Tensor {list(saved._array.shape)}], which is needed by {name}, is at version "
        f"{saved._storage.version}; expected version {expected} instead."
        + (f" The operation was made at {location}." if location is not None else "")
    )


class Unsaved:
    """Stands for a value that a rule does not read: shape and dtype alone."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: DType):
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Retaining:
    """The hook of a tensor that retains its gradient: the last one, so that it sees what the others made of it."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor):
        self._tensor = tensor

    def __call__(self, cotangent: Tensor) -> None:
        self._tensor._accumulate(cotangent)


class HookHandle:
    """Takes a hook away again."""

    __slots__ = ("_hook", "_hooks")

    def __init__(self, hooks: list[Callable[[Any], Any]], hook: Callable[[Any], Any]):
        self._hooks, self._hook = hooks, hook
        retaining = bool(hooks) and isinstance(hooks[-1], Retaining)
        hooks.insert(len(hooks) - retaining, hook)

    def remove(self) -> None:
        """Stop calling the hook."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class TapeNode:
    """One operation that ran: its rule, what the rule reads, and where the cotangents of its inputs go."""

    __slots__ = (
        "_output",
        "_saved",
        "_versions",
        "attrs",
        "edges",
        "hooks",
        "location",
        "primitive",
        "released",
        "sequence",
        "types",
    )

    def __init__(self, primitive: Primitive, inputs: Sequence[Tensor], attrs: Attributes, output: Tensor):
        self.primitive = primitive
        self.attrs = attrs
        # Asking a view for its node may make that node: its number must be lower than this one's.
        self.edges = edges = [gradient_edge(tensor) for tensor in inputs]
        self.sequence = next(_sequence)
        self.types = [(tensor._array.shape, tensor.dtype) for tensor in inputs]
        self._versions = [0 if tensor._memory is None else tensor._memory.version for tensor in inputs]
        kept = primitive.saves_inputs
        if primitive.saves_for is not None:
            kept = [
                read
                for position, edge in enumerate(edges)
                if edge is not None
                for read in primitive.saves_for[position]
            ]
        self._saved: Sequence[Tensor | None] | None = (
            inputs if kept is None else [tensor if position in kept else None for position, tensor in enumerate(inputs)]
        )
        if primitive.saves_output:
            self._output = (output._array, output._storage, output._storage.version, output.dtype, output._chain)
        else:
            self._output = (output._array.shape, None, 0, output.dtype, ())
        self.hooks: list[Callable[[Any], Any]] = []
        self.released = False
        recorder = state.recorder
        self.location: Location | None = recorder.location() if recorder is not None else None

    def name(self) -> str:
        """PyTorch's name for the node, such as ``MulBackward0``."""
        return "".join(word.capitalize() for word in self.primitive.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that receive the cotangents of the inputs, each with 0 (nodes have one output)."""
        return tuple((edge, 0) for edge in self.edges)

    def register_hook(self, hook: Callable[[Any], Any]) -> HookHandle:
        """Call ``hook`` with the cotangent of the node's output; what it returns, unless None, replaces it."""
        return HookHandle(self.hooks, hook)

    def keep_overwritten(self, storage: Any) -> None:
        """Before ``storage`` is overwritten with this node's result: what the rules that lead to it have saved of the
        memory is kept in a copy, as ``x *= y`` needs ``x``."""
        pending, steps = [self], 0
        while pending and steps < _MOST_STEPS_OF_ONE_UPDATE:
            node, steps = pending.pop(0), steps + 1
            if not node._saved:
                continue
            saved, versions = list(node._saved), list(node._versions)
            for position, tensor in enumerate(saved):
                if tensor is not None and tensor._storage is storage and storage.version == versions[position]:
                    saved[position] = tensor.clone()
                    versions[position] = saved[position]._storage.version
            node._saved, node._versions = tuple(saved), tuple(versions)
            pending += [edge for edge in node.edges if isinstance(edge, TapeNode)]

    def release(self) -> None:
        """Let go of the saved values; where there were some, a second sweep through the node is then an error."""
        self.released = True
        output = self._output
        if output[1] is not None:
            self._output = (output[0].shape, None, 0, None, ())
            self._saved = None
        elif self._saved is not None and any(saved is not None for saved in self._saved):
            self._saved = None

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        """The cotangents of the inputs. Raises RuntimeError where a saved value is gone or was overwritten."""
        if self._saved is None:
            refuse_second_sweep()
        inputs: list[Any] = []
        for position, saved in enumerate(self._saved):
            if saved is None:
                inputs.append(Unsaved(*self.types[position]))
                continue
            memory = saved._memory
            if memory is not None and memory.version != self._versions[position]:
                refuse_overwritten(self.name(), saved, self._versions[position], self.location)
            inputs.append(saved)
        return self.primitive.vjp(cotangent, self._saved_output(), *inputs, **self.attrs)

    def unstretched(self, cotangent: Tensor, position: int) -> Tensor:
        """The cotangent of an input that the operation stretched to the shape of its result, summed to its shape."""
        shape = self.types[position][0]
        return cotangent if cotangent._array.shape == shape else sum_to_shape(cotangent, shape)

    def _saved_output(self) -> Any:
        from graphc.tensor import Tensor

        array, storage, version, dtype, chain = self._output
        if storage is None:
            return Unsaved(array, dtype)
        output = Tensor._wrap(array, dtype, storage, chain, grad_fn=self)
        if storage.version != version:
            refuse_overwritten(self.name(), output, version, self.location)
        return output

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


class AccumulateGrad:
    """Where the cotangent of a leaf ends: it is added to ``tensor.grad``."""

    __slots__ = ("hooks", "sequence", "variable")
    edges: tuple[Any, ...] = ()
    next_functions: tuple[Any, ...] = ()
    location = None

    def __init__(self, tensor: Tensor):
        self.variable = tensor
        self.hooks: list[Callable[[Any], Any]] = []
        self.sequence = -1

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"


Edge = TapeNode | AccumulateGrad


def gradient_edge(tensor: Tensor) -> Edge | None:
    """The tape node that a tensor's cotangent goes to; None for a tensor that needs no gradient."""
    if tensor._base is None:
        if not tensor._requires_grad:
            return None
        node = tensor._grad_fn
    else:
        if not tensor.requires_grad:
            return None
        node = tensor.grad_fn
    if node is not None:
        return node
    if tensor._accumulator is None:
        tensor._accumulator = AccumulateGrad(tensor)
    return tensor._accumulator


def sweep(
    roots: Sequence[tuple[Edge, Tensor]],
    *,
    retain_graph: bool,
    create_graph: bool,
    targets: Iterable[Edge] | None = None,
) -> dict[Edge, Tensor]:
    """Pull cotangents back from the roots to the leaves, newest operation first.

    Args:
        roots: nodes, each with the cotangent of its output.
        retain_graph: keep saved values for another sweep.
        create_graph: record the sweep itself, so that its results can be differentiated.
        targets: the nodes whose cotangents are wanted; None for all leaves.

    Returns:
        the cotangent of every leaf reached, or of every target reached.
    """
    wanted = None if targets is None else set(targets)
    useful = None if wanted is None else _leading_to(wanted, [node for node, _ in roots])
    cotangents: dict[Edge, Tensor] = {}
    # Leaves come last, in the order in which they were reached: the same program is the same text in every process.
    pending: list[tuple[int, int, Edge]] = []
    arrivals = itertools.count()
    found: dict[Edge, Tensor] = {}

    outer_gradients, outer_location = state.gradients, state.location
    state.gradients = create_graph
    try:
        with phase("backward"):
            arriving = list(roots)
            while True:
                for node, cotangent in arriving:
                    if node in cotangents:
                        cotangents[node] = cotangents[node] + cotangent
                    else:
                        cotangents[node] = cotangent
                        heapq.heappush(pending, (-node.sequence, next(arrivals), node))
                if not pending:
                    break
                node = heapq.heappop(pending)[2]
                cotangent = cotangents.pop(node)
                arriving = []
                if state.recorder is not None:
                    state.recorder.swept(node.sequence, node.name())
                state.location = node.location
                for hook in node.hooks:
                    replacement = hook(cotangent)
                    cotangent = cotangent if replacement is None else replacement
                is_leaf = type(node) is AccumulateGrad
                if is_leaf if wanted is None else node in wanted:
                    found[node] = cotangent
                if is_leaf or (useful is not None and node not in useful):
                    continue
                stretches = type(node) is TapeNode
                for position, result in enumerate(node.pull_back(cotangent)):
                    edge = node.edges[position]
                    if edge is None or result is None or (useful is not None and edge not in useful):
                        continue
                    # A rule may give a cotangent as a function, so that only those that are needed are computed.
                    value = result() if callable(result) else result
                    if value is not None:
                        arriving.append((edge, node.unstretched(value, position) if stretches else value))
                if not retain_graph:
                    node.release()
    finally:
        state.gradients, state.location = outer_gradients, outer_location
    return found


def _leading_to(targets: set[Edge], roots: Iterable[Edge]) -> set[Edge]:
    """The nodes below the roots from which a target is reached, the targets among them."""
    leads: dict[Edge, bool] = {}
    for root in roots:
        stack: list[tuple[Edge, bool]] = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                leads[node] = node in targets or any(leads.get(edge, False) for edge in node.edges if edge is not None)
            elif node not in leads:
                leads[node] = node in targets
                stack.append((node, True))
                stack.extend((edge, False) for edge in node.edges if edge is not None)
    return {node for node, lead in leads.items() if lead}
