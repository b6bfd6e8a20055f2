"""The tensor IR: a graph of nodes in SSA order, and the builder that makes one.

Invariants (checked by :mod:`graphc.ir.verify`): a node stands after all its inputs; its type is what its primitive's
type rule gives; names of inputs are unique; an update replaces a state input by a value of the same type. A node is the
value that it computes: there are no separate value objects and no use lists. Rewriting is rebuilding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphc.ir.applications import applies
from graphc.ir.integers import variables
from graphc.ir.primitive import Attributes, Primitive, register
from graphc.ir.types import DType, TensorType, TupleType

INPUT_KINDS = ("argument", "state", "constant", "scalar")


@dataclass(frozen=True, slots=True)
class Location:
    """The user's Python line that made a node, and the part of the step that it belongs to."""

    file: str
    line: int
    phase: str = "forward"  # or "backward", "update"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + ("" if self.phase == "forward" else f" ({self.phase})")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation and the value it computes. ``attributes`` are (name, value) pairs sorted by name."""

    op: Primitive
    inputs: tuple[Node, ...]
    attributes: tuple[tuple[str, Any], ...]
    type: TensorType | TupleType
    location: Location | None = None

    @property
    def attrs(self) -> Attributes:
        return dict(self.attributes)

    @property
    def is_input(self) -> bool:
        return self.op is Input.instance

    @property
    def name(self) -> str:
        """The name of an input node."""
        return self.attrs["name"]

    @property
    def kind(self) -> str:
        """The kind of an input node, one of INPUT_KINDS."""
        return self.attrs["kind"]

    def __repr__(self) -> str:
        return f"<{self.op.name}{' ' + self.name if self.is_input else ''}: {self.type}>"


@register
class Input(Primitive):
    """A value that comes from outside: an argument, state (read and written), a constant (read), a scalar."""

    name = "input"
    differentiable = False

    def infer(self, *types: TensorType, name: str, kind: str, type: TensorType) -> TensorType:
        if kind not in INPUT_KINDS:
            raise ValueError(f"input {name!r} is of kind {kind!r}; expected one of {', '.join(INPUT_KINDS)}")
        return type

    def evaluate(self, *arrays: np.ndarray, **attrs: Any) -> np.ndarray:
        raise RuntimeError("an input has no value of its own")


@register
class Projection(Primitive):
    """One of the values that a structured operation gives."""

    name = "projection"
    moves = True
    saves_inputs = ()
    cost = 0.0

    def infer(self, several: TupleType, *, index: int) -> TensorType:
        if not isinstance(several, TupleType) or not 0 <= index < len(several.fields):
            raise TypeError(f"there is no value number {index} in {several}")
        return several.fields[index]

    def evaluate(self, several: Any, *, index: int) -> np.ndarray:
        return several[index]

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, index: int) -> tuple[Any | None, ...]:
        return (Bundle({index: cotangent}),)


class Bundle:
    """The cotangents of several results of one operation, by the results' positions, on their way to its rule."""

    __slots__ = ("parts",)

    def __init__(self, parts: dict[int, Any]):
        self.parts = parts

    def __add__(self, other: Bundle) -> Bundle:
        parts = dict(self.parts)
        for position, part in other.parts.items():
            parts[position] = parts[position] + part if position in parts else part
        return Bundle(parts)


@dataclass(frozen=True, slots=True)
class Output:
    """A named result of a graph."""

    name: str
    node: Node


