"""Groups of values that one kernel computes, and how their loops are to be written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from graphc.codegen.alignment import extent_of
from graphc.codegen.anchors import Anchor
from graphc.codegen.domains import Axis, Domain
from graphc.codegen.materialize import size_estimate, static_size
from graphc.codegen.target import CPU, Target
from graphc.codegen.trace import Access, flat_offset, linear_terms
from graphc.ir.graph import Node
from graphc.ir.integers import Integer
from graphc.ir.scalars import Index

FEWEST_LANES = 8  # neighbouring results that are worth carrying together
POSITIONAL = ("argmax", "argmin")
LARGEST_WINDOW = 16  # points of a reduced domain that is written out
LARGEST_ROW = 4096  # elements of a row that is kept in a local array
FEWEST_CHUNKS = 16
MOST_CHUNKS = 4096


@dataclass(slots=True, eq=False)
class Member:
    """An anchor in a group: the index at which it is computed and those at which it reads, in the group's variables."""

    anchor: Anchor
    role: str  # "outer", "full", "reduction", "partial", "contraction"
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
    kind: str  # "loops", "contraction", "check", or one of ALONE
    outer: Domain = ()
    reduced: Domain = ()
    members: list[Member] = field(default_factory=list)
    before: int = 0
    split: bool = False
    parts: int = 0  # where it has partial members: how many parts the outer domain is cut into
    swapped: bool = False  # a contraction with its operands exchanged
    target: Target = CPU
    # For a check: index values, extents, and the nodes that index.
    checked: tuple[tuple[Node, Integer, Node], ...] = ()

    def member(self, node: Node) -> Member | None:
        """The member that computes a node."""
        return next((member for member in self.members if member.node is node), None)


def scans(group: Group) -> list[Member]:
    """The members that carry something along the reduced domain."""
    return [member for member in group.members if member.anchor.form == "scan"]


def has_positions(group: Group) -> bool:
    """Whether a reduction of the group gives the position of what it found: its domain is then walked in order."""
    return any(is_positional(member.node) for member in group.members if member.role == "reduction")


def is_positional(node: Node) -> bool:
    """Whether a reduction gives the position of what it finds."""
    return node.op.combiner in POSITIONAL  # type: ignore[attr-defined]


def prefers_lanes(group: Group) -> bool:
    """Whether more is read contiguously along an outer axis than along a reduced one, or as much, and less with gaps
    between, as the matrix of a vector's product with it."""
    if not group.reduced or has_positions(group):
        return False
    score = {axis.name: (0, 0) for axis in (*group.outer, *group.reduced)}
    for member in group.members:
        if member.role != "outer":
            for node, index in member.loads:
                for name, factor in linear_terms(flat_offset(index, node.type.strides), score.keys()).items():
                    dense, apart = score[name]
                    score[name] = (dense + 1, apart) if factor == 1 else (dense, apart - 1)
    best = max((score[axis.name] for axis in group.reduced if axis.extent != 1), default=(0, 0))
    along = [axis for axis in group.outer if score[axis.name] > best]
    return any(size_estimate(axis.extent) >= FEWEST_LANES for axis in along)


def walks_rows(group: Group) -> bool:
    """Whether a group is written as sweeps over rows that are short enough for local arrays."""
    row = static_size(extent_of(group.reduced))
    return (
        group.kind == "loops"
        and not group.split
        and row is not None
        and LARGEST_WINDOW < row <= LARGEST_ROW
        and not scans(group)
        and not has_positions(group)
        and not prefers_lanes(group)
    )


def chunk_count(axis: Axis, domain: Domain) -> int:
    """The number of chunks that an axis of a domain is cut into for sums: about the square root of the elements, so
    that sums of sums stay accurate.

    Where the axis has such a divisor, all chunks are of one size.
    """
    elements = size_estimate(extent_of(domain))
    count = min(1 << max(4, round(math.log2(max(elements, 1.0)) / 2)), MOST_CHUNKS)
    extent = static_size(axis.extent)
    if not extent:
        return count
    divisors = [number for number in range(count // 2, 2 * count + 1) if extent % number == 0]
    return min(divisors, key=lambda number: abs(number - count), default=min(count, extent))
