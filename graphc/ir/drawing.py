"""Computation graphs as pictures: round variables, square operators, arrows downwards; SVG text from plain data.

Where everything stands is decided by :mod:`graphc.ir.layered_layout`.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.layered_layout import Layout, lay_out

__all__ = ["KINDS", "Vertex", "draw_svg"]

KINDS = ("input", "state", "scalar", "constant", "operator", "output")
"""What a vertex may be. An operator is drawn square, everything else round."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """One vertex: any text as label and detail (the tooltip); vertices of one group lie together on a tinted band."""

    key: str
    label: str
    kind: str
    detail: str = ""
    group: str = ""


def draw_svg(vertices: Sequence[Vertex], edges: Sequence[tuple[str, str]], title: str = "") -> str:
    """A picture of an acyclic graph as the text of an SVG file; equal arguments give equal text.

    Args:
        vertices: in any order; it decides ties in the layout.
        edges: (key of the source, key of the target); a pair given twice is drawn twice.
        title: any text; stands above the picture.

    Groups become bands in the order in which data flows through them; groups that feed each other share a band.

    Raises:
        ValueError: a key occurs twice, a kind is unknown, an edge names no vertex, or the edges form a cycle.
    """
    number = {vertex.key: index for index, vertex in enumerate(vertices)}
    if len(number) < len(vertices):
        repeated = next(vertex.key for index, vertex in enumerate(vertices) if number[vertex.key] != index)
        raise ValueError(f"keys of vertices are unique, but got {repeated!r} more than once")
    for vertex in vertices:
        if vertex.kind not in KINDS:
            raise ValueError(f"vertex {vertex.key!r} is of kind {vertex.kind!r}; expected one of {', '.join(KINDS)}")
    for edge in edges:
        for key in edge:
            if key not in number:
                raise ValueError(f"edge {edge!r} names {key!r}, but no vertex has this key")
    shapes = [_shape(vertex) for vertex in vertices]
    layout = lay_out(
        [(number[source], number[target]) for source, target in edges],
        [vertex.key for vertex in vertices],
        [vertex.group for vertex in vertices],
        [shape.width for shape in shapes],
        [shape.height for shape in shapes],
    )
    return _Picture(vertices, shapes, layout, title).text()


# Shapes

_FONT_SIZE = 14
_LINE_HEIGHT = 17
_LONGEST_LINE = 26
_MOST_LINES = 3
_NARROW = frozenset("fijlrt.,:;'|!()[]{} /\\-I")
_BROAD = frozenset("mwMW@%")


@dataclass(frozen=True, slots=True)
class _Shape:
    lines: tuple[str, ...]
    width: float
    height: float
    is_round: bool


def _shape(vertex: Vertex) -> _Shape:
    lines = _clean(vertex.label).split("\n")
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1] + "…"]
    lines = [_shorten(line) for line in lines]
    width = max(map(_text_width, lines))
    height = _LINE_HEIGHT * (len(lines) - 1) + _FONT_SIZE
    if vertex.kind == "operator":
        return _Shape(tuple(lines), max(42.0, width + 22), max(42.0, height + 22), False)
    # The ellipse around the text: its half axes keep the ratio that gives every line the same distance to the border.
    half_height = max(22.0, height / 2 + 13)
    half_width = width / 2 / math.sqrt(1 - (height / 2 / half_height) ** 2) + 7
    if vertex.kind == "output":  # drawn with a second line inside
        half_width += 4
    return _Shape(tuple(lines), 2 * max(22.0, half_width), 2 * half_height, True)


def _text_width(text: str, size: float = _FONT_SIZE) -> float:
    """An upper estimate for the sans-serif fonts that browsers have."""
    width = 0.0
    for character in text:
        if character in _NARROW:
            width += 0.40
        elif character in _BROAD or unicodedata.east_asian_width(character) in "WF":
            width += 1.0
        elif not unicodedata.combining(character):
            width += 0.72 if character.isupper() else 0.63
    return width * size


def _clean(text: str) -> str:
    """Text that XML can hold: line ends are newlines, tabs are spaces, other control characters become U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return re.sub("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def _shorten(text: str, limit: int = _LONGEST_LINE) -> str:
    """The text on one line of at most `limit` characters."""
    text = _clean(text).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escape(text: str) -> str:
    return html.escape(_clean(text)).replace("\n", "&#10;")


# Text

_MARGIN = 24.0
_LEAST_WIDTH = 420.0
_BAND_PADDING = 14.0
_FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_PAPER, _INK, _QUIET = "#ffffff", "#1f2937", "#6b7280"
# (fill, border) of each kind; all readable on white, and told apart by shape and border as well.
_COLOURS = {
    "input": ("#dbeafe", "#2563eb"),
    "state": ("#fef0cd", "#b7791f"),
    "scalar": ("#ede4ff", "#7c4dcc"),
    "constant": ("#eceff3", "#7b8794"),
    "operator": ("#ffffff", "#374151"),
    "output": ("#d5f5e0", "#1d8a4a"),
}
_EDGES = {"state": "#d3a64e", "scalar": "#a98ad8", "input": "#7fa6ea"}
_EDGE = "#8b97a6"
_TINTS = ("#f2f7fd", "#fdf4f2", "#f1f9f3", "#f9f5fd", "#fcf9ec", "#f0f8f9")
_STYLE = f"""
.gc-text {{ font-family: {_FONT}; font-size: {_FONT_SIZE}px; fill: {_INK}; text-anchor: middle; }}
.gc-round .gc-text {{ font-style: italic; }}
.gc-side {{ font-family: {_FONT}; font-size: 12px; fill: {_QUIET}; }}
.gc-title {{ font-family: {_FONT}; font-size: 18px; font-weight: 600; fill: {_INK}; }}
.gc-line {{ fill: none; stroke-width: 1.5; stroke-linecap: round; }}
.gc-far {{ stroke-width: 1; stroke-opacity: 0.35; }}
.gc-edge:hover .gc-line {{ stroke-width: 3; stroke-opacity: 1; }}
"""


class _Picture:
    """Writes a layout down as SVG; coordinates in pixels, y downwards."""

    def __init__(self, vertices: Sequence[Vertex], shapes: list[_Shape], layout: Layout, title: str) -> None:
        self.vertices, self.shapes, self.layout, self.title = vertices, shapes, layout, _shorten(title, 90)
        self.level = {place: level for level, layer in enumerate(layout.layers) for place in layer}
        self.arrivals = self._arrivals()

    def text(self) -> str:
        layout = self.layout
        count = len(self.vertices)
        padding = _BAND_PADDING if layout.bands else 0.0
        names = max((_text_width(_shorten(name), 12) + 20 for name, _, _ in layout.bands), default=0.0)
        left = min((x - w / 2 for x, w in zip(layout.x, layout.widths, strict=True)), default=0.0) - names - padding
        right = max((x + w / 2 for x, w in zip(layout.x, layout.widths, strict=True)), default=0.0) + padding
        legend, legend_width, legend_height = self._legend(max(right - left, _LEAST_WIDTH))
        # A picture narrower than its title or legend stands in the middle.
        missing = max(0.0, legend_width - (right - left), _text_width(self.title, 18) - (right - left)) / 2
        left, right = left - missing, right + missing
        top = -padding - (38 if self.title else 0)
        bottom = max(layout.bottoms, default=0.0) + padding
        height = bottom - top + 22 + legend_height + 2 * _MARGIN
        width = right - left + 2 * _MARGIN
        origin = left - _MARGIN, top - _MARGIN
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="{_n(origin[0])} {_n(origin[1])} {_n(width)} {_n(height)}" role="img">',
            f"<title>{_escape(self.title or 'computation graph')}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect x="{_n(origin[0])}" y="{_n(origin[1])}" width="{_n(width)}" height="{_n(height)}" '
            f'rx="12" fill="{_PAPER}"/>',
        ]
        if self.title:
            parts.append(f'<text class="gc-title" x="{_n(left)}" y="{_n(top + 16)}">{_escape(self.title)}</text>')
        parts += [self._band(index, left, right) for index in range(len(layout.bands))]
        parts += [self._distant(source, target) for source, target in layout.distant]
        parts += [self._edges(vertex, points) for vertex, points in self._threads().items()]
        parts += [self._vertex(vertex) for vertex in range(count)]
        parts.append(f'<g transform="translate({_n(left)} {_n(bottom + 22)})">{legend}</g>')
        return "\n".join([*parts, "</svg>", ""])

    def _band(self, index: int, left: float, right: float) -> str:
        name, first, last = self.layout.bands[index]
        top, bottom = self.layout.tops[first] - _BAND_PADDING, self.layout.bottoms[last] + _BAND_PADDING
        return (
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" height="{_n(bottom - top)}" rx="10" '
            f'fill="{_TINTS[index % len(_TINTS)]}"/>'
            f'<text class="gc-side" x="{_n(left + 10)}" y="{_n(top + 18)}">{_escape(_shorten(name))}</text>'
        )

    # Edges

    def _threads(self) -> dict[int, list[int]]:
        """For each vertex that is read: itself and the points of its thread."""
        threads: dict[int, list[int]] = {}
        for place, origin in enumerate(self.layout.origins):
            if self.layout.targets[place]:
                threads.setdefault(origin, []).append(place)
        return threads

    def _arrivals(self) -> dict[tuple[int, int], list[tuple[float, float]]]:
        """Where the tips of arrows lie on the border of their target, by (what leads there, target)."""
        layout = self.layout
        arrivals: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for target, shape in enumerate(self.shapes):
            sources = sorted(layout.sources[target], key=lambda source: layout.x[source])
            offsets = _spread([layout.x[source] - layout.x[target] for source in sources], shape)
            for source, offset in zip(sources, offsets, strict=True):
                rise = shape.height / 2
                if shape.is_round:
                    rise *= math.sqrt(1 - (2 * offset / shape.width) ** 2)
                tip = layout.x[target] + offset, layout.y[target] - rise - 1.5
                arrivals.setdefault((source, target), []).append(tip)
        return arrivals

    def _edges(self, vertex: int, places: list[int]) -> str:
        """All arrows that carry one value, with the thread they share."""
        layout, lines, tips = self.layout, [], []
        for place in places:
            # Straight through the layer, so that the curve stays between two layers and meets no neighbour.
            x, y = layout.x[place], layout.bottoms[self.level[place]]
            top = layout.y[place] + layout.heights[place] / 2 if place == vertex else layout.tops[self.level[place]]
            if top < y:
                lines.append(f"M{_n(x)} {_n(top)}V{_n(y)}")
            for target in dict.fromkeys(layout.targets[place]):
                end = layout.tops[self.level[target]]
                if target >= len(self.vertices):
                    lines.append(_curve(x, y, layout.x[target], end))
                    continue
                for tip_x, tip_y in self.arrivals[place, target]:
                    lines.append(
                        _curve(x, y, tip_x, min(end, tip_y - 6)) + (f"V{_n(tip_y - 6)}" if end < tip_y - 6 else "")
                    )
                    tips.append(_arrow(tip_x, tip_y))
        colour = _EDGES.get(self.vertices[vertex].kind, _EDGE)
        return (
            f'<g class="gc-edge" data-source="{_escape(self.vertices[vertex].key)}">'
            f'<path class="gc-line" stroke="{colour}" d="{"".join(lines)}"/>'
            f'<path fill="{colour}" d="{"".join(tips)}"/></g>'
        )

    def _distant(self, source: int, target: int) -> str:
        layout = self.layout
        x, y = layout.x[source], layout.y[source] + layout.heights[source] / 2
        tip_x, tip_y = layout.x[target], layout.y[target] - layout.heights[target] / 2 - 1.5
        return (
            f'<g class="gc-edge" data-source="{_escape(self.vertices[source].key)}">'
            f'<path class="gc-line gc-far" stroke="{_EDGE}" d="{_curve(x, y, tip_x, tip_y - 6)}"/>'
            f'<path fill="{_EDGE}" d="{_arrow(tip_x, tip_y)}"/></g>'
        )

    # Vertices

    def _vertex(self, index: int) -> str:
        vertex, shape = self.vertices[index], self.shapes[index]
        x, y = self.layout.x[index], self.layout.y[index]
        tooltip = f"{vertex.label}\n{vertex.detail}" if vertex.detail else vertex.label
        first = y - (len(shape.lines) - 1) * _LINE_HEIGHT / 2 + 0.35 * _FONT_SIZE
        lines = "".join(
            f'<text class="gc-text" x="{_n(x)}" y="{_n(first + row * _LINE_HEIGHT)}">{_escape(line)}</text>'
            for row, line in enumerate(shape.lines)
        )
        return (
            f'<g class="gc-vertex {"gc-round" if shape.is_round else "gc-square"}" data-key="{_escape(vertex.key)}">'
            f"<title>{_escape(tooltip)}</title>"
            f"{_outline(vertex.kind, x, y, shape.width, shape.height)}{lines}</g>"
        )

    def _legend(self, width: float) -> tuple[str, float, float]:
        """One sample of each kind that occurs, in rows no wider than `width`; its text, width, and height."""
        present = [kind for kind in KINDS if any(vertex.kind == kind for vertex in self.vertices)]
        x = y = widest = 0.0
        parts = []
        for kind in present:
            advance = 24 + _text_width(kind, 12) + 18
            if x and x + advance > width:
                x, y = 0.0, y + 24
            parts.append(_outline(kind, x + 8, y + 9, 16, 16))
            parts.append(f'<text class="gc-side" x="{_n(x + 23)}" y="{_n(y + 13)}">{kind}</text>')
            x += advance
            widest = max(widest, x)
        return "".join(parts), max(0.0, widest - 18), y + 18 if present else 0.0


