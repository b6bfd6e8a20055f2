"""graphc.ir.drawing: valid XML, every vertex and edge drawn once, nothing overlapping, any text harmless."""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.ir.drawing import KINDS, Vertex, draw_svg

SVG = "{http://www.w3.org/2000/svg}"


class Picture:
    """What a drawing shows, read back from its text."""

    def __init__(self, text: str) -> None:
        self.root = ElementTree.fromstring(text)
        self.vertices: dict[str, ElementTree.Element] = {}
        self.edges: list[ElementTree.Element] = []
        for group in self.root.iter(f"{SVG}g"):
            if "gc-vertex" in group.get("class", ""):
                assert group.get("data-key") not in self.vertices
                self.vertices[group.get("data-key")] = group
            elif group.get("class") == "gc-edge":
                self.edges.append(group)
        self.boxes = {key: self.box(group) for key, group in self.vertices.items()}

    @staticmethod
    def box(group: ElementTree.Element) -> tuple[float, float, float, float]:
        shape = group.find(f"{SVG}rect")
        if shape is not None:
            x, y, width, height = (float(shape.get(name)) for name in ("x", "y", "width", "height"))
            return x, y, x + width, y + height
        x, y, rx, ry = (float(group.find(f"{SVG}ellipse").get(name)) for name in ("cx", "cy", "rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry

    def tips(self, edge: ElementTree.Element) -> list[tuple[float, float]]:
        heads = edge.findall(f"{SVG}path")[1].get("d")
        return [(float(x), float(y)) for x, y in re.findall(r"M(-?[\d.]+) (-?[\d.]+)l", heads)]

    def strokes(self, edge: ElementTree.Element) -> list[list[tuple[float, float]]]:
        """Each stroke as points on its line, a few pixels apart."""
        strokes = []
        for stroke in edge.find(f"{SVG}path").get("d").split("M")[1:]:
            points: list[tuple[float, float]] = []
            for command, numbers in re.findall(r"(^|[CV])([^CV]*)", stroke):
                values = [float(number) for number in numbers.split()]
                if command == "V":
                    (x, y), end = points[-1], values[0]
                    points += [(x, y + (end - y) * step / 20) for step in range(1, 21)]
                elif command == "C":
                    corners = [points[-1], *zip(values[0::2], values[1::2], strict=True)]
                    points += [bezier(corners, step / 20) for step in range(1, 21)]
                elif values:
                    points.append((values[0], values[1]))
            strokes.append(points)
        return strokes

    def target(self, tip: tuple[float, float]) -> str:
        """The one vertex on whose upper border an arrow ends."""
        x, y = tip
        hits = []
        for key, (left, top, right, bottom) in self.boxes.items():
            if not left <= x <= right:
                continue
            border = top
            if self.vertices[key].find(f"{SVG}ellipse") is not None:
                across = (2 * x - left - right) / (right - left)
                border = (top + bottom) / 2 - (bottom - top) / 2 * math.sqrt(max(0.0, 1 - across * across))
            if abs(border - 1.5 - y) < 0.8:
                hits.append(key)
        assert len(hits) == 1, f"an arrow at {tip} ends at {hits}"
        return hits[0]

    def drawn_edges(self) -> list[tuple[str, str]]:
        return sorted((edge.get("data-source"), self.target(tip)) for edge in self.edges for tip in self.tips(edge))


def bezier(corners: list[tuple[float, float]], at: float) -> tuple[float, float]:
    while len(corners) > 1:
        corners = [(a[0] + (b[0] - a[0]) * at, a[1] + (b[1] - a[1]) * at) for a, b in pairwise(corners)]
    return corners[0]


def assert_sound(picture: Picture, vertices, edges) -> None:
    """All vertices and edges are there, inside the page, apart from each other, and no line runs through a vertex."""
    assert list(picture.vertices) == [vertex.key for vertex in vertices]
    assert picture.drawn_edges() == sorted(edges)
    left, top, width, height = map(float, picture.root.get("viewBox").split())
    for box in picture.boxes.values():
        assert left < box[0] < box[2] < left + width
        assert top < box[1] < box[3] < top + height
    by_left = sorted(picture.boxes.values())
    for index, box in enumerate(by_left):
        for other in by_left[index + 1 :]:
            if other[0] >= box[2]:
                break
            assert other[3] <= box[1] or other[1] >= box[3], f"{box} overlaps {other}"
    for edge in picture.edges:
        if "gc-far" in edge.find(f"{SVG}path").get("class"):
            continue
        for points in picture.strokes(edge):
            low, high = min(x for x, _ in points), max(x for x, _ in points)
            for key, (a, b, c, d) in picture.boxes.items():
                if key == edge.get("data-source") or c < low or a > high or d < points[0][1] or b > points[-1][1]:
                    continue
                if picture.vertices[key].find(f"{SVG}ellipse") is not None:
                    # An ellipse does not fill its box: an arrow may come down to it beside the box's upper border.
                    b += (d - b) / 2
                assert not any(a + 0.2 < x < c - 0.2 and b + 0.2 < y < d - 0.2 for x, y in points), f"through {key}"


def linear() -> tuple[list[Vertex], list[tuple[str, str]]]:
    vertices = [
        Vertex("w", "w", "state", "f32[3, 4]   model.py:4"),
        Vertex("x", "x", "input"),
        Vertex("b", "b", "state"),
        Vertex("product", "×", "operator"),
        Vertex("sum", "+", "operator"),
        Vertex("z", "z", "output"),
    ]
    return vertices, [("w", "product"), ("x", "product"), ("product", "sum"), ("b", "sum"), ("sum", "z")]


def test_variables_are_round_and_operators_square():
    """z = w x + b as people draw it: circles for variables, squares for operators, the result at the bottom."""
    vertices, edges = linear()
    picture = Picture(draw_svg(vertices, edges, "z = w x + b"))
    assert_sound(picture, vertices, edges)
    for vertex in vertices:
        left, top, right, bottom = picture.boxes[vertex.key]
        assert right - left == pytest.approx(bottom - top, abs=0.2)
        is_square = picture.vertices[vertex.key].find(f"{SVG}rect") is not None
        assert is_square == (vertex.kind == "operator")
    assert picture.boxes["b"][1] < picture.boxes["sum"][1] < picture.boxes["z"][1]
    assert (picture.boxes["sum"][0] + picture.boxes["sum"][2]) == pytest.approx(
        picture.boxes["z"][0] + picture.boxes["z"][2], abs=0.4
    )


def test_title_tooltip_and_legend():
    """The title heads the picture, the detail is a tooltip, and the legend explains the kinds that occur, no others."""
    vertices, edges = linear()
    picture = Picture(draw_svg(vertices, edges, "z = w x + b"))
    assert picture.root.find(f"{SVG}title").text == "z = w x + b"
    assert picture.vertices["w"].find(f"{SVG}title").text == "w\nf32[3, 4]   model.py:4"
    words = [text.text for text in picture.root.iter(f"{SVG}text") if text.get("class") == "gc-side"]
    assert words == ["input", "state", "operator", "output"]


def test_equal_operands_are_two_arrows():
    """x * x has two arrows, with their tips apart."""
    vertices = [Vertex("x", "x", "input"), Vertex("y", "mul", "operator")]
    picture = Picture(draw_svg(vertices, [("x", "y"), ("x", "y")]))
    assert_sound(picture, vertices, [("x", "y")] * 2)
    first, second = picture.tips(picture.edges[0])
    assert abs(first[0] - second[0]) > 8


def test_many_operands_keep_their_arrows_apart():
    """Forty arrows into one narrow operator and one round output all end on its border, in the order of sources."""
    for kind in ("operator", "output"):
        vertices = [Vertex(f"x{index}", "x", "input") for index in range(40)] + [Vertex("cat", "cat", kind)]
        edges = [(f"x{index}", "cat") for index in range(40)]
        picture = Picture(draw_svg(vertices, edges))
        assert_sound(picture, vertices, edges)
        arrivals = sorted((picture.boxes[edge.get("data-source")][0], *picture.tips(edge)[0]) for edge in picture.edges)
        xs = [x for _, x, _ in arrivals]
        assert xs == sorted(set(xs))


NASTY = [
    '*/ system("x"); /*',
    "<script>alert('&amp;')</script>",
    "]]> -->",
    "a\"b'c&d<e>",
    "one\ntwo\r\nthree\rfour\nfive",
    "\x00\x1b\x7f\x85\ud800\ufffe tab\there",
    "漢字かな e\u0301 😀 \u202e",
    "",
    " ",
    "w" * 5000,
]


@pytest.mark.parametrize("text", NASTY)
def test_any_text_stays_text(text):
    """Whatever stands in a label, key, detail, group, or title, it is text in valid XML, and the tooltip keeps it."""
    vertices = [Vertex(text, text, "operator", text, text), Vertex("x", text, "input")]
    written = draw_svg(vertices, [("x", text)], text)
    written.encode("utf-8")
    root = ElementTree.fromstring(written)
    allowed = {"svg", "title", "style", "rect", "g", "path", "ellipse", "text"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    tooltips = [group.find(f"{SVG}title").text for group in root.iter(f"{SVG}g") if "data-key" in group.attrib]
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    plain = "".join("\ufffd" if c in "\x00\x1b\x7f\x85\ud800\ufffe" else c for c in plain)
    assert tooltips[0] == f"{plain}\n{plain}" if plain else "\n"
    assert float(root.get("width")) < 2000


TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@settings(deadline=None, max_examples=100)
@given(label=TEXT, detail=TEXT, group=TEXT, title=TEXT, kind=st.sampled_from(KINDS))
def test_any_characters_are_valid_xml(label, detail, group, title, kind):
    """All of Unicode, surrogates and control characters included."""
    written = draw_svg([Vertex("v", label, kind, detail, group)], [], title)
    ElementTree.fromstring(written.encode("utf-8"))


@st.composite
def drawings(draw):
    count = draw(st.integers(1, 30))
    labels = st.sampled_from(["x", "matmul", "layers.0.weight", "two\nlines", "a\nb\nc\nd", "W" * 26, ""])
    vertices = [
        Vertex(f"v{index}", draw(labels), draw(st.sampled_from(KINDS)), "", draw(st.sampled_from(["", "f", "b"])))
        for index in range(count)
    ]
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    edges = draw(st.lists(ends, max_size=60)) if count > 1 else []
    return vertices, [(f"v{source}", f"v{target}") for source, target in edges]


@settings(deadline=None, max_examples=80)
@given(drawings())
def test_any_graph_is_drawn_soundly(drawing):
    """Random graphs: each edge arrives where it should, nothing overlaps, no line runs through a vertex."""
    vertices, edges = drawing
    assert_sound(Picture(draw_svg(vertices, edges, "random")), vertices, edges)


def test_bands_enclose_their_groups():
    """The bands of forward and backward are apart, and each holds the vertices of its group."""
    vertices = [Vertex(f"f{i}", "op", "operator", "", "forward") for i in range(5)]
    vertices += [Vertex(f"b{i}", "op", "operator", "", "backward") for i in range(5)]
    edges = [(f"f{i}", f"f{i + 1}") for i in range(4)] + [("f4", "b4")]
    edges += [(f"b{i + 1}", f"b{i}") for i in range(4)] + [(f"f{i}", f"b{i}") for i in range(4)]
    picture = Picture(draw_svg(vertices, edges))
    assert_sound(picture, vertices, edges)
    names = [text.text for text in picture.root.findall(f"{SVG}text")]
    bands = [rect for rect in picture.root.findall(f"{SVG}rect") if rect.get("rx") == "10"]
    assert names == ["forward", "backward"]
    for name, band in zip(names, bands, strict=True):
        top, height = float(band.get("y")), float(band.get("height"))
        for vertex in vertices:
            _, low, _, high = picture.boxes[vertex.key]
            assert (top < low and high < top + height) == (vertex.group == name)


def test_thousands_of_vertices():
    """Three thousand vertices with edges of many lengths: all there, none overlapping."""
    generator = random.Random(4)
    vertices = [Vertex(f"v{index}", f"op{index % 7}", "operator") for index in range(3000)]
    edges = []
    for index in range(1, 3000):
        for _ in range(generator.choice([1, 2])):
            edges.append((f"v{max(0, index - 1 - int(generator.expovariate(1 / 60)))}", f"v{index}"))
    picture = Picture(draw_svg(vertices, edges))
    assert len(picture.vertices) == 3000
    assert sum(len(picture.tips(edge)) for edge in picture.edges) == len(edges)
    rows: dict[float, list[tuple[float, float, float, float]]] = {}
    for box in picture.boxes.values():
        rows.setdefault((box[1] + box[3]) / 2, []).append(box)
    for row in rows.values():
        row.sort()
        assert all(box[2] < other[0] for box, other in pairwise(row))
    extents = sorted((min(box[1] for box in row), max(box[3] for box in row)) for row in rows.values())
    assert all(upper[1] < lower[0] for upper, lower in pairwise(extents))


def test_output_does_not_depend_on_hashing():
    """Equal arguments give equal text in every process, whatever seed Python hashes strings with."""
    script = (
        "from graphc.ir.drawing import Vertex, draw_svg\n"
        "v = [Vertex(f'v{i}', f'op{i}', 'operator', '', 'abc'[i // 9]) for i in range(27)]\n"
        "e = [(f'v{i}', f'v{j}') for i in range(27) for j in range(i + 1, 27) if (i * j) % 5 == 1]\n"
        "print(draw_svg(v, e, 't'))"
    )
    root = Path(__file__).parents[2]
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(texts) == 1


def test_empty_graph():
    """No vertex is an empty page, not an error."""
    assert Picture(draw_svg([], [])).vertices == {}


def test_kinds_look_different_without_colour():
    """Shapes and borders tell the kinds apart; only a scalar, being an input of one number, looks like an input."""
    kinds = [kind for kind in KINDS if kind != "scalar"]
    looks = {}
    for kind in kinds:
        group = Picture(draw_svg([Vertex("v", "v", kind)], [])).vertices["v"]
        looks[kind] = [
            (shape.tag, shape.get("stroke-width"), shape.get("stroke-dasharray"))
            for shape in group
            if shape.get("stroke")
        ]
    for one, other in combinations(kinds, 2):
        assert looks[one] != looks[other]


@pytest.mark.parametrize(
    ("vertices", "edges", "message"),
    [
        ([Vertex("a", "", "input"), Vertex("a", "", "input")], [], "'a' more than once"),
        ([Vertex("a", "", "tensor")], [], "kind 'tensor'; expected one of input, state"),
        ([Vertex("a", "", "input")], [("a", "q")], "names 'q', but no vertex"),
        ([Vertex("a", "", "input"), Vertex("b", "", "input")], [("a", "b"), ("b", "a")], "depends on itself"),
    ],
)
def test_refusals(vertices, edges, message):
    """What cannot be drawn is refused with the key or kind that is wrong."""
    with pytest.raises(ValueError, match=message):
        draw_svg(vertices, edges)
