"""Fusion: which values are computed together in one kernel.

Each *anchor* (see :mod:`graphc.codegen.materialize`) is traced once at a generic index of its own. In the order of the
graph it then joins a group that already holds values it reads, or one that reads what it reads, where

- no group would come to depend on itself, and
- each value of the group that it reads is read at the very point of the iteration at which it is computed.

A group of loops has an *outer* domain and, where it holds reductions, a *reduced* domain. Its members are computed once
for each outer point ("outer") or at each point of both ("full"; for a "reduction" these are the elements combined).
A member's *level* is the number of sweeps over the reduced domain that must be complete before it.

Sums over the rows of such a group, as those of the gradients of biases, join it too, as "partial": the rows are cut
into a fixed number of parts, each with sums of its own, and what these give together is a small group after it.

A group of a contraction has the contraction's result as its outer domain, and the other members are its epilogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.codegen.alignment import covers, extent_of, unify
from graphc.codegen.anchors import Anchor, divided
from graphc.codegen.domains import Axis, Domain, domain_of
from graphc.codegen.groups import (
    FEWEST_CHUNKS,
    Group,
    Member,
    chunk_count,
    has_positions,
    is_positional,
    prefers_lanes,
    scans,
    walks_rows,
)
from graphc.codegen.materialize import SERIAL_OPERATIONS, size_estimate
from graphc.codegen.target import CPU, Target
from graphc.codegen.trace import (
    Access,
    delinearize,
    linear_offset,
)
from graphc.ir.applications import applies
from graphc.ir.graph import Node
from graphc.ir.integers import Integer, product, substitute
from graphc.ir.passes.recompute import FEWEST_BYTES, nbytes_of, phase_of
from graphc.ir.scalars import Index

MOST_MEMBERS = 32
MOST_BUFFERS = 24
# A group so few groups back is no long way ahead: where the forward part turns into the backward part they fuse.
NEAR = 6
# Values that have a group, and memory, of their own.
ALONE = ("scatter", "random", "rows", "external", "structured", "assembled")
_ROLES = {"elementwise": "outer", "reduction": "reduction", "scan": "full"}


class Fusion:
    """Builds the groups of a graph."""

    def __init__(self, fuse: bool = True, target: Target = CPU):
        self.fuse = fuse
        self.target = target
        self.groups: list[Group] = []
        self.group_of: dict[Node, Group] = {}
        self.readers: dict[Node, list[Group]] = {}  # of each value, the groups that read it
        self.checking: dict[Node, list[Group]] = {}  # of each value, the checks that read it
        self._leading = 0  # a bit for each group that stands before another
        self._combining: dict[Group, list[Group]] = {}  # of a group, those that combine the parts that it makes

    def add(self, anchor: Anchor, checks: Sequence[Group] = ()) -> None:
        """Put an anchor into a group that takes it, or into a new one. It must stand after the given checks."""
        group = self._taker(anchor, checks) if self.fuse else None
        if group is None and self.fuse and self._divide(anchor, checks):
            return
        self._enter(anchor, group or self._start(anchor), checks)

    def add_result(self, anchor: Anchor) -> None:
        """Put a result of a structured operation into the group of the operation."""
        group = self.group_of[anchor.node.inputs[0]]
        group.members.append(Member(anchor, "outer", 0, anchor.index, (), ()))
        self.group_of[anchor.node] = group

    def _taker(self, anchor: Anchor, checks: Sequence[Group]) -> Group | None:
        if anchor.form in ("elementwise", "reduction", "scan"):
            for group in self._candidates(anchor):
                if self._acyclic(anchor, group, checks) and applies("fuse", anchor.node) and self._join(anchor, group):
                    return group
        return None

    def _divide(self, anchor: Anchor, checks: Sequence[Group]) -> bool:
        """Let a group that walks the rows that a reduction is over make its parts, if there is one."""
        if anchor.form == "reduction":
            for group in self._candidates(anchor):
                mapping = rows_mapping(anchor, group)
                if mapping is not None and self._acyclic(anchor, group, checks) and applies("divide", anchor.node):
                    whole = join_parts(anchor, group, mapping)
                    self._enter(group.members[-1].anchor, group, checks)
                    self._enter(whole, self._combine(whole, group), ())
                    return True
        return False

    def _combine(self, whole: Anchor, group: Group) -> Group:
        """The group that combines the parts of a reduction, which another group makes: one for all of a size."""
        combining = self._combining.setdefault(group, [])
        for known in combining:
            if self._acyclic(whole, known, ()) and join_combined(whole, known):
                return known
        combining.append(combining_group(whole, len(self.groups), group.target))
        self.groups.append(combining[-1])
        return combining[-1]

    def _candidates(self, anchor: Anchor) -> list[Group]:
        producers = {self.group_of[node].number for node, _ in anchor.loads if node in self.group_of}
        sharing = {
            group.number
            for node, index in anchor.loads
            if any(not isinstance(i, int) for i in index)
            for group in self.readers.get(node, ())[-4:]
        }
        numbers = [*sorted(producers, reverse=True), *sorted(sharing - producers, reverse=True)]
        groups = [self.groups[number] for number in numbers if self.groups[number].kind in ("loops", "contraction")]
        return [group for group in groups if not self.far_ahead(anchor, group)]

    def far_ahead(self, anchor: Anchor, group: Group) -> bool:
        """Whether a value of the backward part would be computed long before it is read, by a kernel of the forward
        part, and be kept until then."""
        return (
            len(self.groups) - group.number > NEAR
            and phase_of(anchor.node) != "forward"
            and nbytes_of(anchor.node) >= FEWEST_BYTES
            and bool(group.members)
            and phase_of(group.members[0].node) == "forward"
        )

    def _acyclic(self, anchor: Anchor, group: Group, checks: Sequence[Group]) -> bool:
        """Whether the anchor's other producers can stand before the group."""
        for node, _ in anchor.loads:
            producer = self.group_of.get(node)
            if producer is not None and producer is not group and (producer.before >> group.number) & 1:
                return False
        return not any((check.before >> group.number) & 1 for check in checks)

    def _enter(self, anchor: Anchor, group: Group, checks: Sequence[Group]) -> None:
        self.group_of[anchor.node] = group
        before = group.before
        for check in checks:
            before |= check.before | (1 << check.number)
        for node, _ in anchor.loads:
            producer = self.group_of.get(node)
            if producer is not None and producer is not group:
                before |= producer.before | (1 << producer.number)
            readers = self.readers.setdefault(node, [])
            if group not in readers:
                readers.append(group)
        self.order(group, before)

    def order(self, group: Group, before: int) -> None:
        """Let a group stand after more groups, and with it those that stand after it."""
        if before | group.before != group.before:
            group.before |= before
            self._leading |= group.before
            if (self._leading >> group.number) & 1:
                for other in self.groups:
                    if (other.before >> group.number) & 1:
                        other.before |= group.before

    def add_check(
        self, index: Node, extent: Integer, user: Node, loads: Iterable[Access], guard: Group | None = None
    ) -> Group:
        """A group that checks an index value. It stands after the groups that make what is read to compute it, and
        after the guard on which it depends that the value is computed at all."""
        group = Group(len(self.groups), "check", checked=((index, extent, user),), target=self.target)
        self.groups.append(group)
        before = 0 if guard is None else guard.before | (1 << guard.number)
        for node, _ in loads:
            self.checking.setdefault(node, []).append(group)
            producer = self.group_of.get(node)
            if producer is not None:
                before |= producer.before | (1 << producer.number)
        self.order(group, before)
        return group

    def _start(self, anchor: Anchor) -> Group:
        group = Group(len(self.groups), "loops", target=self.target)
        self.groups.append(group)
        if anchor.form in ALONE:
            group.kind = anchor.form
            group.outer = anchor.outer
            group.members.append(Member(anchor, "outer", 0, anchor.index, (), anchor.loads))
        elif anchor.form == "contraction":
            self._start_contraction(anchor, group)
        else:
            _take_domain(group, anchor)
            role = _ROLES[anchor.form]
            rename = _renaming(anchor, group)
            group.members.append(_placed(anchor, role, 0, rename))
            group.split = _needs_chunks(group) and applies("reduce in chunks", anchor.node)
        return group

    def _start_contraction(self, anchor: Anchor, group: Group) -> None:
        group.kind = "contraction"
        group.outer, index, group.swapped = contraction_domain(anchor.node)
        group.members.append(Member(anchor, "contraction", 0, index, (), anchor.loads))

    def _join(self, anchor: Anchor, group: Group) -> bool:
        if _is_full(group, anchor):
            return False
        if group.kind == "contraction":
            return _join_epilogue(anchor, group)
        return join_loops(anchor, group)


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


