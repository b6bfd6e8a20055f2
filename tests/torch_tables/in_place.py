"""Writing to an operand or a result of an operator before the backward pass: does graphc raise where PyTorch does?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.testing._internal.opinfo.core import OpInfo

import graphc
from tests.torch_tables.conversion import is_tensor, leaves, own
from tests.torch_tables.operators import SEED, own_function, samples


def copied(value: Any, found: list[Any]) -> Any:
    """Arguments whose differentiable tensors are copies made under the tape, which may be written to."""
    if is_tensor(value):
        if not (value.is_floating_point() or value.is_complex()):
            return value
        copy = value.clone()
        found.append(copy)
        return copy
    if type(value) in (list, tuple):
        return type(value)(copied(item, found) for item in value)
    if isinstance(value, dict):
        return {name: copied(item, found) for name, item in value.items()}
    return value


def outcomes(library: Any, function: Callable[..., Any], arguments: Any, keywords: Any) -> list[str]:
    """For each tensor among operands and results: what became of the backward pass after it was written to."""
    results: list[str] = []
    position = 0
    while True:
        tensors: list[Any] = []
        given, named = copied((arguments, keywords), tensors)
        library.manual_seed(SEED)
        made = [value for value in leaves(function(*given, **named)) if is_tensor(value)]
        # A result that is an operand, or a view, is written to with it.
        operands = len(tensors)
        tensors += made
        if position >= len(tensors):
            return results
        target = tensors[position]
        label = f"operand {position}" if position < operands else f"result {position - operands}"
        position += 1
        roots = [value for value in made if value.requires_grad and not value.is_complex()]
        roots += [
            library.view_as_real(value.resolve_conj()) for value in made if value.requires_grad and value.is_complex()
        ]
        roots = [(value + 0).sum() for value in roots]
        if not roots or not (target.is_floating_point() or target.is_complex()):
            results.append(f"{label}: nothing")
            continue
        try:
            with library.no_grad():
                target.mul_(1)
        except RuntimeError as error:
            results.append(f"{label}: write refused {str(error)[:40]}")
            continue
        try:
            library.autograd.backward(roots)
        except RuntimeError as error:
            words = str(error)
            results.append(f"{label}: " + ("modified" if words.startswith("one of the variables") else words[:60]))
        else:
            results.append(f"{label}: passed")


def check(operator: OpInfo) -> list[str]:
    """Where graphc's outcome is another than PyTorch's, for the operator's first sample. Raises Missing."""
    function = own_function(operator)
    for sample in samples(operator, torch.float64, 1, True):
        seen: dict[int, Any] = {}
        arguments, keywords = [sample.input, *sample.args], dict(sample.kwargs)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = outcomes(torch, operator.op, arguments, keywords)
            found = outcomes(graphc, function, own(arguments, seen), own(keywords, seen))
        return [f"{one}, PyTorch {other}" for (one, other) in zip(found, expected, strict=False) if one != other]
    return []
