"""Fusion: which values are computed together in one kernel.

Each *anchor* (see :mod:`graphc.codegen.materialize`) is traced once at a generic index of its own. In the order of the
graph it then joins a group that already holds values it reads, or one that reads what it reads, where

- no group would come to depend on itself, and
- each value of the group that it reads is read at the very point of the iteration at which it is computed.

A group of loops has an *outer* domain and, where it holds reductions, a *reduced* domain. Its members are computed once
for each outer point ("outer") or at each point of both ("full"; for a "reduction" these are the elements combined).
A member's *level* is the number of sweeps over the reduced domain that must be complete before it. A group of a
contraction has the contraction's result as its outer domain, and the other members are its epilogue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphc.codegen.domains import Axis, Domain, domain_of, integer_expressions, split_divisions
from graphc.codegen.materialize import size_estimate
from graphc.codegen.trace import Access, Tracer, Values, delinearize, is_elementwise, is_product, linear_offset, walk_all
from graphc.ir.graph import Node
from graphc.ir.integers import Integer, IntegerExpression, Variable, product, substitute, variables
from graphc.ir.primitive import Contraction, Reduction, Scatter
from graphc.ir.scalars import Index, Load, Scalar

MOST_MEMBERS = 32
MOST_BUFFERS = 24
# A reduction with fewer independent results than this is cut into chunks, when it has at least so many elements.
FEW_RESULTS = 8
MANY_ELEMENTS = 1 << 15


@dataclass(slots=True, eq=False)
class Anchor:
    """A value that is computed as a value of its own, traced at a generic index."""

    node: Node
    position: int
    form: str  # "elementwise", "reduction", "contraction", "scatter", "random"
    outer: Domain
    reduced: Domain
    index: Index  # in the node's shape, of the outer axes
    reduced_index: Index
    loads: tuple[Access, ...]
    visited: tuple[Node, ...]
    after: tuple[Group, ...] = ()  # checks of the indices that it reads with


@dataclass(slots=True, eq=False)
class Member:
    """An anchor in a group: the index at which it is computed and those at which it reads, in the group's variables."""

    anchor: Anchor
    role: str  # "outer", "full", "reduction", "contraction"
    level: int
    index: Index
    reduced_index: Index
    loads: tuple[Access, ...]

    @property
    def node(self) -> Node:
        return self.anchor.node


@dataclass(slots=True, eq=False)
class Group:
    """Values that one kernel computes. ``before`` has a bit for each group that must stand before this one."""

    number: int
    kind: str  # "loops", "contraction", "scatter", "random", "check"
    outer: Domain = ()
    reduced: Domain = ()
    members: list[Member] = field(default_factory=list)
    before: int = 0
    split: bool = False
    swapped: bool = False  # a contraction with its operands exchanged
    checked: tuple[tuple[Node, Integer], ...] = ()  # for a check: index values and extents

    def member(self, node: Node) -> Member | None:
        """The member that computes a node."""
        return next((member for member in self.members if member.node is node), None)


