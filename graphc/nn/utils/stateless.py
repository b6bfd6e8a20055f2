"""Calling a module with other parameters than its own.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from graphc.nn.module import Module
from graphc.notices import warn
from graphc.tensor import Tensor


def call_with(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The module's result with these tensors, by dotted name, in the place of its parameters and buffers.

    A name that the module does not have is an attribute for the time of the call. Buffers that the call writes to are
    written in the tensors given. With ``tie_weights`` a tensor given for one name
    of a shared parameter serves for all its names; ``strict`` asks for all names and no others.

    Raises RuntimeError for names that don't fit, ValueError for shared ones that are given different tensors.
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(module: Module, *arguments: Any, **keywords: Any) -> Any:
    """The older place of ``graphc.func.functional_call``; see :func:`call_with`."""
    warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
    )
    return call_with(module, *arguments, **keywords)


@contextlib.contextmanager
def replaced(
    module: Module, given: Mapping[str, Tensor], tie_weights: bool = True, strict: bool = False
) -> Iterator[None]:
    """Within the block a module has these tensors, by dotted name, in the place of its own; see :func:`call_with`."""
    own = dict((*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)))
    if strict:
        _require_names(module, own, given)
    tensors = _tied(own, given) if tie_weights else dict(given)
    before: list[tuple[dict[str, Any], str, Any]] = []
    absent = object()
    try:
        for name, tensor in tensors.items():
            path, _, member = name.rpartition(".")
            holder = module.get_submodule(path)
            tables = (holder._parameters, holder._buffers)
            table = next((table for table in tables if member in table), holder.__dict__)
            before.append((table, member, table.get(member, absent)))
            table[member] = tensor
        yield
    finally:
        for table, member, tensor in reversed(before):
            if tensor is absent:
                del table[member]
            else:
                table[member] = tensor


def _require_names(module: Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    errors = []
    unexpected = [name for name in given if name not in own]
    missing = [name for name in own if name not in given]
    if unexpected:
        errors.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        errors.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
    if errors:
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(errors))


def _tied(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors given, for all names of those that the module knows under several."""
    names: dict[int, list[str]] = {}
    for name, tensor in own.items():
        names.setdefault(id(tensor), []).append(name)
    tensors = dict(given)
    for name, tensor in given.items():
        for other in names[id(own[name])] if name in own else ():
            if other in given and given[other] is not tensor:
                tied = sorted(names[id(own[name])])
                raise ValueError(
                    f"functional_call got multiple values for keys {tied}, which are tied. Consider using "
                    "tie_weights=False"
                )
            tensors[other] = tensor
    return tensors
