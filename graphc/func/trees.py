"""Nested tuples, lists, and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.tensor import Tensor


def leaves(tree: Any) -> list[Any]:
    """What stands at the ends of a tree, in order."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, tuple | list):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree with ``function`` of what stands at its ends, and at those of other trees of the same form."""
    if isinstance(tree, dict):
        return type(tree)(
            (key, map_tree(function, value, *(other[key] for other in others))) for key, value in tree.items()
        )
    if isinstance(tree, tuple | list):
        parts = [map_tree(function, *values) for values in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return function(tree, *others)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor."""
    return isinstance(value, Tensor)
