"""What a namespace says of a name that it has not: names that load what they stand for, and PyTorch's that are absent.

A module assigns ``__getattr__ = lazy_names(__name__, {...})``.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

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
    own = vars(sys.modules[module]).items()
    public = (key for key, value in own if not key.startswith("_") and not isinstance(value, ModuleType))
    there = sorted({*lazy, *public})
    near = difflib.get_close_matches(name, there, 1, 0.5)
    hint = f"; the nearest name there is {near[0]!r}" if near else ""
    return AttributeError(f"{plain}: graphc does not offer it{hint}")


def _as_torch_calls(module: str) -> str:
    """The module's name, as PyTorch's where the program calls it so."""
    if getattr(sys.modules.get("torch"), "_own", None) != _LIBRARY:
        return module
    for own, name in _NAMES_OF_NAMESPACES.items():
        if module == own or module.startswith(f"{own}."):
            return name + module[len(own) :]
    return module