def trace_anchor(
    node: Node, position: int, anchors: set[Node], values: Values, base: Node | None = None
) -> Anchor:
    """Trace an anchor at a generic index. ``base`` is the value whose buffer a scatter works in."""

    def leaf(source: Node, index: Index) -> Scalar | None:
        return values.load(source, index) if source.is_input or source in anchors else None

    tracer = Tracer(leaf)
    shape = node.type.shape
    form = _form(node)
    outer = domain_of("x", shape)
    reduced: Domain = ()
    if form == "random":
        return Anchor(node, position, form, outer, (), _indices(outer), (), (), (node,))
    if form == "scatter":
        outer = domain_of("x", node.inputs[2].type.shape)
        at = _indices(outer)
        place = linear_offset(tracer.target(node, at), shape)
        roots = [tracer.element(node.inputs[2], at), Load("place", (place,), node.type.dtype)]
        loads = (*_loads(roots, values, skip="place"), (base or node.inputs[0], _indices(domain_of("z", shape))))
        return Anchor(node, position, form, outer, (), at, (), loads, tuple(tracer.visited))
    types = [operand.type for operand in node.inputs]
    if isinstance(node.op, Reduction):
        reduced = domain_of("y", node.op.reduced_extents(types, **node.attrs))
    index, reduced_index = _indices(outer), _indices(reduced)
    if form == "contraction":
        roots = [tracer.factor(node, side, index, reduced_index) for side in (0, 1)]
        return Anchor(
            node, position, form, outer, reduced, index, reduced_index, _loads(roots, values), tuple(tracer.visited)
        )
    roots = [tracer.inside(node, index, reduced_index if isinstance(node.op, Reduction) else None)]
    if form == "elementwise":
        reduced, reduced_index = (), ()
    accesses = _loads(roots, values)
    domain, split = split_divisions((*outer, *reduced), integer_expressions(roots))
    if split:
        names = {axis.name for axis in domain if axis.name.startswith("x")}
        outer = tuple(axis for axis in domain if axis.name in names)
        reduced = tuple(axis for axis in domain if axis.name not in names)
        index = tuple(substitute(i, split) for i in index)
        reduced_index = tuple(substitute(i, split) for i in reduced_index)
        accesses = tuple((source, tuple(substitute(i, split) for i in at)) for source, at in accesses)
    return Anchor(node, position, form, outer, reduced, index, reduced_index, accesses, tuple(tracer.visited))


def _form(node: Node) -> str:
    if node.op.effect == "random":
        return "random"
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
    raise NotImplementedError(f"{node.op.name} ({node.location}) belongs to no family that can be lowered")


def _indices(domain: Domain) -> Index:
    return tuple(axis.index for axis in domain)


def _loads(roots: Iterable[Scalar], values: Values, skip: str | None = None) -> tuple[Access, ...]:
    found: dict[tuple[str, Index], None] = {}
    for scalar in walk_all(roots):
        if isinstance(scalar, Load) and scalar.source != skip:
            found[(str(scalar.source), scalar.index)] = None
    return tuple((values.node(key), index) for key, index in sorted(found, key=lambda load: int(load[0][1:])))


class Fusion:
    """Builds the groups of a graph."""

    def __init__(self, fuse: bool = True):
        self.fuse = fuse
        self.groups: list[Group] = []
        self.group_of: dict[Node, Group] = {}
        self._readers: dict[Node, list[Group]] = {}

    def add(self, anchor: Anchor) -> None:
        """Put an anchor into a group that takes it, or into a new one."""
        if self.fuse and anchor.form in ("elementwise", "reduction"):
            for group in self._candidates(anchor):
                if self._acyclic(anchor, group) and self._join(anchor, group):
                    self._enter(anchor, group)
                    return
        self._start(anchor)

    def _candidates(self, anchor: Anchor) -> list[Group]:
        producers = {self.group_of[node].number for node, _ in anchor.loads if node in self.group_of}
        sharing = {
            group.number
            for node, index in anchor.loads
            if any(not isinstance(i, int) for i in index)
            for group in self._readers.get(node, ())[-4:]
        }
        numbers = [*sorted(producers, reverse=True), *sorted(sharing - producers, reverse=True)]
        return [self.groups[number] for number in numbers if self.groups[number].kind in ("loops", "contraction")]

    def _acyclic(self, anchor: Anchor, group: Group) -> bool:
        """Whether the anchor's other producers can stand before the group."""
        for node, _ in anchor.loads:
            producer = self.group_of.get(node)
            if producer is not None and producer is not group and (producer.before >> group.number) & 1:
                return False
        return not any((check.before >> group.number) & 1 for check in anchor.after)

    def _enter(self, anchor: Anchor, group: Group) -> None:
        self.group_of[anchor.node] = group
        before = group.before
        for check in anchor.after:
            before |= check.before | (1 << check.number)
        for node, _ in anchor.loads:
            producer = self.group_of.get(node)
            if producer is not None and producer is not group:
                before |= producer.before | (1 << producer.number)
            readers = self._readers.setdefault(node, [])
            if group not in readers:
                readers.append(group)
        self.order(group, before)

    def order(self, group: Group, before: int) -> None:
        """Let a group stand after more groups, and with it those that stand after it."""
        if before | group.before != group.before:
            group.before |= before
            for other in self.groups:
                if (other.before >> group.number) & 1:
                    other.before |= group.before

    def add_check(self, index: Node, extent: Integer, loads: Iterable[Access]) -> Group:
        """A group that checks an index value. It stands after the groups that make what is read to compute it."""
        group = Group(len(self.groups), "check", checked=((index, extent),))
        self.groups.append(group)
        before = 0
        for node, _ in loads:
            producer = self.group_of.get(node)
            if producer is not None:
                before |= producer.before | (1 << producer.number)
        self.order(group, before)
        return group

    def _start(self, anchor: Anchor) -> None:
        group = Group(len(self.groups), "loops")
        self.groups.append(group)
        if anchor.form in ("scatter", "random"):
            group.kind = anchor.form
            group.outer = anchor.outer
            group.members.append(Member(anchor, "outer", 0, anchor.index, (), anchor.loads))
        elif anchor.form == "contraction":
            self._start_contraction(anchor, group)
        else:
            _take_domain(group, anchor)
            role = "outer" if anchor.form == "elementwise" else "reduction"
            rename = _renaming(anchor, group)
            group.members.append(_placed(anchor, role, 0, rename))
            group.split = _needs_chunks(group)
        self._enter(anchor, group)

    def _start_contraction(self, anchor: Anchor, group: Group) -> None:
        group.kind = "contraction"
        group.outer, index, group.swapped = contraction_domain(anchor.node)
        group.members.append(Member(anchor, "contraction", 0, index, (), anchor.loads))

    def _join(self, anchor: Anchor, group: Group) -> bool:
        if len(group.members) >= MOST_MEMBERS or _buffer_count(group, anchor) > MOST_BUFFERS:
            return False
        if group.kind == "contraction":
            return _join_epilogue(anchor, group)
        return _join_loops(anchor, group)