def rows_mapping(anchor: Anchor, group: Group) -> dict[str, Integer] | None:
    """What each variable of a reduction is in a group of rows that can make its parts; None where it can't.

    It is over all rows and gives a row, or over all points and gives a number.
    """
    target = group.target
    if not target.partial_sums or not walks_rows(group) or is_positional(anchor.node):
        return None
    outer, reduced = extent_of(group.outer), extent_of(group.reduced)
    if size_estimate(outer) < FEWEST_CHUNKS or size_estimate(outer) * size_estimate(reduced) < target.many_elements:
        return None
    size = (anchor.summed or anchor.node).type.size
    if size not in (1, reduced) or extent_of(anchor.reduced) * size != outer * reduced:
        return None
    mapping = _mapping(anchor, group, fallback=False)
    if mapping is None or not covers((*anchor.outer, *anchor.reduced), mapping, (*group.outer, *group.reduced)):
        return None
    if size != 1 and not covers(anchor.outer, mapping, group.reduced):
        return None
    return mapping if _aligned(_placed(anchor, "partial", 0, mapping), group) is not None else None


def join_parts(anchor: Anchor, group: Group, mapping: dict[str, Integer]) -> Anchor | None:
    """Let a group make the parts of a reduction. Returns the anchor of what they give together; None for an anchor that
    is that of parts already."""
    if not group.parts:
        longest = max(group.outer, key=lambda axis: size_estimate(axis.extent))
        group.parts = chunk_count(longest, group.outer)
    parts, whole = (anchor, None) if anchor.form == "partial" else divided(anchor, group.parts)
    member = _placed(parts, "partial", 0, mapping)
    member.level = _aligned(member, group) or 0
    group.members.append(member)
    return whole


