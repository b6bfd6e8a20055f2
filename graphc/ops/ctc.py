"""Connectionist temporal classification: the likelihood of a sequence of labels over all ways to align it, and its
gradient, by the forward and backward recursions over time in the logarithm.

A label sequence of length S is aligned through 2 S + 1 states: blanks around and between the labels.
Source: Graves et al., Connectionist temporal classification, 2006, equations 6 to 16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.primitive import External, register
from graphc.ir.types import TensorType
from graphc.ops.quiet import quiet


def _states(targets: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The label of each state, [n, 2 S + 1], and whether a path may come to it from two states before."""
    samples, length = targets.shape
    labels = np.full((samples, 2 * length + 1), blank, np.int64)
    labels[:, 1::2] = targets
    skips = np.zeros(labels.shape, bool)
    skips[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skips


def _log_sum(*terms: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of exponentials, element by element; of nothing but -inf it is -inf."""
    highest = np.maximum.reduce(terms)
    shift = np.where(np.isneginf(highest), 0, highest)
    return np.log(sum(np.exp(term - shift) for term in terms)) + shift


def _moved(states: np.ndarray, places: int) -> np.ndarray:
    """The states so many places on (or back), with -inf where none was."""
    result = np.full_like(states, -np.inf)
    if places > 0:
        result[:, places:] = states[:, :-places]
    else:
        result[:, :places] = states[:, -places:]
    return result


def _forward(
    log_probs: np.ndarray, targets: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray, blank: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log likelihoods of all beginnings, [time, n, states], of the whole, [n], and what ``_states`` gives."""
    time, samples, _ = log_probs.shape
    labels, skips = _states(targets, blank)
    rows = np.arange(samples)
    beginnings = np.full((time, *labels.shape), -np.inf, log_probs.dtype)
    if time:
        beginnings[0, :, 0] = log_probs[0, :, blank]
        if labels.shape[1] > 1:
            first = log_probs[0, rows, labels[:, 1]]
            beginnings[0, :, 1] = np.where(target_lengths > 0, first, -np.inf)
    for now in range(1, time):
        before = beginnings[now - 1]
        jumped = np.where(skips, _moved(before, 2), -np.inf)
        emitted = log_probs[now][rows[:, None], labels]
        beginnings[now] = _log_sum(before, _moved(before, 1), jumped) + emitted
    if time:
        last = beginnings[np.maximum(input_lengths - 1, 0), rows]
    else:
        last = np.full(labels.shape, -np.inf, log_probs.dtype)
    ended_blank = last[rows, 2 * target_lengths]
    ended_label = np.where(target_lengths > 0, last[rows, np.maximum(2 * target_lengths - 1, 0)], -np.inf)
    whole = _log_sum(ended_blank, ended_label)
    # Of no time at all only the empty sequence is sure.
    whole = np.where(input_lengths == 0, np.where(target_lengths == 0, 0, -np.inf), whole)
    return beginnings, whole.astype(log_probs.dtype), labels, skips


def _require(name: str, log_probs: TensorType, targets: TensorType, lengths: tuple[TensorType, ...]) -> None:
    if log_probs.rank != 3 or targets.rank != 2 or any(length.shape != log_probs.shape[1:2] for length in lengths):
        raise ValueError(
            f"{name} of {log_probs} with targets {targets} and lengths {lengths}: expected [time, n, classes], [n, "
            "length], and two of [n]"
        )


@register
class CtcLoss(External):
    """The negative log likelihood of each sample's labels, [n].

    Operands are log probabilities [time, n, classes], targets [n, length] (what lies beyond a sample's length must be
    a class, and does not count), and the lengths of inputs and targets, [n] each, int64. With ``zero_infinity`` a
    sample that cannot be aligned has a loss of zero.
    """

    name = "ctc_loss"

    def infer(
        self, log_probs: TensorType, targets: TensorType, *lengths: TensorType, blank: int, zero_infinity: bool
    ) -> TensorType:
        _require(self.name, log_probs, targets, lengths)
        return TensorType(log_probs.dtype, log_probs.shape[1:2])

    @quiet
    def evaluate(
        self,
        log_probs: np.ndarray,
        targets: np.ndarray,
        input_lengths: np.ndarray,
        target_lengths: np.ndarray,
        *,
        blank: int,
        zero_infinity: bool,
    ) -> np.ndarray:
        losses = -_forward(log_probs, targets, input_lengths, target_lengths, blank)[1]
        return np.where(np.isposinf(losses), 0, losses).astype(losses.dtype) if zero_infinity else losses

    def vjp(
        self, cotangent: Any, output: Any, log_probs: Any, targets: Any, inputs: Any, labels: Any, **attrs: Any
    ) -> tuple[Any, ...]:
        return CtcGradient.bind(cotangent, log_probs, targets, inputs, labels, **attrs), None, None, None


@register
class CtcGradient(External):
    """The cotangent of ``ctc_loss``'s log probabilities, from that of its result and its operands.

    As PyTorch's it is that of what the log probabilities were normalised from: the probability less the share of all
    alignments that pass through a class at a time. Beyond a sample's length it is zero; where no alignment is possible
    it is NaN, or zero with ``zero_infinity``. Like PyTorch's it has no derivative.
    """

    name = "ctc_gradient"

    def infer(
        self,
        cotangent: TensorType,
        log_probs: TensorType,
        targets: TensorType,
        *lengths: TensorType,
        blank: int,
        zero_infinity: bool,
    ) -> TensorType:
        _require(self.name, log_probs, targets, (cotangent, *lengths))
        return log_probs

    @quiet
    def evaluate(
        self,
        cotangent: np.ndarray,
        log_probs: np.ndarray,
        targets: np.ndarray,
        input_lengths: np.ndarray,
        target_lengths: np.ndarray,
        *,
        blank: int,
        zero_infinity: bool,
    ) -> np.ndarray:
        beginnings, whole, labels, skips = _forward(log_probs, targets, input_lengths, target_lengths, blank)
        time, samples, classes = log_probs.shape
        rows = np.arange(samples)
        states = labels.shape[1]
        at_end = np.full(labels.shape, -np.inf, log_probs.dtype)
        at_end[rows, 2 * target_lengths] = 0
        some = target_lengths > 0
        at_end[rows[some], 2 * target_lengths[some] - 1] = 0
        # A path goes on two states where the later one may be come to so.
        onward = np.zeros_like(skips)
        onward[:, :-2] = skips[:, 2:]
        shares = np.zeros_like(log_probs)
        endings = np.full(labels.shape, -np.inf, log_probs.dtype)
        flat = (rows[:, None] * classes + labels).reshape(-1)
        for now in range(time - 1, -1, -1):
            emitted = log_probs[now][rows[:, None], labels]
            going = _log_sum(endings, _moved(endings, -1), np.where(onward, _moved(endings, -2), -np.inf))
            going = np.where((input_lengths == now + 1)[:, None], at_end, going)
            endings = going + emitted
            through = np.exp(beginnings[now] + going - whole[:, None])
            counted = np.bincount(flat, through.reshape(-1), samples * classes).reshape(samples, classes)
            shares[now] = counted if states else 0
        used = (np.arange(time)[:, None] < input_lengths)[:, :, None]
        shares[:, np.isneginf(whole)] = np.nan
        if zero_infinity:
            used = used & ~np.isneginf(whole)[:, None]
        gradient = np.where(used, (np.exp(log_probs) - shares) * cotangent[None, :, None], 0)
        return gradient.astype(log_probs.dtype)

    def vjp(self, cotangent: Any, output: Any, *inputs: Any, **attrs: Any) -> tuple[Any, ...]:
        raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")
