"""Layers as PyTorch's top namespace has them: arguments by position in the order of its kernels, some with what the
backward pass of a normalization needs beside the result.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html, whose functions call these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import DType, float32
from graphc.ops.comparisons import Ne
from graphc.ops.functions import convolution as convolutions
from graphc.ops.functions import ctc, normalization
from graphc.ops.functions import embedding as embeddings
from graphc.ops.functions.arithmetic import rsqrt, square
from graphc.ops.functions.reduction import mean
from graphc.ops.half_precision import as_single
from graphc.ops.operands import cast
from graphc.ops.scatters import IndexAdd
from graphc.ops.sources import number_like
from graphc.ops.views import Detach, Reshape

NAMESPACE = "torch"
METHODS = ()

Value = Any
_REDUCTIONS = ("none", "mean", "sum")
_MODES = ("sum", "mean", "max")


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
    return normalization.normalized_by_channel(input, running_mean, running_var, weight, bias, training, momentum, eps)


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
    result = normalization.normalized_by_channel(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )
    if not training:
        return result, number_like(input, 0, shape=(0,)), number_like(input, 0, shape=(0,))
    # As wide as the parameters are, where there are some.
    given = next((value for value in (weight, bias, running_mean) if value is not None), None)
    dtype = _kept(input.dtype) if given is None else given.dtype
    centre, scale = _statistics(Detach.bind(input), (0, *range(2, input.ndim)), eps, dtype)
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


def embedding_bag(
    weight: Value,
    indices: Value,
    offsets: Value,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Value, Value, Value, Value]:
    """:func:`graphc.nn.functional.embedding_bag` with the table first and the mode as a number: 0 sum, 1 mean, 2 max.

    Beside the bags what PyTorch's backward pass reads: for each index the number of its bag (of plain sums none), how
    many indices count in each bag (of sums zeros), and the rows that gave the maxima (else those numbers again).
    Raises RuntimeError for another mode; of mode 2 outside compiled functions only.
    """
    if mode not in range(len(_MODES)):
        raise RuntimeError("`mode` must be sum, mean, or max.")
    if per_sample_weights is not None and mode:
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    bags = embeddings.embedding_bag(
        indices, weight, offsets, None, 2, scale_grad_by_freq, _MODES[mode], sparse, per_sample_weights,
        include_last_offset, padding_idx,
    )  # fmt: skip
    slots = number_like(offsets, 0)
    if not mode and padding_idx is None:
        return bags, number_like(indices, 0, shape=(0,)), slots, slots
    numbers = embeddings.bag_numbers(offsets, indices.shape[0])
    if not mode:
        return bags, numbers, slots, slots
    counted = number_like(indices, 1)
    if padding_idx is not None:
        counted = cast(Ne.bind(indices, number_like(indices, padding_idx % weight.shape[0])), indices.dtype)
    sizes = IndexAdd.bind(slots, numbers, counted, dim=0)
    if mode == 1:
        return bags, numbers, sizes, sizes
    return bags, numbers, sizes, _rows_of_maxima(weight, indices, numbers, counted, bags.shape[0])


def _rows_of_maxima(weight: Value, indices: Value, numbers: Value, counted: Value, count: int) -> Value:
    """For each bag and column the row of the table whose element is the first maximum; 0 of an empty bag."""
    rows = np.zeros((count, weight.shape[1]), np.int64)
    table, chosen = (value._value("embedding_bag() of mode 2") for value in (weight, indices))
    best = np.full(rows.shape, -np.inf)
    members = zip(chosen.tolist(), numbers._settled.tolist(), counted._settled.tolist(), strict=True)
    for row, bag, counts in members:
        if counts and bag < count:
            better = table[row] > best[bag]
            rows[bag][better], best[bag][better] = row, table[row][better]
    return indices._beside(rows)


def convolution(
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Value:
    """A convolution of any number of dims, or with ``transposed`` one turned round; one number stands for all dims.

    Raises RuntimeError, with PyTorch's words, where the input has not the rank of the weight.
    """
    rank = weight.ndim - 2
    if input.ndim != weight.ndim or rank not in (1, 2, 3):
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {list(weight.shape)}, but "
            f"got {input.ndim}-dimensional input of size {list(input.shape)} instead"
        )
    stride, padding, dilation, output_padding = (
        tuple(sizes) * rank if len(sizes) == 1 else tuple(sizes)
        for sizes in (stride, padding, dilation, output_padding)
    )
    if transposed:
        turned = (convolutions.conv_transpose1d, convolutions.conv_transpose2d, convolutions.conv_transpose3d)
        return turned[rank - 1](input, weight, bias, stride, padding, output_padding, groups, dilation)
    straight = (convolutions.conv1d, convolutions.conv2d, convolutions.conv3d)
    return straight[rank - 1](input, weight, bias, stride, padding, dilation, groups)


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
    "convolution",
    "ctc_loss",
    "embedding",
    "embedding_bag",
    "instance_norm",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
]
