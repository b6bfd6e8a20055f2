"""Pooling over windows of the last dimensions: maximum, the position of the maximum, and sum, with their gradients.

There are as many pooled dimensions as ``kernel_size`` has entries; those before them pass through. Window geometry is
PyTorch's: ``padding`` on both sides, ``dilation`` within a window, and with ``ceil_mode`` windows that begin inside but
end beyond the padded input.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer, product
from graphc.ir.primitive import Gather, Reduction, register
from graphc.ir.scalars import Call, Constant, Index, Operand, Scalar, both, choose, from_index, within
from graphc.ir.types import DType, TensorType, bool_, int32, int64
from graphc.ops import arithmetic, gathers, pointwise, sources, views, window_arrays
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name
from graphc.ops.window_arrays import Sizes


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
    size: tuple[Dimension, ...],
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> tuple[Dimension, ...]:
    """The pooled extents of the result for those of the input."""
    return tuple(
        pooled_extent(*geometry, ceil_mode)
        for geometry in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )


def _pooled_type(
    name: str, x: TensorType, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> TensorType:
    given = f"{name} of {x} with kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}"
    rank = len(kernel_size)
    if not len(stride) == len(padding) == len(dilation) == rank > 0:
        raise ValueError(f"{given}: expected equally many entries")
    if x.dtype.is_complex:
        raise NotImplementedError(f"\"{name}\" not implemented for '{type_name(x.dtype)}'")
    if x.rank < rank or x.dtype.category == "bool":
        raise ValueError(f"{given}: expected numbers of rank {rank} or more")
    if min(*kernel_size, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(f"{given}: expected positive sizes and padding of at least 0")
    if any(2 * w > gap * (k - 1) + 1 for w, k, gap in zip(padding, kernel_size, dilation, strict=True)):
        raise ValueError(f"{given}: expected padding of at most half of what a window spans")
    size = pooled_size(x.shape[-rank:], kernel_size, stride, padding, dilation, ceil_mode)
    if any(isinstance(extent, int) and extent < 1 for extent in size):
        raise ValueError(f"{given}: the result would have the size {size}; expected at least {' by '.join('1' * rank)}")
    return TensorType(x.dtype, (*x.shape[:-rank], *size))


def _require_windows(name: str, shape: tuple[int, ...], size: Sizes) -> None:
    if min(size) < 1:
        raise ValueError(f"{name} of shape {shape} would have the size {size}")


def _place(index: Index, reduced: Index, stride: Sizes, padding: Sizes, dilation: Sizes) -> Index:
    """Where in the pooled dimensions of the input a place of a window lies; perhaps on the padding."""
    return tuple(
        window * step + inner * gap - width
        for window, inner, step, width, gap in zip(
            index[-len(stride) :], reduced, stride, padding, dilation, strict=True
        )
    )


def _inside(place: Index, x: TensorType) -> Scalar:
    return both(*(within(position, 0, extent) for position, extent in zip(place, x.shape[-len(place) :], strict=True)))


def _flat(place: Index, extents: Sequence[Dimension]) -> Integer:
    """The row-major number of a place."""
    number: Integer = 0
    for position, extent in zip(place, extents, strict=True):
        number = number * extent + position
    return number


def _windows_over(
    place: Index, back: Index, windows: Sequence[Dimension], kernel_size: Sizes, stride: Sizes, padding: Sizes,
    dilation: Sizes,
) -> tuple[Scalar, Index, Index]:  # fmt: skip
    """Of the windows that hold a place of the input, the one that is so many ``back`` of the last.

    Gives whether there is one, which one, and where in it the place lies.
    """
    conditions: list[Scalar] = []
    at: list[Integer] = []
    within_window: list[Integer] = []
    for position, behind, count, kernel, step, width, gap in zip(
        place, back, windows, kernel_size, stride, padding, dilation, strict=True
    ):
        window = (position + width) // step - behind
        offset = (position + width) % step + behind * step
        conditions.append(within(window, 0, count))
        if gap > 1:
            conditions.append(within(offset % gap, 0, 1))
        if (step * back_of(kernel, step, gap) - 1) // gap >= kernel:  # the farthest window may end before the place
            conditions.append(within(offset // gap, 0, kernel))
        at.append(window)
        within_window.append(offset // gap)
    return both(*conditions), tuple(at), tuple(within_window)


def back_of(kernel: int, stride: int, dilation: int) -> int:
    """How many windows at most hold one element along a dimension."""
    return -(-(dilation * (kernel - 1) + 1) // stride)


def _room_of_windows(room: np.ndarray | None, kernel_size: Sizes) -> np.ndarray | None:
    """Memory for what is combined over windows; where one of them is of extent 1 only evaluating tells how it lies."""
    return None if 1 in kernel_size else room


@register
class MaxPool(Reduction):
    """The maximum of each window; NaN where the window holds one. The padding is below every number."""

    name = "max_pool"
    by_rows = True
    combiner = "max"

    def infer(self, x: TensorType, **geometry: Any) -> TensorType:
        return _pooled_type(self.name, x, **geometry)

    @quiet
    def evaluate(self, x: np.ndarray, *, ceil_mode: bool, **geometry: Sizes) -> np.ndarray:
        size = pooled_size(x.shape[-len(geometry["stride"]) :], **geometry, ceil_mode=ceil_mode)
        _require_windows(self.name, x.shape, size)
        return window_arrays.combine(np.maximum, lowest_of(x.dtype), x, size, **geometry)

    def room(self, type: TensorType, *arrays: np.ndarray, **geometry: Any) -> np.ndarray | None:
        return _room_of_windows(super().room(type, *arrays), geometry["kernel_size"])

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
        return choose(_inside(place, types[0]), operands[0](*index[: -len(place)], *place), border)

    def vjp(self, cotangent: Any, output: Any, x: Any, **geometry: Any) -> tuple[Any, ...]:
        # The maxima once more: what was given out may have been overwritten since, as an activation in place does.
        position = MaxPoolPosition.bind(x, MaxPool.bind(x, **geometry), **geometry)
        rank = len(geometry["kernel_size"])
        rule = MaxPoolGradient if _overlap(geometry) else MaxPoolSpread
        return (rule.bind(cotangent, position, input_size=tuple(x.shape[-rank:]), **geometry),)


def lowest(dtype: DType) -> float | int:
    """What no number of the dtype is less than."""
    return lowest_of(dtype.numpy)


def lowest_of(dtype: np.dtype) -> float | int:
    """What no number of the numpy dtype is less than."""
    return int(np.iinfo(dtype).min) if dtype.kind in "iu" else -math.inf


@register
class MaxPoolPosition(Reduction):
    """Where in its window, row by row, the maximum stands: operands are the input and its ``max_pool``.

    PyTorch's choice: the first of equal maxima; where a window holds NaN, the last NaN.
    """

    name = "max_pool_position"
    by_rows = True
    combiner = "argmax"
    differentiable = False

    def infer(self, x: TensorType, maximum: TensorType, **geometry: Any) -> TensorType:
        expected = _pooled_type(self.name, x, **geometry)
        if maximum != expected:
            raise ValueError(f"max_pool_position of {x} was given maxima {maximum}; expected {expected}")
        # Half as wide as an index of PyTorch's: it has as many lanes as the float32 values that it chooses between.
        return TensorType(int32, expected.shape)

    def evaluate(self, x: np.ndarray, maximum: np.ndarray, *, ceil_mode: bool, **geometry: Sizes) -> np.ndarray:
        return window_arrays.first_position(x, maximum, **geometry)

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
        value = operands[0](*index[: -len(place)], *place)
        none, one = Constant(0, int32), Constant(1, int32)
        rank = choose(Call("eq", (value, operands[1](*index)), bool_), one, none)
        if types[0].dtype.is_floating_point:
            later = from_index(_flat(reduced, attrs["kernel_size"]) + 2, int32)
            rank = choose(Call("isnan", (value,), bool_), later, rank)
        return choose(_inside(place, types[0]), rank, none)


def plane_index(position: Any, extents: Sequence[Dimension], geometry: dict[str, Any]) -> Any:
    """Positions in windows as indices into the flattened pooled dimensions of the input: PyTorch's pool indices.

    ``extents`` are those dimensions.
    """
    position = pointwise.Cast.bind(position, dtype=int64)
    shape, rank = tuple(position.shape), len(extents)

    def number(value: Any) -> Any:
        return number_like(position, value)

    index = None
    for dim, extent in enumerate(extents):
        after, kernel = math.prod(geometry["kernel_size"][dim + 1 :]), geometry["kernel_size"][dim]
        inner = position if after == 1 else arithmetic.FloorDivide.bind(position, number(after))
        inner = inner if dim == 0 else arithmetic.Remainder.bind(inner, number(kernel))
        attrs = {"shape": shape, "dim": len(shape) - rank + dim, "dtype": int64}
        start = arithmetic.Mul.bind(position.apply(sources.Iota.instance, (), attrs), number(geometry["stride"][dim]))
        gap, width = geometry["dilation"][dim], geometry["padding"][dim]
        place = arithmetic.Add.bind(start, inner if gap == 1 else arithmetic.Mul.bind(inner, number(gap)))
        place = arithmetic.Sub.bind(place, number(width)) if width else place
        index = place if index is None else arithmetic.Add.bind(arithmetic.Mul.bind(index, number(extent)), place)
    return index


def _overlap(geometry: dict[str, Any]) -> bool:
    """Whether an element of the input can be in more than one window."""
    return any(
        back_of(*along) > 1
        for along in zip(geometry["kernel_size"], geometry["stride"], geometry["dilation"], strict=True)
    )


def _require_position(name: str, cotangent: TensorType, position: TensorType, expected: TensorType) -> None:
    if cotangent != expected or position.shape != expected.shape or not position.dtype.is_integer:
        raise ValueError(f"{name} was given {cotangent} at {position}; expected {expected} and integers")


class _AtMaxima:
    """What the two forms of the maximum's gradient share: cotangents put where the maxima stand, zero elsewhere."""

    name: str
    saves_inputs = (1,)

    def infer(
        self, cotangent: TensorType, position: TensorType, *, input_size: tuple[Dimension, ...], **geometry: Any
    ) -> TensorType:
        x = TensorType(cotangent.dtype, (*cotangent.shape[: -len(input_size)], *input_size))
        _require_position(self.name, cotangent, position, _pooled_type(self.name, x, **geometry))
        return x

    def evaluate(
        self, cotangent: np.ndarray, position: np.ndarray, *, input_size: Sizes, ceil_mode: bool, **geometry: Sizes
    ) -> np.ndarray:
        return window_arrays.spread_to_position(cotangent, position, input_size, **geometry)

    def _chosen(
        self, index: Index, back: Index, operands: Sequence[Operand], types: Sequence[TensorType], attrs: Any
    ) -> Scalar:
        """The cotangent of one window where its maximum stands at ``index`` of the input, else zero."""
        rank = len(attrs["input_size"])
        leading, place = index[:-rank], index[-rank:]
        geometry = (attrs[name] for name in ("kernel_size", "stride", "padding", "dilation"))
        there, window, inner = _windows_over(place, back, types[0].shape[-rank:], *geometry)
        own = from_index(_flat(inner, attrs["kernel_size"]), types[1].dtype)
        zero = Constant(0.0 if types[0].dtype.is_floating_point else 0, types[0].dtype)
        chosen = Call("eq", (operands[1](*leading, *window), own), bool_)
        return choose(there, choose(chosen, operands[0](*leading, *window), zero), zero)

    def vjp(
        self, cotangent: Any, output: Any, given: Any, position: Any, *, input_size: Any, **geometry: Any
    ) -> tuple[Any, ...]:
        rank = len(input_size)
        leading, windows = tuple(given.shape[:-rank]), tuple(given.shape[-rank:])
        index = views.Reshape.bind(plane_index(position, input_size, geometry), shape=(*leading, product(windows)))
        planes = views.Reshape.bind(cotangent, shape=(*leading, product(input_size)))
        taken = gathers.GatherAlong.bind(planes, index, dim=len(leading))
        return views.Reshape.bind(taken, shape=(*leading, *windows)), None


