"""graphc.ir.layered_layout: every edge leads down, nothing overlaps, chains and threads are straight."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc.ir.layered_layout as layered_layout
from graphc.ir.layered_layout import Layout, lay_out


def place(edges, count, groups=None, widths=None, heights=None) -> Layout:
    return lay_out(
        edges,
        [f"v{vertex}" for vertex in range(count)],
        groups or [""] * count,
        widths or [40.0] * count,
        heights or [40.0] * count,
    )


def level(layout: Layout) -> dict[int, int]:
    return {vertex: index for index, layer in enumerate(layout.layers) for vertex in layer}


def box(layout: Layout, vertex: int) -> tuple[float, float, float, float]:
    x, y, width, height = (values[vertex] for values in (layout.x, layout.y, layout.widths, layout.heights))
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def assert_sound(layout: Layout, edges, count: int) -> None:
    """Layers do not overlap, within each the order is kept with a gap, and threads join every source to its target."""
    levels = level(layout)
    assert sorted(levels) == list(range(len(layout.origins)))
    for (top, bottom), (next_top, _) in pairwise(zip(layout.tops, layout.bottoms, strict=True)):
        assert top <= bottom < next_top
    for index, layer in enumerate(layout.layers):
        for vertex in layer:
            _, top, _, bottom = box(layout, vertex)
            assert layout.tops[index] - 1e-6 <= top <= bottom <= layout.bottoms[index] + 1e-6
        for left, right in pairwise(layer):
            assert box(layout, left)[2] + 10 < box(layout, right)[0]
    carried = []
    for vertex in range(len(layout.origins)):
        for target in layout.targets[vertex]:
            assert levels[target] == levels[vertex] + 1
            if target < count:
                carried.append((layout.origins[vertex], target))
            else:
                assert layout.origins[target] == layout.origins[vertex]
                assert layout.sources[target] == [vertex]
    assert sorted(carried + layout.distant) == sorted(edges)


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 40))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    edges = [(min(pair), max(pair)) for pair in draw(st.lists(pairs, max_size=80))] if count > 1 else []
    relabelled = draw(st.permutations(range(count)))
    groups = draw(st.lists(st.sampled_from(["", "", "a", "b", "c"]), min_size=count, max_size=count))
    sizes = st.lists(st.floats(10, 300), min_size=count, max_size=count)
    return [(relabelled[a], relabelled[b]) for a, b in edges], count, groups, draw(sizes), draw(sizes)


@settings(deadline=None, max_examples=100)
@given(graphs())
def test_any_acyclic_graph_is_laid_out_soundly(graph):
    """Whatever the edges (parallel ones too), the groups, and the sizes."""
    edges, count, groups, widths, heights = graph
    layout = place(edges, count, groups, widths, heights)
    assert_sound(layout, edges, count)
    for (_, _, last), (_, first, _) in pairwise(layout.bands):
        assert last < first
    levels = level(layout)
    for names, first, last in layout.bands:
        for vertex in range(count):
            if groups[vertex] in names.split(" · "):
                assert first <= levels[vertex] <= last


def test_chain_is_a_straight_line():
    """A chain of vertices of many widths has one x."""
    layout = place([(index, index + 1) for index in range(20)], 21, widths=[20.0 + 7 * (i % 5) for i in range(21)])
    assert len({round(x, 6) for x in layout.x}) == 1


def test_thread_is_straight_and_shared():
    """A value read far below passes through the layers on one vertical thread, whoever reads it."""
    chain = [(index, index + 1) for index in range(10)]
    layout = place([*chain, (11, 0), (11, 9), (11, 10), (11, 5)], 12)
    points = [place for place, origin in enumerate(layout.origins) if place >= 12 and origin == 11]
    assert len(points) == level(layout)[10] - level(layout)[11] - 1
    assert len({round(layout.x[point], 6) for point in points}) == 1


def test_inputs_stand_just_above_their_first_reader():
    """Layers are as short as can be: a late input is drawn late, and what only it feeds comes along."""
    chain = [(index, index + 1) for index in range(9)]
    levels = level(place([*chain, (10, 11), (11, 9), (12, 11)], 13))
    assert levels[11] == levels[9] - 1
    assert levels[10] == levels[12] == levels[9] - 2


def test_tree_has_no_crossings():
    """A complete binary tree with its vertices in random order is drawn as a plane tree."""
    names = list(range(63))
    random.Random(3).shuffle(names)
    layout = place([(names[(child - 1) // 2], names[child]) for child in range(1, 63)], 63)
    for layer in layout.layers[1:]:
        parents = [layout.x[layout.sources[vertex][0]] for vertex in layer]
        assert parents == sorted(parents)


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_grid_is_untangled(seed):
    """A plane graph of twelve layers of six, its vertices and edges given in disorder, loses all its crossings."""
    generator = random.Random(seed)
    names = list(range(72))
    generator.shuffle(names)
    grid = [names[row : row + 6] for row in range(0, 72, 6)]
    edges = [pair for upper, lower in pairwise(grid) for pair in zip(upper, lower, strict=True)]
    edges += [pair for upper, lower in pairwise(grid) for pair in zip(upper, lower[1:], strict=False)]
    generator.shuffle(edges)
    layout = place(edges, 72)
    for layer in layout.layers:
        ends = [sorted(layout.x[target] for target in layout.targets[vertex]) for vertex in layer]
        flat = [x for group in ends for x in group]
        assert flat == sorted(flat)


def random_edges(seed: int, count: int) -> list[tuple[int, int]]:
    generator = random.Random(seed)
    return [(generator.randrange(max(0, vertex - 9), vertex), vertex) for vertex in range(1, count) for _ in range(2)]


def crossings(layout: Layout, left: int, right: int) -> int:
    """Between the edges of two neighbours in a layer, if they stand in this order."""
    return sum(
        layout.x[a] > layout.x[b]
        for neighbours in (layout.sources, layout.targets)
        for a in neighbours[left]
        for b in neighbours[right]
    )


@pytest.mark.parametrize("seed", range(10))
def test_no_exchange_would_save_a_crossing(seed):
    """The order of a small graph is at rest: no two neighbours stand better the other way round."""
    layout = place(random_edges(seed, 40), 40)
    for layer in layout.layers:
        for left, right in pairwise(layer):
            assert crossings(layout, left, right) <= crossings(layout, right, left)


@pytest.mark.parametrize("seed", range(10))
def test_threads_bend_only_where_they_cross(seed):
    """Between two layers in which no threads cross, every thread is upright, whatever else pulls at it."""
    layout = place(random_edges(seed, 60), 60, widths=[30.0 + 11 * (vertex % 7) for vertex in range(60)])
    upright = 0
    for layer in layout.layers:
        segments = [
            (point, target) for point in layer if point >= 60 for target in layout.targets[point] if target >= 60
        ]
        ends = [layout.x[target] for _, target in segments]
        if ends == sorted(ends):
            upright += len(segments)
            assert all(abs(layout.x[point] - layout.x[target]) < 1e-6 for point, target in segments)
    assert upright > 5


def test_bands_follow_the_flow():
    """Groups lie in the order in which data flows, not in that of the arguments, with a layer between them."""
    edges = [(0, 1), (1, 2), (2, 3), (0, 3), (4, 3), (4, 0)]
    layout = place(edges, 5, ["forward", "backward", "backward", "update", ""])
    assert [name for name, _, _ in layout.bands] == ["forward", "backward", "update"]
    for (_, _, last), (_, first, _) in pairwise(layout.bands):
        assert first == last + 2


def test_entangled_groups_share_a_band():
    """Groups that feed each other cannot lie apart; a third one below still does."""
    layout = place([(0, 1), (1, 2), (2, 3)], 4, ["a", "b", "a", "c"])
    assert [name for name, _, _ in layout.bands] == ["a · b", "c"]
    assert_sound(layout, [(0, 1), (1, 2), (2, 3)], 4)


def test_too_many_threads_are_cut(monkeypatch):
    """Beyond the budget the longest edges get no thread, and none is lost."""
    monkeypatch.setattr(layered_layout, "_MOST_THREAD_POINTS", 30)
    edges = [(index, index + 1) for index in range(19)] + [(index, 19 - index) for index in range(9)]
    layout = place(edges, 20)
    assert 0 < len(layout.distant) < 9
    assert len(layout.origins) <= 20 + 30
    assert_sound(layout, edges, 20)
    lengths = [target - source for source, target in edges if (source, target) not in layout.distant]
    assert max(lengths) <= min(target - source for source, target in layout.distant)


def test_thousands_of_vertices():
    """A deep training graph (each of a thousand layers is read again far below) is sound, its threads cut."""
    depth = 1000
    edges = [(index, index + 1) for index in range(2 * depth - 1)]
    edges += [(index, 2 * depth - 1 - index) for index in range(depth - 1)]
    edges += [(2 * depth + index, index) for index in range(depth)]
    groups = ["forward"] * depth + ["backward"] * depth + [""] * depth
    assert_sound(place(edges, 3 * depth, groups), edges, 3 * depth)


def test_nothing_and_isolated_vertices():
    """No vertex is no layer; vertices without edges stand side by side."""
    assert place([], 0).layers == []
    assert_sound(place([], 50), [], 50)


def test_cycle_is_refused_by_name():
    """A vertex on the cycle is named, not one that merely hangs below it."""
    with pytest.raises(ValueError, match=r"acyclic graph can be drawn, but 'v[234]' depends on itself"):
        place([(0, 1), (1, 2), (2, 3), (3, 4), (4, 2), (4, 5)], 6)
    with pytest.raises(ValueError, match="'v0' depends on itself"):
        place([(0, 0)], 1)
