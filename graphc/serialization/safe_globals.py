"""Classes and functions that the user lets files name, beside what every checkpoint needs.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# No list of the user's opens these: what they hold runs commands.
BLOCKED_MODULES = frozenset({"sys", "os", "posix", "nt", "subprocess"})

_allowed: dict[tuple[str, str], Any] = {}


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let files name these classes and functions, or pairs of one and its full name, when only weights are loaded.

    Only list what does no harm whatever it is called with. Raises TypeError for what has no name.
    """
    _allowed.update(_named(safe_globals))


def get_safe_globals() -> list[Any]:
    """What was allowed with :func:`add_safe_globals`."""
    return list(_allowed.values())


def clear_safe_globals() -> None:
    """Allow nothing beside what every checkpoint needs."""
    _allowed.clear()


@contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """Within the block, let files name these classes and functions."""
    before = dict(_allowed)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _allowed.clear()
        _allowed.update(before)


def allowed_global(module: str, name: str) -> Any | None:
    """The class or function that the user has allowed under a name; None where there is none."""
    if module.split(".")[0] in BLOCKED_MODULES:
        return None
    return _allowed.get((module, name))


def is_allowed(value: Any) -> bool:
    """Whether the user has allowed this very class or function."""
    return any(value is allowed for allowed in _allowed.values())


def _named(values: Iterable[Any]) -> dict[tuple[str, str], Any]:
    named: dict[tuple[str, str], Any] = {}
    for given in values:
        value, path = given if isinstance(given, tuple) else (given, None)
        if path is None:
            if not hasattr(value, "__module__") or not hasattr(value, "__qualname__"):
                raise TypeError(f"add_safe_globals expects classes and functions, or (one, 'full.name'), got {given!r}")
            named[value.__module__, value.__qualname__] = value
        else:
            module, _, name = path.rpartition(".")
            named[module, name] = value
    return named
