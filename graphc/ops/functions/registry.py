"""The table of public functions by name, made from the modules of this package: a new function is entered by being."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from graphc.ops.functions import (
    activation,
    arithmetic,
    attention,
    convolution,
    creation,
    indexing,
    linear,
    losses,
    normalization,
    reduction,
    shaping,
)
from graphc.source_lines import explained

MODULES: tuple[ModuleType, ...] = (
    arithmetic,
    reduction,
    creation,
    activation,
    normalization,
    losses,
    shaping,
    indexing,
    linear,
    convolution,
    attention,
)
# Functions of those modules that serve other modules and not the user by name.
_INTERNAL = frozenset({"bernoulli_like", "scalar_name", "setitem", "slice_dim", "type_name", "wrap_dims"})


def functions_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The public functions that a module defines, other names for them included."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and name not in _INTERNAL
    }


def _explain_errors() -> None:
    """Let the errors of every public function name it, its operands, and the user's line."""
    for module in MODULES:
        replacements = {function: explained(function) for function in functions_of(module).values()}
        for name, function in functions_of(module).items():
            setattr(module, name, replacements[function])


_explain_errors()

# Where two modules have a name, the later one extends the earlier one's function.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: function for module in MODULES for name, function in functions_of(module).items()
}
