"""Random numbers beyond the uniform and the normal: integers, permutations, waiting times; and, as the host's work in a
program, distributions whose elements take as many numbers of the stream as they need."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import External, register
from graphc.ir.types import DType, TensorType, float64, int64
from graphc.ops.sources import Random
from graphc.randomness import sampling
from graphc.randomness.generator import default_generator

# Integers from a range this large take 64 bits each.
WIDE_RANGE = 1 << 28


@register
class RandomExponential(Random):
    """Exponential with the given rate, PyTorch's ``exponential_``."""

    name = "random_exponential"

    def infer(self, *types: TensorType, rate: float, **attrs: Any) -> TensorType:
        return super().infer(**attrs)

    def draw(self, shape: tuple[int, ...], dtype: DType, rate: float) -> np.ndarray:
        return default_generator.exponential(shape, dtype.numpy, rate)


class _RandomWhole(Random):
    """Random numbers of int64."""

    def infer(self, *types: TensorType, shape: tuple[Dimension, ...], dtype: DType, **attrs: Any) -> TensorType:
        if dtype is not int64:
            raise TypeError(f"{self.name} gives int64, not {dtype.name}")
        return TensorType(dtype, tuple(shape))


@register
class RandomIntegers(_RandomWhole):
    """``span`` integers from ``low`` on, all equally likely, PyTorch's ``randint``. Beyond int64 they wrap."""

    name = "random_integers"

    def draw(self, shape: tuple[int, ...], dtype: DType, low: int, span: int) -> np.ndarray:
        draws = sampling.below(default_generator, math.prod(shape), span, wide=span >= WIDE_RANGE)
        return (draws.view(np.int64) + np.int64(low)).reshape(shape)


@register
class RandomBits(_RandomWhole):
    """Integers of so many random bits: the lowest of 32 that are drawn for each, or of 64."""

    name = "random_bits"

    def draw(self, shape: tuple[int, ...], dtype: DType, bits: int) -> np.ndarray:
        draws = sampling.below(default_generator, math.prod(shape), 1 << bits, wide=bits > 32)
        return draws.view(np.int64).reshape(shape)


@register
class RandomPermutation(_RandomWhole):
    """The numbers below the extent of a vector in random order, PyTorch's ``randperm``."""

    name = "random_permutation"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
        return default_generator.permutation(shape[0])


class _RandomHost(External):
    """Random numbers of float64 that the host draws in a program, too."""

    effect = "random"
    differentiable = False


@register
class RandomExchange(External):
    """The state of the stream so far; it goes on from the state that is given: int32[628], ``RandomStream.buffer``."""

    name = "random_exchange"
    effect = "random"
    differentiable = False

    def infer(self, given: TensorType) -> TensorType:
        return given

    def evaluate(self, given: np.ndarray) -> np.ndarray:
        state = default_generator.buffer.view(np.int32)
        before = state.copy()
        np.copyto(state, given)
        return before


@register
class RandomSerialNormal(_RandomHost):
    """Normal numbers made one pair after the other, as PyTorch fills a tensor that is not contiguous."""

    name = "random_serial_normal"

    def infer(self, *types: TensorType, shape: tuple[Dimension, ...], mean: float, std: float) -> TensorType:
        return TensorType(float64, tuple(shape))

    def evaluate(self, *arrays: np.ndarray, shape: tuple[int, ...], mean: float, std: float) -> np.ndarray:
        normals = sampling.serial_normals(default_generator, math.prod(shape))
        return sampling.scaled(normals, std, mean).reshape(shape)


@register
class RandomLogNormal(_RandomHost):
    """Numbers whose logarithms are normal, PyTorch's ``log_normal_``."""

    name = "random_log_normal"

    def infer(self, *types: TensorType, shape: tuple[Dimension, ...], mean: float, std: float) -> TensorType:
        return TensorType(float64, tuple(shape))

    def evaluate(self, *arrays: np.ndarray, shape: tuple[int, ...], mean: float, std: float) -> np.ndarray:
        return sampling.log_normal(default_generator, math.prod(shape), mean, std).reshape(shape)


@register
class RandomPoisson(_RandomHost):
    """How many events occur, for each mean number, PyTorch's ``poisson``."""

    name = "random_poisson"

    def infer(self, rates: TensorType) -> TensorType:
        return TensorType(float64, rates.shape)

    def evaluate(self, rates: np.ndarray) -> np.ndarray:
        wide = np.ascontiguousarray(rates, np.float64).reshape(-1)
        return sampling.poisson(default_generator, wide).reshape(rates.shape)


@register
class RandomBinomial(_RandomHost):
    """How many of so many trials of a probability succeed, PyTorch's ``binomial``; both operands have one shape."""

    name = "random_binomial"

    def infer(self, counts: TensorType, probabilities: TensorType) -> TensorType:
        if counts.shape != probabilities.shape:
            raise ValueError(f"random_binomial expects operands of one shape, got {counts} and {probabilities}")
        return TensorType(float64, counts.shape)

    def evaluate(self, counts: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        flat = (np.ascontiguousarray(array, np.float64).reshape(-1) for array in (counts, probabilities))
        return sampling.binomial(default_generator, *flat).reshape(counts.shape)


@register
class RandomSlopes(_RandomHost):
    """For each number that is not positive a factor from [lower, upper), for others the number itself; NaN for NaN.
    Numbers of the stream are drawn for the former alone: what PyTorch's ``rrelu`` keeps as its noise."""

    name = "random_slopes"

    def infer(self, x: TensorType, *, lower: float, upper: float) -> TensorType:
        return TensorType(float64, x.shape)

    def evaluate(self, x: np.ndarray, *, lower: float, upper: float) -> np.ndarray:
        slopes = np.array(x, np.float64, order="C")
        falling = np.asarray(x <= 0)
        slopes[falling] = default_generator.uniform(int(falling.sum()), np.float64, lower, upper)
        return slopes
