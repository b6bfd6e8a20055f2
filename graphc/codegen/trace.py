"""Tracing one element of a value through its producers: how views, casts, and pointwise chains become expressions.

Traced expressions load from *values* (nodes of the graph, under a key that :class:`Values` gives them) at an index with
one entry for each dimension. :mod:`graphc.codegen.emit` later turns those into flat offsets into buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from graphc.codegen.loops import Local
from graphc.ir.graph import Node, Projection
from graphc.ir.integers import (
    Integer,
    IntegerExpression,
    Opaque,
    Quotient,
    Remainder,
    Variable,
    opaque,
    rewrite_atoms,
    variable,
)
from graphc.ir.primitive import Contraction, Elementwise, External, Source, View
from graphc.ir.scalars import Call, Choose, Constant, FromIndex, Index, Load, Operand, Scalar, Within
from graphc.ir.structured import Structured
from graphc.ir.types import contiguous_strides

Access = tuple[Node, Index]


class Values:
    """Keys for nodes: strings, so that expressions over them have one order and one spelling."""

    def __init__(self) -> None:
        self._keys: dict[Node, str] = {}
        self._nodes: dict[str, Node] = {}

    def key(self, node: Node) -> str:
        """The key of a node, made at its first use."""
        if node not in self._keys:
            key = f"v{len(self._keys)}"
            self._keys[node] = key
            self._nodes[key] = node
        return self._keys[node]

    def known(self, node: Node) -> str | None:
        """The key of a node that has one."""
        return self._keys.get(node)

    def order(self, node: Node) -> int:
        """How many nodes had a key before this one."""
        return int(self._keys[node][1:])

    def node(self, key: str) -> Node:
        """The node of a key."""
        return self._nodes[key]

    def load(self, node: Node, index: Index) -> Load:
        """The element of a node's stored value."""
        return Load(self.key(node), index, node.type.dtype)


# The element types that kernels compute with.
_COMPUTED = frozenset(
    {
        *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float32", "float64"),
    }
)


def is_host_work(node: Node) -> bool:
    """Whether the host carries a node out: no loop can say it, or kernels do not compute with its element types."""
    if node.is_input or isinstance(node.op, Structured | Projection):
        return False
    if isinstance(node.op, External):
        return True
    dtypes = [node.type.dtype, *(operand.type.dtype for operand in node.inputs)]
    others = [dtype for dtype in dtypes if dtype.name not in _COMPUTED]
    return bool(others) and not (all(dtype.is_half for dtype in others) and _moves(node))


def _moves(node: Node) -> bool:
    """Whether no element of the value is computed, but at most cast: kernels hold halves for no more."""
    moves = node.op.moves or isinstance(node.op, Source)
    return moves and isinstance(node.op, Elementwise) and node.op.effect is None


def is_product(node: Node) -> bool:
    """Whether a node is a contraction over a single point: then each element is one product, without a sum."""
    return (
        isinstance(node.op, Contraction)
        and not is_host_work(node)
        and all(extent == 1 for extent in node.op.reduced_extents([i.type for i in node.inputs], **node.attrs))
    )


def is_elementwise(node: Node) -> bool:
    """Whether an element of the node's value is an expression of elements of its operands."""
    return isinstance(node.op, Elementwise) and node.op.effect is None and not is_host_work(node)


class Tracer:
    """Element expressions of values. ``leaf`` gives the expression where tracing stops, or None to go on inside."""

    def __init__(self, leaf: Callable[[Node, Index], Scalar | None]):
        self.leaf = leaf
        self.visited: dict[Node, None] = {}
        self._memo: dict[tuple[Node, Index], Scalar] = {}

    def element(self, node: Node, index: Index) -> Scalar:
        """The element at an index."""
        key = (node, index)
        found = self._memo.get(key)
        if found is None:
            found = self.leaf(node, index)
            if found is None:
                found = self.inside(node, index)
            self._memo[key] = found
        return found

    def operands(self, node: Node) -> list[Operand]:
        """The operands of a node as functions of an index."""
        return [self._operand(operand) for operand in node.inputs]

    def _operand(self, node: Node) -> Operand:
        return lambda *index: self.element(node, index)

    def inside(self, node: Node, index: Index, reduced: Index | None = None) -> Scalar:
        """What the node itself computes at an index, and for a reduction at a point of its reduction domain."""
        self.visited[node] = None
        types = [operand.type for operand in node.inputs]
        if isinstance(node.op, Elementwise):
            value = node.op.element(index, self.operands(node), types, node.type, **node.attrs)
            if isinstance(value, Load) and not isinstance(value.source, str) and len(value.index) > 1:
                # An array that is part of the program: flat, as all memory is.
                return Load(value.source, (linear_offset(value.index, node.type.shape),), value.dtype)
            return value
        if reduced is None:
            reduced = (0,) * len(node.op.reduced_extents(types, **node.attrs))
        return node.op.element(index, reduced, self.operands(node), types, node.type, **node.attrs)

    def step(self, node: Node, carried: Sequence[Scalar], index: Index) -> tuple[Scalar, ...]:
        """What a scan carries on from the element at an index."""
        self.visited[node] = None
        types = [operand.type for operand in node.inputs]
        return node.op.step(carried, index, self.operands(node), types, node.type, **node.attrs)

    def factor(self, node: Node, side: int, index: Index, reduced: Index) -> Scalar:
        """The left or right factor of a contraction."""
        self.visited[node] = None
        types = [operand.type for operand in node.inputs]
        operand = self._operand(node.inputs[side])
        return node.op.factor(side, index, reduced, operand, types, node.type, **node.attrs)

    def picture(self, node: Node, index: Index, reduced: Index, coordinates: Index) -> Scalar:
        """An element of the picture that a contraction reads through a window."""
        return node.op.picture(index, reduced, coordinates, self._operand(node.inputs[1]), **node.attrs)

    def target(self, node: Node, at: Index) -> Index:
        """Where the element ``at`` of a scatter's source goes."""
        self.visited[node] = None
        types = [operand.type for operand in node.inputs]
        return node.op.target(at, self.operands(node), types, node.type, **node.attrs)


