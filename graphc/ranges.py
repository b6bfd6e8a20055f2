"""Tensors of numbers at equal distances, and of the places in triangles.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.factory import factory
from graphc.ir.types import DType, bool_, float64, int64
from graphc.notices import warn
from graphc.ops.functions.factories import not_implemented
from graphc.ops.promotion import default_complex_dtype, get_default_dtype
from graphc.ops.sources import Iota, converted
from graphc.sizes import as_int
from graphc.tensor import Tensor

__all__ = ["arange", "linspace", "logspace", "range", "tril_indices", "triu_indices"]


def _number(value: Any) -> Any:
    """A number that may be given as a tensor of one element."""
    return value.item() if isinstance(value, Tensor) and type(value) is Tensor else value


@factory
def arange(
    start: float | None = None, end: float | None = None, step: float = 1, *, dtype: DType | None = None
) -> Tensor:
    """Numbers from ``start`` (0 if only one is given) up to but without ``end``; int64 where all are ints.

    Raises RuntimeError for a step of 0 or one that leads away from ``end``.
    """
    if start is None:
        if end is None:
            raise TypeError("arange() received an invalid combination of arguments - got (), but expected an end")
        start = 0
    start, end, step = _number(start), _number(end), _number(step)
    if end is None:
        start, end = 0, start
    whole = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    dtype = dtype or (int64 if whole else get_default_dtype())
    if dtype.is_complex or dtype is bool_:
        raise not_implemented("arange_cpu", dtype)
    if dtype is int64 and not whole:
        start, end, step = (int(value) for value in (start, end, step))
        whole = True
    _require_range(start, end, step)
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    steps = Tensor.source(Iota, shape=(count,), dim=0, dtype=int64)
    if dtype.category == "int":
        start, step = (as_int(value) if whole else int(value) for value in (start, step))
        result = steps if type(step) is int and step == 1 else steps * step
        result = result if type(start) is int and start == 0 else result + start
    else:
        result = steps.to(float64) * step + start
    return result.to(dtype)


def _require_range(start: float, end: float, step: float) -> None:
    if not (step > 0 or step < 0):
        raise RuntimeError("step must be nonzero")
    if not all(isinstance(value, int) or math.isfinite(value) for value in (start, end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


@factory
def range(start: float = 0, end: float = 0, step: float = 1, *, dtype: DType | None = None) -> Tensor:
    """Numbers from ``start`` to ``end``, which is included, of the default dtype. PyTorch deprecates it for
    :func:`arange`."""
    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
    )
    start, end, step = _number(start), _number(end), _number(step)
    _require_range(start, end, step)
    dtype = dtype or get_default_dtype()
    steps = np.arange(math.floor((end - start) / step) + 1)
    if dtype.category == "int":
        return Tensor.from_array(converted(int(start) + steps * int(step), dtype))
    return Tensor.from_array(converted(float(start) + steps * float(step), dtype))


def _ends(name: str, start: Any, end: Any, steps: Any, dtype: DType | None) -> tuple[Any, Any, int, DType]:
    """The arguments of a range of so many steps as numbers. Raises RuntimeError for a negative count of them."""
    start, end, steps = _number(start), _number(end), _number(steps)
    if not hasattr(steps, "__index__"):
        kinds = ", ".join(type(given).__name__ for given in (start, end, steps))
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({kinds}), but expected a whole number of "
            "steps"
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is None:
        dtype = default_complex_dtype() if any(isinstance(v, complex) for v in (start, end)) else get_default_dtype()
    return start, end, steps, dtype


def _forth_and_back(start: Any, end: Any, steps: int, dtype: DType) -> np.ndarray:
    """``steps`` numbers from ``start`` to ``end`` in double precision, counted from both ends towards the middle."""
    # The step is a number of the dtype (of integers a double); the rest is computed without further rounding, as by a
    # fused multiplication and addition, which halves have not.
    wide = np.complex128 if dtype.is_complex else np.float64
    kind = wide if dtype.is_integer else dtype.numpy.type
    first, last = (wide(dtype.numpy.type(value)) for value in (start, end))
    step = wide(kind((last - first) / max(steps - 1, 1)))
    position = np.arange(steps)
    with np.errstate(all="ignore"):
        forth, back = step * position, step * (steps - 1 - position)
        if dtype.is_half:
            forth, back = converted(forth, dtype).astype(wide), converted(back, dtype).astype(wide)
        return np.where((position < steps // 2) | (steps == 1), first + forth, last - back)


@factory
def linspace(start: Any, end: Any, steps: int, *, dtype: DType | None = None) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, at equal distances; as PyTorch, counted from both
    ends towards the middle."""
    start, end, steps, dtype = _ends("linspace", start, end, steps, dtype)
    if dtype is bool_:
        raise not_implemented("linspace_cpu", dtype)
    return Tensor.from_array(converted(_forth_and_back(start, end, steps, dtype), dtype))


@factory
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: DType | None = None) -> Tensor:
    """``base`` to the power of ``steps`` numbers from ``start`` to ``end``, both included, at equal distances."""
    start, end, steps, dtype = _ends("logspace", start, end, steps, dtype)
    if dtype is bool_:
        raise not_implemented("logspace_cpu", dtype)
    exponents = _forth_and_back(start, end, steps, dtype)
    if not dtype.is_integer:
        exponents = converted(exponents, dtype).astype(exponents.dtype)
    with np.errstate(all="ignore"):
        return Tensor.from_array(converted(np.power(exponents.dtype.type(base), exponents), dtype))


def _places(name: str, row: int, col: int, offset: int, dtype: DType | None, lower: bool) -> Tensor:
    for what, extent in (("row", row), ("col", col)):
        if extent < 0:
            raise RuntimeError(f"{what} must be non-negative, got{extent}")
    dtype = dtype or int64
    if dtype.name not in ("int64", "int32"):
        raise not_implemented(name, dtype)
    rows, columns = np.indices((row, col))
    within = columns - rows <= offset if lower else columns - rows >= offset
    return Tensor.from_array(np.array(np.nonzero(within)).astype(dtype.numpy))


@factory
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None) -> Tensor:
    """The places on and below a diagonal of a matrix, row by row: int64[2, n], rows and columns."""
    return _places("tril_indices", row, col, offset, dtype, lower=True)


@factory
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None) -> Tensor:
    """The places on and above a diagonal of a matrix, row by row: int64[2, n], rows and columns."""
    return _places("triu_indices", row, col, offset, dtype, lower=False)
