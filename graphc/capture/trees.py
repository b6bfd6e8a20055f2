"""Arguments and results as trees: tuples, lists, dicts, and records of tensors and plain Python values.

A record is an object that is what its attributes are: a dataclass, a namespace, or one whose class leaves equality to
the language. Two records of equal attributes are one kind of argument. Modules, optimizers, functions, and all that
keeps a state of its own are told apart by identity, through weak references.
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
from argparse import Namespace
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from graphc.ir.graph import exact_key
from graphc.ir.integers import Integer, substitute
from graphc.sizes import DynamicSize
from graphc.tensor import Tensor

_PLAIN = frozenset((int, float, bool, str, bytes, complex, type(None)))
_NAMESPACES = (SimpleNamespace, Namespace)
_OWN_STATE = ("named_parameters", "named_state", "state_dict", "__next__")
# A record with more parts, attributes of its attributes included, is told apart by identity.
MOST_PARTS = 256

EXPECTED = "expected tensors, Python values, objects of them, and tuples, lists, or dicts of them"


class Plain:
    """A plain value within a description; the exact key beside it is what is compared."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain)

    def __hash__(self) -> int:
        return 0


class _TooLarge(Exception):
    pass


class _Description:
    """One walk over a tree. ``kept``: of results, whose values are handed out again; else of arguments, whose
    description is a key."""

    def __init__(self, kept: bool):
        self.tensors: list[Tensor] = []
        self._kept = kept
        self._inside: list[int] = []  # the records that are being described, by id
        self._parts = 0

    def of(self, tree: Any) -> Any:
        if isinstance(tree, Tensor):
            self.tensors.append(tree)
            return Tensor
        kind = type(tree)
        if kind in _PLAIN:
            return ("value", exact_key(tree), Plain(tree))
        if isinstance(tree, tuple | list):
            self._count(len(tree))
            return (kind, tuple([self.of(item) for item in tree]))
        if isinstance(tree, dict):
            self._count(len(tree))
            return (kind, tuple([(key, self.of(value)) for key, value in tree.items()]))
        if kind is DynamicSize:
            return ("size", tree.expression, tree.value)
        if id(tree) not in self._inside and is_record(tree):
            found = self._record(tree)
            if found is not None:
                return found
        return self._result(tree) if self._kept else _key_of(tree)

    def _count(self, parts: int) -> None:
        if self._inside:
            self._parts += parts
            if self._parts > MOST_PARTS:
                raise _TooLarge

    def _record(self, tree: Any) -> Any:
        """The attributes of a record; None where it is better told apart by identity."""
        count = len(self.tensors)
        if not self._inside:
            self._parts = 0
        self._inside.append(id(tree))
        try:
            own = attributes_of(tree)
            self._count(len(own))
            described = ("record", type(tree), tuple([(name, self.of(value)) for name, value in own.items()]))
        except (TypeError, _TooLarge):
            del self.tensors[count:]
            if len(self._inside) > 1:
                raise
            return None
        finally:
            self._inside.pop()
        # A result that holds no tensor is handed out as it is.
        return ("value", None, Plain(tree)) if self._kept and len(self.tensors) == count else described

    def _result(self, tree: Any) -> Any:
        holds = isinstance(tree, frozenset) and any(isinstance(item, Tensor) for item in tree)
        if holds or hasattr(tree, "__next__") or type(tree).__hash__ is None:
            raise TypeError(f"a compiled function returned a {type(tree).__name__}; {EXPECTED}")
        return ("value", None, Plain(tree))


def _key_of(tree: Any) -> Any:
    """What an object is told apart by that is no record: its own equality, or else its identity."""
    kind = type(tree)
    if kind.__eq__ is object.__eq__:
        try:
            return ("object", weakref.ref(tree))
        except TypeError:
            pass  # of a class without room for weak references
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"a compiled function was given a {kind.__name__}; {EXPECTED} (make an array a tensor with "
            "graphc.from_numpy)"
        ) from None
    return ("value", exact_key(tree), Plain(tree))