def index_variables(prefix: str, extents: Sequence[Integer]) -> Index:
    """A generic index: one variable for each extent, 0 where the extent is 1."""
    return tuple(index_variable(f"{prefix}{d}", extent) for d, extent in enumerate(extents))


def index_variable(name: str, extent: Integer) -> Integer:
    """A variable that runs below an extent; 0 where the extent is 1."""
    if extent == 1:
        return 0
    return variable(name, 0, extent - 1 if isinstance(extent, int) and extent > 0 else None)


def linear_offset(index: Sequence[Integer], shape: Sequence[Integer]) -> Integer:
    """The row-major position of an index in a shape."""
    return flat_offset(index, contiguous_strides(tuple(shape)))


def shown_in_order(node: Node) -> Node | None:
    """The operand of a view that shows all of it in the order in which it lies in memory; None for other nodes."""
    if not isinstance(node.op, View) or node.type.size != node.inputs[0].type.size:
        return None
    source = node.inputs[0].type
    at = index_variables("i", node.type.shape)
    place = linear_offset(node.op.source_index(at, source, node.type, **node.attrs), source.shape)
    return node.inputs[0] if place == linear_offset(at, node.type.shape) else None


def flat_offset(index: Sequence[Integer], strides: Sequence[Integer]) -> Integer:
    """The sum of index times stride."""
    total: Integer = 0
    for position, stride in zip(index, strides, strict=True):
        total = total + position * stride
    return total


def delinearize(position: Integer, shape: Sequence[Integer]) -> Index:
    """The index in a shape of a row-major position."""
    index: list[Integer] = []
    strides = contiguous_strides(tuple(shape))
    leading = True
    for extent, stride in zip(shape, strides, strict=True):
        if extent == 1:
            index.append(0)
            continue
        quotient = position // stride if stride != 0 else 0
        # Nothing stands before the first extent, so its quotient is already below it.
        index.append(quotient if leading or extent == 0 else quotient % extent)
        leading = False
    return tuple(index)


# Walking and rewriting expressions, with those inside integer expressions.


def integers_of(scalar: Scalar) -> tuple[Integer, ...]:
    """The integer expressions directly in a scalar expression."""
    if isinstance(scalar, Load):
        return scalar.index
    if isinstance(scalar, Within):
        return (scalar.value, scalar.lower, scalar.upper)
    if isinstance(scalar, FromIndex):
        return (scalar.value,)
    return ()


def parts(scalar: Scalar) -> tuple[Scalar, ...]:
    """The scalar expressions directly below one, also those inside its integer expressions."""
    if isinstance(scalar, Call):
        return scalar.arguments
    if isinstance(scalar, Choose):
        return (scalar.condition, scalar.chosen, scalar.otherwise)
    return tuple(part for value in integers_of(scalar) for part in opaque_values(value))


def opaque_values(value: Integer) -> Iterator[Scalar]:
    """The run-time scalars in an integer expression: every object, though one may be equal to another."""
    found: dict[int, Opaque] = {}
    pending = [value]
    while pending:
        part = pending.pop()
        for atom in (atom for monomial, _ in part.terms for atom in monomial) if not isinstance(part, int) else ():
            if isinstance(atom, Opaque):
                found.setdefault(id(atom.value), atom)
            elif not isinstance(atom, Variable):
                pending += [atom.dividend, atom.divisor]
    for atom in sorted(found.values(), key=str):
        yield atom.value  # type: ignore[misc]


def is_guard(scalar: Scalar) -> bool:
    """Whether a choice keeps its sides from reading outside of a buffer: its condition looks at an index."""
    if not isinstance(scalar, Choose):
        return False
    pending = [scalar.condition]
    while pending:
        part = pending.pop()
        if isinstance(part, Within):
            return True
        if isinstance(part, Call):
            pending.extend(part.arguments)
    return False


