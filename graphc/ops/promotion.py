"""Type promotion: the dtype in which operands of different dtypes meet.

A tensor with dimensions decides before a 0-d tensor, and that before a Python number: what ranks lower only matters
where its category (bool < int < float < complex) is higher than all before it.
Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import IntegerExpression
from graphc.ir.types import DTYPE_OF_NUMPY, DTYPES, DType, bool_, complex64, complex128, float32, float64, int64
from graphc.ops.type_names import type_name

CATEGORIES = {"bool": 0, "int": 1, "float": 2, "complex": 3}
# Wide unsigned integers meet floats alone, as in PyTorch.
_WIDE_UNSIGNED = ("uint16", "uint32", "uint64")
_default_dtype = float32


def get_default_dtype() -> DType:
    """The floating dtype of new tensors made from Python floats, and of results of integers in float functions."""
    return _default_dtype


def set_default_dtype(d: DType) -> None:
    """Sets the default floating dtype. Raises TypeError for another than a floating one."""
    global _default_dtype
    if not isinstance(d, DType):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default_dtype = d


def default_complex_dtype() -> DType:
    """The dtype of Python's complex numbers: complex128 where the default floating dtype is float64."""
    return complex128 if _default_dtype is float64 else complex64


def _promote(left: DType, right: DType) -> DType | None:
    """The dtype in which two meet; None where they do not."""
    if left is right:
        return left
    lower, higher = sorted((left, right), key=lambda dtype: CATEGORIES[dtype.category])
    if any(dtype.name in _WIDE_UNSIGNED for dtype in (lower, higher)) and higher.category != "float":
        return None
    if higher.is_complex and lower is float64:
        return complex128
    if lower.category != higher.category:
        return higher
    if lower.is_half and higher.is_half:
        return float32
    if lower.is_integer:
        return DTYPE_OF_NUMPY[np.promote_types(lower.numpy, higher.numpy)]
    return max(lower, higher, key=lambda dtype: dtype.itemsize)


_PROMOTIONS = {(left, right): _promote(left, right) for left in DTYPES for right in DTYPES}


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype at least as large and of at least as high a category as both.

    Raises RuntimeError where uint16, uint32, or uint64 meets anything but itself and a float.
    """
    result = _PROMOTIONS[type1, type2]
    if result is None:
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{type_name(type1)} and {type_name(type2)}"
        )
    return result


def dtype_of_number(number: Any) -> DType:
    """The dtype of a Python number: bool, int64, or the default floating or complex one.

    Raises TypeError for anything else.
    """
    if isinstance(number, bool):
        return bool_
    if isinstance(number, (int, IntegerExpression)):
        return int64
    if isinstance(number, float):
        return _default_dtype
    if isinstance(number, complex):
        return default_complex_dtype()
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
    if len(operands) == 2 and type(operands[1]) in (int, float):  # the common case: a number decides nothing
        dtype = getattr(operands[0], "dtype", None)
        if isinstance(dtype, DType) and dtype.is_differentiable and not operands[0].stands_for_number:
            return dtype
    found: list[DType | None] = [None, None, None]
    for operand in operands:
        rank, dtype = _rank_and_dtype(operand)
        known = found[rank]
        found[rank] = dtype if known is None else promote_types(known, dtype)
    result: DType | None = None
    for dtype in found:
        if dtype is None:
            continue
        if result is None:
            result = dtype
        elif CATEGORIES[dtype.category] > CATEGORIES[result.category]:
            # A number or 0-d tensor that lifts the category: a Python number lifts to the default of its category, a
            # complex one keeps the precision of the floats.
            if dtype.is_complex and result.is_floating_point:
                result = complex64 if result.is_half else result.to_complex()
            else:
                result = dtype if dtype.is_differentiable else promote_types(result, dtype)
    if result is None:
        raise TypeError("result_type expects at least one operand")
    if found[0] is None and found[1] is None and any(hasattr(operand, "apply") for operand in operands):
        return float64  # numbers alone are computed as Python computes them
    return result


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of one dtype may be written to a tensor of the other: the category does not fall."""
    return CATEGORIES[from_.category] <= CATEGORIES[to.category]


def require_castable(source: DType, target: DType) -> None:
    """Raises RuntimeError, with PyTorch's words, unless ``can_cast``."""
    if not can_cast(source, target):
        raise RuntimeError(
            f"result type {type_name(source)} can't be cast to the desired output type {type_name(target)}"
        )


def floating(dtype: DType) -> DType:
    """The dtype of a function with floating results: of integers and bool the default one; complex stays."""
    return dtype if dtype.is_differentiable else _default_dtype