def combining_group(whole: Anchor, number: int, target: Target) -> Group:
    """A group that combines the parts of a reduction."""
    group = Group(number, "loops", target=target)
    _take_domain(group, whole)
    group.members.append(_placed(whole, "reduction", 0, _renaming(whole, group)))
    return group


def join_combined(whole: Anchor, group: Group) -> bool:
    """Let a group that combines parts of other reductions, of as many results, combine these too."""
    mine, theirs = (*whole.outer, *whole.reduced), (*group.outer, *group.reduced)
    if [axis.extent for axis in mine] != [axis.extent for axis in theirs] or _is_full(group, whole):
        return False
    group.members.append(_placed(whole, "reduction", 0, _renaming(whole, group)))
    return True


def _is_full(group: Group, anchor: Anchor) -> bool:
    return len(group.members) >= MOST_MEMBERS or _buffer_count(group, anchor) > MOST_BUFFERS


def _buffer_count(group: Group, anchor: Anchor) -> int:
    sources = {node for member in group.members for node, _ in member.loads} | {node for node, _ in anchor.loads}
    return len(sources) + len(group.members) + 1


def _needs_chunks(group: Group) -> bool:
    """Whether a reduced domain is cut into chunks: few results to share out among threads, or a long sum of columns."""
    if not group.reduced or scans(group):
        return False
    results = size_estimate(extent_of(group.outer))
    elements = size_estimate(extent_of(group.reduced))
    target = group.target
    if results * elements < target.many_elements:
        return False
    if results < target.few_results and elements >= target.fewest_terms:
        return True
    return elements >= target.long_column and results < target.many_columns and prefers_lanes(group)