@register
class MaxPoolGradient(_AtMaxima, Reduction):
    """For each element of an input of ``input_size`` the sum of the cotangents of windows whose maximum it is.

    Operands are the cotangents and ``max_pool_position``, both with an element for each window.
    """

    name = "max_pool_gradient"
    by_rows = True
    combiner = "sum"

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return tuple(map(back_of, attrs["kernel_size"], attrs["stride"], attrs["dilation"]))

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        return self._chosen(index, reduced, operands, types, attrs)


@register
class MaxPoolSpread(_AtMaxima, Gather):
    """As ``max_pool_gradient`` where no windows overlap: every element looks at its one window."""

    name = "max_pool_spread"
    by_rows = True
    cost = 4.0

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return self._chosen(index, (0,) * len(attrs["input_size"]), operands, types, attrs)


@register
class SumPool(Reduction):
    """The sum of each window; the padding is zero."""

    name = "sum_pool"
    by_rows = True
    combiner = "sum"
    saves_inputs = ()

    def infer(self, x: TensorType, **geometry: Any) -> TensorType:
        return _pooled_type(self.name, x, dilation=(1,) * len(geometry["stride"]), **geometry)

    @quiet
    def evaluate(self, x: np.ndarray, *, ceil_mode: bool, **geometry: Sizes) -> np.ndarray:
        rank = len(geometry["stride"])
        size = pooled_size(x.shape[-rank:], **geometry, dilation=(1,) * rank, ceil_mode=ceil_mode)
        _require_windows(self.name, x.shape, size)
        return window_arrays.combine(np.add, 0, x, size, **geometry, dilation=(1,) * rank)

    def room(self, type: TensorType, *arrays: np.ndarray, **geometry: Any) -> np.ndarray | None:
        return _room_of_windows(super().room(type, *arrays), geometry["kernel_size"])

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
        place = _place(index, reduced, attrs["stride"], attrs["padding"], (1,) * len(reduced))
        zero = Constant(0.0 if output.dtype.is_floating_point else 0, output.dtype)
        return choose(_inside(place, types[0]), operands[0](*index[: -len(place)], *place), zero)

    def vjp(self, cotangent: Any, output: Any, x: Any, **geometry: Any) -> tuple[Any, ...]:
        input_size = tuple(x.shape[-len(geometry["stride"]) :])
        return (SumPoolGradient.bind(cotangent, input_size=input_size, **geometry),)


