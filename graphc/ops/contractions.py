"""Contractions: sums of products of two operands. Matrix products, and convolutions with their two gradients.

The three convolution primitives are bilinear and closed under differentiation: each one's gradients are the other two.
They work on ``[batch, channels, *extents]``, or with a group dimension after the batch,
``[batch, group, channels, *extents]``, so that a grouped convolution is the same sum with one more batch index. The
weight is ``[(group,) outputs, channels, *kernel]``. There are as many spatial extents as the stride has entries.
Nothing flips the kernel: as in PyTorch, a convolution is a correlation. The weight is the first operand: as the left
factor it makes rows of the channels and columns of the places, which lie side by side in memory.

Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, Integer
from graphc.ir.primitive import Contraction, register
from graphc.ir.scalars import Constant, Index, Operand, Scalar, both, choose, within
from graphc.ir.types import DType, TensorType
from graphc.ir.window import Window, WindowAxis
from graphc.ops import views
from graphc.ops.conjugation import conjugate
from graphc.ops.convolution_arrays import (
    Sizes,
    convolve,
    convolved_extent,
    input_gradient,
    multiply_matrices,
    weight_gradient,
)
from graphc.ops.quiet import IGNORE, quiet, restore, silence


def _require_numbers(name: str, left: TensorType, right: TensorType) -> None:
    if left.dtype != right.dtype:
        raise TypeError(f"{name} expects operands of one dtype, got {left} and {right}")
    if left.dtype.category == "bool":
        raise TypeError(f"{name} is not defined for bool, got {left} and {right}")


def _zero(dtype: DType) -> Constant:
    return Constant(0.0 if dtype.is_floating_point else 0, dtype)


@register
class Matmul(Contraction):
    """``[..., m, k]`` times ``[..., k, n]``; the batch dimensions are equal."""

    name = "matmul"
    by_rows = True
    summed = (-1, -2)

    def infer(self, left: TensorType, right: TensorType) -> TensorType:
        _require_numbers("matmul", left, right)
        if left.rank < 2 or left.rank != right.rank or left.shape[:-2] != right.shape[:-2]:
            raise ValueError(f"matmul of {left} and {right}: expected equal ranks of at least 2 and equal batches")
        if left.shape[-1] != right.shape[-2]:
            raise ValueError(
                f"matmul of {left} and {right}: expected {left.shape[-1]} rows on the right, got {right.shape[-2]}"
            )
        return TensorType(left.dtype, (*left.shape[:-1], right.shape[-1]))

    def evaluate(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if left.dtype.kind == "b" or left.shape[:-2] != right.shape[:-2]:
            raise ValueError(f"matmul of shapes {left.shape} and {right.shape}")
        token = silence(IGNORE)
        try:
            return multiply_matrices(left, right)
        finally:
            restore(token)

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        if all(array.ndim == 2 for array in arrays) and type.shape:
            return np.empty(type.shape, type.dtype.numpy)  # whatever lies how
        if all(array.strides[:-2] == tuple(sorted(array.strides[:-2], reverse=True)) for array in arrays):
            return np.empty(type.shape, type.dtype.numpy)  # several products follow the order of the operands' first
        return None

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return (types[0].shape[-1],)

    def roles(self, types: Sequence[TensorType], **attrs: Any) -> tuple[str, ...]:
        return ("batch",) * (types[0].rank - 2) + ("row", "column")

    def factor(
        self,
        side: int,
        index: Index,
        reduced: Index,
        operand: Operand,
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        *batch, row, column = index
        return operand(*batch, row, *reduced) if side == 0 else operand(*batch, *reduced, column)

    def vjp(self, cotangent: Any, output: Any, left: Any, right: Any) -> tuple[Any, ...]:
        return (
            lambda: Matmul.bind(cotangent, _adjoint(right)),
            lambda: Matmul.bind(_adjoint(left), cotangent),
        )


def _adjoint(matrices: Any) -> Any:
    rank = len(matrices.shape)
    return conjugate(views.Permute.bind(matrices, dims=(*range(rank - 2), rank - 1, rank - 2)))


class _Convolution(Contraction):
    """What the three convolutions share. ``stride``, ``padding`` and ``dilation`` have one entry per spatial dim.

    Below, an x is the forward convolution's input, a weight its weight, and a result its result, whichever of them is
    the operand and whichever is computed.
    """

    def roles(self, types: Sequence[TensorType], **attrs: Any) -> tuple[str, ...]:
        spatial = len(attrs["stride"])
        return ("batch",) * (types[1].rank - spatial - 1) + ("row",) + ("column",) * spatial

    def _result_type(
        self, weight: TensorType, x: TensorType, stride: Sizes, padding: Sizes, dilation: Sizes
    ) -> TensorType:
        """The type of the forward result; raises for operands or a geometry that do not fit."""
        spatial = len(stride)
        if not len(stride) == len(padding) == len(dilation) > 0:
            raise ValueError(
                f"{self.name} expects as many entries for stride as for padding and dilation, got {stride}, "
                f"{padding}, {dilation}"
            )
        if min(stride) < 1 or min(dilation) < 1 or min(padding) < 0:
            raise ValueError(
                f"{self.name} expects stride and dilation of at least 1 and padding of at least 0, got {stride}, "
                f"{dilation}, {padding}"
            )
        _require_numbers(self.name, weight, x)
        given = f"{self.name} with weight {weight} and input {x}"
        if x.rank not in (spatial + 2, spatial + 3) or weight.rank != x.rank:
            raise ValueError(f"{given}: expected ranks {spatial + 2}, or {spatial + 3} with a group dimension")
        if weight.shape[-spatial - 1] != x.shape[-spatial - 1]:
            raise ValueError(f"{given}: expected {weight.shape[-spatial - 1]} channels in the input")
        groups = x.shape[1 : -spatial - 1]
        if weight.shape[: -spatial - 2] != groups:
            raise ValueError(f"{given}: expected as many groups in both")
        extents = tuple(map(convolved_extent, x.shape[-spatial:], weight.shape[-spatial:], stride, padding, dilation))
        if any(isinstance(extent, int) and extent < 1 for extent in extents):
            raise ValueError(f"{given}, padding {padding}, dilation {dilation}: the kernel is larger than the input")
        return TensorType(x.dtype, (x.shape[0], *groups, weight.shape[-spatial - 2], *extents))

    def _x_under_kernel(
        self,
        x: Operand,
        leading: Index,
        places: Index,
        kernel_places: Index,
        extents: tuple[Dimension, ...],
        dtype: DType,
        *,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
    ) -> Scalar:
        """What a kernel element meets in x at one place of the result; zero on the padding."""
        at = tuple(
            place * step + kernel_place * gap - width
            for place, kernel_place, step, width, gap in zip(
                places, kernel_places, stride, padding, dilation, strict=True
            )
        )
        inside = both(*(within(position, 0, extent) for position, extent in zip(at, extents, strict=True)))
        return choose(inside, x(*leading, *at), _zero(dtype))

    def _window_on_x(
        self,
        types: Sequence[TensorType],
        places: Sequence[Dimension],
        taps: Sequence[Dimension],
        summed: str,
        *,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
    ) -> Window:
        """The window of a contraction that reads an x as :meth:`_x_under_kernel` does."""
        spatial = len(stride)
        shape = types[1].shape
        axes = tuple(
            WindowAxis(extent, place, tap, step, gap, -width)
            for extent, place, tap, step, width, gap in zip(
                shape[-spatial:], places, taps, stride, padding, dilation, strict=True
            )
        )
        return Window(axes, shape[-spatial - 1], summed)

    def picture(self, index: Index, reduced: Index, coordinates: Index, operand: Operand, **attrs: Any) -> Scalar:
        return operand(*index[: -len(coordinates) - 1], reduced[0], *coordinates)

    def _require_places(self, extents: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
        if min(map(convolved_extent, extents, kernel, stride, padding, dilation)) < 1:
            raise ValueError(f"{self.name}: the kernel {kernel} is larger than the input's extents {extents}")


@register
class Convolution(_Convolution):
    """The convolution of an input with a weight, without bias.

    Operands ``[(g,) o, c, *kernel]`` (weight) and ``[n, (g,) c, *extents]`` give ``[n, (g,) o, *places]``.
    """

    name = "convolution"
    by_rows = True

    def infer(self, weight: TensorType, x: TensorType, *, stride: Sizes, padding: Sizes, dilation: Sizes) -> TensorType:
        return self._result_type(weight, x, stride, padding, dilation)

    @quiet
    def evaluate(
        self, weight: np.ndarray, x: np.ndarray, *, stride: Sizes, padding: Sizes, dilation: Sizes
    ) -> np.ndarray:
        spatial = len(stride)
        if x.ndim != weight.ndim or x.shape[-spatial - 1] != weight.shape[-spatial - 1]:
            raise ValueError(f"{self.name} of a weight of shape {weight.shape} and an input of {x.shape}")
        kernel = weight.shape[-spatial:]
        self._require_places(x.shape[-spatial:], kernel, stride, padding, dilation)
        return convolve(weight, x, stride, padding, dilation)

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return types[0].shape[-len(attrs["stride"]) - 1 :]

    def factor(
        self,
        side: int,
        index: Index,
        reduced: Index,
        operand: Operand,
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        spatial = len(attrs["stride"])
        (sample, *groups), row, places = index[: -spatial - 1], index[-spatial - 1], index[-spatial:]
        if side == 0:
            return operand(*groups, row, *reduced)
        leading = (sample, *groups, reduced[0])
        extents = types[1].shape[-spatial:]
        return self._x_under_kernel(operand, leading, places, reduced[1:], extents, output.dtype, **attrs)

    def window(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> Window:
        spatial = len(attrs["stride"])
        return self._window_on_x(types, output.shape[-spatial:], types[0].shape[-spatial:], "taps", **attrs)

    def vjp(self, cotangent: Any, output: Any, weight: Any, x: Any, **attrs: Any) -> tuple[Any, ...]:
        kernel_size, input_size = (tuple(value.shape[-len(attrs["stride"]) :]) for value in (weight, x))
        return (
            lambda: ConvolutionWeightGradient.bind(cotangent, conjugate(x), kernel_size=kernel_size, **attrs),
            lambda: ConvolutionInputGradient.bind(conjugate(weight), cotangent, input_size=input_size, **attrs),
        )


@register
class ConvolutionInputGradient(_Convolution):
    """The cotangent of a convolution's input, from the weight and the cotangent of its result.

    It is the transposed convolution. Operands ``[(g,) o, c, *kernel]`` (weight) and ``[n, (g,) o, *places]`` give
    ``[n, (g,) c, *input_size]``.
    """

    name = "convolution_input_gradient"
    by_rows = True

    def infer(
        self, weight: TensorType, result: TensorType, *, input_size: tuple[Dimension, ...], **attrs: Any
    ) -> TensorType:
        spatial = len(input_size)
        channels = weight.shape[-spatial - 1 : -spatial]
        x = TensorType(result.dtype, (*result.shape[: -spatial - 1], *channels, *input_size))
        expected = self._result_type(weight, x, **attrs)
        if result != expected:
            raise ValueError(f"{self.name} with weight {weight} for {x} was given {result}; expected {expected}")
        return x

    @quiet
    def evaluate(
        self,
        weight: np.ndarray,
        result: np.ndarray,
        *,
        input_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
    ) -> np.ndarray:
        return input_gradient(weight, result, input_size, stride, padding, dilation)

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        weight = types[0].shape
        spatial = len(attrs["stride"])
        return (weight[-spatial - 2], *weight[-spatial:])

    def factor(
        self,
        side: int,
        index: Index,
        reduced: Index,
        operand: Operand,
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        spatial = len(attrs["stride"])
        batch, row, places = index[: -spatial - 1], index[-spatial - 1], index[-spatial:]
        out_channel, *kernel_places = reduced
        if side == 0:
            return operand(*batch[1:], out_channel, row, *kernel_places)
        conditions: list[Scalar] = []
        at: list[Integer] = []
        extents = types[1].shape[-spatial:]
        for place, kernel_place, extent, step, width, gap in zip(
            places, kernel_places, extents, attrs["stride"], attrs["padding"], attrs["dilation"], strict=True
        ):
            # The place of the result whose kernel element lies here: a multiple of the stride away.
            shifted = place + width - kernel_place * gap
            conditions += [within(shifted % step, 0, 1), within(shifted // step, 0, extent)]
            at.append(shifted // step)
        return choose(both(*conditions), operand(*batch, out_channel, *at), _zero(output.dtype))

    def window(
        self,
        types: Sequence[TensorType],
        output: TensorType,
        *,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        **attrs: Any,
    ) -> Window:
        spatial = len(stride)
        weight, result = types[0].shape, types[1].shape
        axes = tuple(
            WindowAxis(extent, place, tap, 1, -gap, width, step)
            for extent, place, tap, step, width, gap in zip(
                result[-spatial:], output.shape[-spatial:], weight[-spatial:], stride, padding, dilation, strict=True
            )
        )
        return Window(axes, result[-spatial - 1], "taps")

    def vjp(
        self, cotangent: Any, output: Any, weight: Any, result: Any, *, input_size: Any, **attrs: Any
    ) -> tuple[Any, ...]:
        kernel_size = tuple(weight.shape[-len(input_size) :])
        return (
            lambda: ConvolutionWeightGradient.bind(conjugate(result), cotangent, kernel_size=kernel_size, **attrs),
            lambda: Convolution.bind(conjugate(weight), cotangent, **attrs),
        )


@register
class ConvolutionWeightGradient(_Convolution):
    """The cotangent of a convolution's weight, from the cotangent of its result and its input.

    Operands ``[n, (g,) o, *places]`` and ``[n, (g,) c, *extents]`` (input) give ``[(g,) o, c, *kernel_size]``.
    """

    name = "convolution_weight_gradient"
    by_rows = True

    def infer(self, result: TensorType, x: TensorType, *, kernel_size: Sizes, **attrs: Any) -> TensorType:
        spatial = len(kernel_size)
        channels = (*result.shape[-spatial - 1 : -spatial], *x.shape[-spatial - 1 : -spatial])
        weight = TensorType(x.dtype, (*x.shape[1 : -spatial - 1], *channels, *kernel_size))
        expected = self._result_type(weight, x, **attrs)
        if result != expected:
            raise ValueError(f"{self.name} for {weight} with input {x} was given {result}; expected {expected}")
        return weight

    @quiet
    def evaluate(
        self,
        result: np.ndarray,
        x: np.ndarray,
        *,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
    ) -> np.ndarray:
        self._require_places(x.shape[-len(kernel_size) :], kernel_size, stride, padding, dilation)
        return weight_gradient(result, x, kernel_size, stride, padding, dilation)

    def roles(self, types: Sequence[TensorType], **attrs: Any) -> tuple[str, ...]:
        spatial = len(attrs["stride"])
        return ("batch",) * (types[1].rank - spatial - 2) + ("row",) + ("column",) * (spatial + 1)

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return (types[0].shape[0], *types[0].shape[-len(attrs["stride"]) :])

    def factor(
        self,
        side: int,
        index: Index,
        reduced: Index,
        operand: Operand,
        types: Sequence[TensorType],
        output: TensorType,
        *,
        kernel_size: Sizes,
        **attrs: Any,
    ) -> Scalar:
        spatial = len(kernel_size)
        groups, (row, channel), kernel_places = index[: -spatial - 2], index[-spatial - 2 : -spatial], index[-spatial:]
        sample, *places = reduced
        if side == 0:
            return operand(sample, *groups, row, *places)
        leading = (sample, *groups, channel)
        extents = types[1].shape[-spatial:]
        return self._x_under_kernel(operand, leading, tuple(places), kernel_places, extents, output.dtype, **attrs)

    def window(self, types: Sequence[TensorType], output: TensorType, *, kernel_size: Sizes, **attrs: Any) -> Window:
        return self._window_on_x(types, types[0].shape[-len(kernel_size) :], kernel_size, "places", **attrs)

    def picture(self, index: Index, reduced: Index, coordinates: Index, operand: Operand, **attrs: Any) -> Scalar:
        *groups, _, channel = index[: -len(coordinates)]
        return operand(reduced[0], *groups, channel, *coordinates)

    def vjp(
        self, cotangent: Any, output: Any, result: Any, x: Any, *, kernel_size: Any, **attrs: Any
    ) -> tuple[Any, ...]:
        input_size = tuple(x.shape[-len(kernel_size) :])
        return (
            lambda: Convolution.bind(cotangent, conjugate(x), **attrs),
            lambda: ConvolutionInputGradient.bind(cotangent, conjugate(result), input_size=input_size, **attrs),
        )
