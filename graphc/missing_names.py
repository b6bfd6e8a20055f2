"""What a namespace says of a name that it has not: names that load what they stand for, and PyTorch's that are absent.

A module assigns ``__getattr__ = lazy_names(__name__, {...})``.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from graphc.torch_names import NAMES, SAME_MEANING

_LIBRARY = __name__.partition(".")[0]
# PyTorch's names of namespaces that have another one here.
_NAMES_OF_NAMESPACES = {f"{_LIBRARY}.vision": "torchvision", _LIBRARY: "torch"}


def lazy_names(module: str, lazy: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """A module's ``__getattr__``.

    Args:
        module: the module's name.
        lazy: names that are loaded when they are first asked for: ``"package.module"``, or ``"package.module:name"``
            for a name within.

    The function raises AttributeError for any other name: it says what is missing, and the nearest name there is.
    """
    lazy = {} if lazy is None else lazy

    def find(name: str) -> Any:
        place = lazy.get(name)
        if place is None:
            raise absent(module, name, lazy)
        source, _, within = place.partition(":")
        found = importlib.import_module(source)
        if within:
            found = getattr(found, within)
        setattr(sys.modules[module], name, found)
        return found

    return find


def offered_names(module: str, lazy: Mapping[str, str]) -> list[str]:
    """A module's ``__all__`` with the names that are loaded when they are first asked for; no tools of its own."""
    there = {
        name
        for name, value in vars(sys.modules[module]).items()
        if not name.startswith("_") and value is not lazy and getattr(value, "__module__", None) != __name__
    }
    return sorted({*there, *lazy})


def absent(module: str, name: str, lazy: Mapping[str, str] = {}) -> AttributeError:
    """The error for a name that a module has not."""
    plain = f"module {_as_torch_calls(module)!r} has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(plain, name=name)
    return _Absent(plain, lambda: _explained(_within(module), name, {*lazy, *_own_names(sys.modules[module])}))


def absent_of_tensor(kind: type, base: type, name: str) -> AttributeError:
    """The error for a name that tensors have not; ``base`` is the class of those that are of no derived class."""
    plain = f"{kind.__name__!r} object has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(plain, name=name)
    return _Absent(plain, lambda: _explained("Tensor", name, dir(base)))


class _Absent(AttributeError):
    """An error that explains itself where it is shown alone: programs ask again and again whether something is there,
    and to look for the nearest name loads all namespaces."""

    def __init__(self, plain: str, explain: Callable[[], str]):
        super().__init__(plain)
        self._explain = explain

    def __str__(self) -> str:
        return f"{self.args[0]}{self._explain()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return AttributeError, (str(self),)


# As users know it.
_Absent.__name__ = _Absent.__qualname__ = "AttributeError"
_Absent.__module__ = "builtins"


def _own_names(module: ModuleType) -> Iterable[str]:
    """The names that a module offers, without other modules."""
    names = [name for name in vars(module).get("__all__", vars(module)) if not name.startswith("_")]
    return [name for name in names if not isinstance(vars(module).get(name), ModuleType)]


def _within(module: str) -> str:
    return module.partition(".")[2]


def _explained(place: str, name: str, there: Iterable[str]) -> str:
    """Whose the name is, and what is nearest to it."""
    if name in NAMES.get(place, "").split():
        owner = ": PyTorch has it, graphc does not offer it"
    else:
        owner = ": graphc does not offer it"
    near = _nearest(place, name, tuple(sorted({key for key in there if key[0] != "_"})))
    return owner + (f"; the nearest name there is {near!r}" if near else "")


# Where a name may stand that is asked for elsewhere.
_ELSEWHERE = ("", "nn", "nn.functional", "linalg", "special", "optim", "fft", "distributions", "autograd", "utils.data")


@functools.lru_cache(256)
def _nearest(place: str, name: str, there: tuple[str, ...]) -> str | None:
    """The name that means the same, is spelled the same but for case and underscores, stands in another namespace, or
    is closest in spelling."""
    meant = SAME_MEANING.get(name) if place in ("", "Tensor", "linalg") else None
    if meant is not None:
        return _in_full(meant)
    for spelling in (str.lower, _plain):
        same = next((key for key in there if spelling(key) == spelling(name)), None)
        if same is not None:
            return same
    found = _elsewhere(place, name)
    if found is not None:
        return found
    spelled = {key.lower(): key for key in there}
    close = difflib.get_close_matches(name.lower(), spelled, 1, 0.6)
    return spelled[close[0]] if close else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _elsewhere(place: str, name: str) -> str | None:
    """The full name of what another namespace has by this name."""
    if not hasattr(sys.modules[_LIBRARY], "__all__") or place.startswith("vision"):
        return None  # the library is being loaded, or the name is not one of PyTorch's own
    for other in _ELSEWHERE:
        module = importlib.import_module(f"{_LIBRARY}.{other}" if other else _LIBRARY)
        if other != place and name in _own_names(module):
            return _in_full(f"{other}.{name}" if other else name)
    return None


def _in_full(name: str) -> str:
    return f"{_as_torch_calls(_LIBRARY)}.{name}"


def _as_torch_calls(module: str) -> str:
    """The module's name, as PyTorch's where the program calls it so."""
    if getattr(sys.modules.get("torch"), "_own", None) != _LIBRARY:
        return module
    for own, name in _NAMES_OF_NAMESPACES.items():
        if module == own or module.startswith(f"{own}."):
            return name + module[len(own) :]
    return module
