"""Places outside of a captured function where values are held: items, attributes, and variables, which the function
may give other values, and which may hold others at a later call."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import CellType
from typing import Any

import numpy as np

from graphc.capture.trees import flatten
from graphc.ir.graph import exact_key
from graphc.recording import generation
from graphc.tensor import Tensor


class _End:
    """The key of a place behind the last item of a list."""


END = _End()


class _Missing:
    """What a place holds that is not there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()
PLAIN = (int, float, complex, bool, str, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Attribute:
    """A step from an object to what it holds under a name."""

    name: str


Step = int | str | Attribute | Any


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """An item of a dict, a list, or a deque, an attribute of an object, or a variable of a function; or a place within
    what that holds, whichever container it is at the time.

    Attributes:
        holder: a dict (the attributes of a module or the globals too), list, deque, cell, or another object.
        key: under which the holder has the value, an ``Attribute`` of other objects; unused of a cell.
        name: how the user's code says it.
        noted: whether every change of it, by whomever, is noted (``recording.generation``), as of modules'
            attributes.
        inner: the steps on from what the holder has.
    """

    holder: Any
    key: Step
    name: str
    noted: bool = False
    inner: tuple[Step, ...] = ()

    def within(self, step: Step, name: str, fixed: bool = False) -> Place:
        """The place one step on; ``fixed``: what is stepped into never changes, as a tuple does not."""
        return Place(self.holder, self.key, name, self.noted and fixed, (*self.inner, step))

    def get(self) -> Any:
        """What it holds now; MISSING where there is nothing."""
        value = _content(self.holder) if isinstance(self.holder, CellType) else _item(self.holder, self.key)
        for step in self.inner:
            value = _item(value, step)
        return value

    def put(self, value: Any) -> None:
        """Let it hold a value, or nothing."""
        if self.get() is value:
            return
        holder, key = self.holder, self.key
        if self.inner:
            holder, key = Place(holder, key, "", False, self.inner[:-1]).get(), self.inner[-1]
        if isinstance(holder, CellType):
            holder.cell_contents = value
        elif isinstance(key, Attribute):
            (setattr if isinstance(holder, type) else object.__setattr__)(holder, key.name, value)
        elif isinstance(holder, deque | list) and key in (END, len(holder)):
            holder.append(value)
        elif isinstance(holder, dict) and value is MISSING:
            holder.pop(key, None)
        else:
            holder[key] = value
        if self.noted:
            generation.advance()


def _item(holder: Any, step: Step) -> Any:
    if isinstance(step, Attribute):
        own = getattr(holder, "__dict__", None)
        if own is not None and step.name in own:
            return own[step.name]
        try:
            return object.__getattribute__(holder, step.name)
        except AttributeError:
            return MISSING
    if isinstance(holder, dict):
        return holder.get(step, MISSING)
    known = isinstance(holder, list | tuple | deque) and isinstance(step, int) and step < len(holder)
    return holder[step] if known else MISSING


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return MISSING


def kind_of(value: Any) -> Any:
    """What a program rests on of a value that it replaces: of tensors all but the elements, else what it is."""
    if isinstance(value, PLAIN):
        return exact_key(value)
    try:
        tensors, description = flatten(value)
    except TypeError:
        return id(value)
    return description, [
        (tensor.dtype, tensor._array.shape, tensor.requires_grad, tensor._grad_fn is None) for tensor in tensors
    ]


def is_whole(tensor: Tensor) -> bool:
    """Whether a tensor shows all of its memory as it lies."""
    own, whole = tensor._array, tensor._storage.array
    return (own.shape, own.strides, own.ctypes.data) == (whole.shape, whole.strides, whole.ctypes.data)


def history_of(tensor: Tensor) -> tuple[bool, bool]:
    """Whether a tensor wants a gradient, and whether it is a leaf."""
    return tensor.requires_grad, tensor._grad_fn is None


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor from outside that is whatever some places hold at a call, as long as its history is such."""

    places: tuple[Place, ...]
    history: tuple[bool, bool]

    def tensor(self) -> Tensor | None:
        """The tensor that all of the places hold now; None where they hold another kind of thing, or several."""
        tensor = self.places[0].get()
        if not isinstance(tensor, Tensor) or any(place.get() is not tensor for place in self.places[1:]):
            return None
        return tensor if is_whole(tensor) and history_of(tensor) == self.history else None


@dataclass(frozen=True, slots=True)
class KindGuard:
    """The recording holds while a place holds such a value as it did."""

    place: Place
    kind: Any

    def holds(self, arguments: Sequence[Tensor] = ()) -> bool:
        """Whether it holds one now."""
        return kind_of(self.place.get()) == self.kind

    def __str__(self) -> str:
        return f"what {self.place.name} holds"


@dataclass(frozen=True, slots=True)
class LengthGuard:
    """The recording holds while a container has so many items."""

    place: Place
    count: int

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether it has so many now."""
        holder = self.place.get()
        return hasattr(holder, "__len__") and len(holder) == self.count

    def __str__(self) -> str:
        return f"len({self.place.name}) == {self.count}"


@dataclass(frozen=True, slots=True)
class SameGuard:
    """The recording holds while places hold one and the same container."""

    places: tuple[Place, ...]

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether they do now."""
        first = self.places[0].get()
        return all(place.get() is first for place in self.places)

    def __str__(self) -> str:
        return f"{' and '.join(place.name for place in self.places)} are the same"


@dataclass(frozen=True, slots=True)
class ArraysGuard:
    """The recording holds while arrays of numpy's hold what they held."""

    held: tuple[tuple[np.ndarray, bytes], ...]

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether they do now."""
        return all(array.tobytes() == before for array, before in self.held)

    def __str__(self) -> str:
        return f"the numbers in {len(self.held)} small arrays of numpy's"


@dataclass(frozen=True, slots=True)
class VariablesGuard:
    """The recording holds while a function's variables, and other places, hold what they held: numbers and text of the
    same value, tensors and other objects the same ones."""

    held: tuple[tuple[Place, Any], ...]
    # The same by the kind of place, since every call looks: variables, and whatever else there is.
    _cells: tuple[tuple[CellType, Any], ...] = field(init=False, repr=False, compare=False)
    _items: tuple[tuple[dict[Any, Any], Any, Any], ...] = field(init=False, repr=False, compare=False)
    _others: tuple[tuple[Place, Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        cells, items, others = [], [], []
        for place, value in self.held:
            if isinstance(place.holder, CellType) and not place.inner:
                cells.append((place.holder, value))
            elif type(place.holder) is dict and not place.inner and not isinstance(place.key, Attribute):
                items.append((place.holder, place.key, value))
            else:
                others.append((place, value))
        for name, found in (("_cells", cells), ("_items", items), ("_others", others)):
            object.__setattr__(self, name, tuple(found))

    def holds(self, arguments: Sequence[Tensor]) -> bool:
        """Whether they still do."""
        try:
            for cell, value in self._cells:
                if cell.cell_contents is not value:
                    return self._first_other() is None
            for table, key, value in self._items:
                if table.get(key, MISSING) is not value:
                    return self._first_other() is None
        except ValueError:  # a variable that has no value any more
            return False
        return not self._others or all(_holds(place, value) for place, value in self._others)

    def broken(self) -> str:
        """The first that holds another value, in words; empty where none does."""
        other = self._first_other()
        return "" if other is None else _equation(*other)

    def _first_other(self) -> tuple[Place, Any] | None:
        for place, value in self.held:
            if not _holds(place, value):
                return place, value
        return None

    def __str__(self) -> str:
        return ", ".join(_equation(place, value) for place, value in self.held)


def _holds(place: Place, value: Any) -> bool:
    now = place.get()
    return now is value or (isinstance(value, PLAIN) and exact_key(now) == exact_key(value))


def _equation(place: Place, value: Any) -> str:
    return f"{place.name} == {value!r}" if isinstance(value, PLAIN) else f"{place.name} is the same"


@dataclass(frozen=True, slots=True)
class Replacement:
    """After a run a place holds another value: one of the recording's contents, or what another place held before.

    ``first``: the place of what the recorded call itself has put there, where that is another.
    """

    place: Place
    source: Place | None = None
    first: Place | None = None


def replace_first(replacements: Sequence[Replacement], contents: Sequence[Any]) -> None:
    """Put what the recorded call hands out in the place of what it has stored itself."""
    new = [each for each in replacements if each.source is None]
    for each, value in zip(new, contents, strict=True):
        (each.place if each.first is None else each.first).put(value)


def replace_all(replacements: Sequence[Replacement], contents: Sequence[Any]) -> None:
    """Put what a run has made into the places; ``contents`` has a value for each that has no source."""
    rest = iter(contents)
    values = [next(rest) if each.source is None else each.source.get() for each in replacements]
    for each, value in zip(replacements, values, strict=True):
        each.place.put(value)