def contraction_domain(node: Node) -> tuple[Domain, Index, bool]:
    """The variables b, m, n of a contraction's result, the index in its shape, and whether operands are exchanged.

    Columns are the innermost dimensions of the result, so that rows of the kernel's tile are contiguous there. Outer
    dimensions that only the operand of the columns has, but that other dimensions part from them, count as batch.
    """
    roles = list(node.op.roles([operand.type for operand in node.inputs], **node.attrs))  # type: ignore[attr-defined]
    shape = node.type.shape
    wide = [d for d, extent in enumerate(shape) if extent != 1]
    last = next((roles[d] for d in reversed(wide) if roles[d] != "batch"), "column")
    swapped = last == "row"
    column, row = ("row", "column") if swapped else ("column", "row")
    run_broken = False
    for d in reversed(range(len(shape))):
        if roles[d] == column and run_broken:
            roles[d] = "batch"
        elif roles[d] == row and shape[d] != 1:
            run_broken = True
    groups = {
        "b": [d for d in range(len(shape)) if roles[d] == "batch"],
        "m": [d for d in range(len(shape)) if roles[d] == row],
        "n": [d for d in range(len(shape)) if roles[d] == column],
    }
    index: list[Integer] = [0] * len(shape)
    domain = []
    for name, dims in groups.items():
        axis = Axis(name, product(shape[d] for d in dims))
        domain.append(axis)
        for d, i in zip(dims, delinearize(axis.index, [shape[d] for d in dims]), strict=True):
            index[d] = i
    return tuple(domain), tuple(index), swapped


def _take_domain(group: Group, anchor: Anchor) -> None:
    group.outer = domain_of("i", [axis.extent for axis in anchor.outer])
    group.reduced = domain_of("r", [axis.extent for axis in anchor.reduced])


def _renaming(anchor: Anchor, group: Group) -> dict[str, Integer]:
    """The anchor's variables as those of a group that took its domain."""
    pairs = zip((*anchor.outer, *anchor.reduced), (*group.outer, *group.reduced), strict=True)
    return {old.name: new.index for old, new in pairs}


