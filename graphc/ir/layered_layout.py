"""Layered layout of an acyclic graph, after Sugiyama, Tagawa, Toda (1981): plain numbers in, coordinates out.

Vertices get layers by longest paths, which are then shortened; a value that skips layers passes through them on one
thread, shared by all its readers; layers are ordered by barycentres and neighbour exchanges; columns follow Brandes
and Köpf, "Fast and simple horizontal coordinate assignment" (2002), which keeps chains and threads straight.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layout", "lay_out"]

_COLUMN_GAP = 24.0
_THREAD_GAP = 12.0
_LAYER_GAP = 38.0
_MOST_THREAD_POINTS = 30_000
"""Threads that would need more points than this, all together, are drawn straight, behind everything else."""


@dataclass(slots=True)
class Layout:
    """Where everything is. In all lists the vertices come first, then the points where threads pass through layers."""

    layers: list[list[int]]
    sources: list[list[int]]
    """For each vertex or point, what leads to it from the layer above, once for each arrow."""
    targets: list[list[int]]
    widths: list[float]
    heights: list[float]
    bands: list[tuple[str, int, int]]
    """From top to bottom: the names of the groups, the first and the last layer."""
    origins: list[int]
    """For each vertex or point, the vertex whose value it carries."""
    distant: list[tuple[int, int]] = field(default_factory=list)
    """Edges between vertices too many and too long for threads."""
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    """The centre of each vertex or point; tops and bottoms of layers."""
    tops: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)


def lay_out(
    edges: Sequence[tuple[int, int]],
    keys: Sequence[str],
    groups: Sequence[str],
    widths: Sequence[float],
    heights: Sequence[float],
) -> Layout:
    """Places vertices 0..n-1 so that every edge leads downwards and no two vertices overlap.

    Args:
        edges: (source, target); a pair given twice is two edges.
        keys: what an error calls each vertex.
        groups: the group of each vertex, "" for none. Each group gets layers of its own, a band, in the order in which
            data flows through the groups; groups that feed each other share a band.
        widths, heights: of each vertex, in pixels.

    Raises:
        ValueError: the edges form a cycle.
    """
    count = len(keys)
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        sources[target].append(source)
        targets[source].append(target)
    order = _topological_order(sources, targets, keys)
    bands = _bands(order, sources, groups)
    level = _levels(order, sources, targets, bands)
    layout = Layout(
        layers=[[] for _ in range(max(level, default=-1) + 1)],
        sources=[[] for _ in range(count)],
        targets=[[] for _ in range(count)],
        widths=list(widths),
        heights=list(heights),
        bands=[
            (" · ".join(names), min(level[v] for v in members), max(level[v] for v in members))
            for names, members in bands
        ],
        origins=list(range(count)),
    )
    for vertex in range(count):
        layout.layers[level[vertex]].append(vertex)
    _thread(layout, order, targets, level)
    _order_layers(layout)
    _place_columns(layout, count)
    _place_rows(layout, count)
    return layout


def _topological_order(sources: list[list[int]], targets: list[list[int]], keys: Sequence[str]) -> list[int]:
    missing = [len(before) for before in sources]
    order = [vertex for vertex, number in enumerate(missing) if number == 0]
    for vertex in order:
        for target in targets[vertex]:
            missing[target] -= 1
            if missing[target] == 0:
                order.append(target)
    if len(order) < len(sources):
        # Walking upwards among the vertices that are never free must come to one of them twice.
        vertex = next(vertex for vertex, number in enumerate(missing) if number)
        seen: dict[int, None] = {}
        while vertex not in seen:
            seen[vertex] = None
            vertex = next(source for source in sources[vertex] if missing[source])
        raise ValueError(f"only an acyclic graph can be drawn, but {keys[vertex]!r} depends on itself")
    return order


def _bands(order: list[int], sources: list[list[int]], groups: Sequence[str]) -> list[tuple[list[str], list[int]]]:
    """(names, members) of the bands from top to bottom. Sets of groups are bits of an integer."""
    names = list(dict.fromkeys(filter(None, groups)))
    bit = {name: 1 << index for index, name in enumerate(names)}
    above = dict(bit)
    inherited = [0] * len(groups)
    for vertex in order:
        for source in sources[vertex]:
            inherited[vertex] |= inherited[source]
        if group := groups[vertex]:
            above[group] |= inherited[vertex]
            inherited[vertex] |= bit[group]
    for middle in names:
        for name in names:
            if above[name] & bit[middle]:
                above[name] |= above[middle]
    # Groups that lie above each other have the same set; whatever lies below them has a larger one.
    bands: dict[int, tuple[list[str], list[int]]] = {}
    for name in sorted(names, key=lambda name: above[name].bit_count()):
        bands.setdefault(above[name], ([], []))[0].append(name)
    for vertex, group in enumerate(groups):
        if group:
            bands[above[group]][1].append(vertex)
    return list(bands.values())


def _levels(
    order: list[int], sources: list[list[int]], targets: list[list[int]], bands: list[tuple[list[str], list[int]]]
) -> list[int]:
    """The layer of each vertex: as high as edges and bands allow, then whatever shortens edges is moved down."""
    count = len(order)
    band = [-1] * count
    for index, (_, members) in enumerate(bands):
        for vertex in members:
            band[vertex] = index

    # What lies below a band's vertices has its stage at least; so, band after band, all of it is placed in one pass.
    stage = list(band)
    for vertex in order:
        stage[vertex] = max([stage[vertex], *(stage[source] for source in sources[vertex])])
    first = [0] * (len(bands) + 1)
    level = [0] * count
    for vertex in sorted(order, key=stage.__getitem__):
        level[vertex] = max((level[source] + 1 for source in sources[vertex]), default=0)
        if band[vertex] >= 0:
            level[vertex] = max(level[vertex], first[band[vertex]])
            # One layer stays free between two bands.
            first[band[vertex] + 1] = max(first[band[vertex] + 1], level[vertex] + 2)

    def room(vertex: int, moving: dict[int, None]) -> int:
        """How far a vertex can go down before it meets a reader that stays, or leaves its band."""
        lowest = min((level[target] for target in targets[vertex] if target not in moving), default=count * 2)
        if 0 <= band[vertex] < len(bands) - 1:
            lowest = min(lowest, first[band[vertex] + 1] - 1)
        return lowest - level[vertex] - 1

    for _ in range(8):
        is_settled = True
        for vertex in reversed(order):
            distance = room(vertex, {}) if targets[vertex] else 0
            if distance <= 0:
                continue
            # What is read by nothing but the moving vertices comes along, at no cost.
            moving = {vertex: None}
            pending = [vertex]
            while pending and len(moving) < 256:
                for source in sources[pending.pop()]:
                    if source in moving or not all(target in moving for target in targets[source]):
                        continue
                    if room(source, moving) >= distance:
                        moving[source] = None
                        pending.append(source)
            shortened = sum(target not in moving for member in moving for target in targets[member])
            lengthened = sum(source not in moving for member in moving for source in sources[member])
            if shortened > lengthened:
                is_settled = False
                for member in moving:
                    level[member] += distance
        if is_settled:
            break
    return level


def _thread(layout: Layout, order: list[int], targets: list[list[int]], level: list[int]) -> None:
    """Adds the points at which long edges pass through layers; one thread carries a value to all its readers."""
    points = 0
    threads: dict[int, list[int]] = {vertex: [] for vertex in order}
    reach: dict[int, int] = {vertex: level[vertex] for vertex in order}
    by_length = sorted(
        (level[target] - level[source], source, target) for source in order for target in targets[source]
    )
    for length, source, target in by_length:
        more = max(0, level[target] - 1 - reach[source])
        if points + more > _MOST_THREAD_POINTS:
            layout.distant.append((source, target))
            continue
        points += more
        end = source
        for step in range(1, length):
            if step > len(threads[source]):
                threads[source].append(len(layout.origins))
                layout.layers[level[source] + step].append(len(layout.origins))
                layout.origins.append(source)
                layout.sources.append([end])
                layout.targets.append([])
                layout.targets[end].append(threads[source][-1])
                layout.widths.append(2.0)
                layout.heights.append(0.0)
            end = threads[source][step - 1]
        reach[source] = max(reach[source], level[target] - 1)
        layout.sources[target].append(end)
        layout.targets[end].append(target)


def _order_layers(layout: Layout) -> None:
    """Orders each layer for few crossings: sweeps by barycentres, the best result kept, then neighbours exchanged."""
    position = [0] * len(layout.origins)

    def place(layers: Iterable[list[int]]) -> None:
        for layer in layers:
            for index, vertex in enumerate(layer):
                position[vertex] = index

    # Depth first, so that what belongs together starts side by side.
    visited: dict[int, None] = {}
    for start in (vertex for layer in layout.layers for vertex in layer):
        stack = [start]
        while stack:
            vertex = stack.pop()
            if vertex not in visited:
                visited[vertex] = None
                stack.extend(reversed(layout.targets[vertex]))
    rank = {vertex: index for index, vertex in enumerate(visited)}
    layers = [sorted(layer, key=rank.__getitem__) for layer in layout.layers]
    place(layers)

    def sweep(order: Iterable[int], neighbours: list[list[int]], tie: int) -> None:
        for index in order:
            keys = {}
            for vertex in layers[index]:
                near = neighbours[vertex]
                centre = sum(position[other] for other in near) / len(near) if near else position[vertex]
                keys[vertex] = (centre, tie * position[vertex])
            layers[index].sort(key=keys.__getitem__)
            place([layers[index]])

    size = len(layout.origins)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, layout.targets, position)
    for attempt in range(24 if size < 1500 else 8):
        if fewest == 0:
            break
        if attempt % 2 == 0:
            sweep(range(1, len(layers)), layout.sources, 1 if attempt % 4 == 0 else -1)
        else:
            sweep(range(len(layers) - 2, -1, -1), layout.targets, 1 if attempt % 4 == 1 else -1)
        crossings = _crossings(layers, layout.targets, position)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layout.layers = best
    place(best)
    for _ in range(8 if size < 1500 else 2):
        if not sum(_exchange(layer, layout, position) for layer in best):
            break


def _crossings(layers: list[list[int]], targets: list[list[int]], position: list[int]) -> int:
    total = 0
    for layer in layers:
        seen: list[int] = []
        for vertex in layer:
            for end in sorted(position[target] for target in targets[vertex]):
                place = bisect_right(seen, end)
                total += len(seen) - place
                seen.insert(place, end)
    return total


def _exchange(layer: list[int], layout: Layout, position: list[int]) -> int:
    """Exchanges neighbours in a layer where that saves crossings; returns how many it saved."""

    def crossings(left: int, right: int) -> int:
        return sum(
            position[a] > position[b]
            for neighbours in (layout.sources, layout.targets)
            for a in neighbours[left]
            for b in neighbours[right]
        )

    saved = 0
    for index in range(len(layer) - 1):
        left, right = layer[index], layer[index + 1]
        gain = crossings(left, right) - crossings(right, left)
        if gain > 0:
            layer[index], layer[index + 1] = right, left
            position[left], position[right] = index + 1, index
            saved += gain
    return saved


def _place_columns(layout: Layout, count: int) -> None:
    """The x of every centre is the mean of the middle two of four layouts, each aligned to one corner."""
    position = [0] * len(layout.origins)
    for layer in layout.layers:
        for index, vertex in enumerate(layer):
            position[vertex] = index
    bending = _bending_segments(layout, position, count)
    candidates: list[list[float]] = []
    for is_upward in (False, True):
        for is_mirrored in (False, True):
            layers = layout.layers[::-1] if is_upward else layout.layers
            sign = -1 if is_mirrored else 1
            layers = [layer[::sign] for layer in layers]
            neighbours = layout.targets if is_upward else layout.sources
            root = _aligned_blocks(layers, neighbours, [sign * place for place in position], bending, count)
            candidates.append([sign * x for x in _compact(layers, root, layout.widths, count)])
    if not layout.origins:
        return

    def extent(xs: list[float]) -> tuple[float, float]:
        sides = [(x - width / 2, x + width / 2) for x, width in zip(xs, layout.widths, strict=True)]
        return min(side[0] for side in sides), max(side[1] for side in sides)

    extents = [extent(xs) for xs in candidates]
    left, right = min(extents, key=lambda side: side[1] - side[0])
    for index, (low, high) in enumerate(extents):
        shift = right - high if index % 2 else left - low
        candidates[index] = [x + shift for x in candidates[index]]
    layout.x = [sum(sorted(xs)[1:3]) / 2 for xs in zip(*candidates, strict=True)]


def _bending_segments(layout: Layout, position: list[int], count: int) -> set[tuple[int, int]]:
    """Segments, in either direction, that would bend a thread between two of its points, by crossing it or by leading
    from its upper point to a reader: the thread stays straight."""
    continues = [any(target >= count for target in targets) for targets in layout.targets]
    bending: set[tuple[int, int]] = set()
    for upper, layer in pairwise(layout.layers):
        low, start = 0, 0
        for index, vertex in enumerate(layer):
            is_thread = vertex >= count and layout.sources[vertex][0] >= count
            if not is_thread and index < len(layer) - 1:
                continue
            high = position[layout.sources[vertex][0]] if is_thread else len(upper) - 1
            for other in layer[start : index + 1]:
                for source in layout.sources[other]:
                    is_inner = other >= count and source >= count
                    is_branch = source >= count and continues[source]
                    if not is_inner and (is_branch or not low <= position[source] <= high):
                        bending |= {(source, other), (other, source)}
            low, start = high, index + 1
    return bending


def _aligned_blocks(
    layers: list[list[int]],
    neighbours: list[list[int]],
    position: list[int],
    bending: set[tuple[int, int]],
    count: int,
) -> list[int]:
    """The first vertex of the vertical block of each vertex: vertices join the block of their median neighbour."""
    root = list(range(len(position)))
    is_joined = [False] * len(position)
    for layer in layers:
        last = -math.inf
        for vertex in layer:
            near = sorted(dict.fromkeys(neighbours[vertex]), key=position.__getitem__)
            if vertex >= count:
                near = [other for other in near if other >= count] or near
            for middle in dict.fromkeys(((len(near) - 1) // 2, len(near) // 2)) if near else ():
                other = near[middle]
                if position[other] > last and (other, vertex) not in bending and not is_joined[vertex]:
                    root[vertex] = root[other]
                    is_joined[vertex] = True
                    last = position[other]
    return root


def _compact(layers: list[list[int]], root: list[int], widths: list[float], count: int) -> list[float]:
    """Puts blocks as far left as the distances allow, then each as near to its right neighbours as they allow."""
    right: dict[int, dict[int, float]] = {block: {} for block in root}
    waiting = dict.fromkeys(right, 0)
    for layer in layers:
        for a, b in pairwise(layer):
            gap = _THREAD_GAP if a >= count or b >= count else _COLUMN_GAP
            distance = (widths[a] + widths[b]) / 2 + gap
            if root[b] not in right[root[a]]:
                waiting[root[b]] += 1
            right[root[a]][root[b]] = max(distance, right[root[a]].get(root[b], 0.0))
    order = [block for block, number in waiting.items() if number == 0]
    x = dict.fromkeys(right, 0.0)
    for block in order:
        for other, distance in right[block].items():
            x[other] = max(x[other], x[block] + distance)
            waiting[other] -= 1
            if waiting[other] == 0:
                order.append(other)
    for block in reversed(order):
        if right[block]:
            x[block] = max(x[block], min(x[other] - distance for other, distance in right[block].items()))
    return [x[block] for block in root]


def _place_rows(layout: Layout, count: int) -> None:
    """Layers from top to bottom; where edges run far sideways, they stand further apart."""
    layout.y = [0.0] * len(layout.origins)
    top = 0.0
    for layer in layout.layers:
        height = max((layout.heights[vertex] for vertex in layer), default=0.0)
        for vertex in layer:
            layout.y[vertex] = top + height / 2
        layout.tops.append(top)
        layout.bottoms.append(top + height)
        spans = [abs(layout.x[vertex] - layout.x[target]) for vertex in layer for target in layout.targets[vertex]]
        is_empty = all(vertex >= count for vertex in layer)
        top += height + (_LAYER_GAP / 2 if is_empty else _LAYER_GAP) + min(48.0, 0.07 * max(spans, default=0.0))
