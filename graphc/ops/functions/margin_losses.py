"""Losses of margins: distances and scores that should differ by more than a margin. Arguments as in ``losses``.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.types import int64
from graphc.ops.checks import CheckTarget
from graphc.ops.functions.activation import logsigmoid, relu
from graphc.ops.functions.arithmetic import clamp_min, exp, log1p, logical_and, logical_not, minimum, square, where
from graphc.ops.functions.distance import pairwise_distance
from graphc.ops.functions.loss_reduction import chosen_reduction, reduced, require_values
from graphc.ops.functions.reduction import any as any_of
from graphc.ops.functions.reduction import argmax, sum
from graphc.ops.gathers import GatherAlong, IndexSelect
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import cast
from graphc.ops.sources import Iota
from graphc.ops.type_names import type_name
from graphc.ops.views import Reshape

__all__ = ["cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss"]
METHODS = ()

Value = Any


@rounded_once
def hinge_embedding_loss(
    input: Value,
    target: Value,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """The input where the target is 1, max(0, margin - input) where it is -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    apart = where(target != 1, clamp_min(margin - input, 0), 0.0)
    return reduced(apart + where(target != -1, input, 0.0), reduction)


@rounded_once
def margin_ranking_loss(
    input1: Value,
    input2: Value,
    target: Value,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """max(0, -target * (input1 - input2) + margin), the target being 1 or -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), reduction)


@rounded_once
def soft_margin_loss(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """log(1 + exp(-target * input)), the target being 1 or -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    return reduced(log1p(exp(-(input * target))), reduction)


def _rows_of_classes(input: Value) -> tuple[int, int]:
    """How many samples and classes there are. Raises RuntimeError unless the input is a vector or a matrix."""
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    return (input.shape[0] if input.ndim == 2 else 1), (input.shape[-1] if input.ndim else 1)


@rounded_once
def multi_margin_loss(
    input: Value,
    target: Value,
    p: int = 1,
    margin: float = 1.0,
    weight: Value | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """The mean over classes of max(0, margin - input[y] + input[i])^p for all i but the target class y.

    The input is [N, C] or [C], the target [N] or one number; ``weight`` [C] is a factor for each target class.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    samples, classes = _rows_of_classes(input)
    if target.ndim > 1 or (target.ndim == 1 and target.shape[0] != samples) or (target.ndim == 0 and samples != 1):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{samples}], but got {list(target.shape)}. Input has shape "
            f"{list(input.shape)}."
        )
    if weight is not None and weight.shape[0] != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    _require_classes(target)
    scores = Reshape.bind(input, shape=(samples, classes))
    column = Reshape.bind(_checked(target, classes, "target out of range"), shape=(samples, 1))
    short = relu(margin - GatherAlong.bind(scores, column, dim=1) + scores)
    loss = short if p == 1 else square(short)
    if weight is not None:
        loss = loss * IndexSelect.bind(weight, Reshape.bind(column, shape=(samples,)), dim=0).unsqueeze(1)
    places = scores.apply(Iota.instance, (), {"shape": (samples, classes), "dim": 1, "dtype": column.dtype})
    loss = sum(where(places == column, 0.0, loss), 1) / classes
    return reduced(loss if target.ndim else Reshape.bind(loss, shape=()), reduction)


def _require_classes(target: Value) -> None:
    if target.dtype != int64:
        raise RuntimeError(f"expected scalar type Long but found {type_name(target.dtype)}")


def _checked(target: Value, classes: int, message: str) -> Value:
    require_values(target, lambda values: (values >= 0) & (values < classes), RuntimeError(message))
    return CheckTarget.bind(target, extent=classes)


@rounded_once
def multilabel_margin_loss(
    input: Value,
    target: Value,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """The mean over classes of max(0, 1 - input[y] + input[i]) for all target classes y and all others i.

    The input is [N, C] or [C], the target too: classes, of which those before the first -1 count.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    samples, classes = _rows_of_classes(input)
    if target.ndim > 2 or tuple(target.shape) != tuple(input.shape):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _require_classes(target)
    outside = RuntimeError("argument #2 'target' is out of range")
    require_values(target, lambda values: (values >= -1) & (values < classes), outside)
    rows = (samples, classes)
    scores, labels = Reshape.bind(input, shape=rows), Reshape.bind(target, shape=rows)
    places = scores.apply(Iota.instance, (), {"shape": rows, "dim": 1, "dtype": labels.dtype})
    ended = cast(labels < 0, labels.dtype)
    first_end = where(any_of(labels < 0, 1, keepdim=True), argmax(ended, 1, keepdim=True), classes)
    counts = places < first_end
    chosen = CheckTarget.bind(where(counts, labels, 0), extent=classes)
    # For each class whether it is a target: one of those that count names it.
    named = logical_and(counts.unsqueeze(2), chosen.unsqueeze(2) == places.unsqueeze(1))
    others = logical_not(any_of(named, 1))
    short = relu(1.0 - GatherAlong.bind(scores, chosen, dim=1).unsqueeze(2) + scores.unsqueeze(1))
    taken = logical_and(counts.unsqueeze(2), others.unsqueeze(1))
    loss = sum(where(taken, short, 0.0), (1, 2)) / classes
    return reduced(loss if input.ndim == 2 else Reshape.bind(loss, shape=()), reduction)


@rounded_once
def multilabel_soft_margin_loss(
    input: Value,
    target: Value,
    weight: Value | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """The mean over the last dimension of the binary cross entropy of sigmoid(input), the targets being 0 or 1."""
    if size_average is None and reduce is None and reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    reduction = chosen_reduction(size_average, reduce, reduction)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(sum(loss, -1) / input.shape[-1], reduction)


@rounded_once
def cosine_embedding_loss(
    input1: Value,
    input2: Value,
    target: Value,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1, cos being that of the rows' angle.

    The inputs are [N, D] with a target [N], or [D] with one number.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    products, first, second = (sum(a * b, -1) for a, b in ((input1, input2), (input1, input1), (input2, input2)))
    cosine = products / ((first + 1e-12) * (second + 1e-12)).sqrt()
    near = where(target == 1, 1 - cosine, 0.0)
    return reduced(near + where(target == -1, clamp_min(cosine - margin, 0), 0.0), reduction)


def _require_triplet(anchor: Value, positive: Value, negative: Value, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )


@rounded_once
def triplet_margin_loss(
    anchor: Value,
    positive: Value,
    negative: Value,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Value:
    """max(0, margin + |anchor - positive| - |anchor - negative|), by the p-norm along the last dimension.

    With ``swap`` the positive stands in for the anchor where it is nearer to the negative.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    _require_triplet(anchor, positive, negative, margin)
    return _triplet(lambda x, y: pairwise_distance(x, y, p, eps), anchor, positive, negative, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Value,
    positive: Value,
    negative: Value,
    *,
    distance_function: Callable[[Value, Value], Value] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Value:
    """As :func:`triplet_margin_loss`, with a distance of one's own."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    _require_triplet(anchor, positive, negative, margin)
    losses = _triplet(distance_function or pairwise_distance, anchor, positive, negative, margin, swap, "none")
    # Of nodes of its own, as what a function of the caller's leads to.
    return losses if reduction == "none" else getattr(losses, reduction)()


def _triplet(
    distance: Callable[[Value, Value], Value],
    anchor: Value,
    positive: Value,
    negative: Value,
    margin: float,
    swap: bool,
    reduction: str,
) -> Value:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + near - far, 0), reduction)
