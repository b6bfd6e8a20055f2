"""Losses with PyTorch's names and arguments. ``reduction`` is "mean", "sum", or "none".

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

from typing import Any

from graphc.ops.checks import CheckTarget
from graphc.ops.functions import arithmetic
from graphc.ops.functions.activation import log_softmax, logsigmoid
from graphc.ops.functions.arithmetic import log, log1p, square, where
from graphc.ops.functions.reduction import mean, sum
from graphc.ops.gathers import GatherAlong, IndexSelect
from graphc.ops.sources import Iota, number_like
from graphc.ops.views import Expand, Reshape

__all__ = []

Value = Any

# Up to this many classes the chosen one is found by comparing with all: a loop over a row that fuses with the softmax
# and whose gradient needs no scatter.
_COMPARED_CLASSES = 4096


def _reduced(loss: Value, reduction: str) -> Value:
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


def mse_loss(input: Value, target: Value, reduction: str = "mean", weight: Value | None = None) -> Value:
    """(input - target)^2."""
    loss = square(input - target)
    return _reduced(loss if weight is None else loss * weight, reduction)


def l1_loss(input: Value, target: Value, reduction: str = "mean") -> Value:
    """|input - target|."""
    return _reduced(arithmetic.abs(input - target), reduction)


def smooth_l1_loss(input: Value, target: Value, reduction: str = "mean", beta: float = 1.0) -> Value:
    """d^2 / (2 beta) where d = |input - target| is less than beta, else d - beta / 2."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction)
    distance = arithmetic.abs(input - target)
    return _reduced(where(distance < beta, square(distance) * 0.5 / beta, distance - 0.5 * beta), reduction)


def huber_loss(input: Value, target: Value, reduction: str = "mean", delta: float = 1.0) -> Value:
    """d^2 / 2 where d = |input - target| is at most delta, else delta * (d - delta / 2)."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    distance = arithmetic.abs(input - target)
    return _reduced(where(distance <= delta, square(distance) * 0.5, delta * (distance - 0.5 * delta)), reduction)


def kl_div(input: Value, target: Value, reduction: str = "mean", log_target: bool = False) -> Value:
    """target * (log(target) - input), the input being log-probabilities; also reduction "batchmean"."""
    if log_target:
        loss = arithmetic.exp(target) * (target - input)
    else:
        positive = target > 0
        loss = where(positive, target * log(where(positive, target, 1.0)), 0.0) - target * input
    if reduction == "batchmean":
        return sum(loss) / input.shape[0]
    return _reduced(loss, reduction)


def binary_cross_entropy(input: Value, target: Value, weight: Value | None = None, reduction: str = "mean") -> Value:
    """-(target log(input) + (1 - target) log(1 - input)); logarithms are at least -100.

    Raises ValueError where the shapes differ.
    """
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    loss = -(target * _bounded_log(input, input) + (1 - target) * _bounded_log(1 - input, input, complement=True))
    return _reduced(loss if weight is None else loss * weight, reduction)


def _bounded_log(probability: Value, input: Value, complement: bool = False) -> Value:
    certain = probability == 0
    logarithm = log1p(-where(certain, 0.0, input)) if complement else log(where(certain, 1.0, input))
    return where(certain, -100.0, arithmetic.clamp(logarithm, min=-100.0))


def binary_cross_entropy_with_logits(
    input: Value,
    target: Value,
    weight: Value | None = None,
    reduction: str = "mean",
    pos_weight: Value | None = None,
) -> Value:
    """binary_cross_entropy of sigmoid(input), without overflow; ``pos_weight`` weighs the positive targets.

    Raises ValueError where the shapes differ.
    """
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    logarithm = logsigmoid(input)
    if pos_weight is not None:
        logarithm = logarithm * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - logarithm
    return _reduced(loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Value,
    target: Value,
    weight: Value | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Value:
    """The negative logarithm of the probability that softmax(input) gives to the target.

    Args:
        input: logits [C], [N, C], or [N, C, d1, ...].
        target: class indices (integers) of the input's shape without C, or probabilities of the input's shape.
        weight: [C], a factor for each class.
        ignore_index: targets of this value count for nothing (class indices only).
        reduction: "mean" (weighted, over the targets not ignored), "sum", or "none".
        label_smoothing: in [0, 1]; what share of the target is spread evenly over all classes.

    Raises:
        IndexError: a class is not in [0, C).
        RuntimeError, ValueError: shapes or arguments do not fit.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    axis = 0 if input.ndim == 1 else 1
    logarithm = log_softmax(input, axis)
    if tuple(target.shape) == tuple(input.shape) and target.dtype.is_floating_point:
        return _soft_cross_entropy(logarithm, target, weight, axis, reduction, label_smoothing)
    classes = input.shape[axis]
    loss, factor = _nll_terms(logarithm, target, weight, ignore_index, axis)
    if label_smoothing == 0.0:
        return _weighted(loss, factor, reduction)
    scaled = logarithm if weight is None else logarithm * _per_class(weight, logarithm, axis)
    even = -sum(scaled, axis)
    even = where(target == ignore_index, 0.0, even)
    smoothed = loss * (1 - label_smoothing) + even * (label_smoothing / classes)
    return _weighted(smoothed, factor, reduction)


