"""Checks of arguments that are an integer or a pair of them."""

from __future__ import annotations

from typing import Any


def assert_int_or_pair(arg: Any, arg_name: str, message: str) -> None:
    """Raises AssertionError, with the message of the name, for what is neither an integer nor has length 2."""
    if not isinstance(arg, int) and len(arg) != 2:
        raise AssertionError(message.format(arg_name))
