"""Results of several parts, with PyTorch's names: they print as ``torch.return_types.max(...)`` does."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any


def _repr(self: Any) -> str:
    parts = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{parts})"


def return_type(name: str, fields: str) -> Any:
    """A class of named tuples for the results of a function; ``fields`` are their names, separated by spaces."""
    kind = namedtuple(name, fields)
    kind.__repr__ = _repr
    kind.__module__ = __name__
    globals()[name] = kind
    return kind


@cache
def out_type(kind: Any) -> Any:
    """The class of what a function gives that wrote results of this class to tensors given as ``out=``."""
    return return_type(f"{kind.__name__}_out", " ".join(kind._fields))


def __getattr__(name: str) -> Any:
    kind = globals().get(name.removesuffix("_out"))
    if kind is None or not hasattr(kind, "_fields"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return out_type(kind)
