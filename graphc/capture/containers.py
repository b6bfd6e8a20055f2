"""What a captured function does to the lists, dicts, and records among its arguments: seen, undone, and done again.

A function may append to a list that it is given, or store a tensor in a dict or as an attribute. A program repeats
that: after each run the containers hold what they held after the recorded one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.capture.trees import MOST_PARTS, attributes_of, is_record
from graphc.tensor import Tensor

# How a container is reached: by items ("item", key) and attributes ("attribute", name) from (arguments, keywords).
Path = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Refilled:
    """A container that the function changed. ``entries`` are what it holds afterwards: keys (or positions), each with
    the key whose value it keeps, and whether it does."""

    path: Path
    entries: tuple[tuple[Any, Any, bool], ...]

    @property
    def count(self) -> int:
        """How many of the values are not kept."""
        return sum(not kept for _, _, kept in self.entries)


class Containers:
    """The containers among the arguments of one call, as they are before the function runs."""

    def __init__(self, arguments: Sequence[Any], keywords: dict[str, Any]):
        self._root = (tuple(arguments), keywords)
        self._held = [(path, container, _items(container)) for path, container in _walk(self._root, (), [])]

    def restore(self) -> None:
        """Give every container what it held."""
        for _, container, items in self._held:
            if not _same(_items(container), items):
                _refill(container, items)

    def changes(self) -> tuple[tuple[Refilled, ...], list[Any]]:
        """What the function did to the containers, and the values that are new in them, in order."""
        found: list[Refilled] = []
        values: list[Any] = []
        for path, container, before in self._held:
            after = _items(container)
            if _same(after, before):
                continue
            places = {id(value): key for key, value in reversed(before.items())}
            entries = tuple((key, places.get(id(value)), id(value) in places) for key, value in after.items())
            found.append(Refilled(path, entries))
            values += [value for value in after.values() if id(value) not in places]
        return tuple(found), values


def refill(
    changes: Sequence[Refilled], values: Sequence[Any], arguments: Sequence[Any], keywords: dict[str, Any]
) -> None:
    """Do to the containers of a call what the recorded function did to its own."""
    containers = [_reach((arguments, keywords), change.path) for change in changes]
    held = [_items(container) for container in containers]
    rest = iter(values)
    for change, container, before in zip(changes, containers, held, strict=True):
        _refill(container, {key: before[old] if kept else next(rest) for key, old, kept in change.entries})


def fill_in(
    changes: Sequence[Refilled], values: Sequence[Any], arguments: Sequence[Any], keywords: dict[str, Any]
) -> None:
    """Put values in the place of those that are new in the containers of the recorded call itself."""
    rest = iter(values)
    for change in changes:
        container = _reach((arguments, keywords), change.path)
        now = _items(container)
        _refill(container, {key: now[key] if kept else next(rest) for key, _, kept in change.entries})


def is_container(value: Any) -> bool:
    """Whether a value may be given other contents."""
    return isinstance(value, list | dict) or (not isinstance(value, Tensor) and is_record(value))


def _walk(value: Any, path: Path, inside: list[int]) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Tensor) or id(value) in inside:
        return
    changeable = is_container(value)
    if not changeable and not isinstance(value, tuple):
        return
    inside.append(id(value))
    if changeable:
        yield path, value
    step = "attribute" if not isinstance(value, list | dict | tuple) else "item"
    items = enumerate(value) if isinstance(value, tuple) else _items(value).items()
    if step == "item" or len(_items(value)) <= MOST_PARTS:
        for key, item in items:
            yield from _walk(item, (*path, (step, key)), inside)
    inside.pop()


def _items(container: Any) -> dict[Any, Any]:
    if isinstance(container, list):
        return dict(enumerate(container))
    return dict(container) if isinstance(container, dict) else attributes_of(container)


def _same(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    return list(one) == list(other) and all(one[key] is other[key] for key in one)


def _refill(container: Any, items: dict[Any, Any]) -> None:
    if isinstance(container, list):
        container[:] = items.values()
    elif isinstance(container, dict):
        container.clear()
        for key, value in items.items():
            container[key] = value
    else:
        for name in attributes_of(container).keys() - items.keys():
            object.__delattr__(container, name)
        for name, value in items.items():
            object.__setattr__(container, name, value)


def _reach(root: Any, path: Path) -> Any:
    for step, key in path:
        root = root[key] if step == "item" else getattr(root, key)
    return root
