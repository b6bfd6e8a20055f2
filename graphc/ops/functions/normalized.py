"""What the normalizations compute of tensors in one go: composites for eager mode, with their gradients.

Each rounds where its composition of primitives rounds, so that recorded and eager programs agree bit for bit.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from graphc.ir.types import float64
from graphc.ops.composites import Composite
from graphc.ops.functions.arithmetic import rsqrt, square
from graphc.ops.functions.reduction import mean, sum
from graphc.ops.operands import cast
from graphc.ops.pointwise import inverse
from graphc.ops.quiet import quiet
from graphc.ops.reductions import CentringGradient, Dims, kept_sum
from graphc.ops.sources import number_like
from graphc.ops.views import Reshape

Value = Any


def _count(x: np.ndarray, dims: Dims) -> int:
    return math.prod(x.shape[dim] for dim in dims)


def _kept_mean(x: np.ndarray, dims: Dims) -> np.ndarray:
    return kept_sum(x, dims) / x.dtype.type(_count(x, dims))


class Normalized(Composite):
    """(x - mean) / sqrt(variance + eps) over ``dims``; the operand is given twice."""

    name, saves_inputs = "normalized", (0,)

    def decompose(self, x: Value, again: Value, *, dims: Dims, eps: float) -> Value:
        centred = x - mean(x, dims, keepdim=True)
        return centred * rsqrt(mean(square(centred), dims, keepdim=True) + eps)

    @quiet
    def evaluate(self, x: np.ndarray, again: np.ndarray, *, dims: Dims, eps: float) -> np.ndarray:
        centred = x - _kept_mean(x, dims)
        centred *= _inverse_deviation(centred, dims, eps)
        return centred

    def vjp(
        self, cotangent: Value, output: Value, x: Value, again: Value, *, dims: Dims, eps: float
    ) -> tuple[Value, ...]:
        centred = NormalizedGradient.bind(cotangent, x, dims=dims, eps=eps)
        return centred, CentringGradient.bind(centred, dims=dims, wide=False)


def _inverse_deviation(centred: np.ndarray, dims: Dims, eps: float) -> np.ndarray:
    return inverse(np.sqrt(_kept_mean(centred * centred, dims) + centred.dtype.type(eps)))


class NormalizedGradient(Composite):
    """The cotangent of the difference from the mean in :class:`Normalized`."""

    name, differentiable = "normalized_gradient", False

    def decompose(self, cotangent: Value, x: Value, *, dims: Dims, eps: float) -> Value:
        centred = x - mean(x, dims, keepdim=True)
        factor = rsqrt(mean(square(centred), dims, keepdim=True) + eps)
        return _gradient(cotangent, centred * factor, factor, dims)

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, *, dims: Dims, eps: float) -> np.ndarray:
        kind, count = x.dtype.type, _count(x, dims)
        centred = x - _kept_mean(x, dims)
        factor = _inverse_deviation(centred, dims, eps)
        of_square = kept_sum(cotangent * centred, dims) * kind(-0.5) * (factor * factor * factor) / kind(count)
        result = cotangent * factor
        result += of_square * (centred * kind(2))
        return result


def _gradient(cotangent: Value, normalized: Value, factor: Value, dims: Dims) -> Value:
    return (cotangent - normalized * mean(cotangent * normalized, dims, keepdim=True)) * factor


# -- by channels: the statistics are sums in float64, rounded where PyTorch rounds ------------------------------------


def _by_channel(value: np.ndarray, rank: int) -> np.ndarray:
    return value.reshape(1, -1, *(1,) * (rank - 2))


class ChannelMean(Composite):
    """The mean over ``dims``, which are all but the channels."""

    name, differentiable = "channel_mean", False

    def decompose(self, x: Value, *, dims: Dims) -> Value:
        return mean(x, dims)

    @quiet
    def evaluate(self, x: np.ndarray, *, dims: Dims) -> np.ndarray:
        return (np.add.reduce(x, dims, np.float64) / _count(x, dims)).astype(x.dtype)


class ChannelSquares(Composite):
    """The sum over ``dims`` of the squared differences from the channel's mean."""

    name, differentiable = "channel_squares", False

    def decompose(self, x: Value, average: Value, *, dims: Dims) -> Value:
        return sum(square(x - mean(x, dims, keepdim=True)), dims)

    @quiet
    def evaluate(self, x: np.ndarray, average: np.ndarray, *, dims: Dims) -> np.ndarray:
        centred = x - _by_channel(average, x.ndim)
        centred *= centred
        return np.add.reduce(centred, dims, np.float64).astype(x.dtype)


class MovingMean(Composite):
    """The running means after a batch, of the batch's and those before."""

    name, differentiable = "moving_mean", False

    def decompose(self, average: Value, before: Value, *, part: Any, rest: Any) -> Value:
        return average * part + before * rest

    def evaluate(self, average: np.ndarray, before: np.ndarray, *, part: float, rest: float) -> np.ndarray:
        kind = before.dtype.type
        return average * kind(part) + before * kind(rest)


