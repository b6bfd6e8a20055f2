"""Cumulative functions with PyTorch's names and arguments: running sums, products, and extremes; differences and
integrals.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, int64, uint8
from graphc.ops import cumulative
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import logical_xor, sub
from graphc.ops.functions.reduction import sum
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import cat, reshape, slice_dim
from graphc.ops.gathers import GatherAlong
from graphc.ops.operands import cast, is_value, normalize_dim, normalize_dims, require_value
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
    "gradient",
    "logcumsumexp",
    "trapezoid",
    "trapz",
]
FUNCTIONS_ONLY = ("cumulative_trapezoid", "gradient", "trapezoid", "trapz")
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
    """The logarithms of the running sums of exponentials along ``dim``, without overflow, of floats or complex
    numbers."""
    require_value("logcumsumexp", input)
    if not input.dtype.is_differentiable:
        raise factories.not_implemented("logcumsumexp_out_cpu", input.dtype)
    return _scan(cumulative.LogCumulativeSumExp, input, dim)


def _extremes(result: Any, primitive: type[Primitive], input: Value, dim: int) -> Any:
    axis = normalize_dim(dim, input.ndim)
    if input.dtype.is_complex:
        raise factories.not_implemented(f"{result.__name__}_cpu", input.dtype)
    indices = _scan(primitive, input, dim)
    values = GatherAlong.bind(input, indices, dim=axis) if input.ndim else Copy.bind(input)
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
    if size == 0:
        return value, value
    return slice_dim(value, dim, 1, size), slice_dim(value, dim, 0, size - 1)


def diff(input: Value, n: int = 1, dim: int = -1, prepend: Value | None = None, append: Value | None = None) -> Value:
    """The differences of neighbours along ``dim``, taken ``n`` times; for bool whether neighbours differ."""
    require_value("diff", input)
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return Copy.bind(input)  # without what is to be prepended and appended
    axis = normalize_dim(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    value = input if len(parts) == 1 else cat(parts, axis)
    for _ in range(min(n, value.shape[axis])):
        later, earlier = _neighbours(value, axis)
        value = logical_xor(later, earlier) if value.dtype == bool_ else sub(later, earlier)
    return value


def gradient(
    input: Value, *, spacing: Any = None, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Value, ...]:
    """The slopes along each of the dimensions: central differences, at the edges one-sided ones of ``edge_order``.

    ``spacing`` is the distance of neighbours (1), one for each dimension, or a sequence of vectors of coordinates.
    Raises RuntimeError for other orders than 1 and 2, and where a dimension has not more elements than the order.
    """
    require_value("gradient", input)
    if input.dtype == uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if is_value(spacing):
        raise TypeError(
            "gradient(): argument 'spacing' must be a number or a sequence of numbers or tensors, not Tensor"
        )
    dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims and not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    axes = [normalize_dim(each, input.ndim) for each in dims]
    spacings = _spacings(spacing, axes, input.ndim, dim is not None)
    normalize_dims(dims or None, input.ndim)  # refuses a dimension given twice
    for axis in axes:
        if input.shape[axis] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    # Truth values are left as they are: their differences are refused.
    value = cast(input, result_type(input, 1.0)) if input.dtype.is_integer else input
    return tuple(_slopes(value, axis, step, edge_order) for axis, step in zip(axes, spacings, strict=True))


def _spacings(spacing: Any, axes: Sequence[int], rank: int, chosen: bool) -> Sequence[Any]:
    """One spacing for each of the dimensions: a number, or a vector of coordinates."""
    if spacing is None:
        spacing = 1
    if not isinstance(spacing, Sequence):
        return [spacing] * len(axes)
    if len(spacing) != len(axes):
        if chosen:
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have "
                f"the same length, but got a spacing argument of length {len(spacing)} and a dim argument of length "
                f"{len(axes)}."
            )
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() = "
            f"{rank}', since dim argument was not given, but got a list of length {len(spacing)}"
        )
    for coordinates in spacing:
        if is_value(coordinates) and coordinates.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element with "
                f"{coordinates.ndim} dimensions!"
            )
    return spacing


def _slopes(value: Value, axis: int, spacing: Any, edge_order: int) -> Value:
    """The slopes along one dimension."""
    size = value.shape[axis]
    # The distances of the first two and the last two pairs of neighbours.
    steps: list[Any] = [spacing] * 4

    def part(start: int) -> Value:
        """So many neighbours from ``start`` on as have one on each side."""
        return slice_dim(value, axis, start, start + size - 2)

    def at(place: int) -> Value:
        return slice_dim(value, axis, place % size, place % size + 1)

    if is_value(spacing):
        widths = reshape(diff(spacing), (-1,) + (1,) * (value.ndim - axis - 1))
        count = widths.shape[0]
        before, after = slice_dim(widths, 0, 0, count - 1), slice_dim(widths, 0, 1, count)
        left = -after / (before * (before + after))
        middle, right = (after - before) / (before * after), before / (after * (before + after))
        inner = left * part(0) + middle * part(1) + right * part(2)
        places = (0, min(1, count - 1), max(count - 2, 0), count - 1)
        steps = [slice_dim(widths, 0, place, place + 1) for place in places]
    else:
        inner = (part(2) - part(0)) / (2 * spacing)
    if edge_order == 1:
        start, stop = (at(1) - at(0)) / steps[0], (at(-1) - at(-2)) / steps[3]
    else:
        start = _edge_slope(at(0), at(1), at(2), steps[0], steps[1])
        stop = _edge_slope(at(-1), at(-2), at(-3), -steps[3], -steps[2])
    return cat((start, inner, stop), axis)


def _edge_slope(edge: Value, near: Value, far: Value, step: Any, next_step: Any) -> Value:
    """The slope at the edge of the parabola through three neighbours, at signed distances from one to the next."""
    both = step + next_step
    return (
        near * (both / (step * next_step)) - edge * ((step + both) / (step * both)) - far * (step / (next_step * both))
    )


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
        return Copy.bind(number_like(y, 0, shape=tuple(kept)))
    areas, axis = _areas("trapezoid", y, x, dx, dim)
    if x is not None:
        return sum(areas, axis) / 2
    # Of equal widths all values count once, the outer ones half.
    ends = slice_dim(y, axis, 0, 1) + slice_dim(y, axis, y.shape[axis] - 1, y.shape[axis])
    whole = sum(y, axis) - reshape(ends, tuple(areas.shape[:axis]) + tuple(areas.shape[axis + 1 :])) * 0.5
    return whole if dx is None else whole * dx


trapz = trapezoid


def cumulative_trapezoid(y: Value, x: Value | None = None, *, dx: float | None = None, dim: int = -1) -> Value:
    """The integrals along ``dim`` by the trapezoidal rule up to each point but the first."""
    areas, axis = _areas("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, axis) / 2
