"""What PyTorch's messages call a value's type."""

from __future__ import annotations

from typing import Any

from graphc.ops.type_names import type_name
from graphc.tensor import Tensor


def typename(value: Any) -> str:
    """As ``torch.typename``: ``torch.FloatTensor`` for a tensor, else the type's name with its module."""
    if isinstance(value, Tensor):
        return f"torch.{type_name(value.dtype)}Tensor"
    named = value if hasattr(value, "__qualname__") else type(value)
    module = getattr(named, "__module__", "") or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"
