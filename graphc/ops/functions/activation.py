"""Activations with PyTorch's names and arguments. All keep the shape and a floating dtype.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ir.types import DType
from graphc.ops import pointwise
from graphc.ops.functions import arithmetic
from graphc.ops.functions.arithmetic import exp, expm1, log, log1p, sigmoid, tanh, where
from graphc.ops.functions.creation import bernoulli_like
from graphc.ops.functions.reduction import amax, sum
from graphc.ops.operands import cast, normalize_dim
from graphc.ops.views import Detach

__all__ = ["dropout", "log_softmax", "relu", "softmax"]
METHODS = ("log_softmax", "relu", "softmax")
IN_PLACE = ("relu",)

Value = Any


def _finish(input: Value, result: Value, inplace: bool) -> Value:
    return input._assign(result) if inplace else result


def relu(input: Value, inplace: bool = False) -> Value:
    """max(input, 0); the gradient at 0 is 0."""
    return _finish(input, pointwise.Relu.bind(input), inplace)


def leaky_relu(input: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """input where it is positive, else negative_slope * input."""
    return _finish(input, where(input > 0, input, input * negative_slope), inplace)


def elu(input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """input where it is positive, else alpha * (exp(input) - 1)."""
    # The other branch stays finite where it is not taken: an infinity there would make its gradient NaN.
    falling = expm1(arithmetic.clamp(input, max=0))
    return _finish(input, where(input <= 0, falling if alpha == 1 else falling * alpha, input), inplace)


def gelu(input: Value, approximate: str = "none") -> Value:
    """input times the normal distribution function; "tanh" approximates it. Source: https://arxiv.org/abs/1606.08415"""
    if approximate == "none":
        return input * 0.5 * (arithmetic.erf(input * math.sqrt(0.5)) + 1)
    if approximate != "tanh":
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))
    return 0.5 * input * (tanh(inner) + 1)


def silu(input: Value, inplace: bool = False) -> Value:
    """input * sigmoid(input), also called swish."""
    return _finish(input, input * sigmoid(input), inplace)


def mish(input: Value, inplace: bool = False) -> Value:
    """input * tanh(softplus(input))."""
    return _finish(input, input * tanh(softplus(input)), inplace)


def softplus(input: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input exceeds the threshold."""
    scaled = input if beta == 1 else input * beta
    straight = scaled > threshold
    curve = log1p(exp(where(straight, 0.0, scaled)))
    return where(straight, input, curve if beta == 1 else curve / beta)


def softsign(input: Value) -> Value:
    """input / (1 + |input|)."""
    return input / (arithmetic.abs(input) + 1)


def logsigmoid(input: Value) -> Value:
    """log(sigmoid(input)), without overflow."""
    smaller = arithmetic.minimum(input, pointwise.number_like(input, 0))
    return smaller - log1p(exp(-arithmetic.abs(input)))


def hardtanh(input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    """input limited to [min_val, max_val]; the gradient is 0 at the limits."""
    return _finish(input, where(input <= min_val, min_val, where(input >= max_val, max_val, input)), inplace)


def relu6(input: Value, inplace: bool = False) -> Value:
    """input limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Value, inplace: bool = False) -> Value:
    """min(max(input + 3, 0), 6) / 6."""
    return _finish(input, relu6(input + 3) / 6, inplace)


def hardswish(input: Value, inplace: bool = False) -> Value:
    """input * min(max(input + 3, 0), 6) / 6."""
    return _finish(input, input * relu6(input + 3) / 6, inplace)


def _shifted(input: Value, dim: int, dtype: DType | None) -> tuple[Value, int]:
    """The input less its maximum along the dimension, so that exponentials do not overflow."""
    if dtype is not None:
        input = cast(input, dtype)
    if input.dtype.category != "float":
        raise RuntimeError(f"softmax expects a floating dtype, got {input.dtype}")
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0 or input.shape[axis] == 0:
        return (input - Detach.bind(input) if input.ndim == 0 else input), axis
    return input - amax(Detach.bind(input), axis, keepdim=True), axis


def _implied_dim(input: Value, dim: int | None) -> int:
    if dim is not None:
        return dim
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """exp(input) over its sum along ``dim``."""
    shifted, axis = _shifted(input, _implied_dim(input, dim), dtype)
    powers = exp(shifted)
    return powers / sum(powers, axis, keepdim=True)


def log_softmax(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """The logarithm of the softmax along ``dim``, computed without taking that of a small number."""
    shifted, axis = _shifted(input, _implied_dim(input, dim), dtype)
    return shifted - log(sum(exp(shifted), axis, keepdim=True))


def softmin(input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Value:
    """The softmax of the negative."""
    return softmax(-input, dim, dtype=dtype)


def dropout(input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Each element zeroed with probability p, the others divided by 1 - p; the input itself outside training.

    Raises ValueError for a probability outside [0, 1].
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return _finish(input, input * 0.0, inplace)
    return _finish(input, input * (bernoulli_like(input, 1 - p) / (1 - p)), inplace)
