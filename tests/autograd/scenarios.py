"""Running the same few lines on graphc and on PyTorch, and comparing what they give or raise."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc


def in_order(names: dict[str, Any], *helpers: Callable[..., Any]) -> list[Callable[[Any], Any]]:
    """The functions that a module defines, in the order in which they stand there: its scenarios. ``helpers`` and what
    begins with ``test_`` or an underscore are none."""
    return [
        value
        for name, value in names.items()
        if getattr(value, "__module__", "") == names["__name__"]
        and callable(value)
        and not isinstance(value, type)
        and not name.startswith(("test_", "_"))
        and value not in helpers
    ]


def plain(value: Any) -> Any:
    """A result as Python values and arrays."""
    if hasattr(value, "detach"):
        return np.array(value.detach().numpy())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def message(error: BaseException) -> str:
    """An error's words without what differs from run to run: addresses, and the lines added after the first."""
    return re.sub(r"0x[0-9a-f]+", "0x", str(error)).split("\n")[0]


def outcome(scenario: Callable[[Any], Any], library: Any) -> tuple[str, Any]:
    """What a scenario gave, or the error that it raised."""
    try:
        return "value", plain(scenario(library))
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError) as error:
        return "error", error


def assert_like_torch(scenario: Callable[[Any], Any], *, words: int | None = None, kinds: bool = True) -> None:
    """A scenario gives on graphc what it gives on PyTorch, or raises the same error with the same words.

    ``words`` compares so many words of the error alone; 0 compares its type. Without ``kinds`` an error may be of the
    library's own class, if that has the same name.
    """
    torch = pytest.importorskip("torch")
    kind, expected = outcome(scenario, torch)
    own_kind, found = outcome(scenario, gc)
    assert own_kind == kind, f"graphc: {found!r}\ntorch: {expected!r}"
    if kind == "error":
        same = type(found) is type(expected) or (not kinds and type(found).__name__ == type(expected).__name__)
        assert same, f"graphc: {found!r}\ntorch: {expected!r}"
        assert message(found).split()[:words] == message(expected).split()[:words]
    else:
        assert_same(found, expected)


def assert_same(found: Any, expected: Any) -> None:
    """Equal values: arrays with their dtypes and closely, the rest exactly."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray), f"{found!r} instead of {expected!r}"
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    elif isinstance(expected, list):
        assert isinstance(found, list), f"{found!r} instead of {expected!r}"
        assert len(found) == len(expected), f"{found!r} instead of {expected!r}"
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected
