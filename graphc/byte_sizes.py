"""Amounts of memory as people write them."""

from __future__ import annotations

import re

UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)\s*", re.IGNORECASE)


def byte_count(amount: int | str, name: str = "amount") -> int:
    """The bytes in an amount of memory: a number of them, or text such as ``"48MiB"`` (of 2**20 bytes each) or
    ``"1.5 GB"`` (of 10**9 bytes each).

    Raises TypeError or ValueError with the argument's ``name``, what was given, and what was expected.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | str):
        raise TypeError(f'{name} expects a number of bytes or text such as "48MiB", got {type(amount).__name__}')
    if isinstance(amount, str):
        found = _AMOUNT.fullmatch(amount)
        unit = UNITS.get(found[2].lower()) if found else None
        if unit is None:
            raise ValueError(f'{name} expects a number of bytes or text such as "48MiB", got {amount!r}')
        return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
    if amount < 0:
        raise ValueError(f"{name} expects a number of bytes, got {amount}")
    return amount
