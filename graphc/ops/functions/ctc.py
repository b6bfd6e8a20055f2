"""The loss of connectionist temporal classification.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.types import int64
from graphc.ops.ctc import CtcLoss
from graphc.ops.functions.arithmetic import where
from graphc.ops.functions.cumulative import cumsum
from graphc.ops.functions.loss_reduction import known_array
from graphc.ops.functions.reduction import mean, sum
from graphc.ops.gathers import IndexSelect
from graphc.ops.operands import cast, is_value
from graphc.ops.sources import Iota, literal_like, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Reshape

__all__: list[str] = []
METHODS = ()

Value = Any


def ctc_loss(
    log_probs: Value,
    targets: Value,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Value:
    """The negative log likelihood of label sequences, summed over all alignments to the inputs.

    ``log_probs`` [time, n, classes] (or without n) are normalised over the classes. ``targets`` are [n, longest], or
    all of them one after the other, [sum of lengths]; lengths are tensors [n] or sequences of ints. "mean" divides each
    sample's loss by its target's length first. With ``zero_infinity`` a sample that cannot be aligned has loss and
    gradient zero.

    Raises RuntimeError, with PyTorch's words, for shapes, lengths, or a blank that do not fit.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if log_probs.ndim == 2:
        alone = Reshape.bind(log_probs, shape=(log_probs.shape[0], 1, log_probs.shape[1]))
        lengths = [
            Reshape.bind(given, shape=(1,)) if is_value(given) and given.ndim == 0 else given
            for given in (input_lengths, target_lengths)
        ]
        losses = _losses(alone, targets, *lengths, blank, zero_infinity)
    else:
        losses = _losses(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    each, lengths = losses
    if reduction == "mean":
        return mean(each / cast(where(lengths < 1, number_like(lengths, 1), lengths), each.dtype))
    if reduction == "sum":
        return sum(each)
    return Reshape.bind(each, shape=()) if log_probs.ndim == 2 else each


def _losses(
    log_probs: Value, targets: Value, input_lengths: Any, target_lengths: Any, blank: int, zero_infinity: bool
) -> tuple[Value, Value]:
    """The loss of each sample, [n], and the lengths of the targets, [n]."""
    if log_probs.dtype.name not in ("float32", "float64"):
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{type_name(log_probs.dtype)}'")
    time, samples, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    lengths = []
    for what, given in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if not is_value(given):
            given = literal_like(log_probs, np.asarray(_numbers(given), np.int64).reshape(-1))
        if given.dtype.category != "int":
            raise RuntimeError(f"{what} must be integral")
        if tuple(given.shape) != (samples,):
            raise RuntimeError(f"{what} must be of size batch_size")
        lengths.append(cast(given, int64))
    inputs, labels = lengths
    _require_lengths(targets, inputs, labels, time, samples)
    padded = _padded(cast(targets, int64), labels, samples)
    places = Iota.instance
    within = padded.apply(places, (), {"shape": tuple(padded.shape), "dim": 1, "dtype": int64}) < Reshape.bind(
        labels, shape=(samples, 1)
    )
    padded = where(within, padded, number_like(padded, blank))
    each = CtcLoss.bind(log_probs, padded, inputs, labels, blank=int(blank), zero_infinity=bool(zero_infinity))
    return each, labels


def _numbers(lengths: Any) -> Sequence[int]:
    return [int(length) for length in lengths] if isinstance(lengths, (list, tuple)) else [int(lengths)]


def _require_lengths(targets: Value, inputs: Value, labels: Value, time: int, samples: int) -> None:
    """Checks of lengths where they are known: in eager mode."""
    known_inputs, known_labels = known_array(inputs), known_array(labels)
    head = "(while checking arguments for ctc_loss_allocate_outputs)"
    for what, known in (("input_lengths", known_inputs), ("target_lengths", known_labels)):
        if known is not None and known.size and known.min() < 0:
            raise RuntimeError(f"Expected {what} to have value at least 0, but got value {known.min()} {head}")
    if known_inputs is not None and known_inputs.size and known_inputs.max() > time:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {time}, but got value {known_inputs.max()} {head}"
        )
    if known_labels is None or not known_labels.size:
        return
    if targets.ndim == 1 and targets.shape[0] != known_labels.sum():
        raise RuntimeError(
            f"Expected tensor to have size {known_labels.sum()} at dimension 0, but got size {targets.shape[0]} for "
            f"argument #2 'targets' {head}"
        )
    if targets.ndim == 2 and targets.shape[1] < known_labels.max():
        raise RuntimeError(
            f"Expected tensor to have size at least {known_labels.max()} at dimension 1, but got size "
            f"{targets.shape[1]} for argument #2 'targets' {head}"
        )


def _padded(targets: Value, labels: Value, samples: int) -> Value:
    """The targets as [n, longest]: those that are one after the other are taken apart."""
    if targets.ndim == 2:
        return targets
    count = targets.shape[0]
    starts = cumsum(labels, 0) - labels
    offsets = Reshape.bind(starts, shape=(samples, 1)) + targets.apply(
        Iota.instance, (), {"shape": (samples, count), "dim": 1, "dtype": int64}
    )
    return IndexSelect.bind(targets, offsets.clamp(0, max(count - 1, 0)), dim=0)
