"""Persistent ids: what stands for a storage in a pickle of PyTorch's."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

from graphc.serialization.element_types import ElementType
from graphc.serialization.torch_names import TorchName


def read_persistent_id(given: Any, length: int) -> tuple[ElementType, str, str, int]:
    """Element type, key, location, and number of elements of ``("storage", class, key, location, number, ...)``.

    Raises UnpicklingError for anything else.
    """
    described = f"persistent id {given!r:.200}"
    if type(given) is not tuple or len(given) != length or _text(given[0]) != "storage":
        raise UnpicklingError(f"{described} does not name a storage, and nothing else may stand there")
    _, kind, key, location, count = given[:5]
    key, location = _text(key), _text(location)
    element = kind.value if isinstance(kind, TorchName) else None
    if not isinstance(element, ElementType) or key is None or location is None:
        raise UnpicklingError(f"{described} is not (name, storage class, key, location, number of elements)")
    if type(count) is not int or count < 0:
        raise UnpicklingError(f"{described} has no number of elements of at least 0")
    return element, key, location, count


def _text(value: Any) -> str | None:
    if type(value) is bytes:  # pickles of Python 2
        return value.decode("ascii", "replace")
    return value if type(value) is str else None
