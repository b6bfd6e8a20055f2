"""Pooling over windows of the last two dimensions: maximum, the position of the maximum, and sum.

Window geometry is PyTorch's: ``padding`` on both sides, ``dilation`` within a window, and with ``ceil_mode`` windows
that begin inside but end beyond the padded input. Dimensions before the last two pass through.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer
from graphc.ir.primitive import Reduction, register
from graphc.ir.scalars import Call, Constant, Index, Operand, Scalar, both, choose, from_index, within
from graphc.ir.types import DType, TensorType, bool_, int32, int64
from graphc.ops import arithmetic, comparisons, gathers, pointwise, scatters, sources, views
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like

Pair = tuple[int, int]


def pooled_extent(
    extent: Dimension, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> Dimension:
    """How many windows there are along one dimension."""
    span = dilation * (kernel - 1) + 1
    count = (extent + 2 * padding - span + (stride - 1 if ceil_mode else 0)) // stride + 1
    # The last window must begin in the input or the padding before it.
    if ceil_mode and isinstance(count, int) and isinstance(extent, int) and (count - 1) * stride >= extent + padding:
        count -= 1
    return count


def pooled_size(
    size: tuple[Dimension, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Dimension, ...]:
    """The last two extents of the result for those of the input."""
    return tuple(
        pooled_extent(*geometry, ceil_mode)
        for geometry in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )


def _pooled_type(
    name: str, x: TensorType, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> TensorType:
    given = f"{name} of {x} with kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}"
    if x.rank < 2 or x.dtype.category == "bool":
        raise ValueError(f"{given}: expected numbers of rank 2 or more")
    if min(*kernel_size, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(f"{given}: expected positive sizes and padding of at least 0")
    if any(2 * width > kernel for width, kernel in zip(padding, kernel_size, strict=True)):
        raise ValueError(f"{given}: expected padding of at most half the kernel size")
    size = pooled_size(x.shape[-2:], kernel_size, stride, padding, dilation, ceil_mode)
    if any(isinstance(extent, int) and extent < 1 for extent in size):
        raise ValueError(f"{given}: the result would have the size {size}; expected at least 1 by 1")
    return TensorType(x.dtype, (*x.shape[:-2], *size))


def _place(index: Index, reduced: Index, stride: Pair, padding: Pair, dilation: Pair) -> Index:
    """Where in the last two dimensions of the input a place of a window lies; perhaps on the padding."""
    return tuple(
        window * step + inner * gap - width
        for window, inner, step, width, gap in zip(index[-2:], reduced, stride, padding, dilation, strict=True)
    )


def _inside(place: Index, x: TensorType) -> Scalar:
    return both(*(within(position, 0, extent) for position, extent in zip(place, x.shape[-2:], strict=True)))


def lowest(dtype: DType) -> float | int:
    """What no number of the dtype is less than."""
    return -np.inf if dtype.is_floating_point else int(np.iinfo(dtype.numpy).min)


def _window_views(
    x: np.ndarray,
    border: float | int | bool,
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Iterator[np.ndarray]:
    """For each place of the window, in row-major order, the input's elements there: views of the result's size.

    ``border`` is what stands outside of the input.
    """
    reach = tuple(
        (count - 1) * step + gap * (kernel - 1) + 1
        for count, step, gap, kernel in zip(size, stride, dilation, kernel_size, strict=True)
    )
    extents = tuple(max(far, width + extent) for far, width, extent in zip(reach, padding, x.shape[-2:], strict=True))
    if extents != x.shape[-2:]:
        (top, left), (height, width) = padding, x.shape[-2:]
        bordered = np.full((*x.shape[:-2], *extents), border, x.dtype)
        bordered[..., top : top + height, left : left + width] = x
        x = bordered
    for rows, columns in _window_slices(size, kernel_size, stride, dilation):
        yield x[..., rows, columns]


def _window_slices(size: Pair, kernel_size: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[slice, slice]]:
    """For each place of the window, in row-major order, where the windows have it in the (bordered) input."""
    for place in itertools.product(*map(range, kernel_size)):
        rows, columns = (
            slice(at * gap, at * gap + (count - 1) * step + 1, step)
            for at, gap, count, step in zip(place, dilation, size, stride, strict=True)
        )
        yield rows, columns


@register
class MaxPool2d(Reduction):
    """The maximum of each window; NaN where the window holds one. The padding is below every number."""

    name = "max_pool2d"
    combiner = "max"
    saves_output = True

    def infer(self, x: TensorType, **geometry: Any) -> TensorType:
        return _pooled_type(self.name, x, **geometry)

    @quiet
    def evaluate(self, x: np.ndarray, *, ceil_mode: bool, **geometry: Pair) -> np.ndarray:
        size = pooled_size(x.shape[-2:], **geometry, ceil_mode=ceil_mode)
        if min(size) < 1:
            raise ValueError(f"max_pool2d of shape {x.shape} would have the size {size}")
        border = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        parts = _window_views(x, border, size, **geometry)
        result = next(parts).copy()
        for part in parts:
            np.maximum(result, part, out=result)
        return result

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return attrs["kernel_size"]

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        place = _place(index, reduced, attrs["stride"], attrs["padding"], attrs["dilation"])
        border = Constant(lowest(output.dtype), output.dtype)
        return choose(_inside(place, types[0]), operands[0](*index[:-2], *place), border)

    def vjp(self, cotangent: Any, output: Any, x: Any, **geometry: Any) -> tuple[Any, ...]:
        position = MaxPool2dPosition.bind(x, output, **geometry)
        if _tiles(geometry):
            return (_spread_over_tiles(cotangent, position, tuple(x.shape), geometry["kernel_size"]),)
        height, width = x.shape[-2:]
        places = cotangent.shape[-2] * cotangent.shape[-1]
        plane = plane_index(position, width, geometry)
        planes = number_like(cotangent, 0, shape=(*x.shape[:-2], height * width))
        flat = (*x.shape[:-2], places)
        summed = scatters.ScatterAdd.bind(
            planes,
            views.Reshape.bind(plane, shape=flat),
            views.Reshape.bind(cotangent, shape=flat),
            dim=len(flat) - 1,
        )
        return (views.Reshape.bind(summed, shape=tuple(x.shape)),)


@register
class MaxPool2dPosition(Reduction):
    """Where in its window, row by row, the maximum stands: operands are the input and its ``max_pool2d``.

    PyTorch's choice: the first of equal maxima; where a window holds NaN, the last NaN.
    """

    name = "max_pool2d_position"
    combiner = "argmax"
    differentiable = False

    def infer(self, x: TensorType, maximum: TensorType, **geometry: Any) -> TensorType:
        expected = _pooled_type(self.name, x, **geometry)
        if maximum != expected:
            raise ValueError(f"max_pool2d_position of {x} was given maxima {maximum}; expected {expected}")
        # Half as wide as an index of PyTorch's: it has as many lanes as the float32 values that it chooses between.
        return TensorType(int32, expected.shape)

    @quiet
    def evaluate(self, x: np.ndarray, maximum: np.ndarray, *, ceil_mode: bool, **geometry: Pair) -> np.ndarray:
        size = maximum.shape[-2:]
        inside = _window_views(np.ones(x.shape[-2:], bool), False, size, **geometry)
        position = np.zeros(maximum.shape, np.int32)
        missing = np.ones(maximum.shape, bool)
        for place, (part, within_input) in enumerate(zip(_window_views(x, 0, size, **geometry), inside, strict=True)):
            found = (part == maximum) & missing
            if part.dtype.kind == "f":
                found |= np.isnan(part)
            found &= within_input
            position[found] = place
            missing &= ~found
        return position

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return attrs["kernel_size"]

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        # A rank rather than the value: 1 for a maximum, more for NaN the later it comes, 0 for all else. On the
        # padding it is 0 too, so that a window of -inf has its maximum within the input.
        place = _place(index, reduced, attrs["stride"], attrs["padding"], attrs["dilation"])
        value = operands[0](*index[:-2], *place)
        none, one = Constant(0, int32), Constant(1, int32)
        rank = choose(Call("eq", (value, operands[1](*index)), bool_), one, none)
        if types[0].dtype.is_floating_point:
            later = from_index(reduced[0] * attrs["kernel_size"][1] + reduced[1] + 2, int32)
            rank = choose(Call("isnan", (value,), bool_), later, rank)
        return choose(_inside(place, types[0]), rank, none)


def plane_index(position: Any, width: Dimension, geometry: dict[str, Any]) -> Any:
    """Positions in windows as indices into the flattened last two dimensions of the input: PyTorch's pool indices."""
    position = pointwise.Cast.bind(position, dtype=int64)
    shape = tuple(position.shape)

    def number(value: Any) -> Any:
        return number_like(position, value)

    def along(dim: int, inner: Any) -> Any:
        window = position.apply(
            sources.Iota.instance, (), {"shape": shape, "dim": len(shape) - 2 + dim, "dtype": int64}
        )
        start = arithmetic.Mul.bind(window, number(geometry["stride"][dim]))
        offset = arithmetic.Mul.bind(inner, number(geometry["dilation"][dim]))
        place = arithmetic.Add.bind(start, offset)
        return arithmetic.Sub.bind(place, number(geometry["padding"][dim])) if geometry["padding"][dim] else place

    columns = number(geometry["kernel_size"][1])
    row = along(0, arithmetic.FloorDivide.bind(position, columns))
    column = along(1, arithmetic.Remainder.bind(position, columns))
    return arithmetic.Add.bind(arithmetic.Mul.bind(row, number(width)), column)


