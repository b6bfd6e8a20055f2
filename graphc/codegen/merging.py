"""Groups that walk the same rows become one.

Fusion puts one value after the other into a group and never moves it again, so of the values of a row some may stand in
another group: a sum over the rows had a group of its own already when they came, and took them in. Here a whole group
joins another that walks the rows it needs, where each of its values finds a place there. What the two read is then read
once, and what passed between them stays in cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.codegen.alignment import extent_of
from graphc.codegen.anchors import Anchor
from graphc.codegen.fuse import (
    MOST_BUFFERS,
    Fusion,
    combining_group,
    join_combined,
    join_loops,
    join_parts,
    rows_mapping,
)
from graphc.codegen.groups import Group, prefers_lanes, walks_rows
from graphc.ir.applications import applies
from graphc.ir.graph import Node

MOST_MEMBERS = 64  # of a group that several became


def merge_groups(fusion: Fusion) -> None:
    """Let groups of loops join others that walk the same rows, in the order of the groups."""
    for group in list(fusion.groups):
        if group.kind != "loops" or not group.target.partial_sums:
            continue
        for other in _takers(group, fusion):
            merged = _merged(other, group, fusion)
            if merged is not None and applies("merge", group.members[0].node):
                _replace(other, group, merged, fusion)
                break


@dataclass(slots=True)
class _Merged:
    """What a group would be with the members of another; ``combined`` are groups of what its parts give together."""

    group: Group
    combined: list[Group]


def _takers(group: Group, fusion: Fusion) -> list[Group]:
    """The groups that may take another in: those that compute or read what it reads of the rows."""
    loaded = _loaded(group)
    size = extent_of(group.outer) * extent_of(group.reduced)
    found: dict[Group, None] = {}
    for node in loaded:
        if node.type.size == size:
            makers = [fusion.group_of[node]] if node in fusion.group_of else []
            found.update(dict.fromkeys((*makers, *fusion.readers.get(node, ()))))
    return [
        other
        for other in found
        if other is not group
        and walks_rows(other)
        and extent_of(other.outer) * extent_of(other.reduced) == size
        and not any(fusion.far_ahead(member.anchor, other) for member in group.members)
        and _may_stand_together(other, group, fusion)
    ]


def _loaded(group: Group) -> list[Node]:
    return list(dict.fromkeys(node for member in group.members for node, _ in member.loads))


def _may_stand_together(first: Group, second: Group, fusion: Fusion) -> bool:
    """Whether no third group must stand between two groups."""
    if (first.before >> second.number) & 1:
        return False
    between = second.before & ~(1 << first.number)
    while between:
        number = between.bit_length() - 1
        if (fusion.groups[number].before >> first.number) & 1:
            return False
        between &= ~(1 << number)
    return True


def _merged(first: Group, second: Group, fusion: Fusion) -> _Merged | None:
    if len(first.members) + len(second.members) > MOST_MEMBERS:
        return None
    if first.parts and second.parts and first.parts != second.parts:
        return None
    group = replace(first, members=[replace(member) for member in first.members], parts=first.parts or second.parts)
    merged = _Merged(group, [])
    waiting = {member.node: member.anchor for member in second.members}
    while waiting:
        # What reads nothing of the group may find its place once others that read the same are there.
        ready = [anchor for anchor in waiting.values() if not any(node in waiting for node, _ in anchor.loads)]
        joined = next((anchor for anchor in ready if _join(anchor, merged, len(fusion.groups))), None)
        if joined is None:
            return None
        del waiting[joined.node]
    fits = not prefers_lanes(group) and _buffer_count(group, second, fusion) <= MOST_BUFFERS
    return merged if fits else None


def _join(anchor: Anchor, merged: _Merged, groups: int) -> bool:
    if any(each.member(node) for each in merged.combined for node, _ in anchor.loads):
        return any(join_loops(anchor, each) for each in merged.combined)  # the rows are all done then
    if anchor.form != "partial" and join_loops(anchor, merged.group):
        return True
    mapping = rows_mapping(anchor, merged.group) if anchor.form in ("reduction", "partial") else None
    if mapping is None:
        return False
    whole = join_parts(anchor, merged.group, mapping)
    if whole is not None and not any(join_combined(whole, each) for each in merged.combined):
        merged.combined.append(combining_group(whole, groups + len(merged.combined), merged.group.target))
    return True


def _buffer_count(merged: Group, second: Group, fusion: Fusion) -> int:
    """How many buffers a merged group has, at most: what it reads of others, and what is read elsewhere or by none."""
    made = {member.node for member in merged.members}
    loaded = _loaded(merged)
    inside = {merged.number, second.number}
    kept = [
        node for node in made if node not in loaded or any(g.number not in inside for g in fusion.readers.get(node, ()))
    ]
    return len([node for node in loaded if node not in made]) + len(kept)


def _replace(first: Group, second: Group, merged: _Merged, fusion: Fusion) -> None:
    """Put the merged group in the place of the first, and nothing in that of the second."""
    fusion.order(second, first.before | (1 << first.number))
    fusion.order(first, second.before & ~(1 << first.number))
    for node in _loaded(second):
        fusion.readers[node].remove(second)
    second.kind, second.members, second.before = "merged", [], 0
    first.members, first.parts = merged.group.members, merged.group.parts
    fusion.groups += merged.combined
    for group in (first, *merged.combined):
        for member in group.members:
            fusion.group_of[member.node] = group
        for node in _loaded(group):
            readers = fusion.readers.setdefault(node, [])
            if group not in readers:
                readers.append(group)
    for group in merged.combined:
        fusion.order(group, first.before | (1 << first.number))
    for group in merged.combined:
        for member in group.members:
            for reader in (*fusion.readers.get(member.node, ()), *fusion.checking.get(member.node, ())):
                if reader is not group:
                    fusion.order(reader, group.before | (1 << group.number))
