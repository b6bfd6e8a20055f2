"""Sizes of windows and pads: one number for all directions, or one for each; and names in states.

Source: https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(count: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives what is iterable as a tuple, and anything else ``count`` times."""

    def spread(value: Any) -> tuple[Any, ...]:
        return tuple(value) if isinstance(value, Iterable) else (value,) * count

    return spread


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)


def _reverse_repeat_tuple(sizes: Iterable[Any], times: int) -> tuple[Any, ...]:
    """The sizes from last to first, each several times: what ``functional.pad`` takes for equal pads on both sides."""
    return tuple(size for size in reversed(tuple(sizes)) for _ in range(times))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix away from the names in a state and in its metadata, in place, where they have it."""
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[name[len(prefix) :]] = state_dict.pop(name)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return
    for name in list(metadata):
        # The module itself is named by the prefix without its dot.
        if name == prefix.removesuffix("."):
            metadata[""] = metadata.pop(name)
        elif name.startswith(prefix):
            metadata[name[len(prefix) :]] = metadata.pop(name)