@dataclass(frozen=True, slots=True)
class Update:
    """A state input and the value that it has after the graph ran."""

    state: Node
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A program over tensors. ``nodes`` holds the operations in SSA order, the inputs not among them."""

    name: str
    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    updates: tuple[Update, ...] = ()

    @property
    def results(self) -> tuple[Node, ...]:
        """The nodes whose values leave the graph: outputs, then new values of state."""
        return (*(output.node for output in self.outputs), *(update.node for update in self.updates))

    def input(self, name: str) -> Node:
        """The input of that name. Raises KeyError naming those there are."""
        for node in self.inputs:
            if node.name == name:
                return node
        raise KeyError(f"graph {self.name} has no input {name!r}; it has {[node.name for node in self.inputs]}")

    def symbols(self) -> tuple[str, ...]:
        """The names of the symbolic dimensions, sorted."""
        return tuple(sorted({name for node in self.inputs for extent in node.type.shape for name in variables(extent)}))

    def users(self) -> dict[Node, list[Node]]:
        """For every input and node the nodes that read it, in order; made anew at each call."""
        found: dict[Node, list[Node]] = {node: [] for node in (*self.inputs, *self.nodes)}
        for node in self.nodes:
            for operand in dict.fromkeys(node.inputs):
                found[operand].append(node)
        return found

    def to_networkx(self) -> Any:
        """The graph as a networkx graph; see :func:`graphc.ir.networks.to_networkx`."""
        from graphc.ir.networks import to_networkx

        return to_networkx(self)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        from graphc.ir.printer import print_graph

        return print_graph(self)


class Symbol:
    """A node under construction, to compute with as with a tensor: the operators are bound by :mod:`graphc.ops`."""

    __slots__ = ("builder", "node")
    # A numpy scalar on the left must leave the operator to us.
    __array_priority__: ClassVar[int] = 1000
    requires_grad: ClassVar[bool] = False
    stands_for_number: ClassVar[bool] = False
    is_eager: ClassVar[bool] = False
    is_cuda: ClassVar[bool] = False
    device: ClassVar[None] = None  # wherever its graph will run

    def __init__(self, builder: Builder, node: Node):
        self.builder = builder
        self.node = node

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.node.type.shape

    @property
    def dtype(self) -> DType:
        return self.node.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.type.shape)

    def apply(self, primitive: Primitive, inputs: Sequence[Symbol], attrs: Attributes) -> Symbol:
        return self.builder.apply(primitive, inputs, attrs)

    def apply_several(self, primitive: Primitive, inputs: Sequence[Symbol], attrs: Attributes) -> tuple[Symbol, ...]:
        """The results of a structured operation: its projections."""
        several = self.builder.apply(primitive, inputs, attrs)
        count = len(several.node.type.fields)
        return tuple(self.builder.apply(Projection.instance, [several], {"index": index}) for index in range(count))

    def __repr__(self) -> str:
        return f"<symbol {self.node.op.name}: {self.node.type}>"


def exact_key(value: Any) -> Any:
    """A key that tells 1 from 1.0 from True and 0.0 from -0.0."""
    if isinstance(value, tuple):
        return tuple(exact_key(item) for item in value)
    if isinstance(value, complex):
        return ("complex", value.real.hex(), value.imag.hex())
    return (type(value).__name__, value.hex() if isinstance(value, float) else value)


class Builder:
    """Makes a graph node by node. Equal operations on equal inputs are one node, so common subexpressions are free.

    ``simplify`` applies the primitives' own algebraic rules on the way.
    """

    def __init__(self, name: str = "graph", simplify: bool = False):
        self.name = name
        self.simplify = simplify
        self.location: Location | None = None
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []
        self._names: set[str] = set()  # of inputs
        self._interned: dict[Any, Node] = {}

    def input(self, name: str, type: TensorType, kind: str = "argument") -> Symbol:
        """A new input. Raises ValueError where the name is taken."""
        if name in self._names:
            raise ValueError(f"graph {self.name} already has an input {name!r}")
        attributes = (("kind", kind), ("name", name), ("type", type))
        Input.instance.infer(**dict(attributes))
        node = Node(Input.instance, (), attributes, type, self.location)
        self.inputs.append(node)
        self._names.add(name)
        return Symbol(self, node)

    def add(
        self,
        op: Primitive,
        inputs: Iterable[Node],
        attrs: Attributes,
        location: Location | None = None,
        variant: str = "",
    ) -> Node:
        """The node for an operation: an equal one of the same variant that stands already, or a new one at the end."""
        operands = tuple(inputs)
        attributes = tuple(sorted(attrs.items()))
        key = (
            op.name,
            tuple(map(id, operands)),
            tuple((name, exact_key(value)) for name, value in attributes),
            variant,
        )
        if op.effect is None and key in self._interned:
            return self._interned[key]
        type = op.infer(*(operand.type for operand in operands), **attrs)
        if self.simplify:
            symbols = [Symbol(self, operand) for operand in operands]
            outer, self.location = self.location, location or self.location
            simpler = op.simplify(symbols, attrs, type)
            self.location = outer
            if simpler is not None and applies(subject=Node(op, operands, attributes, type, location or self.location)):
                if simpler.node.type != type:
                    raise TypeError(f"a rule of {op.name} changed the type {type} to {simpler.node.type}")
                self._interned[key] = simpler.node
                return simpler.node
        node = Node(op, operands, attributes, type, location or self.location)
        self.nodes.append(node)
        if op.effect is None:
            self._interned[key] = node
        return node

    def apply(self, primitive: Primitive, inputs: Sequence[Symbol], attrs: Attributes) -> Symbol:
        """Add an operation on symbols of this builder."""
        for symbol in inputs:
            if not isinstance(symbol, Symbol) or symbol.builder is not self:
                raise TypeError(f"{primitive.name} was given {symbol!r}, which is not a symbol of graph {self.name!r}")
        return Symbol(self, self.add(primitive, [symbol.node for symbol in inputs], attrs))

    def symbol(self, node: Node) -> Symbol:
        """A node of this builder as a symbol."""
        return Symbol(self, node)

    def copy(self, graph: Graph) -> dict[Node, Node]:
        """Add the inputs and nodes of another graph; gives the new node for each old one."""
        mapping: dict[Node, Node] = {}
        for node in graph.inputs:
            mapping[node] = self.input(node.name, node.type, node.kind).node
        for node in graph.nodes:
            mapping[node] = self.add(node.op, [mapping[i] for i in node.inputs], node.attrs, node.location)
        return mapping

    def fork(self) -> Builder:
        """A builder that goes on from the very nodes of this one; what is added to either is not in the other."""
        other = Builder(self.name, self.simplify)
        other.location = self.location
        other.inputs, other.nodes = list(self.inputs), list(self.nodes)
        other._names, other._interned = set(self._names), dict(self._interned)
        return other

    def build(self, outputs: Iterable[tuple[str, Node]], updates: Iterable[tuple[Node, Node]] = ()) -> Graph:
        """The finished graph."""
        return Graph(
            self.name,
            tuple(self.inputs),
            tuple(self.nodes),
            tuple(Output(name, node) for name, node in outputs),
            tuple(Update(state, node) for state, node in updates),
        )
