"""The older name of tensors that record operations: every tensor is one.

Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
"""

from __future__ import annotations

from typing import Any

from graphc.creation import tensor
from graphc.notices import warn
from graphc.tensor import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(tensor)`` is the tensor, detached, with or without a gradient to be computed."""

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if volatile:
            warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.")
        made = tensor([]) if data is None else data.detach()
        return made.requires_grad_() if requires_grad else made
