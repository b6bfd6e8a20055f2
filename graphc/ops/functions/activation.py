"""Activations with PyTorch's names and arguments. All keep the shape and a floating dtype.

With ``inplace`` the result is written to the input, which is what is returned.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.types import DType, float64
from graphc.notices import warn
from graphc.ops import pointwise
from graphc.ops.composites import Composite
from graphc.ops.functions import arithmetic
from graphc.ops.functions.arithmetic import exp, expm1, log, log1p, sigmoid, tanh, where
from graphc.ops.functions.reduction import amax, argmax, sum
from graphc.ops.functions.shaping import slice_dim
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast, normalize_dim
from graphc.ops.quiet import quiet
from graphc.ops.random_numbers import RandomSlopes
from graphc.ops.reductions import kept_sum
from graphc.ops.sources import Iota, RandomUniform, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, Reshape
from graphc.sizes import stretches

__all__ = [
    "celu",
    "celu_",
    "hardshrink",
    "log_softmax",
    "prelu",
    "relu",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "softmax",
    "threshold",
    "threshold_",
]
METHODS = ("hardshrink", "log_softmax", "prelu", "relu", "softmax")
IN_PLACE = ("relu",)
OUT_MAY_OVERLAP = True

Value = Any


def _finish(input: Value, result: Value, inplace: bool) -> Value:
    # A value in a graph cannot change: the result is the value from there on.
    return input._assign(result) if inplace and hasattr(input, "_assign") else result


def _require_float(routine: str, input: Value) -> None:
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{routine}\" not implemented for '{type_name(input.dtype)}'")


# -- straight pieces -----------------------------------------------------------------------------------------------


def relu(input: Value, inplace: bool = False) -> Value:
    """max(input, 0); the gradient at 0 is 0."""
    if input.dtype.category == "bool":
        raise RuntimeError("Boolean inputs not supported for relu")
    if input.dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    return _finish(input, pointwise.Relu.bind(input), inplace)


def relu_(input: Value) -> Value:
    """:func:`relu` in place."""
    return relu(input, True)


def leaky_relu(input: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """input where it is positive, else negative_slope * input."""
    _require_float("leaky_relu_cpu", input)
    return _finish(input, where(input > 0, input, input * negative_slope), inplace)


def leaky_relu_(input: Value, negative_slope: float = 0.01) -> Value:
    """:func:`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def prelu(input: Value, weight: Value) -> Value:
    """input where it is positive, else weight * input; a weight for all, or one for each channel (dim 1).

    Raises RuntimeError, with PyTorch's words, for a weight that does not fit.
    """
    if weight.dtype != input.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {type_name(input.dtype)} and {type_name(weight.dtype)}"
        )
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    count = weight.shape[0] if weight.ndim else 1
    if count != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}."
            )
    _require_float("prelu_cpu", input)
    if input.ndim > 1:
        weight = Reshape.bind(weight, shape=(1, count, *(1,) * (input.ndim - 2)))
    elif weight.ndim != input.ndim:
        weight = Reshape.bind(weight, shape=(1,) * input.ndim)
    return where(input > 0, input, weight * input)


def rrelu(
    input: Value, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Value:
    """input where it is positive, else input times a slope: the mean of the bounds, in training a random one.

    In training the slopes are drawn for the elements that are not positive alone, as PyTorch draws them.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    _require_float("rrelu_with_noise_out_cpu", input)
    slope = cast(RandomSlopes.bind(Detach.bind(input), lower=float(lower), upper=float(upper)), input.dtype)
    return _finish(input, where(input > 0, input, input * slope), inplace)


def rrelu_(input: Value, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Value:
    """:func:`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


def threshold(input: Value, threshold: float, value: float, inplace: bool = False) -> Value:
    """input where it is greater than the threshold, else value."""
    if input.dtype.category == "bool":
        raise NotImplementedError("\"threshold_cpu\" not implemented for 'Bool'")
    return _finish(input, where(input <= threshold, number_like(input, value, shape=()), input), inplace)