# Alignment: the anchor's variables in terms of the group's.


def _mapping(anchor: Anchor, group: Group, fallback: bool) -> dict[str, Integer] | None:
    """What each variable of the anchor is in the group, from reads of the group's values, then from common reads."""
    names = {axis.name: axis.extent for axis in (*anchor.outer, *anchor.reduced) if axis.extent != 1}
    mapping: dict[str, Integer] = {axis.name: 0 for axis in (*anchor.outer, *anchor.reduced) if axis.extent == 1}
    computed = {member.node: member.index for member in group.members if member.role != "partial"}
    for node, index in anchor.loads:
        if node in computed:
            extended = unify(index, computed[node], mapping, names)
            if extended is None:
                return None
            mapping = extended
    if names.keys() <= mapping.keys():
        return mapping
    common: dict[Node, list[Index]] = {}
    for member in group.members:
        for node, index in member.loads:
            common.setdefault(node, []).append(index)
    for node, index in anchor.loads:
        for other in common.get(node, ())[:3]:
            if node in computed or all(isinstance(i, int) for i in index):
                continue
            extended = unify(index, other, mapping, names)
            if extended is not None and len(extended) > len(mapping):
                mapping = extended
                break
    if names.keys() <= mapping.keys():
        return mapping
    if fallback:
        for shape_index in _indices_of_shape(anchor, group):
            extended = unify(anchor.index, shape_index, mapping, names)
            if extended is not None and names.keys() <= extended.keys():
                return extended
    return None


def _indices_of_shape(anchor: Anchor, group: Group) -> list[Index]:
    """Indices at which the group computes or reads values of the anchor's shape."""
    shape = anchor.node.type.shape
    found: dict[Index, None] = {}
    axes = (*group.outer, *group.reduced)
    if tuple(axis.extent for axis in axes) == shape:
        found[tuple(axis.index for axis in axes)] = None
    for member in group.members:
        if member.node.type.shape == shape and member.role != "partial":
            found[member.index] = None
        for node, index in member.loads:
            if node.type.shape == shape:
                found[index] = None
    return list(found)[:4]


def _aligned(member: Member, group: Group) -> int | None:
    """The level of a member that reads the group's values where they are computed; None where it does not."""
    level = 0
    for node, index in member.loads:
        other = group.member(node)
        if other is None:
            continue
        if other.role == "partial" or index != other.index or (member.role == "outer" and other.role == "full"):
            return None  # parts are there once all rows are done
        level = max(level, other.level + (1 if other.role == "reduction" else 0))
    return level


def _join_epilogue(anchor: Anchor, group: Group) -> bool:
    if anchor.form != "elementwise" or not any(group.member(node) for node, _ in anchor.loads):
        return False
    if extent_of(anchor.outer) != extent_of(group.outer):
        return False
    mapping = _mapping(anchor, group, fallback=False)
    if mapping is None:
        return False
    member = _placed(anchor, "outer", 0, mapping)
    if _aligned(member, group) is None or not covers(anchor.outer, mapping, group.outer):
        return False
    group.members.append(member)
    return True