def _tiles(geometry: dict[str, Any]) -> bool:
    """Whether windows lie side by side, so that an element of the input is in at most one."""
    return (
        geometry["kernel_size"] == geometry["stride"]
        and geometry["padding"] == (0, 0)
        and geometry["dilation"] == (1, 1)
    )


def _spread_over_tiles(cotangent: Any, position: Any, shape: tuple[Dimension, ...], tile: Pair) -> Any:
    """Each cotangent at its position in its tile, zero elsewhere: every element looks up its own tile, no scatter."""
    leading, (rows, columns) = tuple(cotangent.shape[:-2]), tuple(cotangent.shape[-2:])
    tiled = (*leading, rows, tile[0], columns, tile[1])

    def spread(value: Any) -> Any:
        return views.Expand.bind(views.Reshape.bind(value, shape=(*leading, rows, 1, columns, 1)), shape=tiled)

    def counted(dim: int) -> Any:
        attrs = {"shape": (tile[0], 1, tile[1]), "dim": dim, "dtype": position.dtype}
        return position.apply(sources.Iota.instance, (), attrs)

    row_start = arithmetic.Mul.bind(counted(0), number_like(counted(0), tile[1]))
    own = arithmetic.Add.bind(row_start, counted(2))
    own = views.Reshape.bind(own, shape=(*(1 for _ in leading), 1, tile[0], 1, tile[1]))
    chosen = comparisons.Eq.bind(spread(position), views.Expand.bind(own, shape=tiled))
    placed = comparisons.Where.bind(chosen, spread(cotangent), number_like(cotangent, 0, shape=tiled))
    plane = views.Reshape.bind(placed, shape=(*leading, rows * tile[0], columns * tile[1]))
    rest = (shape[-2] - rows * tile[0], shape[-1] - columns * tile[1])
    if rest == (0, 0):
        return plane
    none = (0,) * len(leading)
    return gathers.Pad.bind(plane, low=(*none, 0, 0), high=(*none, *rest), value=0.0)


