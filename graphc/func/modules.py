"""Modules called with other parameters than their own.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphc.ops.functions.shaping import stack


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What a module gives with other tensors in the places of its parameters and buffers, by their names.

    Args:
        module: is as it was afterwards.
        parameter_and_buffer_dicts: the tensors by name, in one table or several; what is not named stays.
        args: one argument, or a tuple of them.
        kwargs: keyword arguments.
        tie_weights: a parameter that has several names is replaced under all of them.
        strict: every name must be there, and no other one.

    Raises:
        RuntimeError: with ``strict``, naming what is missing or not expected.
        KeyError: for a name that the module has not.
    """
    tables = (
        [parameter_and_buffer_dicts]
        if isinstance(parameter_and_buffer_dicts, Mapping)
        else list(parameter_and_buffer_dicts)
    )
    given: dict[str, Any] = {}
    for table in tables:
        for name, tensor in table.items():
            if name in given:
                raise ValueError(
                    f"{[name]} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            given[name] = tensor
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict:
        unexpected, missing = sorted(given.keys() - own.keys()), sorted(own.keys() - given.keys())
        if unexpected or missing:
            words = (("Unexpected", unexpected), ("Missing", missing))
            parts = [f"{word} key(s): {', '.join(map(repr, names))}." for word, names in words if names]
            raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(parts))
    if tie_weights:
        by_tensor = {id(own[name]): tensor for name, tensor in given.items() if name in own}
        given = {**{name: by_tensor[id(value)] for name, value in own.items() if id(value) in by_tensor}, **given}
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given):
        return module(*arguments, **(kwargs or {}))


@contextlib.contextmanager
def _replaced(module: Any, tensors: Mapping[str, Any]) -> Iterator[None]:
    """Context manager: the module has other tensors under these names."""
    before: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for path, tensor in tensors.items():
            prefix, _, name = path.rpartition(".")
            holder = module.get_submodule(prefix) if prefix else module
            table = next((table for table in (holder._parameters, holder._buffers) if name in table), None)
            if table is None:
                raise KeyError(f"{path!r} is no parameter or buffer of {type(module).__name__}")
            before.append((table, name, table[name]))
            table[name] = tensor
        yield
    finally:
        for table, name, tensor in reversed(before):
            table[name] = tensor


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one class, side by side, by their names.

    Raises RuntimeError for no models, or models of different classes or modes.
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(model.training for model in models) or not any(model.training for model in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def joined(tables: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            name: stack([table[name] for table in tables]).detach().requires_grad_(tables[0][name].requires_grad)
            for name in tables[0]
        }

    return (
        joined([dict(model.named_parameters()) for model in models]),
        joined([dict(model.named_buffers()) for model in models]),
    )
