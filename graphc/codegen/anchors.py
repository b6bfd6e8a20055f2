"""Anchors: values that are computed as values of their own, traced once at a generic index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.domains import Axis, Domain, domain_of, integer_expressions, split_divisions
from graphc.codegen.loops import Local
from graphc.codegen.trace import (
    Access,
    Tracer,
    Values,
    is_elementwise,
    is_host_work,
    is_product,
    linear_offset,
    walk_all,
)
from graphc.ir.graph import Node
from graphc.ir.integers import substitute
from graphc.ir.primitive import Contraction, Reduction, RowAlgorithm, Scan, Scatter
from graphc.ir.scalars import Index, Load, Scalar


@dataclass(slots=True, eq=False)
class Anchor:
    """A value that is computed as a value of its own, traced at a generic index."""

    node: Node
    position: int
    form: str  # as `_form` has it: "elementwise", "reduction", "scan", "contraction", or one that stands alone
    outer: Domain
    reduced: Domain
    index: Index  # in the node's shape, of the outer axes
    reduced_index: Index
    loads: tuple[Access, ...]
    visited: tuple[Node, ...]
    # A reduction may be made in two steps: the parts of its results, and what these give together.
    summed: Node | None = None  # of the anchor of parts (form "partial"): the reduction
    parts: Node | None = None  # of the reduction: its parts


def divided(anchor: Anchor, count: int) -> tuple[Anchor, Anchor]:
    """A reduction in two steps: anchors of ``count`` partial results for each result, and of the results."""
    node = anchor.node
    shape = (count, *node.type.shape)
    parts = Node(node.op, node.inputs, node.attributes, replace(node.type, shape=shape), node.location)
    outer, reduced = domain_of("x", node.type.shape), (Axis("y0", count),)
    loads = ((parts, (*_indices(reduced), *_indices(outer))),)
    whole = Anchor(
        node, anchor.position, anchor.form, outer, reduced, _indices(outer), _indices(reduced), loads, (node,)
    )
    return replace(anchor, node=parts, form="partial", summed=node), replace(whole, parts=parts)


def structured_anchor(node: Node, position: int, operands: Sequence[Node]) -> Anchor:
    """The anchor of a structured operation, which reads all of its operands; ``operands`` are the values in memory."""
    loads = tuple((operand, _indices(domain_of("z", operand.type.shape))) for operand in operands)
    return Anchor(node, position, "structured", (), (), (), (), loads, (node,))


def assembled_anchor(node: Node, position: int, parts: Sequence[Node]) -> Anchor:
    """The anchor of a value that others fill: nothing is left to do once they are there."""
    loads = tuple((part, _indices(domain_of("z", part.type.shape))) for part in parts)
    outer = domain_of("x", node.type.shape)
    return Anchor(node, position, "assembled", outer, (), _indices(outer), (), loads, (node,))


def result_anchor(node: Node, position: int) -> Anchor:
    """The anchor of a result of a structured operation."""
    outer = domain_of("x", node.type.shape)
    return Anchor(node, position, "result", outer, (), _indices(outer), (), (), (node,))


def trace_anchor(
    node: Node,
    position: int,
    anchors: set[Node],
    values: Values,
    base: Node | None = None,
    read: dict[Node, None] | None = None,
) -> Anchor:
    """Trace an anchor at a generic index. ``base`` is the value whose buffer a scatter works in. To ``read`` the values
    that are loaded are added, in the order in which they are met."""

    def leaf(source: Node, index: Index) -> Scalar | None:
        if read is not None and (source.is_input or source in anchors):
            read[source] = None
        return values.load(source, index) if source.is_input or source in anchors else None

    tracer = Tracer(leaf)
    shape = node.type.shape
    form = _form(node)
    outer = domain_of("x", shape)
    reduced: Domain = ()
    if form == "random":
        return Anchor(node, position, form, outer, (), _indices(outer), (), (), (node,))
    if form in ("rows", "external"):
        loads = tuple((operand, _indices(domain_of("z", operand.type.shape))) for operand in node.inputs)
        if form == "rows":
            types = [operand.type for operand in node.inputs]
            outer = domain_of("x", node.op.points(types, node.type, **node.attrs))
            reduced = domain_of("y", node.op.numbers(types, node.type, **node.attrs)[:1])
            return Anchor(node, position, form, outer, reduced, (), (), loads, (node,))
        return Anchor(node, position, form, outer, (), _indices(outer), (), loads, (node,))
    if form == "scatter":
        outer = domain_of("x", node.inputs[2].type.shape)
        at = _indices(outer)
        place = linear_offset(tracer.target(node, at), shape)
        roots = [tracer.element(node.inputs[2], at), Load("place", (place,), node.type.dtype)]
        loads = (*_loads(roots, values, skip="place"), (base or node.inputs[0], _indices(domain_of("z", shape))))
        return Anchor(node, position, form, outer, (), at, (), loads, tuple(tracer.visited))
    types = [operand.type for operand in node.inputs]
    index: Index
    roots: list[Scalar]
    if form == "scan":
        dim = node.attrs["dim"]
        outer, reduced = domain_of("x", shape[:dim] + shape[dim + 1 :]), domain_of("y", shape[dim : dim + 1])
        index = (*_indices(outer)[:dim], *_indices(reduced), *_indices(outer)[dim:])
        roots = list(tracer.step(node, carried_locals(node, "s"), index))
    else:
        if isinstance(node.op, Reduction):
            reduced = domain_of("y", node.op.reduced_extents(types, **node.attrs))
        index = _indices(outer)
        if form == "contraction":
            roots = [tracer.factor(node, side, index, _indices(reduced)) for side in (0, 1)]
        else:
            roots = [tracer.inside(node, index, _indices(reduced) if isinstance(node.op, Reduction) else None)]
        if form == "elementwise":
            reduced = ()
    accesses, visited = _loads(roots, values), tuple(tracer.visited)
    anchor = Anchor(node, position, form, outer, reduced, index, _indices(reduced), accesses, visited)
    return anchor if form == "contraction" else _split(anchor, roots)


def _split(anchor: Anchor, roots: Sequence[Scalar]) -> Anchor:
    """The anchor of traced expressions with its axes split so that divisions of them vanish."""
    domain, split = split_divisions((*anchor.outer, *anchor.reduced), integer_expressions(roots))
    if not split:
        return anchor
    return replace(
        anchor,
        outer=tuple(axis for axis in domain if axis.name.startswith("x")),
        reduced=tuple(axis for axis in domain if not axis.name.startswith("x")),
        index=tuple(substitute(i, split) for i in anchor.index),
        reduced_index=tuple(substitute(i, split) for i in anchor.reduced_index),
        loads=tuple((source, tuple(substitute(i, split) for i in at)) for source, at in anchor.loads),
    )


def carried_locals(node: Node, prefix: str) -> tuple[Local, ...]:
    """Names for what a scan carries."""
    types = [operand.type for operand in node.inputs]
    constants = node.op.carried(types, node.type, **node.attrs)  # type: ignore[attr-defined]
    names = [prefix] if len(constants) == 1 else [f"{prefix}_{number}" for number in range(len(constants))]
    return tuple(Local(name, constant.dtype) for name, constant in zip(names, constants, strict=True))


def _form(node: Node) -> str:
    if is_host_work(node):
        return "external"
    if node.op.effect == "random":
        return "random"
    if isinstance(node.op, RowAlgorithm):
        return "rows"
    if isinstance(node.op, Scatter):
        return "scatter"
    if is_elementwise(node) or is_product(node):
        return "elementwise"
    if isinstance(node.op, Contraction):
        roles = node.op.roles([operand.type for operand in node.inputs], **node.attrs)
        for side in ("row", "column"):
            # A matrix times a vector reads the matrix once: packing would only cost.
            if all(extent == 1 for role, extent in zip(roles, node.type.shape, strict=True) if role == side):
                return "reduction"
        return "contraction"
    if isinstance(node.op, Reduction):
        return "reduction"
    if isinstance(node.op, Scan):
        return "scan"
    raise NotImplementedError(f"{node.op.name} ({node.location}) belongs to no family that can be lowered")


def _indices(domain: Domain) -> Index:
    return tuple(axis.index for axis in domain)


def _loads(roots: Iterable[Scalar], values: Values, skip: str | None = None) -> tuple[Access, ...]:
    """The values that expressions read, in the order of their keys; arrays within the program are not among them."""
    found: dict[tuple[str, Index], None] = {}
    for scalar in walk_all(roots):
        if isinstance(scalar, Load) and isinstance(scalar.source, str) and scalar.source != skip:
            found[scalar.source, scalar.index] = None
    accesses = [(values.node(key), index) for key, index in found]
    return tuple(sorted(accesses, key=lambda access: values.order(access[0])))
