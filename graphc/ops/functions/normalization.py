"""Normalizations with PyTorch's names and arguments.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#normalization-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.ir.types import DType, float64
from graphc.ops.composites import runs_whole
from graphc.ops.functions.arithmetic import clamp_min, rsqrt, square
from graphc.ops.functions.normalized import (
    BatchNormalized,
    ChannelMean,
    ChannelSquares,
    MovingMean,
    MovingVariance,
    Normalized,
)
from graphc.ops.functions.pooling import avg_pool2d, avg_pool3d
from graphc.ops.functions.reduction import mean, norm
from graphc.ops.gathers import Pad
from graphc.ops.half_precision import as_single, rounded_as_input, rounded_once
from graphc.ops.number_limits import finfo
from graphc.ops.operands import cast, is_value, keep_dims, normalize_dim
from graphc.ops.pointwise import Copy
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, Expand, Reshape
from graphc.ops.wide_sums import WideSum
from graphc.sizes import stretches

__all__ = ["group_norm", "layer_norm", "rms_norm"]
METHODS = ()

Value = Any


def _require_float(routine: str, input: Value) -> None:
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{routine}\" not implemented for '{type_name(input.dtype)}'")


# -- over the last dimensions --------------------------------------------------------------------------------------


def _normalized_dims(
    input: Value, normalized_shape: Sequence[int], weight: Value | None, bias: Value | None, star: str
) -> tuple[int, ...]:
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and tuple(given.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(given.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{star}{', '.join(map(str, shape))}], "
            f"but got input of size{list(input.shape)}"
        )
    return tuple(range(input.ndim - len(shape), input.ndim))


@rounded_as_input
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
    dims = _normalized_dims(input, normalized_shape, weight, bias, "*, ")
    _require_float("LayerNormKernelImpl", input)
    result = Normalized.bind(input, input, dims=dims, eps=eps)
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


@rounded_as_input
def rms_norm(
    input: Value, normalized_shape: Sequence[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """input / sqrt(mean of squares + eps) over the last dimensions. Source: https://arxiv.org/abs/1910.07467

    ``eps`` is the distance from 1 to the next number of the dtype by default.
    """
    dims = _normalized_dims(input, normalized_shape, weight, None, "*")
    if not input.dtype.is_differentiable:
        raise NotImplementedError(f"\"rms_norm\" not implemented for '{type_name(input.dtype)}'")
    smallest = finfo(input.dtype).eps if eps is None else eps
    result = input * rsqrt(mean(square(input), dims, keepdim=True) + smallest)
    return result if weight is None else result * weight


# -- by channels ---------------------------------------------------------------------------------------------------


def _per_channel(value: Value, rank: int) -> Value:
    return Reshape.bind(value, shape=(1, value.shape[0], *(1,) * (rank - 2)))


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
        ValueError: in training, one value per channel, or one running statistic without the other; a negative ``eps``,
            or one of 0 in training.
        RuntimeError: no running statistics outside training, or parameters of other sizes.
    """
    if training and input.ndim and product((input.shape[0], *input.shape[2:])) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    if training and eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return normalized_by_channel(input, running_mean, running_var, weight, bias, training, momentum, eps)


def normalized_by_channel(
    input: Value,
    running_mean: Value | None,
    running_var: Value | None,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: float | Value,
    eps: float,
) -> Value:
    """:func:`batch_norm` of any ``eps`` and of any number of values per channel."""
    shape = tuple(input.shape)
    others = (0, *range(2, input.ndim))
    if shape == (0,):
        return Copy.bind(input)
    normalize_dim(1, input.ndim)
    _require_float("batch_norm", input)
    statistics = {"running_mean": running_mean, "running_var": running_var}
    for name, value in (*statistics.items(), ("weight", weight), ("bias", bias)):
        if value is None:
            if name in statistics and not training:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
            continue
        if tuple(value.shape) != (shape[1],):
            raise RuntimeError(f"{name} should contain {shape[1]} elements not {product(value.shape)}")
        if value.dtype != input.dtype and not (input.dtype.itemsize == 2 and value.dtype.name == "float32"):
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if 0 in shape:
        # Gradients of the parameters are zeros, as PyTorch's are.
        result = Copy.bind(input)
        scaled = result if weight is None else result * cast(_per_channel(weight, input.ndim), input.dtype)
        return scaled if bias is None else scaled + cast(_per_channel(bias, input.ndim), input.dtype)
    if input.dtype.is_half:
        # Parameters and statistics may be float32 beside a half; what is updated is the statistics themselves.
        wide = (None if value is None else as_single(value) for value in (weight, bias))
        result = _normalized(as_single(input), others, running_mean, running_var, *wide, training, momentum, eps)
        return cast(result, input.dtype)
    return _normalized(input, others, running_mean, running_var, weight, bias, training, momentum, eps)


