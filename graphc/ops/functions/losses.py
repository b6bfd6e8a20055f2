"""Losses of numbers and of classes, with PyTorch's names and arguments. ``reduction`` is "mean", "sum", or "none".

``size_average`` and ``reduce`` are PyTorch's older way to say the reduction; giving one warns.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import int64
from graphc.notices import warn
from graphc.ops.checks import CheckTarget
from graphc.ops.composites import Composite
from graphc.ops.functions import arithmetic
from graphc.ops.functions.activation import log_softmax, logsigmoid
from graphc.ops.functions.arithmetic import exp, log, log1p, square, where
from graphc.ops.functions.linear import linear
from graphc.ops.functions.loss_reduction import chosen_reduction, reduced, require_values
from graphc.ops.functions.reduction import sum
from graphc.ops.functions.shaping import unsqueeze
from graphc.ops.functions.special_functions import xlogy
from graphc.ops.gathers import GatherAlong, IndexSelect, first_outside
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast
from graphc.ops.promotion import require_castable
from graphc.ops.quiet import quiet
from graphc.ops.reductions import Sum
from graphc.ops.sources import Iota, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, Expand, Reshape

__all__ = ["binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss"]
METHODS = ()

Value = Any

# Up to this many classes the chosen one is found by comparing with all: a loop over a row that fuses with the softmax
# and whose gradient needs no scatter.
_COMPARED_CLASSES = 4096


# -- differences of numbers ----------------------------------------------------------------------------------------


def _warn_of_sizes(input: Value, target: Value) -> None:
    if tuple(target.shape) != tuple(input.shape):
        warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        )


def _weighted_numbers(loss: Value, weight: Value | None, input: Value, reduction: str) -> Value:
    """The reduction of a loss that numbers weigh: the mean is over the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    if tuple(weight.shape) != tuple(input.shape):
        raise ValueError("Weights and input must have the same size.")
    weighed = loss * weight
    return sum(weighed) / sum(weight) if reduction == "mean" else reduced(weighed, reduction)


