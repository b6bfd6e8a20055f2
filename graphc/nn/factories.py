"""The arguments that say what kind of tensors a module makes."""

from __future__ import annotations

from typing import Any

_FACTORY_NAMES = ("device", "dtype", "memory_format")


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The keywords for functions that make tensors, out of a module's: ``device``, ``dtype``, and ``memory_format``,
    by themselves or in a dict under ``factory_kwargs``. Raises TypeError for others, and for one given twice."""
    if kwargs is None:
        return {}
    unexpected = kwargs.keys() - {*_FACTORY_NAMES, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in _FACTORY_NAMES:
        if name in kwargs and name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        if name in kwargs:
            found[name] = kwargs[name]
    return found
