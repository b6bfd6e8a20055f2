"""Cumulative functions with PyTorch's names and arguments: running sums, products, and extremes; differences and
integrals.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

from typing import Any

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, int64
from graphc.ops import cumulative
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import logical_xor, sub
from graphc.ops.functions.reduction import sum
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import cat, reshape, slice_dim
from graphc.ops.gathers import GatherAlong
from graphc.ops.operands import cast, normalize_dim, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.promotion import result_type
from graphc.ops.sources import number_like

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "logcumsumexp",
    "trapezoid",
    "trapz",
]
FUNCTIONS_ONLY = ("cumulative_trapezoid", "trapezoid", "trapz")
IN_PLACE = ("cumprod", "cumsum")

Value = Any

CumulativeMaximum = return_type("cummax", "values indices")
CumulativeMinimum = return_type("cummin", "values indices")


def _scan(primitive: type[Primitive], input: Value, dim: int) -> Value:
    axis = normalize_dim(dim, input.ndim)
    rows = input if input.ndim else reshape(input, (1,))
    result = primitive.bind(rows, dim=axis, reverse=False)
    return result if input.ndim else reshape(result, ())


def _accumulated(name: str, input: Value, dtype: DType | None) -> Value:
    require_value(name, input)
    if dtype is not None:
        return cast(input, dtype)
    return input if input.dtype.is_differentiable else cast(input, int64)


def cumsum(input: Value, dim: int, *, dtype: DType | None = None) -> Value:
    """The sums of the elements along ``dim`` up to each; of integers and bool in int64."""
    return _scan(cumulative.CumulativeSum, _accumulated("cumsum", input, dtype), dim)


def cumprod(input: Value, dim: int, *, dtype: DType | None = None) -> Value:
    """The products of the elements along ``dim`` up to each; of integers and bool in int64."""
    return _scan(cumulative.CumulativeProduct, _accumulated("cumprod", input, dtype), dim)


def logcumsumexp(input: Value, dim: int) -> Value:
    """The logarithms of the running sums of exponentials along ``dim``, without overflow, of floats."""
    require_value("logcumsumexp", input)
    if not input.dtype.is_floating_point:
        raise factories.not_implemented("logcumsumexp_out_cpu", input.dtype)
    return _scan(cumulative.LogCumulativeSumExp, input, dim)


def _extremes(result: Any, primitive: type[Primitive], input: Value, dim: int) -> Any:
    axis = normalize_dim(dim, input.ndim)
    indices = _scan(primitive, input, dim)
    values = GatherAlong.bind(input, indices, dim=axis) if input.ndim else input
    return result(values, indices)


def cummax(input: Value, dim: int) -> Any:
    """The greatest elements along ``dim`` so far, and the positions of the last of them; NaN wins."""
    require_value("cummax", input)
    return _extremes(CumulativeMaximum, cumulative.CumulativeArgMax, input, dim)


def cummin(input: Value, dim: int) -> Any:
    """The least elements along ``dim`` so far, and the positions of the last of them; NaN wins."""
    require_value("cummin", input)
    return _extremes(CumulativeMinimum, cumulative.CumulativeArgMin, input, dim)


def _neighbours(value: Value, dim: int) -> tuple[Value, Value]:
    """All but the first and all but the last element along a dimension."""
    size = value.shape[dim]
    return slice_dim(value, dim, 1, size), slice_dim(value, dim, 0, size - 1)


def diff(input: Value, n: int = 1, dim: int = -1, prepend: Value | None = None, append: Value | None = None) -> Value:
    """The differences of neighbours along ``dim``, taken ``n`` times; for bool whether neighbours differ."""
    require_value("diff", input)
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = normalize_dim(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    value = input if len(parts) == 1 else cat(parts, axis)
    for _ in range(min(n, value.shape[axis])):
        later, earlier = _neighbours(value, axis)
        value = logical_xor(later, earlier) if value.dtype == bool_ else sub(later, earlier)
    return value


def _areas(name: str, y: Value, x: Value | None, dx: float | None, dim: int) -> tuple[Value, int]:
    """Twice the areas between neighbours along a dimension, and that dimension."""
    require_value(name, y)
    which = "`y`" if x is None else "`x` or `y`"
    for value in (y, x):
        if value is not None and value.dtype == bool_:
            raise RuntimeError(f"{name}: received a bool input for {which}, but bool is not supported")
    if x is not None and dx is not None:
        raise TypeError(f"{name}() takes x or dx, got both")
    if y.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    axis = normalize_dim(dim, y.ndim)
    later, earlier = _neighbours(y, axis)
    sums = later + earlier
    if x is None:
        return sums if dx is None else sums * dx, axis
    if x.ndim == 1:
        if x.shape[0] != y.shape[axis]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        x = reshape(x, (-1,) + (1,) * (y.ndim - axis - 1))
    widths = _neighbours(x, axis - y.ndim + x.ndim)
    return sums * (widths[0] - widths[1]), axis


def trapezoid(y: Value, x: Value | None = None, *, dx: float | None = None, dim: int = -1) -> Value:
    """The integral along ``dim`` by the trapezoidal rule, of points ``x`` or at distances ``dx`` (1)."""
    if y.ndim and y.shape[normalize_dim(dim, y.ndim)] == 0:
        kept = [extent for axis, extent in enumerate(y.shape) if axis != normalize_dim(dim, y.ndim)]
        return Copy.bind(number_like(y, 0, shape=tuple(kept), dtype=result_type(y, 1.0)))
    areas, axis = _areas("trapezoid", y, x, dx, dim)
    return sum(areas, axis) / 2


trapz = trapezoid


def cumulative_trapezoid(y: Value, x: Value | None = None, *, dx: float | None = None, dim: int = -1) -> Value:
    """The integrals along ``dim`` by the trapezoidal rule up to each point but the first."""
    areas, axis = _areas("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, axis) / 2
