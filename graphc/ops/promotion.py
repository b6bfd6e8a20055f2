"""Type promotion: the dtype in which operands of different dtypes meet.

A tensor with dimensions decides before a 0-d tensor, and that before a Python number: what ranks lower only matters
where its category (bool < int < float) is higher than all before it.
Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import IntegerExpression
from graphc.ir.types import DTYPE_OF_NUMPY, DTYPES, DType, bool_, float32, float64, int64

CATEGORIES = {"bool": 0, "int": 1, "float": 2}
_default_dtype = float32


def get_default_dtype() -> DType:
    """The floating dtype of new tensors made from Python floats, and of results of integers in float functions."""
    return _default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Sets the default floating dtype. Raises TypeError for another than a floating one."""
    global _default_dtype
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {dtype}")
    _default_dtype = dtype


def _promote(left: DType, right: DType) -> DType:
    if left == right:
        return left
    if left.category != right.category:
        return left if CATEGORIES[left.category] > CATEGORIES[right.category] else right
    return DTYPE_OF_NUMPY[np.promote_types(left.numpy, right.numpy)]


_PROMOTIONS = {(left, right): _promote(left, right) for left in DTYPES for right in DTYPES}


def promote_types(left: DType, right: DType) -> DType:
    """The smallest dtype at least as large and of at least as high a category as both."""
    return _PROMOTIONS[left, right]


def dtype_of_number(number: Any) -> DType:
    """The dtype of a Python number: bool, int64, or the default floating one. Raises TypeError for anything else."""
    if isinstance(number, bool):
        return bool_
    if isinstance(number, (int, IntegerExpression)):
        return int64
    if isinstance(number, float):
        return _default_dtype
    raise TypeError(f"expected a tensor or a number, got {type(number).__name__}")


def _rank_and_dtype(operand: Any) -> tuple[int, DType]:
    """0 for a tensor with dimensions, 1 for a 0-d one, 2 for a number."""
    dtype = getattr(operand, "dtype", None)
    if isinstance(dtype, DType):
        if operand.stands_for_number:
            return 2, _default_dtype
        return (0 if operand.ndim else 1), dtype
    return 2, dtype_of_number(_python_number(operand))


def _python_number(value: Any) -> Any:
    """A numpy scalar as the Python number that it stands for."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def result_type(*operands: Any) -> DType:
    """The dtype in which tensors (or graph symbols) and Python numbers meet. Raises TypeError for anything else."""
    found: list[DType | None] = [None, None, None]
    for operand in operands:
        rank, dtype = _rank_and_dtype(operand)
        known = found[rank]
        found[rank] = dtype if known is None else _PROMOTIONS[known, dtype]
    result: DType | None = None
    for dtype in found:
        if dtype is None:
            continue
        if result is None:
            result = dtype
        elif CATEGORIES[dtype.category] > CATEGORIES[result.category]:
            # A number or 0-d tensor that lifts the category: a Python number lifts to the default of its category.
            result = _PROMOTIONS[result, dtype]
    if result is None:
        raise TypeError("result_type expects at least one operand")
    if found[0] is None and found[1] is None and any(hasattr(operand, "apply") for operand in operands):
        return float64  # numbers alone are computed as Python computes them
    return result


def can_cast(source: DType, target: DType) -> bool:
    """Whether a result of one dtype may be written to a tensor of the other: the category does not fall."""
    return CATEGORIES[source.category] <= CATEGORIES[target.category]


def require_castable(source: DType, target: DType) -> None:
    """Raises RuntimeError, with PyTorch's words, unless ``can_cast``."""
    if not can_cast(source, target):
        raise RuntimeError(f"result type {_c_name(source)} can't be cast to the desired output type {_c_name(target)}")


_C_NAMES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float32": "Float",
    "float64": "Double",
}


def _c_name(dtype: DType) -> str:
    """PyTorch's name of the dtype in messages."""
    return _C_NAMES[dtype.name]


def floating(dtype: DType) -> DType:
    """The dtype of a function with floating results: of integers and bool the default one."""
    return dtype if dtype.category == "float" else _default_dtype