@register
class SumPoolGradient(Reduction):
    """For each element of an input of ``input_size`` the sum over the windows that hold it."""

    name = "sum_pool_gradient"
    by_rows = True
    combiner = "sum"
    saves_inputs = ()

    def infer(self, result: TensorType, *, input_size: tuple[Dimension, ...], **geometry: Any) -> TensorType:
        rank = len(input_size)
        x = TensorType(result.dtype, (*result.shape[:-rank], *input_size))
        expected = _pooled_type(self.name, x, dilation=(1,) * rank, **geometry)
        if result != expected:
            raise ValueError(f"sum_pool_gradient for {x} was given {result}; expected {expected}")
        return x

    @quiet
    def evaluate(self, result: np.ndarray, *, input_size: Sizes, ceil_mode: bool, **geometry: Sizes) -> np.ndarray:
        return window_arrays.spread_over_windows(result, input_size, **geometry, dilation=(1,) * len(input_size))

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        # So many windows can hold one element: ceil(kernel / stride) along each dimension.
        return tuple(
            back_of(kernel, step, 1) for kernel, step in zip(attrs["kernel_size"], attrs["stride"], strict=True)
        )

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        rank = len(attrs["input_size"])
        leading, place = index[:-rank], index[-rank:]
        geometry = (attrs[name] for name in ("kernel_size", "stride", "padding"))
        there, window, _ = _windows_over(place, reduced, types[0].shape[-rank:], *geometry, (1,) * rank)
        zero = Constant(0.0 if output.dtype.is_floating_point else 0, output.dtype)
        return choose(there, operands[0](*leading, *window), zero)

    def vjp(self, cotangent: Any, output: Any, result: Any, *, input_size: Any, **geometry: Any) -> tuple[Any, ...]:
        return (SumPool.bind(cotangent, **geometry),)
