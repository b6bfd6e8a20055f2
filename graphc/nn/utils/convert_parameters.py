"""Parameters as one vector, and back.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parameters_to_vector.html
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.nn.names import typename
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other."""
    parts: list[Tensor] = []
    for parameter in parameters:
        _require_one_device(parameter, parts[0] if parts else parameter)
        parts.append(parameter.reshape(-1))
    return cat(parts)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters have the elements of a vector as their data, in its memory. Raises TypeError for what is no
    tensor."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    place, first = 0, None
    for parameter in parameters:
        first = parameter if first is None else first
        _require_one_device(parameter, first)
        count = parameter.numel()
        parameter.data = vec[place : place + count].view_as(parameter).data
        place += count


def _require_one_device(parameter: Tensor, first: Tensor) -> None:
    if parameter.device != first.device:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