def _placed(anchor: Anchor, role: str, level: int, mapping: dict[str, Integer]) -> Member:
    return Member(
        anchor,
        role,
        level,
        tuple(substitute(i, mapping) for i in anchor.index),
        tuple(substitute(i, mapping) for i in anchor.reduced_index),
        tuple((node, tuple(substitute(i, mapping) for i in index)) for node, index in anchor.loads),
    )


def _buffer_count(group: Group, anchor: Anchor) -> int:
    sources = {node for member in group.members for node, _ in member.loads} | {node for node, _ in anchor.loads}
    return len(sources) + len(group.members) + 1


def _needs_chunks(group: Group) -> bool:
    """Whether a group of reductions has too few results to share out among threads, and much to reduce."""
    if not group.reduced:
        return False
    results = size_estimate(product(axis.extent for axis in group.outer))
    elements = size_estimate(product(axis.extent for axis in group.reduced))
    return results < FEW_RESULTS and results * elements >= MANY_ELEMENTS


# Alignment: the anchor's variables in terms of the group's.


def _plain(value: Integer) -> str | None:
    """The name of the variable that an expression is."""
    if isinstance(value, IntegerExpression) and len(value.terms) == 1:
        monomial, coefficient = value.terms[0]
        if coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Variable):
            return monomial[0].name
    return None


def _unify(index: Index, target: Index, mapping: dict[str, Integer], names: set[str]) -> dict[str, Integer] | None:
    """``mapping`` extended so that ``index`` becomes ``target``; None where they disagree."""
    extended = dict(mapping)
    for mine, theirs in zip(index, target, strict=True):
        name = _plain(mine)
        if name is None or name not in names:
            if isinstance(mine, int) and mine != theirs:
                return None
            continue
        if extended.setdefault(name, theirs) != theirs:
            return None
    return extended


def _mapping(anchor: Anchor, group: Group, fallback: bool) -> dict[str, Integer] | None:
    """What each variable of the anchor is in the group, from reads of the group's values, then from common reads."""
    names = {axis.name for axis in (*anchor.outer, *anchor.reduced) if axis.extent != 1}
    mapping: dict[str, Integer] = {axis.name: 0 for axis in (*anchor.outer, *anchor.reduced) if axis.extent == 1}
    computed = {member.node: member.index for member in group.members}
    for node, index in anchor.loads:
        if node in computed:
            extended = _unify(index, computed[node], mapping, names)
            if extended is None:
                return None
            mapping = extended
    if names <= mapping.keys():
        return mapping
    common: dict[Node, list[Index]] = {}
    for member in group.members:
        for node, index in member.loads:
            common.setdefault(node, []).append(index)
    for node, index in anchor.loads:
        for other in common.get(node, ())[:3]:
            if node in computed or all(isinstance(i, int) for i in index):
                continue
            extended = _unify(index, other, mapping, names)
            if extended is not None and len(extended) > len(mapping):
                mapping = extended
                break
    if names <= mapping.keys():
        return mapping
    if fallback:
        for shape_index in _indices_of_shape(anchor, group):
            extended = _unify(anchor.index, shape_index, mapping, names)
            if extended is not None and names <= extended.keys():
                return extended
    return None


def _indices_of_shape(anchor: Anchor, group: Group) -> list[Index]:
    """Indices at which the group computes or reads values of the anchor's shape."""
    shape = anchor.node.type.shape
    found: dict[Index, None] = {}
    for member in group.members:
        if member.node.type.shape == shape:
            found[member.index] = None
        for node, index in member.loads:
            if node.type.shape == shape:
                found[index] = None
    return list(found)[:4]


def _distinct(mapping: dict[str, Integer], axes: Domain) -> bool:
    """Whether the images of the axes are distinct variables."""
    images = [_plain(mapping[axis.name]) for axis in axes if axis.extent != 1]
    return None not in images and len(set(images)) == len(images)


def _extent(axes: Iterable[Axis]) -> Integer:
    return product(axis.extent for axis in axes)


def _images(mapping: dict[str, Integer], axes: Domain) -> set[str]:
    return {name for axis in axes for name in variables(mapping[axis.name])}


