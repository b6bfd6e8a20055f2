"""Arguments and results as trees: tuples, lists, and dicts of tensors and plain Python values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphc.ir.graph import exact_key
from graphc.ir.integers import Integer, substitute
from graphc.sizes import DynamicSize
from graphc.tensor import Tensor


class Plain:
    """A plain value within a description; the exact key beside it is what is compared."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain)

    def __hash__(self) -> int:
        return 0


def flatten(tree: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a tree in order, and a hashable description of the rest.

    Raises TypeError for a value that is neither a container, a tensor, nor hashable.
    """
    tensors: list[Tensor] = []
    return tensors, _describe(tree, tensors)


def _describe(tree: Any, tensors: list[Tensor]) -> Any:
    if isinstance(tree, Tensor):
        tensors.append(tree)
        return Tensor
    if isinstance(tree, tuple | list):
        return (type(tree), tuple(_describe(item, tensors) for item in tree))
    if isinstance(tree, dict):
        return (type(tree), tuple((key, _describe(value, tensors)) for key, value in tree.items()))
    if type(tree) is DynamicSize:
        return ("size", tree.expression, tree.value)
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"a compiled function was given a {type(tree).__name__}; expected tensors, hashable Python values, and "
            "tuples, lists, or dicts of them (make an array a tensor with graphc.from_numpy)"
        ) from None
    return ("value", exact_key(tree), Plain(tree))


def unflatten(description: Any, tensors: Iterator[Any], sizes: Mapping[str, Integer] | None = None) -> Any:
    """The tree again, its tensors taken in order from an iterator. Sizes among its values are computed from those
    given, or what they were."""
    if description is Tensor:
        return next(tensors)
    if description[0] == "value":
        return description[2].value
    if description[0] == "size":
        return description[2] if sizes is None else substitute(description[1], sizes)
    kind, items = description
    if issubclass(kind, dict):
        return kind((key, unflatten(value, tensors, sizes)) for key, value in items)
    parts = [unflatten(item, tensors, sizes) for item in items]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def map_tensors(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """The tree with every tensor replaced."""
    tensors, description = flatten(tree)
    return unflatten(description, iter([change(tensor) for tensor in tensors]))
