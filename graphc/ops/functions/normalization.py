"""Normalizations with PyTorch's names and arguments.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#normalization-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.ops.functions.arithmetic import clamp_min, rsqrt, square
from graphc.ops.functions.reduction import mean, norm, sum
from graphc.ops.operands import keep_dims
from graphc.ops.sources import number_like
from graphc.ops.views import Detach, Reshape

__all__ = ["batch_norm", "layer_norm"]
FUNCTIONS_ONLY = ("batch_norm", "layer_norm")

Value = Any


def layer_norm(
    input: Value,
    normalized_shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
) -> Value:
    """(input - mean) / sqrt(variance + eps) over the last dimensions, scaled and shifted per element of them.

    ``normalized_shape`` are the sizes of those dimensions; weight and bias have that shape. Source:
    https://arxiv.org/abs/1607.06450. Raises RuntimeError where the input does not end in that shape.
    """
    shape = tuple(normalized_shape)
    if tuple(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        expected = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{expected}], but got input of "
            f"size{list(input.shape)}"
        )
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    centred = input - mean(input, dims, keepdim=True)
    result = centred * rsqrt(mean(square(centred), dims, keepdim=True) + eps)
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


def rms_norm(
    input: Value, normalized_shape: Sequence[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """input / sqrt(mean of squares + eps) over the last dimensions. Source: https://arxiv.org/abs/1910.07467"""
    shape = tuple(normalized_shape)
    if tuple(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        raise RuntimeError(f"Given normalized_shape={list(shape)}, got input of size {list(input.shape)}")
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    smallest = _epsilon(input) if eps is None else eps
    result = input * rsqrt(mean(square(input), dims, keepdim=True) + smallest)
    return result if weight is None else result * weight


def _epsilon(input: Value) -> float:
    return {"float32": 2.0**-23, "float64": 2.0**-52}[input.dtype.name]


def batch_norm(
    input: Value,
    running_mean: Value | None,
    running_var: Value | None,
    weight: Value | None = None,
    bias: Value | None = None,
    training: bool = False,
    momentum: float | Value = 0.1,
    eps: float = 1e-5,
) -> Value:
    """Each channel (dimension 1 of [N, C, ...]) normalized over all else, scaled and shifted per channel.

    In training with the batch's own mean and variance, and the running statistics [C] are updated in place:
    ``running = (1 - momentum) * running + momentum * batch`` with the unbiased variance. Otherwise with the running
    statistics. Source: https://arxiv.org/abs/1502.03167

    Raises:
        ValueError: in training, with one value per channel; or without running statistics outside training.
    """
    if input.ndim < 2:
        raise ValueError(f"batch_norm expects an input of at least 2 dimensions, got shape {tuple(input.shape)}")
    shape = tuple(input.shape)
    others = (0, *range(2, input.ndim))
    per_channel = (1, shape[1], *(1,) * (input.ndim - 2))
    count = product(shape[dim] for dim in others)
    if training:
        if count == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
        average = sum(input, others) / count
        centred = input - keep_dims(average, shape, others)
        variance = sum(square(centred), others) / count
        if running_mean is not None:
            _update(running_mean, Detach.bind(average), momentum)
        if running_var is not None:
            unbiased = Detach.bind(variance) * _as_factor(variance, count)
            _update(running_var, unbiased, momentum)
    else:
        if running_mean is None or running_var is None:
            raise ValueError("Expected running_mean and running_var to be defined when training=False")
        average, variance = running_mean, running_var
        centred = input - keep_dims(average, shape, others)
    scale = rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    result = centred * Reshape.bind(scale, shape=per_channel)
    return result if bias is None else result + Reshape.bind(bias, shape=per_channel)


def _as_factor(variance: Value, count: Any) -> Any:
    """n / (n - 1), also where n is symbolic."""
    if isinstance(count, int):
        return count / (count - 1)
    return number_like(variance, count) / number_like(variance, count - 1)


def _update(running: Value, batch: Value, momentum: Any) -> None:
    running._assign(running * (1 - momentum) + batch * momentum)


def normalize(input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Value:
    """input / max(p-norm along ``dim``, eps)."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)


def group_norm(
    input: Value, num_groups: int, weight: Value | None = None, bias: Value | None = None, eps: float = 1e-5
) -> Value:
    """The channels of [N, C, ...] normalized in groups. Source: https://arxiv.org/abs/1803.08494

    Raises RuntimeError where the number of channels is no multiple of the number of groups.
    """
    shape = tuple(input.shape)
    if shape[1] % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    rows = Reshape.bind(input, shape=(shape[0], num_groups, product((shape[1] // num_groups, *shape[2:]))))
    centred = rows - mean(rows, 2, keepdim=True)
    result = Reshape.bind(centred * rsqrt(mean(square(centred), 2, keepdim=True) + eps), shape=shape)
    per_channel = (1, shape[1], *(1,) * (input.ndim - 2))
    if weight is not None:
        result = result * Reshape.bind(weight, shape=per_channel)
    return result if bias is None else result + Reshape.bind(bias, shape=per_channel)
