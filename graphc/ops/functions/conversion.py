"""What a value is, and its conversion by PyTorch's older names for types.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.type.html
"""

from __future__ import annotations

import builtins
from typing import Any

from graphc.ir.integers import product
from graphc.ir.types import DTYPES, DType, bool_, complex128, float64, int64
from graphc.ops.operands import cast, is_value, require_value
from graphc.ops.promotion import get_default_dtype
from graphc.ops.type_names import type_name

__all__ = ["is_complex", "is_floating_point", "is_nonzero", "is_signed", "is_tensor", "numel"]
METHODS = ("is_complex", "is_floating_point", "is_nonzero", "is_signed", "type")

Value = Any

_DTYPE_OF_TYPE_NAME = {f"torch.{type_name(dtype)}Tensor": dtype for dtype in DTYPES}
# Python's types where PyTorch takes a dtype.
_DTYPE_OF_PYTHON = {bool: bool_, int: int64, float: float64, complex: complex128}


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return is_value(obj)


def is_floating_point(input: Value) -> bool:
    """Whether the dtype is a floating one."""
    require_value("is_floating_point", input)
    return input.dtype.is_floating_point


def is_complex(input: Value) -> bool:
    """Whether the dtype is a complex one."""
    require_value("is_complex", input)
    return input.dtype.is_complex


def is_signed(input: Value) -> bool:
    """Whether the dtype holds negative numbers."""
    require_value("is_signed", input)
    return input.dtype.is_signed


def is_nonzero(input: Value) -> bool:
    """Whether the one element differs from zero. Raises RuntimeError where there is not exactly one."""
    require_value("is_nonzero", input)
    if not input.is_eager:
        raise TypeError("the value of a graph's symbol is not known")
    return bool(input)


def numel(input: Value) -> int:
    """The number of elements."""
    require_value("numel", input)
    return product(input.shape)


def dtype_named(name: Any) -> DType:
    """The dtype that one of PyTorch's type names, dtypes, or tensor classes stands for.

    Raises ValueError for another name, TypeError for what is no name.
    """
    if isinstance(name, DType):
        return name
    if isinstance(getattr(name, "dtype", None), DType):
        return name.dtype
    if isinstance(name, builtins.type):
        named = f"{name.__module__}.{name.__qualname__}".removeprefix("builtins.")
        if named.endswith(".Tensor"):
            return get_default_dtype()
    elif isinstance(name, str):
        named = name
    else:
        raise TypeError("dtype must be a type, str, or dtype object")
    if named not in _DTYPE_OF_TYPE_NAME:
        raise ValueError(f"invalid type: '{named}'")
    return _DTYPE_OF_TYPE_NAME[named]


def as_dtype(target: Any) -> DType | None:
    """The dtype that an argument of ``to`` names: a dtype or one of Python's types; None for anything else."""
    if isinstance(target, DType):
        return target
    return _DTYPE_OF_PYTHON.get(target) if isinstance(target, builtins.type) else None


def type(input: Value, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Without ``dtype`` the name of the tensor's type, such as ``torch.FloatTensor``; else the tensor in that dtype,
    which may be given by such a name, as a class of tensors, or as a dtype."""
    if dtype is None:
        place = "cuda." if input.is_cuda else ""
        return f"torch.{place}{type_name(input.dtype)}Tensor"
    return cast(input, dtype_named(dtype))
