"""A version as text that compares with others by its numbers. Source: torch.torch_version"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from graphc.missing_names import lazy_names

__all__ = ["TorchVersion"]
__getattr__ = lazy_names(__name__)


class TorchVersion(str):
    """``"2.13.0+graphc"``, which compares by numbers with texts and with tuples."""

    __slots__ = ()

    def _with(self, other: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        own, given = _numbers(self), _numbers(other)
        length = max(len(own), len(given))
        return own + (0,) * (length - len(own)), given + (0,) * (length - len(given))

    def __lt__(self, other: Any) -> bool:
        own, given = self._with(other)
        return own < given

    def __le__(self, other: Any) -> bool:
        own, given = self._with(other)
        return own <= given

    def __gt__(self, other: Any) -> bool:
        own, given = self._with(other)
        return own > given

    def __ge__(self, other: Any) -> bool:
        own, given = self._with(other)
        return own >= given

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) and not isinstance(other, TorchVersion):
            return str.__eq__(self, other)
        own, given = self._with(other)
        return own == given

    __hash__ = str.__hash__


def _numbers(version: Any) -> tuple[int, ...]:
    if isinstance(version, str):
        found = re.match(r"\d+(\.\d+)*", version)
        return tuple(int(part) for part in found.group().split(".")) if found else ()
    return tuple(int(part) for part in version) if isinstance(version, Sequence) else (int(version),)
