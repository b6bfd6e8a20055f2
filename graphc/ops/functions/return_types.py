"""Results of several parts, with PyTorch's names: they print as ``torch.return_types.max(...)`` does."""

from __future__ import annotations

from collections import namedtuple
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