def _normalized(
    input: Value,
    others: tuple[int, ...],
    running_mean: Value | None,
    running_var: Value | None,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: Any,
    eps: float,
) -> Value:
    """What :func:`batch_norm` gives, of an input that is no half; ``others`` are all dimensions but the channels."""
    if training and weight is not None and bias is not None and runs_whole(input):
        given = Detach.bind(input)
        average = ChannelMean.bind(given, dims=others)
        squares = ChannelSquares.bind(given, average, dims=others)
        _update_statistics(running_mean, running_var, average, squares, momentum, input.numel() // average.numel())
        return BatchNormalized.bind(input, input, average, squares, weight, bias, dims=others, eps=eps)
    if training:
        centred, variance = _batch_statistics(input, others, running_mean, running_var, momentum)
    else:
        centred, variance = input - _per_channel(as_single(running_mean), input.ndim), as_single(running_var)
    scale = cast(rsqrt(cast(variance, float64) + eps), variance.dtype)
    if weight is not None:
        scale = scale * weight
    result = centred * _per_channel(scale, input.ndim)
    return result if bias is None else result + _per_channel(bias, input.ndim)


def _batch_statistics(
    input: Value, others: tuple[int, ...], running_mean: Value | None, running_var: Value | None, momentum: Any
) -> tuple[Value, Value]:
    """The input less the mean of its channels, and their variances; the running statistics are updated.

    Sums are taken in float64, and rounded where PyTorch rounds, so that the running statistics are the same.
    """
    shape = tuple(input.shape)
    count = product(shape[dim] for dim in others)
    average = cast(WideSum.bind(input, dims=others) / count, input.dtype)
    centred = input - keep_dims(average, shape, others)
    squares = cast(WideSum.bind(square(centred), dims=others), input.dtype)
    _update_statistics(running_mean, running_var, average, squares, momentum, count)
    return centred, squares / count


def _update_statistics(
    running_mean: Value | None, running_var: Value | None, average: Value, squares: Value, momentum: Any, count: Any
) -> None:
    """Let the running statistics, where there are some, take in the means and sums of squares of a batch."""
    if running_mean is not None:
        alike = running_mean.dtype is running_var.dtype is average.dtype
        if alike and not is_value(momentum) and runs_whole(average) and not running_mean.requires_grad:
            part, rest = _shares(momentum, average.dtype)
            moved = MovingMean.instance.evaluate(average._settled, running_mean._settled, part=part, rest=rest)
            running_mean._assign(running_mean.from_array(moved))
            shares = {"count": count, "part": part, "rest": rest}
            wide = MovingVariance.instance.evaluate(squares._settled, running_var._settled, **shares)
            running_var._assign(running_var.from_array(wide.astype(moved.dtype)))
            return
        old_mean, old_variance = as_single(running_mean), as_single(running_var)
        part, rest = _shares(momentum, old_mean.dtype)
        mean_now, spread = (cast(Detach.bind(value), old_mean.dtype) for value in (average, squares))
        shares = {"part": part, "rest": rest}
        moved_mean, moved_variance = MovingMean.bind, MovingVariance.bind
        if is_value(part):  # no attribute: an operand of the composition
            moved_mean, moved_variance = MovingMean.instance.decompose, MovingVariance.instance.decompose
        running_mean._assign(cast(moved_mean(mean_now, old_mean, **shares), running_mean.dtype))
        running_var._assign(cast(moved_variance(spread, old_variance, count=count, **shares), running_var.dtype))


def _shares(momentum: Any, dtype: DType) -> tuple[Any, Any]:
    """The momentum and what it leaves, both rounded to the dtype of the running statistics."""
    if is_value(momentum):
        part = cast(momentum, dtype)
        return part, 1 - part
    part = dtype.numpy.type(momentum)
    return float(part), float(1 - part)


def instance_norm(
    input: Value,
    running_mean: Value | None = None,
    running_var: Value | None = None,
    weight: Value | None = None,
    bias: Value | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """Each channel of each sample of [N, C, ...] normalized, scaled and shifted per channel.

    The running statistics [C], where they are given, are updated in place by the mean over the samples; without
    ``use_input_stats`` they are what normalizes. Source: https://arxiv.org/abs/1607.08022

    Raises ValueError for one value per channel, RuntimeError for statistics that are missing.
    """
    shape = tuple(input.shape)
    if use_input_stats and product(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    samples, channels = shape[0], shape[normalize_dim(1, input.ndim)]

    def repeated(value: Value | None) -> Value | None:
        if value is None:
            return None
        rows = Expand.bind(Reshape.bind(value, shape=(1, channels)), shape=(samples, channels))
        return Copy.bind(Reshape.bind(rows, shape=(samples * channels,)))

    statistics = [repeated(value) for value in (running_mean, running_var)]
    result = normalized_by_channel(
        Reshape.bind(input, shape=(1, samples * channels, *shape[2:])),
        *statistics,
        repeated(weight),
        repeated(bias),
        use_input_stats,
        momentum,
        eps,
    )
    if use_input_stats:
        for running, each in zip((running_mean, running_var), statistics, strict=True):
            if running is not None:
                running._assign(mean(Reshape.bind(each, shape=(samples, channels)), 0))
    return Reshape.bind(result, shape=shape)


@rounded_as_input
def group_norm(
    input: Value, num_groups: int, weight: Value | None = None, bias: Value | None = None, eps: float = 1e-5
) -> Value:
    """The channels of [N, C, ...] normalized in groups, scaled and shifted per channel.

    Source: https://arxiv.org/abs/1803.08494. Raises RuntimeError where the number of channels is no multiple of the
    number of groups, ValueError for groups of one value.
    """
    shape = tuple(input.shape)
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    if product((shape[0], shape[1] // num_groups, *shape[2:])) == 1 and shape[0] == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if shape[1] % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(value.shape)} and input of shape {list(shape)}"
            )
    _require_float("GroupNormKernelImpl", input)
    if 0 in shape:
        result = Copy.bind(input)
    else:
        rows = Reshape.bind(input, shape=(shape[0], num_groups, product((shape[1] // num_groups, *shape[2:]))))
        result = Reshape.bind(Normalized.bind(rows, rows, dims=(2,), eps=eps), shape=shape)
    if weight is not None:
        result = result * _per_channel(weight, input.ndim)
    return result if bias is None else result + _per_channel(bias, input.ndim)


@rounded_once
@stretches
def local_response_norm(input: Value, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Value:
    """input / (k + alpha * mean of squares over ``size`` neighbouring channels) ** beta.

    Source: Krizhevsky et al., ImageNet classification with deep convolutional neural networks, 2012.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    shape = tuple(input.shape)
    if 0 in shape:
        return input
    squares = input * input
    # The channels as rows (or slices) of an image (or volume) of one channel.
    places = (shape[2],) if input.ndim == 3 else (shape[2], product(shape[3:]))
    rows = Reshape.bind(squares, shape=(shape[0], 1, shape[1], *places))
    rank = rows.ndim
    low, high = [0] * rank, [0] * rank
    low[2], high[2] = size // 2, (size - 1) // 2
    padded = Pad.bind(rows, low=tuple(low), high=tuple(high), value=0.0)
    average = (avg_pool2d if input.ndim == 3 else avg_pool3d)(padded, (size, *(1,) * len(places)), 1)
    return input / (Reshape.bind(average, shape=shape) * alpha + k) ** beta


@rounded_once
def normalize(input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Value:
    """input / max(p-norm along ``dim``, eps)."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