class MovingVariance(Composite):
    """The running variances after a batch, in float64, of the batch's sums of squares and those before."""

    name, differentiable = "moving_variance", False

    def decompose(self, squares: Value, before: Value, *, count: Any, part: Any, rest: Any) -> Value:
        freedom = count - 1 if isinstance(count, int) else number_like(squares, count - 1)
        # This product PyTorch does not round.
        moved = cast(squares / freedom, float64) * part
        return moved + cast(before * rest, float64)

    @quiet
    def evaluate(self, squares: np.ndarray, before: np.ndarray, *, count: int, part: float, rest: float) -> np.ndarray:
        kind = before.dtype.type
        moved = (squares / kind(count - 1)).astype(np.float64) * part
        return moved + (before * kind(rest)).astype(np.float64)


class BatchNormalized(Composite):
    """The input with mean 0 and variance 1 in each channel, scaled and shifted. Operands are the input, given twice,
    the channels' means and sums of squares, of which the gradient is a part of the input's, the weight, and the bias.
    """

    name, saves_inputs = "batch_normalized", (0, 2, 3, 4)

    @quiet
    def evaluate(
        self,
        x: np.ndarray,
        again: np.ndarray,
        average: np.ndarray,
        squares: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        *,
        dims: Dims,
        eps: float,
    ) -> np.ndarray:
        factor, _ = _factors(x, squares, dims, eps)
        result = x - _by_channel(average, x.ndim)
        result *= _by_channel(factor * weight, x.ndim)
        result += _by_channel(bias, x.ndim)
        return result

    def vjp(
        self,
        cotangent: Value,
        output: Value,
        x: Value,
        again: Value,
        average: Value,
        squares: Value,
        weight: Value,
        bias: Value,
        **attrs: Any,
    ) -> tuple[Any, ...]:
        @functools.cache
        def of_centred() -> Value:
            return BatchInputGradient.bind(cotangent, x, average, squares, weight, **attrs)

        return (
            of_centred,
            lambda: CentringGradient.bind(of_centred(), dims=attrs["dims"], wide=True),
            None,
            None,
            lambda: BatchWeightGradient.bind(cotangent, x, average, squares, **attrs),
            lambda: sum(cotangent, attrs["dims"]),
        )


def _factors(x: np.ndarray, squares: np.ndarray, dims: Dims, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(variance + eps), in the input's dtype and in float64."""
    variance = squares / x.dtype.type(_count(x, dims))
    wide = inverse(np.sqrt(variance.astype(np.float64) + eps))
    return wide.astype(x.dtype), wide


def _parts(x: Value, dims: Dims, eps: float) -> tuple[Value, Value]:
    """The normalized input and what normalizes it, as functions of the input alone."""
    centred = x - mean(x, dims, keepdim=True)
    factor = cast(rsqrt(cast(mean(square(centred), dims, keepdim=True), float64) + eps), x.dtype)
    return centred * factor, factor


class BatchInputGradient(Composite):
    """The cotangent of the difference from the mean in :class:`BatchNormalized`, through the variance too."""

    name, differentiable = "batch_input_gradient", False

    def decompose(
        self, cotangent: Value, x: Value, average: Value, squares: Value, weight: Value, *, dims: Dims, eps: float
    ) -> Value:
        normalized, factor = _parts(x, dims, eps)
        scale = Reshape.bind(weight, shape=(1, *weight.shape, *(1,) * (x.ndim - 2)))
        return _gradient(cotangent, normalized, factor, dims) * scale

    @quiet
    def evaluate(
        self,
        cotangent: np.ndarray,
        x: np.ndarray,
        average: np.ndarray,
        squares: np.ndarray,
        weight: np.ndarray,
        *,
        dims: Dims,
        eps: float,
    ) -> np.ndarray:
        kind, rank, count = x.dtype.type, x.ndim, _count(x, dims)
        factor, wide = _factors(x, squares, dims, eps)
        centred = x - _by_channel(average, rank)
        of_factor = kept_sum(cotangent * centred, dims).reshape(-1) * weight
        of_variance = (of_factor.astype(np.float64) * -0.5 * (wide * wide * wide)).astype(x.dtype)
        result = cotangent * _by_channel(factor * weight, rank)
        centred *= kind(2)
        centred *= _by_channel(of_variance / kind(count), rank)
        result += centred
        return result


class BatchWeightGradient(Composite):
    """The cotangent of the weight of :class:`BatchNormalized`."""

    name, differentiable = "batch_weight_gradient", False

    def decompose(self, cotangent: Value, x: Value, average: Value, squares: Value, *, dims: Dims, eps: float) -> Value:
        return sum(cotangent * _parts(x, dims, eps)[0], dims)

    @quiet
    def evaluate(
        self,
        cotangent: np.ndarray,
        x: np.ndarray,
        average: np.ndarray,
        squares: np.ndarray,
        *,
        dims: Dims,
        eps: float,
    ) -> np.ndarray:
        centred = x - _by_channel(average, x.ndim)
        centred *= cotangent
        return kept_sum(centred, dims).reshape(-1) * _factors(x, squares, dims, eps)[0]
