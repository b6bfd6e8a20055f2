"""Parameters: the tensors that a module learns.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
"""

from __future__ import annotations

from typing import Any

from graphc.creation import empty
from graphc.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that a module registers when it is made an attribute. Shares memory with ``data``."""

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        source = empty(0) if data is None else data
        parameter = Tensor._wrap(source._array, source.dtype, source._storage, source._chain, kind=cls)
        parameter._requires_grad = requires_grad
        return parameter

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def is_parameter(value: Any) -> bool:
    """Whether a value is a parameter."""
    return isinstance(value, Parameter)