def _aligned(member: Member, group: Group) -> int | None:
    """The level of a member that reads the group's values where they are computed; None where it does not."""
    level = 0
    for node, index in member.loads:
        other = group.member(node)
        if other is None:
            continue
        if index != other.index or (member.role == "outer" and other.role == "full"):
            return None
        level = max(level, other.level + (1 if other.role == "reduction" else 0))
    return level


def _join_epilogue(anchor: Anchor, group: Group) -> bool:
    if anchor.form != "elementwise" or not any(group.member(node) for node, _ in anchor.loads):
        return False
    if _extent(anchor.outer) != _extent(group.outer):
        return False
    mapping = _mapping(anchor, group, fallback=False)
    if mapping is None:
        return False
    member = _placed(anchor, "outer", 0, mapping)
    if _aligned(member, group) is None:
        return False
    group.members.append(member)
    return True


def _join_loops(anchor: Anchor, group: Group) -> bool:
    reads = any(group.member(node) for node, _ in anchor.loads)
    if anchor.form == "reduction" and not group.reduced:
        return reads and _join_first_reduction(anchor, group)
    mapping = _mapping(anchor, group, fallback=reads)
    if mapping is None or not _distinct(mapping, (*anchor.outer, *anchor.reduced)):
        return False
    role = _role(anchor, group, mapping)
    if role is None:
        return False
    member = _placed(anchor, role, 0, mapping)
    level = _aligned(member, group)
    if level is None or (group.split and level > 0 and role != "outer"):
        return False
    member.level = level
    group.members.append(member)
    return True


def _role(anchor: Anchor, group: Group, mapping: dict[str, Integer]) -> str | None:
    outer_names = {axis.name for axis in group.outer}
    reduced_names = {axis.name for axis in group.reduced}
    images = _images(mapping, anchor.outer)
    if anchor.form == "reduction":
        inner = _images(mapping, anchor.reduced)
        if images <= outer_names and inner <= reduced_names and _extent(anchor.reduced) == _extent(group.reduced):
            return "reduction" if _extent(anchor.outer) == _extent(group.outer) else None
        return None
    if images <= outer_names and _extent(anchor.outer) == _extent(group.outer):
        return "outer"
    if group.reduced and _extent(anchor.outer) == _extent((*group.outer, *group.reduced)):
        return "full"
    return None


def _join_first_reduction(anchor: Anchor, group: Group) -> bool:
    """A reduction joins a group of elementwise values: over them, or once for each of them."""
    everything = (*anchor.outer, *anchor.reduced)
    if _extent(everything) == _extent(group.outer):
        return _become_rows(anchor, group)
    return False


def _become_rows(anchor: Anchor, group: Group) -> bool:
    """Give the group the reduction's domain: its values are then computed at each point of outer and reduced domain."""
    new_outer = domain_of("i", [axis.extent for axis in anchor.outer])
    new_reduced = domain_of("r", [axis.extent for axis in anchor.reduced])
    rename = {
        old.name: new.index
        for old, new in zip((*anchor.outer, *anchor.reduced), (*new_outer, *new_reduced), strict=True)
    }
    names = {axis.name for axis in group.outer if axis.extent != 1}
    mapping: dict[str, Integer] = {axis.name: 0 for axis in group.outer if axis.extent == 1}
    for node, index in anchor.loads:
        producer = group.member(node)
        if producer is not None:
            target = tuple(substitute(i, rename) for i in index)
            extended = _unify(producer.index, target, mapping, names)
            if extended is None:
                return False
            mapping = extended
    if not names <= mapping.keys() or not _distinct(mapping, group.outer):
        return False
    moved = [
        Member(
            member.anchor,
            "full",
            0,
            tuple(substitute(i, mapping) for i in member.index),
            (),
            tuple((node, tuple(substitute(i, mapping) for i in index)) for node, index in member.loads),
        )
        for member in group.members
    ]
    candidate = Group(group.number, "loops", new_outer, new_reduced, moved)
    member = _placed(anchor, "reduction", 0, rename)
    if _aligned(member, candidate) is None:
        return False
    group.outer, group.reduced = new_outer, new_reduced
    group.members = [*moved, member]
    group.split = _needs_chunks(group)
    return True
