"""The table of public functions by name, made from the modules of this package: a new function is entered by being."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from graphc.ops.functions import (
    activation,
    adaptive_pooling,
    arithmetic,
    attention,
    closeness,
    complex_numbers,
    conversion,
    convolution,
    creation,
    ctc,
    cumulative,
    decompositions,
    distance,
    dropout,
    elementary,
    embedding,
    factorizations,
    folding,
    fourier,
    grid_sampling,
    indexing,
    linear,
    linear_algebra,
    losses,
    margin_losses,
    matrices,
    memory_views,
    native_layers,
    new_values,
    normalization,
    norms,
    outdated,
    padding,
    pixels,
    pooling,
    products,
    random_filling,
    rearranging,
    reduction,
    resampling,
    sampling,
    selection,
    shaping,
    sorting,
    special,
    special_functions,
    spectral,
    statistics,
    tensor_views,
    view_copies,
)
from graphc.ops.functions.public import public

MODULES: tuple[ModuleType, ...] = (
    conversion,
    arithmetic,
    elementary,
    complex_numbers,
    fourier,
    spectral,
    reduction,
    closeness,
    special_functions,
    special,
    creation,
    random_filling,
    sampling,
    activation,
    dropout,
    normalization,
    losses,
    margin_losses,
    shaping,
    rearranging,
    indexing,
    selection,
    tensor_views,
    linear,
    distance,
    cumulative,
    sorting,
    statistics,
    norms,
    linear_algebra,
    factorizations,
    decompositions,
    products,
    matrices,
    memory_views,
    view_copies,
    new_values,
    convolution,
    pooling,
    adaptive_pooling,
    attention,
    embedding,
    padding,
    folding,
    pixels,
    resampling,
    grid_sampling,
    ctc,
    native_layers,
    outdated,
)
# Functions of those modules that serve other modules and not the user by name.
_INTERNAL = frozenset(
    {
        "at_positions",
        "bag_numbers",
        "bernoulli_like",
        "normalized_by_channel",
        "scalar_name",
        "as_dtype",
        "dtype_named",
        "setitem",
        "parts_of",
        "size_of_chunks",
        "slice_dim",
        "type_name",
        "wrap_dims",
    }
)


def functions_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The public functions that a module defines, other names for them included; not those that compute nothing
    (``NO_OPERATORS``)."""
    left_out = _INTERNAL.union(getattr(module, "NO_OPERATORS", ()))
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and name not in left_out
    }


def methods_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions of a module that tensors have as methods: ``METHODS``, else ``__all__`` but ``FUNCTIONS_ONLY``."""
    names = getattr(module, "METHODS", None)
    if names is None:
        only = getattr(module, "FUNCTIONS_ONLY", ())
        names = [name for name in module.__all__ if name not in only]
    return {name: getattr(module, name) for name in names}


def in_place_methods_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions of a module whose result may replace the tensor: ``IN_PLACE``, by the names without underscore."""
    return {name: getattr(module, name) for name in getattr(module, "IN_PLACE", ())}


def _make_public() -> None:
    """Give every public function what users may rely on: ``out=``, and errors that name it and the user's line."""
    for module in MODULES:
        found = functions_of(module)
        namespace = getattr(module, "NAMESPACE", None)
        # PyTorch says nothing where such functions read what they write to, and here all is computed before.
        overlap = getattr(module, "OUT_MAY_OVERLAP", False)
        replacements = {function: public(function, namespace, overlap) for function in found.values()}
        for name, function in found.items():
            setattr(module, name, replacements[function])


_make_public()


def _qualified(module: ModuleType, name: str) -> str:
    namespace = getattr(module, "NAMESPACE", None)
    return f"{namespace}.{name}" if namespace else name


# By name; those of a namespace such as `linalg` as "linalg.inv". Where two modules have a name, the later one extends
# the earlier one's function.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    _qualified(module, name): function for module in MODULES for name, function in functions_of(module).items()
}
