"""Values that are computed where they are needed: the operands of a concatenation lie within its memory.

Where a value is others side by side (:meth:`graphc.ir.primitive.Gather.starts`), each of these is stored at its place
in the whole, with the strides of the whole, so that nothing is copied. An operand that can't lie there, because it is
an input, a result, or a part of something else too, is copied into its place by a kernel of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.trace import flat_offset, is_elementwise, is_host_work, shown_in_order
from graphc.ir.applications import applies
from graphc.ir.graph import Node
from graphc.ir.integers import Integer
from graphc.ir.primitive import PRIMITIVES, Contraction, Gather, Reduction, RowAlgorithm, Scan, Scatter, Source, View
from graphc.ir.scalars import Index
from graphc.ir.structured import Structured


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a value lies: in the memory of ``whole``, at an element and with strides for its own dimensions."""

    whole: Node
    start: Integer
    strides: tuple[Integer, ...]


@dataclass
class Assembly:
    """Values that others fill: for each the values in memory that do, and where each of these lies."""

    parts: dict[Node, tuple[Node, ...]] = field(default_factory=dict)
    placements: dict[Node, Placement] = field(default_factory=dict)


def copy_of(node: Node) -> Node:
    """A new node that copies the value of another. It stands in no graph: it gives a result a buffer of its own."""
    return Node(PRIMITIVES["copy"], (node,), (), node.type, node.location)


def assemble(
    nodes: Sequence[Node],
    users: Mapping[Node, list[Node]],
    anchors: dict[Node, None],
    fixed: Collection[Node],
    bases: Collection[Node],
) -> Assembly:
    """Choose the values that others fill. Those that are to be stored for it are added to ``anchors``; copies among the
    parts are not. ``fixed`` values have a place already, and ``bases`` are in places that later values take over."""
    assembly = Assembly()
    for node in reversed(nodes):  # what holds others comes before what it holds
        starts = None if node in bases else _starts(node)
        if not starts:
            continue
        behind = [_behind(operand, anchors) for operand in node.inputs]
        if node not in anchors and not all(part in anchors and _is_free(part, users, fixed) for part in behind):
            continue
        if not applies("compute parts in place", node):
            continue
        anchors[node] = None
        known = assembly.placements.get(node)
        whole, start, strides = (known.whole, known.start, known.strides) if known else (node, 0, node.type.strides)
        parts: list[Node] = []
        for operand, part, begin in zip(node.inputs, behind, starts, strict=True):
            if operand.type.size == 0:
                continue
            free = part not in assembly.placements and _is_free(part, users, fixed)
            own = _strides(part, operand, strides) if free else None
            if own is None:
                part, own = copy_of(operand), strides
            else:
                anchors[part] = None
            assembly.placements[part] = Placement(whole, start + flat_offset(begin, strides), own)
            parts.append(part)
        assembly.parts[node] = tuple(parts)
    return assembly


def _starts(node: Node) -> Sequence[Index] | None:
    """Where each operand begins in a value that they fill; None for other values."""
    if not isinstance(node.op, Gather) or is_host_work(node) or node.type.size == 0:
        return None
    return node.op.starts([operand.type for operand in node.inputs], **node.attrs)


def _is_free(part: Node, users: Mapping[Node, list[Node]], fixed: Collection[Node]) -> bool:
    """Whether a value may lie anywhere: it is stored element by element, and so read."""
    if part.is_input or part in fixed or is_host_work(part):
        return False
    stored = is_elementwise(part) and not isinstance(part.op, View | Source)
    if not stored and not isinstance(part.op, Contraction | Reduction | Scan):
        return False
    return not any(
        is_host_work(user) or isinstance(user.op, RowAlgorithm | Structured | Scatter) for user in users.get(part, ())
    )


def _strides(part: Node, operand: Node, strides: Sequence[Integer]) -> tuple[Integer, ...] | None:
    """The strides of a value that an operand shows, where the operand has these; None where no strides say it."""
    if part is operand:
        return tuple(strides)
    wide = [stride for extent, stride in zip(operand.type.shape, strides, strict=True) if extent != 1]
    if [extent for extent in operand.type.shape if extent != 1] == [e for e in part.type.shape if e != 1]:
        rest = iter(wide)
        return tuple(0 if extent == 1 else next(rest) for extent in part.type.shape)
    dense = [s for extent, s in zip(operand.type.shape, operand.type.strides, strict=True) if extent != 1]
    return part.type.strides if wide == dense else None


def _behind(node: Node, anchors: Collection[Node]) -> Node:
    """The value that a node shows in the order in which it lies in memory."""
    while node not in anchors and (shown := shown_in_order(node)) is not None:
        node = shown
    return node
