"""What the normalizations compute of tensors in one go: composites for eager mode, with their gradients.

Each rounds where its composition of primitives rounds, so that recorded and eager programs agree bit for bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
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
from graphc.ops.workers import for_each

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


# How many elements are computed at a time, so that what lies between two steps stays in a core's cache.
_AT_ONCE = 1 << 17


def _by_channel(value: np.ndarray, rank: int) -> np.ndarray:
    return value.reshape(1, -1, *(1,) * (rank - 2))


def _by_samples(x: np.ndarray, work: Callable[[slice], None]) -> None:
    """``work`` done for a few samples of ``[n, c, ...]`` at a time, on all threads."""
    count = x.shape[0]
    step = max(1, _AT_ONCE * count // max(1, x.size))
    if count <= step:
        return work(slice(0, count))
    for_each([slice(start, start + step) for start in range(0, count, step)], work)


def _sums_by_channel(x: np.ndarray, dtype: np.dtype, terms: Callable[[slice], np.ndarray]) -> np.ndarray:
    """The sums of each channel's terms, which are computed for a few samples at a time."""
    sums = np.empty(x.shape[:2], dtype)
    spatial = tuple(range(2, x.ndim))

    def work(samples: slice) -> None:
        np.add.reduce(terms(samples), spatial, dtype, out=sums[samples])

    _by_samples(x, work)
    return kept_sum(sums, (0,)).reshape(-1)


class ChannelMean(Composite):
    """The mean over ``dims``, which are all but the channels."""

    name, differentiable = "channel_mean", False

    def decompose(self, x: Value, *, dims: Dims) -> Value:
        return mean(x, dims)

    @quiet
    def evaluate(self, x: np.ndarray, *, dims: Dims) -> np.ndarray:
        return (_sums_by_channel(x, np.float64, x.__getitem__) / _count(x, dims)).astype(x.dtype)


class ChannelSquares(Composite):
    """The sum over ``dims`` of the squared differences from the channel's mean."""

    name, differentiable = "channel_squares", False

    def decompose(self, x: Value, average: Value, *, dims: Dims) -> Value:
        return sum(square(x - mean(x, dims, keepdim=True)), dims)

    @quiet
    def evaluate(self, x: np.ndarray, average: np.ndarray, *, dims: Dims) -> np.ndarray:
        average = _by_channel(average, x.ndim)

        def terms(samples: slice) -> np.ndarray:
            centred = x[samples] - average
            centred *= centred
            return centred

        return _sums_by_channel(x, np.float64, terms).astype(x.dtype)


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
        average, factor, bias = (_by_channel(each, x.ndim) for each in (average, factor * weight, bias))
        result = np.empty_like(x)

        def work(samples: slice) -> None:
            part = np.subtract(x[samples], average, out=result[samples])
            part *= factor
            part += bias

        _by_samples(x, work)
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
        def of_scale() -> Value:
            return BatchScaleGradient.bind(cotangent, x, average, dims=attrs["dims"])

        @functools.cache
        def of_centred() -> Value:
            return BatchInputGradient.bind(cotangent, x, average, squares, weight, of_scale(), **attrs)

        return (
            of_centred,
            lambda: CentringGradient.bind(of_centred(), dims=attrs["dims"], wide=True),
            None,
            None,
            lambda: BatchWeightGradient.bind(cotangent, x, squares, of_scale(), **attrs),
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


class BatchScaleGradient(Composite):
    """The cotangent of what multiplies the differences from the mean in :class:`BatchNormalized`."""

    name, differentiable = "batch_scale_gradient", False

    def decompose(self, cotangent: Value, x: Value, average: Value, *, dims: Dims) -> Value:
        return sum(cotangent * (x - mean(x, dims, keepdim=True)), dims)

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, average: np.ndarray, *, dims: Dims) -> np.ndarray:
        average = _by_channel(average, x.ndim)

        def terms(samples: slice) -> np.ndarray:
            centred = x[samples] - average
            centred *= cotangent[samples]
            return centred

        return _sums_by_channel(x, x.dtype, terms)


class BatchInputGradient(Composite):
    """The cotangent of the difference from the mean in :class:`BatchNormalized`, through the variance too."""

    name, differentiable = "batch_input_gradient", False

    def decompose(
        self,
        cotangent: Value,
        x: Value,
        average: Value,
        squares: Value,
        weight: Value,
        of_scale: Value,
        *,
        dims: Dims,
        eps: float,
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
        of_scale: np.ndarray,
        *,
        dims: Dims,
        eps: float,
    ) -> np.ndarray:
        kind, count = x.dtype.type, _count(x, dims)
        factor, wide = _factors(x, squares, dims, eps)
        of_variance = ((of_scale * weight).astype(np.float64) * -0.5 * (wide * wide * wide)).astype(x.dtype)
        # Twice the one is, bit for bit, twice the other.
        of_centred = kind(2) * (of_variance / kind(count))
        average, factor, of_centred = (_by_channel(each, x.ndim) for each in (average, factor * weight, of_centred))
        result = np.empty_like(x)

        def work(samples: slice) -> None:
            centred = x[samples] - average
            centred *= of_centred
            np.add(np.multiply(cotangent[samples], factor, out=result[samples]), centred, out=result[samples])

        _by_samples(x, work)
        return result


class BatchWeightGradient(Composite):
    """The cotangent of the weight of :class:`BatchNormalized`."""

    name, differentiable = "batch_weight_gradient", False

    def decompose(
        self, cotangent: Value, x: Value, squares: Value, of_scale: Value, *, dims: Dims, eps: float
    ) -> Value:
        return sum(cotangent * _parts(x, dims, eps)[0], dims)

    @quiet
    def evaluate(
        self,
        cotangent: np.ndarray,
        x: np.ndarray,
        squares: np.ndarray,
        of_scale: np.ndarray,
        *,
        dims: Dims,
        eps: float,
    ) -> np.ndarray:
        return of_scale * _factors(x, squares, dims, eps)[0]