def _spread(wishes: list[float], shape: _Shape) -> list[float]:
    """Where arrows meet the upper border, from the centre: below their sources if they can, but never on one spot."""
    reach = shape.width / 2 - (12 if shape.is_round else 9)
    gap = min(12.0, 2 * reach / max(1, len(wishes) - 1))
    wishes = [min(max(wish, -reach), reach) for wish in wishes]
    last = len(wishes) - 1
    # Pushed apart to the right, and to the left; the mean of the two keeps the gaps and favours neither side.
    rightwards, leftwards = list(wishes), list(wishes)
    for index in range(1, len(wishes)):
        rightwards[index] = max(wishes[index], rightwards[index - 1] + gap)
        leftwards[last - index] = min(wishes[last - index], leftwards[last - index + 1] - gap)
    return [
        min(max((a + b) / 2, gap * index - reach), reach - gap * (last - index))
        for index, (a, b) in enumerate(zip(rightwards, leftwards, strict=True))
    ]


def _outline(kind: str, x: float, y: float, width: float, height: float) -> str:
    """The border: operators square, state drawn heavily, constants dashed, outputs with a double line."""
    fill, border = _COLOURS[kind]
    paint = f'fill="{fill}" stroke="{border}"'
    if kind == "operator":
        corner = f'x="{_n(x - width / 2)}" y="{_n(y - height / 2)}" width="{_n(width)}" height="{_n(height)}"'
        return f'<rect {corner} rx="{_n(min(5.0, height / 5))}" {paint} stroke-width="1.5"/>'
    centre = f'cx="{_n(x)}" cy="{_n(y)}"'
    weight = ' stroke-width="2.5"' if kind == "state" else ' stroke-width="1.5"'
    dashes = ' stroke-dasharray="4 3"' if kind == "constant" else ""
    text = f'<ellipse {centre} rx="{_n(width / 2)}" ry="{_n(height / 2)}" {paint}{weight}{dashes}/>'
    if kind == "output":
        inset = min(3.5, height / 6)
        radii = f'rx="{_n(width / 2 - inset)}" ry="{_n(height / 2 - inset)}"'
        text += f'<ellipse {centre} {radii} fill="none" stroke="{border}"/>'
    return text


def _curve(x: float, y: float, end_x: float, end_y: float) -> str:
    """From one point to a lower one, upright at both ends."""
    if abs(x - end_x) < 0.05:
        return f"M{_n(x)} {_n(y)}V{_n(end_y)}"
    middle = (y + end_y) / 2
    return f"M{_n(x)} {_n(y)}C{_n(x)} {_n(middle)} {_n(end_x)} {_n(middle)} {_n(end_x)} {_n(end_y)}"


def _arrow(x: float, y: float) -> str:
    return f"M{_n(x)} {_n(y)}l-4 -8.5q4 2.6 8 0z"


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel."""
    text = f"{number:.1f}"
    return text[:-2] if text.endswith(".0") else text