def _soft_cross_entropy(
    logarithm: Value, target: Value, weight: Value | None, axis: int, reduction: str, label_smoothing: float
) -> Value:
    classes = logarithm.shape[axis]
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    scaled = logarithm if weight is None else logarithm * _per_class(weight, logarithm, axis)
    return _reduced(-sum(scaled * target, axis), reduction)


def nll_loss(
    input: Value, target: Value, weight: Value | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Value:
    """The negative of the input (log-probabilities [C], [N, C], or [N, C, d1, ...]) at the target classes.

    Arguments and errors as for ``cross_entropy`` with class indices.
    """
    loss, factor = _nll_terms(input, target, weight, ignore_index, 0 if input.ndim == 1 else 1)
    return _weighted(loss, factor, reduction)


def _nll_terms(
    logarithm: Value, target: Value, weight: Value | None, ignore_index: int, axis: int
) -> tuple[Value, Value]:
    """For each target its loss, times its factor: the weight of its class, or 0 where it is ignored."""
    shape = tuple(logarithm.shape)
    expected = shape[:axis] + shape[axis + 1 :]
    if len(target.shape) == len(expected) and len(expected) > 0 and target.shape[0] != shape[0]:
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size ({target.shape[0]}).")
    if tuple(target.shape) != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")
    if target.dtype.category != "int":
        raise RuntimeError(f"expected scalar type Long but found {target.dtype.name.capitalize()}")
    ignored = target == ignore_index
    chosen = CheckTarget.bind(where(ignored, 0, target), extent=shape[axis])
    picked = -_pick(logarithm, chosen, axis)
    if weight is None:
        factor = where(ignored, number_like(picked, 0), number_like(picked, 1))
        return where(ignored, 0.0, picked), factor
    factor = where(ignored, 0.0, _weight_of(weight, chosen))
    return where(ignored, 0.0, picked * factor), factor


def _pick(values: Value, chosen: Value, axis: int) -> Value:
    """The element of each row along ``axis`` at the chosen class."""
    shape = tuple(values.shape)
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    places = Reshape.bind(chosen, shape=kept)
    if isinstance(shape[axis], int) and shape[axis] > _COMPARED_CLASSES:
        return Reshape.bind(GatherAlong.bind(values, places, dim=axis), shape=tuple(chosen.shape))
    classes = values.apply(Iota.instance, (), {"shape": shape, "dim": axis, "dtype": chosen.dtype})
    return sum(where(classes == Expand.bind(places, shape=shape), values, 0.0), axis)


def _weight_of(weight: Value, chosen: Value) -> Value:
    return IndexSelect.bind(weight, chosen, dim=0)


def _per_class(weight: Value, values: Value, axis: int) -> Value:
    return Reshape.bind(weight, shape=tuple(1 if dim != axis else values.shape[axis] for dim in range(values.ndim)))


def _weighted(loss: Value, factor: Value, reduction: str) -> Value:
    if reduction == "mean":
        return sum(loss) / sum(factor)
    return _reduced(loss, reduction)
