"""Names for the inputs of a captured function's graph: those that the user's code has for the tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphc.capture.surroundings import reached_by
from graphc.capture.trees import flatten
from graphc.tensor import Tensor


def argument_names(function: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]) -> list[str]:
    """A name for every tensor among the arguments, from the function's signature; a module's is that of forward()."""
    names: list[str] = []
    try:
        called = function.forward if hasattr(function, "named_parameters") else function
        bound = inspect.signature(called).bind_partial(*arguments).arguments
        named = list(bound.items())
    except (AttributeError, TypeError, ValueError):
        named = [(f"argument_{position}", value) for position, value in enumerate(arguments)]
    for name, value in (*named, *keywords.items()):  # in the order in which they are given
        inside, _ = flatten(value)
        names.extend(f"{name}_{position}" if len(inside) > 1 else name for position in range(len(inside)))
    return names


def outside_names(*functions: Callable[..., Any]) -> dict[int, str]:
    """Names for tensors that functions reach: by their variables, and the modules and optimizers among them."""
    names: dict[int, str] = {}
    for function in functions:
        names |= _names_of_one(function)
    return names


def _names_of_one(function: Callable[..., Any]) -> dict[int, str]:
    names: dict[int, str] = {}
    found = reached_by(function)
    modules = [(name, value) for name, value in found if hasattr(value, "named_parameters")]
    for name, value in found:
        if isinstance(value, Tensor):
            names.setdefault(id(value._storage), name)
    for name, value in modules:
        prefix = "" if len(modules) == 1 else f"{name}."
        for inner, tensor in (*value.named_parameters(), *value.named_buffers()):
            names.setdefault(id(tensor._storage), f"{prefix}{inner}")
    for _, value in found:
        if hasattr(value, "named_state"):
            for inner, owner, tensor in value.named_state():
                names.setdefault(id(tensor._storage), f"{names.get(id(owner._storage), 'parameter')}.{inner}")
    return names