def _pair_reduction(size_average: bool | None, reduce: bool | None, reduction: str, weight: Value | None = None) -> str:
    if weight is not None and size_average is None and reduce is None and reduction not in ("mean", "sum", "none"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return chosen_reduction(size_average, reduce, reduction, 5)


@rounded_once
def mse_loss(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Value | None = None,
) -> Value:
    """(input - target)^2, times the weight of each element; the mean is over the sum of the weights."""
    _warn_of_sizes(input, target)
    reduction = _pair_reduction(size_average, reduce, reduction, weight)
    difference = input - target
    if not difference.dtype.is_differentiable:
        raise NotImplementedError(f"\"mse_cpu\" not implemented for '{type_name(difference.dtype)}'")
    return _weighted_numbers(square(difference), weight, input, reduction)


@rounded_once
def l1_loss(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Value | None = None,
) -> Value:
    """|input - target|, times the weight of each element; the mean is over the sum of the weights."""
    _warn_of_sizes(input, target)
    reduction = _pair_reduction(size_average, reduce, reduction, weight)
    return _weighted_numbers(arithmetic.abs(input - target), weight, input, reduction)


@rounded_once
def smooth_l1_loss(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Value:
    """d^2 / (2 beta) where d = |input - target| is less than beta, else d - beta / 2."""
    _warn_of_sizes(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    distance = arithmetic.abs(input - target)
    if beta == 0:
        return reduced(distance, reduction)
    return reduced(where(distance < beta, square(distance) * 0.5 / beta, distance - 0.5 * beta), reduction)


@rounded_once
def huber_loss(
    input: Value, target: Value, reduction: str = "mean", delta: float = 1.0, weight: Value | None = None
) -> Value:
    """d^2 / 2 where d = |input - target| is at most delta, else delta * (d - delta / 2), times the weight."""
    _warn_of_sizes(input, target)
    reduction = _pair_reduction(None, None, reduction, weight)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    distance = arithmetic.abs(input - target)
    loss = where(distance <= delta, square(distance) * 0.5, delta * (distance - 0.5 * delta))
    if weight is not None and tuple(weight.shape) != tuple(input.shape):
        raise ValueError("Weights and input must have the same size.")
    return reduced(loss if weight is None else loss * weight, reduction)


@rounded_once
def poisson_nll_loss(
    input: Value,
    target: Value,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """exp(input) - target * input, or input - target * log(input + eps) without ``log_input``.

    ``full`` adds Stirling's approximation of log(target!) where the target exceeds 1.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        great = target > 1
        safe = where(great, target, 1.0)
        loss = loss + where(great, safe * log(safe) - safe + 0.5 * log(2 * math.pi * safe), 0.0)
    return reduced(loss, reduction)


@rounded_once
def gaussian_nll_loss(
    input: Value,
    target: Value,
    var: Value | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Value:
    """(log(var) + (input - target)^2 / var) / 2, the variance being at least eps; ``full`` adds log(2 pi) / 2.

    The variance has the input's shape, or 1 (or nothing) for its last dimension. Its limit has no gradient.

    Raises ValueError for a variance that is negative or of another shape.
    """
    if not hasattr(var, "apply"):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = number_like(input, var)
    require_values(var, lambda values: ~(values < 0), ValueError("var has negative entry/entries"))
    shape, given = tuple(input.shape), tuple(var.shape)
    if given != shape:
        if shape[:-1] == given:
            var = unsqueeze(var, -1)
        elif len(shape) != len(given) or [b for a, b in zip(shape, given, strict=True) if a != b] != [1]:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # What lies below the limit is lifted to it; the gradient passes as if it were not.
    lift = arithmetic.clamp_min(Detach.bind(var), eps) - Detach.bind(var)
    var = var + lift
    loss = 0.5 * (log(var) + square(input - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# -- probabilities -------------------------------------------------------------------------------------------------


@rounded_once
def kl_div(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Value:
    """target * (log(target) - input), the input being log-probabilities; also reduction "batchmean"."""
    by_batch = size_average is None and reduce is None and reduction == "batchmean"
    if size_average is None and reduce is None and reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
        )
    reduction = "sum" if by_batch else chosen_reduction(size_average, reduce, reduction)
    loss = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    total = reduced(loss, reduction)
    return total / input.shape[0] if by_batch and input.ndim else total


@rounded_once
def binary_cross_entropy(
    input: Value,
    target: Value,
    weight: Value | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """-(target log(input) + (1 - target) log(1 - input)); logarithms are at least -100.

    Raises ValueError where the shapes differ, RuntimeError for an input outside [0, 1] (where it is not in a graph).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(f"Found dtype {type_name(target.dtype)} but expected {type_name(input.dtype)}")
    outside = RuntimeError("all elements of input should be between 0 and 1")
    require_values(input, lambda values: (values >= 0) & (values <= 1), outside)
    loss = -(target * _bounded_log(input, input) + (1 - target) * _bounded_log(1 - input, input, complement=True))
    return reduced(loss if weight is None else loss * weight, reduction)


def _bounded_log(probability: Value, input: Value, complement: bool = False) -> Value:
    certain = probability == 0
    logarithm = log1p(-where(certain, 0.0, input)) if complement else log(where(certain, 1.0, input))
    return where(certain, -100.0, arithmetic.clamp(logarithm, min=-100.0))


@rounded_once
def binary_cross_entropy_with_logits(
    input: Value,
    target: Value,
    weight: Value | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Value | None = None,
) -> Value:
    """binary_cross_entropy of sigmoid(input), without overflow; ``pos_weight`` weighs the positive targets.

    Raises ValueError where the shapes differ.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    require_castable(input.dtype, target.dtype)
    logarithm = logsigmoid(input)
    if pos_weight is not None:
        logarithm = logarithm * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - logarithm
    return reduced(loss if weight is None else loss * weight, reduction)


# -- classes -------------------------------------------------------------------------------------------------------


@rounded_once
def linear_cross_entropy(
    input: Value,
    linear_weight: Value,
    target: Value,
    *,
    linear_bias: Value | None = None,
    weight: Value | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Value:
    """:func:`cross_entropy` of ``input`` [N, in] (or [in]) through a linear layer ``[C, ..., in]``, bias ``[C, ...]``.

    ``options`` say how PyTorch splits the work to save memory; here they change nothing.

    Raises RuntimeError, with PyTorch's words, for shapes that do not fit.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    features, outputs = input.shape[-1], tuple(linear_weight.shape[:-1])
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {linear_weight.shape[-1]}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != outputs:
        raise RuntimeError(f"expected linear_bias shape {outputs}, got {tuple(linear_bias.shape)}")
    if len(outputs) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], *outputs)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    rows = product(outputs)
    bias = None if linear_bias is None else Reshape.bind(linear_bias, shape=(rows,))
    flat = linear(input, Reshape.bind(linear_weight, shape=(rows, features)), bias)
    logits = Reshape.bind(flat, shape=shape)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


def cross_entropy(
    input: Value,
    target: Value,
    weight: Value | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Value:
    """The negative logarithm of the probability that softmax(input) gives to the target.

    Args:
        input: logits [C], [N, C], or [N, C, d1, ...].
        target: class indices (int64 or uint8) of the input's shape without C, or probabilities of the input's shape.
        weight: [C], a factor for each class.
        size_average, reduce: PyTorch's older way to say the reduction.
        ignore_index: targets of this value count for nothing (class indices only).
        reduction: "mean" (weighted, over the targets not ignored), "sum", or "none".
        label_smoothing: in [0, 1]; what share of the target is spread evenly over all classes.

    Raises:
        IndexError: a class is not in [0, C).
        RuntimeError, ValueError: shapes or arguments do not fit.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    axis = 0 if input.ndim <= 1 else 1
    if tuple(target.shape) == tuple(input.shape):
        return _soft_cross_entropy(input, target, weight, axis, ignore_index, reduction, label_smoothing)
    logarithm = log_softmax(input, axis)
    if label_smoothing == 0.0:
        return _likelihood(logarithm, target, weight, ignore_index, axis, reduction)
    loss, factor = _nll_terms(logarithm, target, weight, ignore_index, axis)
    classes = input.shape[axis]
    scaled = logarithm if weight is None else logarithm * _per_class(weight, logarithm, axis)
    even = where(target == ignore_index, 0.0, -sum(scaled, axis))
    smoothed = loss * (1 - label_smoothing) + even * (label_smoothing / classes)
    return _weighted(smoothed, factor, reduction)


def _soft_cross_entropy(
    input: Value,
    target: Value,
    weight: Value | None,
    axis: int,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Value:
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {type_name(target.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    logarithm = log_softmax(input, axis)
    classes = logarithm.shape[axis]
    if weight is not None and (weight.ndim != 1 or weight.shape[0] != classes):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    scaled = logarithm if weight is None else logarithm * _per_class(weight, logarithm, axis)
    return reduced(-sum(scaled * target, axis), reduction)


@rounded_once
def nll_loss(
    input: Value,
    target: Value,
    weight: Value | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """The negative of the input (log-probabilities [C], [N, C], or [N, C, d1, ...]) at the target classes.

    Arguments and errors as for ``cross_entropy`` with class indices.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    return _likelihood(input, target, weight, ignore_index, 0 if input.ndim == 1 else 1, reduction)


def _likelihood(
    logarithm: Value, target: Value, weight: Value | None, ignore_index: int, axis: int, reduction: str
) -> Value:
    """The reduction of the negatives of log-probabilities at the target classes."""
    if weight is None:
        target = _class_indices(logarithm, target, None, axis)
        return NegativeLikelihood.bind(logarithm, target, axis=axis, ignore_index=ignore_index, reduction=reduction)
    return _weighted(*_nll_terms(logarithm, target, weight, ignore_index, axis), reduction)


class NegativeLikelihood(Composite):
    """The reduction of the negatives of log-probabilities at class indices along ``axis``."""

    name, saves_inputs = "negative_likelihood", (1,)

    def decompose(self, logarithm: Value, target: Value, *, axis: int, ignore_index: int, reduction: str) -> Value:
        return _weighted(*_nll_terms(logarithm, target, None, ignore_index, axis), reduction)

    @quiet
    def evaluate(
        self, logarithm: np.ndarray, target: np.ndarray, *, axis: int, ignore_index: int, reduction: str
    ) -> np.ndarray:
        classes = logarithm.shape[axis]
        if not 0 <= ignore_index < classes and first_outside(target, classes) is None:
            counted, chosen = None, target
        else:
            counted, chosen = _counted_classes(target, ignore_index)
            CheckTarget.instance.evaluate(chosen, extent=classes)
        classes_last = logarithm if axis == logarithm.ndim - 1 else np.moveaxis(logarithm, axis, -1)
        rows = classes_last if classes_last.ndim == 2 else classes_last.reshape(-1, classes)
        loss = -rows[np.arange(chosen.size), chosen.reshape(-1)].reshape(target.shape)
        if counted is not None:
            loss = np.where(counted, loss, loss.dtype.type(0))
        if reduction == "none":
            return loss
        total = Sum.instance.evaluate(loss, dims=tuple(range(loss.ndim)))
        return total if reduction == "sum" else total / total.dtype.type(_how_many(counted, target))

    def vjp(self, cotangent: Value, output: Value, logarithm: Value, target: Value, **attrs: Any) -> tuple[Any, ...]:
        return NegativeLikelihoodGradient.bind(cotangent, target, shape=tuple(logarithm.shape), **attrs), None


class NegativeLikelihoodGradient(Composite):
    """The cotangent of the log-probabilities of :class:`NegativeLikelihood`."""

    name, differentiable = "negative_likelihood_gradient", False

    def decompose(
        self,
        cotangent: Value,
        target: Value,
        *,
        shape: tuple[int, ...],
        axis: int,
        ignore_index: int,
        reduction: str,
    ) -> Value:
        ignored = target == ignore_index
        share = where(ignored, 0.0, -cotangent)
        if reduction == "mean":
            share = share / sum(cast(ignored == 0, cotangent.dtype))
        place = unsqueeze(where(ignored, number_like(target, 0, shape=()), target), axis)
        classes = cotangent.apply(Iota.instance, (), {"shape": shape, "dim": axis, "dtype": target.dtype})
        return where(classes == place, unsqueeze(share, axis), 0.0)

    @quiet
    def evaluate(
        self,
        cotangent: np.ndarray,
        target: np.ndarray,
        *,
        shape: tuple[int, ...],
        axis: int,
        ignore_index: int,
        reduction: str,
    ) -> np.ndarray:
        counted, chosen = _counted_classes(target, ignore_index)
        share = -cotangent
        if reduction == "mean":
            share = share / share.dtype.type(_how_many(counted, target))
        if counted is not None:
            share = np.where(counted, share, share.dtype.type(0))
        moved = (*shape[:axis], *shape[axis + 1 :], shape[axis])
        rows = np.zeros((chosen.size, shape[axis]), cotangent.dtype)
        rows[np.arange(chosen.size), chosen.reshape(-1)] = share if share.ndim == 0 else share.reshape(-1)
        classes_last = rows.reshape(moved)
        return classes_last if axis == len(shape) - 1 else np.moveaxis(classes_last, -1, axis)


def _counted_classes(target: np.ndarray, ignore_index: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Which targets count (None: all), and the classes, 0 for those that do not."""
    counted = target != ignore_index
    return (None, target) if counted.all() else (counted, np.where(counted, target, 0))


def _how_many(counted: np.ndarray | None, target: np.ndarray) -> int:
    return target.size if counted is None else np.count_nonzero(counted)


def _nll_terms(
    logarithm: Value, target: Value, weight: Value | None, ignore_index: int, axis: int
) -> tuple[Value, Value]:
    """For each target its loss, times its factor: the weight of its class, or 0 where it is ignored."""
    target = _class_indices(logarithm, target, weight, axis)
    ignored = target == ignore_index
    chosen = CheckTarget.bind(where(ignored, number_like(target, 0, shape=()), target), extent=logarithm.shape[axis])
    picked = -_pick(logarithm, chosen, axis)
    if weight is None:
        factor = where(ignored, number_like(picked, 0), number_like(picked, 1))
        return where(ignored, 0.0, picked), factor
    factor = where(ignored, 0.0, IndexSelect.bind(weight, chosen, dim=0))
    return where(ignored, 0.0, picked * factor), factor


def _class_indices(logarithm: Value, target: Value, weight: Value | None, axis: int) -> Value:
    """The target in int64, which may hold any number that is to be ignored: one for each row of the input."""
    _require_targets(logarithm, target, weight, axis)
    return cast(Reshape.bind(target, shape=()) if logarithm.ndim == 1 and target.ndim == 1 else target, int64)


def _require_targets(logarithm: Value, target: Value, weight: Value | None, axis: int) -> None:
    """Raises, with PyTorch's class and words, for targets or weights that do not fit."""
    shape, rank = tuple(logarithm.shape), logarithm.ndim
    alike = rank == 2 and target.ndim == 1 and target.dtype is int64 and logarithm.dtype.is_floating_point
    if alike and weight is None and target.shape[0] == shape[0]:
        return  # the common case
    if rank < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {rank})")
    if rank > 1 and target.ndim and target.shape[0] != shape[0]:
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size ({target.shape[0]}).")
    expected = shape[:axis] + shape[axis + 1 :]
    if rank == 1:
        if tuple(target.shape) not in ((), (1,)):
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}")
    elif rank == 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    elif rank == 4 and target.ndim == 3 and tuple(target.shape) != expected:
        raise RuntimeError(f"size mismatch (got input: {list(shape)} , target: {list(target.shape)}")
    elif tuple(target.shape) != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")
    if target.dtype.name not in ("int64", "uint8"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {type_name(target.dtype)}")
    if weight is not None and (weight.ndim != 1 or weight.shape[0] != shape[axis]):
        if rank <= 2:
            raise RuntimeError(
                f"weight tensor should be defined either for all {shape[axis]} classes or no classes but got weight "
                f"tensor of shape: {list(weight.shape)}"
            )
        raise RuntimeError("weight tensor should be defined either for all or no classes")
    if not logarithm.dtype.is_floating_point:
        raise NotImplementedError(f"\"nll_loss_out_frame\" not implemented for '{type_name(logarithm.dtype)}'")
    if weight is not None and weight.dtype != logarithm.dtype:
        raise RuntimeError(f"expected scalar type {type_name(logarithm.dtype)} but found {type_name(weight.dtype)}")


def _pick(values: Value, chosen: Value, axis: int) -> Value:
    """The element of each row along ``axis`` at the chosen class."""
    shape = tuple(values.shape)
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    places = Reshape.bind(chosen, shape=kept)
    if isinstance(shape[axis], int) and shape[axis] > _COMPARED_CLASSES:
        picked = GatherAlong.bind(values, places, dim=axis)
        return Reshape.bind(picked, shape=tuple(chosen.shape))
    classes = values.apply(Iota.instance, (), {"shape": shape, "dim": axis, "dtype": chosen.dtype})
    picked = sum(where(classes == Expand.bind(places, shape=shape), values, 0.0), axis)
    return picked if picked.ndim == chosen.ndim else Reshape.bind(picked, shape=tuple(chosen.shape))


def _per_class(weight: Value, values: Value, axis: int) -> Value:
    return Reshape.bind(weight, shape=tuple(1 if dim != axis else values.shape[axis] for dim in range(values.ndim)))


def _weighted(loss: Value, factor: Value, reduction: str) -> Value:
    if reduction == "mean":
        return sum(loss) / sum(factor)
    return reduced(loss, reduction)