def threshold_(input: Value, threshold: float, value: float) -> Value:
    """:func:`threshold` in place."""
    return _threshold(input, threshold, value, True)


_threshold = threshold


def hardtanh(input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    """input limited to [min_val, max_val]; the gradient is 0 at the limits."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.category == "bool":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    low, high = (number_like(input, limit, shape=()) for limit in (min_val, max_val))
    return _finish(input, where(input <= min_val, low, where(input >= max_val, high, input)), inplace)


def hardtanh_(input: Value, min_val: float = -1.0, max_val: float = 1.0) -> Value:
    """:func:`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def relu6(input: Value, inplace: bool = False) -> Value:
    """input limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


@rounded_once
def hardsigmoid(input: Value, inplace: bool = False) -> Value:
    """min(max(input + 3, 0), 6) / 6."""
    _require_float("hardsigmoid_cpu", input)
    return _finish(input, relu6(input + 3) / 6, inplace)


@rounded_once
def hardswish(input: Value, inplace: bool = False) -> Value:
    """input * min(max(input + 3, 0), 6) / 6."""
    _require_float("hardswish_cpu", input)
    return _finish(input, input * relu6(input + 3) / 6, inplace)


def hardshrink(input: Value, lambd: float = 0.5) -> Value:
    """input outside of [-lambd, lambd], else 0."""
    _require_float("hardshrink_cpu", input)
    return where(arithmetic.logical_and(input >= -lambd, input <= lambd), 0.0, input)


@rounded_once
def softshrink(input: Value, lambd: float = 0.5) -> Value:
    """input moved by lambd towards 0, and no further."""
    _require_float("softshrink_check", input)
    if not lambd >= 0:
        greatest = 3.40282e38 if input.dtype.name == "float32" else 1.79769e308
        raise RuntimeError(
            f"lambda must be in range [0, {greatest:g}] for input dtype {type_name(input.dtype)}, but found {lambd:g}"
        )
    near = arithmetic.logical_and(input >= -lambd, input <= lambd)
    return where(near, Detach.bind(input) * 0.0, where(input > 0, input - lambd, input + lambd))


# -- curves --------------------------------------------------------------------------------------------------------


def _exponential_unit(input: Value, alpha: float, scale: float, input_scale: float) -> Value:
    """scale * input where it is positive, else scale * alpha * (exp(input_scale * input) - 1)."""
    _require_float("elu_cpu", input)
    # The other branch stays finite where it is not taken: an infinity there would make its gradient NaN.
    falling = arithmetic.clamp(input, max=0)
    falling = expm1(falling if input_scale == 1 else falling * input_scale)
    factor = scale * alpha
    # At 0 it falls with a straight line: PyTorch's second gradient there is 0.
    rising = input if scale == 1 else input * scale
    if factor * input_scale != scale:
        rising = where(input == 0, input * (factor * input_scale), rising)
    return where(input < 0, falling if factor == 1 else falling * factor, rising)


@rounded_once
def elu(input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """input where it is positive, else alpha * (exp(input) - 1)."""
    return _finish(input, _exponential_unit(input, alpha, 1.0, 1.0), inplace)


def elu_(input: Value, alpha: float = 1.0) -> Value:
    """:func:`elu` in place."""
    return elu(input, alpha, True)


@rounded_once
def selu(input: Value, inplace: bool = False) -> Value:
    """:func:`elu` of fixed parameters that keep mean and variance. Source: https://arxiv.org/abs/1706.02515"""
    return _finish(input, _exponential_unit(input, 1.6732632423543772848, 1.0507009873554804934, 1.0), inplace)


def selu_(input: Value) -> Value:
    """:func:`selu` in place."""
    return selu(input, True)


@rounded_once
def celu(input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """input where it is positive, else alpha * (exp(input / alpha) - 1). Source: https://arxiv.org/abs/1704.07483"""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _finish(input, _exponential_unit(input, alpha, 1.0, 1.0 / alpha), inplace)


def celu_(input: Value, alpha: float = 1.0) -> Value:
    """:func:`celu` in place."""
    return celu(input, alpha, True)


_ROOT_OF_HALF = math.sqrt(0.5)


class Gelu(Composite):
    """The input, given twice, times the normal distribution function."""

    name, saves_inputs = "gelu", (0,)

    def decompose(self, x: Value, again: Value) -> Value:
        return x * 0.5 * (arithmetic.erf(x * _ROOT_OF_HALF) + 1)

    @quiet
    def evaluate(self, x: np.ndarray, again: np.ndarray) -> np.ndarray:
        below = _normal_distribution(x)
        below *= x * x.dtype.type(0.5)
        return below

    def vjp(self, cotangent: Value, output: Value, x: Value, again: Value) -> tuple[Any, ...]:
        return GeluDensityGradient.bind(cotangent, x), GeluFactorGradient.bind(cotangent, x)


def _normal_distribution(x: np.ndarray) -> np.ndarray:
    """Twice the probability of normal numbers up to x."""
    below = pointwise.Erf.function(x * x.dtype.type(_ROOT_OF_HALF))
    below += x.dtype.type(1)
    return below


class GeluDensityGradient(Composite):
    """The part of the cotangent of the operand of :class:`Gelu` that comes through the distribution function."""

    name, differentiable = "gelu_density_gradient", False

    def decompose(self, cotangent: Value, x: Value) -> Value:
        scaled = x * _ROOT_OF_HALF
        return cotangent * (x * 0.5) * (exp(-(scaled * scaled)) * (2 / math.sqrt(math.pi))) * _ROOT_OF_HALF

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray) -> np.ndarray:
        kind = x.dtype.type
        scaled = x * kind(_ROOT_OF_HALF)
        scaled = np.exp(-(scaled * scaled))
        scaled *= kind(2 / math.sqrt(math.pi))
        result = x * kind(0.5)
        result *= cotangent
        result *= scaled
        result *= kind(_ROOT_OF_HALF)
        return result


class GeluFactorGradient(Composite):
    """The part of the cotangent of the operand of :class:`Gelu` that comes through the factor before the function."""

    name, differentiable = "gelu_factor_gradient", False

    def decompose(self, cotangent: Value, x: Value) -> Value:
        return cotangent * (arithmetic.erf(x * _ROOT_OF_HALF) + 1) * 0.5

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray) -> np.ndarray:
        result = _normal_distribution(x)
        result *= cotangent
        result *= x.dtype.type(0.5)
        return result


@rounded_once
def gelu(input: Value, approximate: str = "none") -> Value:
    """input times the normal distribution function; "tanh" approximates it. Source: https://arxiv.org/abs/1606.08415"""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    _require_float("GeluKernelImpl", input)
    if approximate == "none":
        return Gelu.bind(input, input)
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))
    return 0.5 * input * (tanh(inner) + 1)


@rounded_once
def glu(input: Value, dim: int = -1) -> Value:
    """The first half along ``dim`` times the sigmoid of the second. Source: https://arxiv.org/abs/1612.08083"""
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    axis = normalize_dim(dim, input.ndim)
    extent = input.shape[axis]
    if extent % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis} is size {extent}")
    _require_float("glu_cpu", input)
    half = extent // 2
    return slice_dim(input, axis, 0, half) * sigmoid(slice_dim(input, axis, half, extent))


@rounded_once
def silu(input: Value, inplace: bool = False) -> Value:
    """input * sigmoid(input), also called swish, of floats or complex numbers."""
    if not input.dtype.is_complex:
        _require_float("silu_cpu", input)
    return _finish(input, input * sigmoid(input), inplace)


@rounded_once
def mish(input: Value, inplace: bool = False) -> Value:
    """input * tanh(softplus(input))."""
    _require_float("mish_cpu", input)
    return _finish(input, input * tanh(softplus(input)), inplace)


@rounded_once
def softplus(input: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input exceeds the threshold."""
    _require_float("softplus_cpu", input)
    scaled = input if beta == 1 else input * beta
    straight = scaled > threshold
    curve = log1p(exp(where(straight, 0.0, scaled)))
    return where(straight, input, curve if beta == 1 else curve / beta)


def softsign(input: Value) -> Value:
    """input / (1 + |input|)."""
    return input / (arithmetic.abs(input) + 1)


def tanhshrink(input: Value) -> Value:
    """input - tanh(input)."""
    return input - tanh(input)


@rounded_once
def logsigmoid(input: Value) -> Value:
    """log(sigmoid(input)), without overflow."""
    _require_float("log_sigmoid_cpu", input)
    # Each side is smooth up to 0, so that derivatives of any order are right there too.
    negative = input < 0
    return arithmetic.where(negative, input, 0.0) - log1p(exp(arithmetic.where(negative, input, -input)))


# -- along a dimension ---------------------------------------------------------------------------------------------


@stretches
def _shifted(input: Value, dim: int) -> Value:
    """The input less its maximum along the dimension, so that exponentials do not overflow."""
    if input.ndim == 0 or input.shape[dim] == 0:
        return input - Detach.bind(input) if input.ndim == 0 else input
    return input - amax(Detach.bind(input), dim, keepdim=True)


def _shifted_array(x: np.ndarray, dim: int) -> np.ndarray:
    return np.asarray(x - (np.maximum.reduce(x, dim, None, None, True) if x.ndim and x.shape[dim] else x))


def _powers(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The exponentials of the shifted elements, and their sums along the dimension."""
    powers = _shifted_array(x, dim)
    np.exp(powers, powers)
    return powers, kept_sum(powers, (dim,)) if x.ndim else powers


class Softmax(Composite):
    """exp(x) over its sum along ``dim``."""

    name, saves_output = "softmax", True

    def decompose(self, x: Value, *, dim: int) -> Value:
        powers = exp(_shifted(x, dim))
        return powers / sum(powers, dim, keepdim=True)

    @quiet
    def evaluate(self, x: np.ndarray, *, dim: int) -> np.ndarray:
        powers, total = _powers(x, dim)
        return np.divide(powers, total, powers if x.ndim else None)

    def vjp(self, cotangent: Value, output: Value, x: Value, *, dim: int) -> tuple[Value]:
        return (SoftmaxGradient.bind(cotangent, x, dim=dim),)

    @staticmethod
    def vjp_of_output(cotangent: Value, output: Value, *, dim: int) -> tuple[Value]:
        """The cotangent, of the result."""
        return ((cotangent - sum(cotangent * output, dim, keepdim=True)) * output,)


class SoftmaxGradient(Composite):
    """The cotangent of the operand of :class:`Softmax`."""

    name, differentiable = "softmax_gradient", False

    def decompose(self, cotangent: Value, x: Value, *, dim: int) -> Value:
        result = Softmax.bind(x, dim=dim)
        return (cotangent - sum(cotangent * result, dim, keepdim=True)) * result

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, *, dim: int) -> np.ndarray:
        # The steps of the composition's own rules, rounded where they round.
        powers, total = _powers(x, dim)
        of_total = -cotangent * (powers / total / total)
        return (cotangent / total + (kept_sum(of_total, (dim,)) if x.ndim else of_total)) * powers


class LogSoftmax(Composite):
    """x less the logarithm of the sum of exp(x) along ``dim``."""

    name, saves_output = "log_softmax", True

    def decompose(self, x: Value, *, dim: int) -> Value:
        shifted = _shifted(x, dim)
        return shifted - log(sum(exp(shifted), dim, keepdim=True))

    @quiet
    def evaluate(self, x: np.ndarray, *, dim: int) -> np.ndarray:
        shifted = _shifted_array(x, dim)
        powers = np.exp(shifted)
        total = kept_sum(powers, (dim,)) if x.ndim else powers
        return np.subtract(shifted, np.log(total), shifted)

    def vjp(self, cotangent: Value, output: Value, x: Value, *, dim: int) -> tuple[Value]:
        return (LogSoftmaxGradient.bind(cotangent, x, dim=dim),)

    @staticmethod
    def vjp_of_output(cotangent: Value, output: Value, *, dim: int) -> tuple[Value]:
        """The cotangent, of the result."""
        return (cotangent - exp(output) * sum(cotangent, dim, keepdim=True),)


class LogSoftmaxGradient(Composite):
    """The cotangent of the operand of :class:`LogSoftmax`."""

    name, differentiable = "log_softmax_gradient", False

    def decompose(self, cotangent: Value, x: Value, *, dim: int) -> Value:
        return cotangent - Softmax.bind(x, dim=dim) * sum(cotangent, dim, keepdim=True)

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, *, dim: int) -> np.ndarray:
        powers, total = _powers(x, dim)
        of_logarithm = kept_sum(-cotangent, (dim,)) if x.ndim else -cotangent
        return cotangent + of_logarithm / total * powers


def _along(composite: type[Composite], input: Value, dim: int, dtype: DType | None) -> Value:
    """A composite of the input, in the dtype, along a dimension. Raises for a dim out of range and for integers."""
    if dtype is not None:
        input = cast(input, dtype)
    axis = normalize_dim(dim, input.ndim)
    if not input.dtype.is_floating_point:
        place = "lastdim_kernel_impl" if axis + 1 >= input.ndim else "kernel_impl"
        _require_float(f"{composite.name}_{place}", input)
    return composite.bind(input, dim=axis)


def _chosen_dim(name: str, input: Value, dim: int | None, stacklevel: Any, dtype: Any) -> tuple[int, DType | None]:
    """The dim, by PyTorch's old rule where none is given; the method takes a dtype in the second place."""
    if isinstance(stacklevel, DType):
        stacklevel, dtype = 3, stacklevel
    if dim is not None:
        return dim, dtype
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
    )
    return (0 if input.ndim in (0, 1, 3) else 1), dtype


@rounded_once
def softmax(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """exp(input) over its sum along ``dim``."""
    return _along(Softmax, input, *_chosen_dim("softmax", input, dim, _stacklevel, dtype))


@rounded_once
def log_softmax(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """The logarithm of the softmax along ``dim``, computed without taking that of a small number."""
    return _along(LogSoftmax, input, *_chosen_dim("log_softmax", input, dim, _stacklevel, dtype))


def softmin(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """The softmax of the negative."""
    dim, dtype = _chosen_dim("softmin", input, dim, _stacklevel, dtype)
    return softmax(-input, dim, dtype=dtype)


def gumbel_softmax(logits: Value, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Value:
    """The softmax along ``dim`` of logits with Gumbel noise, over ``tau``: a sample of the distribution, made smooth.

    With ``hard`` it is the one-hot sample, with the gradient of the smooth one. ``eps`` has no effect.
    Source: https://arxiv.org/abs/1611.01144
    """
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.")
    if not logits.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {type_name(logits.dtype)}"
        )
    attrs = {"shape": tuple(logits.shape), "dtype": float64}
    waiting = cast(-log1p(-logits.apply(RandomUniform.instance, (), attrs)), logits.dtype)
    smooth = softmax((logits - log(waiting)) / tau, dim)
    if not hard:
        return smooth
    axis = normalize_dim(dim, logits.ndim)
    place = argmax(Detach.bind(smooth), axis, keepdim=True)
    attrs = {"shape": tuple(logits.shape), "dim": axis, "dtype": place.dtype}
    chosen = logits.apply(Iota.instance, (), attrs) == place if logits.ndim else place == place
    return cast(chosen, logits.dtype) - Detach.bind(smooth) + smooth