def join_loops(anchor: Anchor, group: Group) -> bool:
    reads = any(group.member(node) for node, _ in anchor.loads)
    if anchor.form != "elementwise" and not group.reduced:
        return reads and _join_first_reduction(anchor, group)
    mapping = _mapping(anchor, group, fallback=reads)
    if mapping is None:
        return False
    role = _role(anchor, group, mapping)
    if role is None:
        return False
    member = _placed(anchor, role, 0, mapping)
    level = _aligned(member, group)
    if level is None or (group.split and level > 0 and role != "outer"):
        return False
    if role != "outer" and not _in_step(member, level, group):
        return False
    member.level = level
    group.members.append(member)
    return True


def _in_step(member: Member, level: int, group: Group) -> bool:
    """Whether a member of a sweep goes along with the scans of the group, or a scan with the members of the sweep.

    What a scan carries is there during its own sweep only. A reduction is not made serial for a scan's sake, nor is
    costly work where the sweep runs along rows.
    """
    walks = scans(group)
    if any(other.level < level for other in walks):
        return False
    sweep = [other for other in group.members if other.role != "outer" and other.level == level]
    if member.anchor.form != "scan":
        together = any(other.level == level for other in walks)
        return not together or (member.role != "reduction" and (_is_light(member) or prefers_lanes(group)))
    if group.split or any(other.role == "reduction" for other in sweep):
        return False
    if any(_is_reversed(other) != _is_reversed(member) for other in walks):
        return False
    return all(map(_is_light, sweep)) or prefers_lanes(group)


def _is_reversed(member: Member) -> bool:
    return member.node.attrs["reverse"]


def _is_light(member: Member) -> bool:
    return member.anchor.form == "scan" or sum(node.op.cost for node in member.anchor.visited) <= SERIAL_OPERATIONS


def _in_order(anchor: Anchor, mapping: dict[str, Integer], group: Group) -> bool:
    """Whether the anchor's reduced domain is walked in the order of the group's."""
    mine = linear_offset([mapping[axis.name] for axis in anchor.reduced], [axis.extent for axis in anchor.reduced])
    return mine == linear_offset([axis.index for axis in group.reduced], [axis.extent for axis in group.reduced])


def _role(anchor: Anchor, group: Group, mapping: dict[str, Integer]) -> str | None:
    outer = covers(anchor.outer, mapping, group.outer)
    if anchor.form == "reduction":
        if is_positional(anchor.node) != has_positions(group):
            return None  # a search in order would keep a sum from being vectorised
        return "reduction" if outer and covers(anchor.reduced, mapping, group.reduced) else None
    if anchor.form == "scan":
        fits = outer and covers(anchor.reduced, mapping, group.reduced) and _in_order(anchor, mapping, group)
        return "full" if fits else None
    if outer:
        return "outer"
    return "full" if group.reduced and covers(anchor.outer, mapping, (*group.outer, *group.reduced)) else None


def _join_first_reduction(anchor: Anchor, group: Group) -> bool:
    """A reduction joins a group of elementwise values: over them, or once for each of them."""
    everything = (*anchor.outer, *anchor.reduced)
    if extent_of(everything) == extent_of(group.outer):
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
    names = {axis.name: axis.extent for axis in group.outer if axis.extent != 1}
    mapping: dict[str, Integer] = {axis.name: 0 for axis in group.outer if axis.extent == 1}
    for node, index in anchor.loads:
        producer = group.member(node)
        if producer is not None:
            target = tuple(substitute(i, rename) for i in index)
            extended = unify(producer.index, target, mapping, names)
            if extended is None:
                return False
            mapping = extended
    if not names.keys() <= mapping.keys() or not covers(group.outer, mapping, (*new_outer, *new_reduced)):
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
    candidate = Group(group.number, "loops", new_outer, new_reduced, moved, target=group.target)
    member = _placed(anchor, _ROLES[anchor.form], 0, rename)
    if _aligned(member, candidate) is None or not _in_step(member, 0, candidate):
        return False
    group.outer, group.reduced = new_outer, new_reduced
    group.members = [*moved, member]
    group.split = _needs_chunks(group) and applies("reduce in chunks", anchor.node)
    return True