@register
class SumPool2d(Reduction):
    """The sum of each window; the padding is zero."""

    name = "sum_pool2d"
    combiner = "sum"
    saves_inputs = ()

    def infer(self, x: TensorType, **geometry: Any) -> TensorType:
        return _pooled_type(self.name, x, dilation=(1, 1), **geometry)

    @quiet
    def evaluate(self, x: np.ndarray, *, ceil_mode: bool, **geometry: Pair) -> np.ndarray:
        size = pooled_size(x.shape[-2:], **geometry, dilation=(1, 1), ceil_mode=ceil_mode)
        if min(size) < 1:
            raise ValueError(f"sum_pool2d of shape {x.shape} would have the size {size}")
        parts = _window_views(x, 0, size, **geometry, dilation=(1, 1))
        result = next(parts).copy()
        for part in parts:
            result += part
        return result

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return attrs["kernel_size"]

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        place = _place(index, reduced, attrs["stride"], attrs["padding"], (1, 1))
        zero = Constant(0.0 if output.dtype.is_floating_point else 0, output.dtype)
        return choose(_inside(place, types[0]), operands[0](*index[:-2], *place), zero)

    def vjp(self, cotangent: Any, output: Any, x: Any, **geometry: Any) -> tuple[Any, ...]:
        return (SumPool2dGradient.bind(cotangent, input_size=tuple(x.shape[-2:]), **geometry),)