def is_record(tree: Any) -> bool:
    """Whether an object is what its attributes are."""
    kind = type(tree)
    if isinstance(tree, type) or any(hasattr(kind, name) for name in _OWN_STATE):
        return False
    if dataclasses.is_dataclass(tree) or isinstance(tree, _NAMESPACES):
        return not _is_ours(kind)
    if kind.__eq__ is not object.__eq__ or kind.__module__ == "builtins":
        return False
    return bool(attributes_of(tree)) and (not _is_ours(kind) or hasattr(kind, "log_prob"))


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def attributes_of(tree: Any) -> dict[str, Any]:
    """The attributes that an object holds itself, in its dictionary and in slots."""
    slots = [name for kind in type(tree).__mro__ for name in _slots(kind) if hasattr(tree, name)]
    return {**{name: getattr(tree, name) for name in slots}, **getattr(tree, "__dict__", {})}


def _slots(kind: type) -> tuple[str, ...]:
    names = kind.__dict__.get("__slots__", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def flatten(tree: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a tree of arguments in order, and a hashable description of the rest, which holds no object alive.

    Raises TypeError for a value that can't be told apart from others.
    """
    if type(tree) is tuple:
        for item in tree:
            if not isinstance(item, Tensor):
                break
        else:
            return list(tree), tensors_alone(len(tree))
    walk = _Description(kept=False)
    return walk.tensors, walk.of(tree)


@functools.cache
def tensors_alone(count: int) -> Any:
    """The description of a tuple of so many tensors: most calls', made once, and found equal by being the same."""
    return (tuple, (Tensor,) * count)


def flatten_results(tree: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a tree of results in order, and a description of which :func:`unflatten` makes such trees.

    Raises TypeError for what can be gone through once only, and for sets of tensors.
    """
    walk = _Description(kept=True)
    description = walk.of(tree)
    return walk.tensors, description


def is_gone(description: Any) -> bool:
    """Whether an object that a description of arguments speaks of exists no longer."""
    if not isinstance(description, tuple):
        return False
    if len(description) == 2 and description[0] == "object" and isinstance(description[1], weakref.ref):
        return description[1]() is None
    return any(map(is_gone, description))


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two descriptions of arguments differ first, in words; empty where they do not."""
    if one == other or one is Tensor or other is Tensor:
        return "" if one == other else f"{path} is {_worded(other)}, was {_worded(one)}"
    if one[0] == other[0] == "record" and one[1] is other[1]:
        inner, form = (dict(one[2]), dict(other[2])), "{path}.{name}"
    elif one[0] is other[0] and isinstance(one[0], type) and issubclass(one[0], dict):
        inner, form = (dict(one[1]), dict(other[1])), "{path}[{name!r}]"
    elif one[0] is other[0] and isinstance(one[0], type):
        inner, form = (dict(enumerate(one[1])), dict(enumerate(other[1]))), "{path}[{name}]"
    else:
        return f"{path} is {_worded(other)}, was {_worded(one)}"
    for name in dict.fromkeys((*inner[0], *inner[1])):
        at = form.format(path=path, name=name)
        if name not in inner[0] or name not in inner[1]:
            return f"{at} is {'new' if name in inner[1] else 'gone'}"
        found = difference(inner[0][name], inner[1][name], at)
        if found:
            return found
    return f"{path} has its parts in another order"


def _worded(description: Any) -> str:
    if description is Tensor:
        return "a tensor"
    if description[0] == "value":
        return repr(description[2].value)
    if description[0] == "object":
        there = description[1]()
        return "an object that is gone" if there is None else f"another {type(there).__name__}"
    kind = description[1] if description[0] == "record" else description[0]
    return f"a {kind.__name__}" if isinstance(kind, type) else "a size"


def unflatten(description: Any, tensors: Iterator[Any], sizes: Mapping[str, Integer] | None = None) -> Any:
    """The tree again, its tensors taken in order from an iterator. Sizes among its values are computed from those
    given, or what they were."""
    if description is Tensor:
        return next(tensors)
    if description[0] == "value":
        return description[2].value
    if description[0] == "size":
        return description[2] if sizes is None else substitute(description[1], sizes)
    if description[0] == "record":
        _, kind, attributes = description
        made = kind() if issubclass(kind, _NAMESPACES) else object.__new__(kind)
        for name, value in attributes:
            object.__setattr__(made, name, unflatten(value, tensors, sizes))
        return made
    kind, items = description
    if issubclass(kind, dict):
        table = kind.__new__(kind)
        for key, value in items:
            table[key] = unflatten(value, tensors, sizes)
        return table
    parts = [unflatten(item, tensors, sizes) for item in items]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
