"""Layers as PyTorch's top namespace has them: arguments by position in the order of its kernels, some with what the
backward pass of a normalization needs beside the result.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html, whose functions call these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.ir.types import DType, float32
from graphc.ops.functions import ctc, normalization
from graphc.ops.functions import embedding as embeddings
from graphc.ops.functions.arithmetic import rsqrt, square
from graphc.ops.functions.reduction import mean
from graphc.ops.half_precision import as_single
from graphc.ops.operands import cast
from graphc.ops.sources import number_like
from graphc.ops.views import Detach, Reshape

NAMESPACE = "torch"
METHODS = ()

Value = Any
_REDUCTIONS = ("none", "mean", "sum")


def batch_norm(
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Value:
    """:func:`graphc.nn.functional.batch_norm` with the parameters before the statistics."""
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Value:
    """:func:`graphc.nn.functional.instance_norm` with the parameters before the statistics."""
    return normalization.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def native_batch_norm(
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    """:func:`batch_norm` and, in training, the mean and the reciprocal deviation of each channel; else two of [0]."""
    result = normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return result, number_like(input, 0, shape=(0,)), number_like(input, 0, shape=(0,))
    centre, scale = _statistics(Detach.bind(input), (0, *range(2, input.ndim)), eps, _kept(input.dtype))
    return result, centre.reshape(-1), scale.reshape(-1)


def native_layer_norm(
    input: Value, normalized_shape: Sequence[int], weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    """:func:`graphc.layer_norm`, and the means and the reciprocal deviations it takes."""
    result = normalization.layer_norm(input, normalized_shape, weight, bias, eps)
    first = input.ndim - len(tuple(normalized_shape))
    return result, *_statistics(Detach.bind(input), tuple(range(first, input.ndim)), eps, input.dtype)


def native_group_norm(
    input: Value,
    weight: Value | None,
    bias: Value | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Value, Value, Value]:
    """:func:`graphc.group_norm`, and the means and the reciprocal deviations [n, groups] it takes."""
    result = normalization.group_norm(input, group, weight, bias, eps)
    groups = Reshape.bind(input, shape=(N, group, product(input.shape) // max(N * group, 1)))
    centre, scale = _statistics(groups, (2,), eps, input.dtype)
    return result, centre.reshape(N, group), scale.reshape(N, group)


def _kept(dtype: DType) -> DType:
    """What statistics of a batch are kept in."""
    return float32 if dtype.is_half else dtype


def _statistics(input: Value, dims: tuple[int, ...], eps: float, dtype: DType) -> tuple[Value, Value]:
    wide = as_single(input)
    centre = mean(wide, dims, True)
    scale = rsqrt(mean(square(wide - centre), dims, True) + eps)
    return cast(centre, dtype), cast(scale, dtype)


def embedding(
    weight: Value, indices: Value, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Value:
    """:func:`graphc.nn.functional.embedding` with the table first; a negative ``padding_idx`` stands for none."""
    padding = padding_idx if padding_idx >= 0 else None
    return embeddings.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def ctc_loss(
    log_probs: Value,
    targets: Value,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Value:
    """:func:`graphc.nn.functional.ctc_loss` with the reduction as a number: 0 none, 1 mean, 2 sum."""
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, _REDUCTIONS[reduction], zero_infinity)


__all__ = [
    "batch_norm",
    "ctc_loss",
    "embedding",
    "instance_norm",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
]
