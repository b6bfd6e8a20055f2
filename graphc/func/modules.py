"""Modules called with other parameters than their own.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.nn.utils.stateless import call_with
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
        parameter_and_buffer_dicts: the tensors by name, in one table or several; what is not named stays. A name that
            the module does not have is an attribute for the time of the call.
        args: one argument, or a tuple of them.
        kwargs: keyword arguments.
        tie_weights: a parameter that has several names is replaced under all of them.
        strict: every name must be there, and no other one.

    Raises:
        RuntimeError: with ``strict``, naming what is missing or not expected.
        ValueError: for a name in several tables, or for different tensors for one parameter that has several names.
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
    return call_with(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


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