@register
class SumPool2dGradient(Reduction):
    """For each element of an input of ``input_size`` the sum over the windows that hold it."""

    name = "sum_pool2d_gradient"
    combiner = "sum"
    saves_inputs = ()

    def infer(self, result: TensorType, *, input_size: tuple[Dimension, Dimension], **geometry: Any) -> TensorType:
        x = TensorType(result.dtype, (*result.shape[:-2], *input_size))
        expected = _pooled_type(self.name, x, dilation=(1, 1), **geometry)
        if result != expected:
            raise ValueError(f"sum_pool2d_gradient for {x} was given {result}; expected {expected}")
        return x

    @quiet
    def evaluate(
        self,
        result: np.ndarray,
        *,
        input_size: Pair,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
    ) -> np.ndarray:
        size, (top, left), (height, width) = result.shape[-2:], padding, input_size
        reach = ((count - 1) * step + kernel for count, step, kernel in zip(size, stride, kernel_size, strict=True))
        extents = tuple(
            max(far, border + extent) for far, border, extent in zip(reach, padding, input_size, strict=True)
        )
        x = np.zeros((*result.shape[:-2], *extents), result.dtype)
        for rows, columns in _window_slices(size, kernel_size, stride, (1, 1)):
            x[..., rows, columns] += result
        return np.ascontiguousarray(x[..., top : top + height, left : left + width])

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        # So many windows can hold one element: ceil(kernel / stride) along each dimension.
        return tuple(-(-kernel // step) for kernel, step in zip(attrs["kernel_size"], attrs["stride"], strict=True))

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        conditions: list[Scalar] = []
        at: list[Integer] = []
        for place, back, extent, kernel, step, width in zip(
            index[-2:],
            reduced,
            types[0].shape[-2:],
            attrs["kernel_size"],
            attrs["stride"],
            attrs["padding"],
            strict=True,
        ):
            window = (place + width) // step - back
            conditions.append(within(window, 0, extent))
            if kernel % step:  # the farthest window may end before the element
                conditions.append(within((place + width) % step + back * step, 0, kernel))
            at.append(window)
        zero = Constant(0.0 if output.dtype.is_floating_point else 0, output.dtype)
        return choose(both(*conditions), operands[0](*index[:-2], *at), zero)

    def vjp(self, cotangent: Any, output: Any, result: Any, *, input_size: Any, **geometry: Any) -> tuple[Any, ...]:
        return (SumPool2d.bind(cotangent, **geometry),)
