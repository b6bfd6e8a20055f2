"""Views by subscript in one step: what ints, slices, None and Ellipsis select of a tensor that is not being recorded.

In a graph such a view is a slice and a reshape. An eager program spends its time on the way there, so that numpy makes
the view at once; what the tensor knows of its views, and what a graph is told, is still the slice and the reshape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from graphc.ir.primitive import Attributes, Primitive, View
from graphc.ops import views

Shape = tuple[int, ...]
Link = tuple[Primitive, Attributes]

_BASIC = frozenset({int, slice, type(None), type(Ellipsis)})


class Subscript(View):
    """A slice and then a reshape, as one node of the tape. It never enters a graph, so that no table lists it."""

    name = "subscript"

    def vjp(
        self, cotangent: Any, output: Any, x: Any, *, starts: Shape, stops: Shape, steps: Shape, shape: Shape
    ) -> tuple[Any, ...]:
        extents = views.slice_extents(starts, stops, steps)
        cut = cotangent if extents == shape else views.Reshape.bind(cotangent, shape=extents)
        return views.Slice.instance.vjp(cut, output, x, starts=starts, stops=stops, steps=steps)


Subscript.instance = Subscript()


def basic_view(input: Any, index: Any) -> Any | None:
    """The view that an index selects of an eager tensor; None for an index with other parts, or one that is wrong."""
    array: np.ndarray = input._array
    if type(index) is int:
        shape = array.shape
        if len(shape) < 2 or not -shape[0] <= index < shape[0]:
            index = (index,)
        else:
            attrs, links = _described(shape, (index, Ellipsis))
            return input._view(array[index], Subscript.instance, attrs, links)
    parts = index if type(index) is tuple else (index,)
    inserts = ellipsis = False
    for part in parts:
        kind = type(part)
        if kind not in _BASIC:
            return None
        if kind is slice:
            # numpy would walk backwards where PyTorch refuses to.
            if part.step is not None and (type(part.step) is not int or part.step < 1):
                return None
        elif part is None:
            inserts = True
        elif part is Ellipsis:
            if ellipsis:
                return None
            ellipsis = True
    if not ellipsis:
        parts = (*parts, Ellipsis)
    try:
        selected = array[tuple([part for part in parts if part is not None]) if inserts else parts]
    except (IndexError, TypeError, ValueError):
        return None  # what is wrong is said in PyTorch's words elsewhere
    key = _key(parts)
    attrs, links = _description(array.shape, parts) if key is None else _described(array.shape, key)
    return input._view(selected.reshape(attrs["shape"]) if inserts else selected, Subscript.instance, attrs, links)


def _key(parts: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Parts as what has a hash: slices as tuples. None where a bound is no plain number."""
    found = []
    for part in parts:
        if type(part) is slice:
            start, stop, step = part.start, part.stop, part.step
            if (start is not None and type(start) is not int) or (stop is not None and type(stop) is not int):
                return None
            part = (start, stop, step)
        found.append(part)
    return tuple(found)


@lru_cache(maxsize=4096)
def _described(shape: Shape, key: tuple[Any, ...]) -> tuple[Attributes, tuple[Link, ...]]:
    """As :func:`_description`, kept, since programs take the same parts again and again."""
    return _description(shape, tuple([slice(*part) if type(part) is tuple else part for part in key]))


def _description(shape: Shape, parts: tuple[Any, ...]) -> tuple[Attributes, tuple[Link, ...]]:
    """What a view by valid parts, with an Ellipsis among them, is on the tape, and the links of its chain."""
    attrs = _attributes(shape, parts)
    return attrs, _links(shape, attrs)


def _attributes(shape: Shape, parts: tuple[Any, ...]) -> Attributes:
    """The slice and the shape after it that valid parts, with an Ellipsis among them, stand for."""
    starts: list[int] = []
    stops: list[int] = []
    steps: list[int] = []
    result: list[int] = []
    dim = 0
    for part in parts:
        if type(part) is int:
            start = part if part >= 0 else part + shape[dim]
            starts.append(start)
            stops.append(start + 1)
            steps.append(1)
            dim += 1
        elif part is None:
            result.append(1)
        elif part is Ellipsis:
            named = sum([each is not None for each in parts]) - 1
            for extent in shape[dim : len(shape) - named + dim]:
                starts.append(0)
                stops.append(extent)
                steps.append(1)
                result.append(extent)
                dim += 1
        else:
            start, stop, step = part.indices(shape[dim])
            stop = max(start, stop)
            starts.append(start)
            stops.append(stop)
            steps.append(step)
            result.append((stop - start + step - 1) // step)
            dim += 1
    return {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps), "shape": tuple(result)}


def _links(whole: Shape, attrs: Attributes) -> tuple[Link, ...]:
    """The links of a view's chain: what a graph is told of it."""
    starts, stops, steps, shape = attrs.values()
    links: list[Link] = []
    extents = shape
    if stops != whole or any(starts) or any(step != 1 for step in steps):
        links.append((views.Slice.instance, {"starts": starts, "stops": stops, "steps": steps}))
        extents = views.slice_extents(starts, stops, steps) if len(shape) == len(whole) else None
    if shape != (whole if not links else extents):
        links.append((views.Reshape.instance, {"shape": shape}))
    elif not links:
        links.append((views.Alias.instance, {}))
    return tuple(links)