def walk_all(roots: Iterable[Scalar]) -> Iterator[Scalar]:
    """Every distinct expression object at or below the roots, those inside integer expressions too."""
    seen: set[int] = set()
    pending = list(roots)
    while pending:
        scalar = pending.pop()
        if id(scalar) in seen:
            continue
        seen.add(id(scalar))
        yield scalar
        pending.extend(parts(scalar))


class Rewriter:
    """Rewrites expressions: variables by name, and any scalar by ``change`` (children first). Keeps sharing."""

    def __init__(
        self,
        variables: dict[str, Integer] | None = None,
        change: Callable[[Scalar], Scalar] | None = None,
    ):
        self.variables = variables or {}
        self.change = change
        self._scalars: dict[int, tuple[Scalar, Scalar]] = {}
        self._integers: dict[Integer, Integer] = {}

    def scalar(self, scalar: Scalar) -> Scalar:
        """The rewritten scalar expression."""
        known = self._scalars.get(id(scalar))
        if known is not None:
            return known[1]
        result = self._rebuild(scalar)
        if self.change is not None:
            result = self.change(result)
        self._scalars[id(scalar)] = (scalar, result)
        return result

    def _rebuild(self, scalar: Scalar) -> Scalar:
        if isinstance(scalar, Call):
            arguments = tuple(self.scalar(a) for a in scalar.arguments)
            same = all(a is b for a, b in zip(arguments, scalar.arguments, strict=True))
            return scalar if same else Call(scalar.function, arguments, scalar.dtype)
        if isinstance(scalar, Choose):
            return Choose(
                self.scalar(scalar.condition), self.scalar(scalar.chosen), self.scalar(scalar.otherwise), scalar.dtype
            )
        if isinstance(scalar, Load):
            return Load(scalar.source, tuple(self.integer(i) for i in scalar.index), scalar.dtype)
        if isinstance(scalar, Within):
            return Within(self.integer(scalar.value), self.integer(scalar.lower), self.integer(scalar.upper))
        if isinstance(scalar, FromIndex):
            value = self.integer(scalar.value)
            return Constant(value, scalar.dtype) if isinstance(value, int) else FromIndex(value, scalar.dtype)
        return scalar

    def integer(self, value: Integer) -> Integer:
        """The rewritten integer expression."""
        if isinstance(value, int):
            return value
        result = self._integers.get(value)
        if result is None:
            result = rewrite_atoms(value, self._atom)
            self._integers[value] = result
        return result

    def _atom(self, atom: Variable | Quotient | Remainder | Opaque) -> Integer | None:
        if isinstance(atom, Variable):
            return self.variables.get(atom.name)
        if isinstance(atom, Opaque):
            return opaque(self.scalar(atom.value), atom.lower, atom.upper)  # type: ignore[arg-type]
        return None


def linear_terms(value: Integer, names: frozenset[str] | set[str]) -> dict[str, Integer | None]:
    """For each of the named variables in an expression its factor; None where the expression is not linear in it.

    What run-time scalars in the expression read is not looked at: their indices are expressions of their own.
    """
    found: dict[str, Integer | None] = {}
    if isinstance(value, int):
        return found
    for monomial, coefficient in value.terms:
        mine = [atom.name for atom in monomial if isinstance(atom, Variable) and atom.name in names]
        divisions = [atom for atom in monomial if isinstance(atom, Quotient | Remainder)]
        inner = {name for atom in divisions for name in deep_variables(atom) if name in names}
        for name in inner:
            found[name] = None
        if len(mine) > 1 or (mine and (inner or any(isinstance(atom, Opaque) for atom in monomial))):
            for name in mine:
                found[name] = None
        elif mine and found.get(mine[0], 0) is not None:
            rest = tuple(atom for atom in monomial if not (isinstance(atom, Variable) and atom.name == mine[0]))
            factor: Integer = coefficient if not rest else IntegerExpression(((rest, coefficient),))
            found[mine[0]] = found.get(mine[0], 0) + factor  # type: ignore[operator]
    return found


def deep_variables(atom: Variable | Quotient | Remainder | Opaque) -> set[str]:
    """The names of variables in an atom, those inside run-time scalars too."""
    if isinstance(atom, Variable):
        return {atom.name}
    if isinstance(atom, Opaque):
        return scalar_variables(atom.value)  # type: ignore[arg-type]
    return integer_variables(atom.dividend) | integer_variables(atom.divisor)


def integer_variables(value: Integer) -> set[str]:
    """The names of variables in an integer expression, those inside run-time scalars too."""
    if isinstance(value, int):
        return set()
    return {name for monomial, _ in value.terms for atom in monomial for name in deep_variables(atom)}


def scalar_variables(scalar: Scalar) -> set[str]:
    """The names of index variables in a scalar expression."""
    return {
        name
        for part in walk_all((scalar,))
        if not isinstance(part, Local)
        for value in integers_of(part)
        for name in integer_variables(value)
    }
