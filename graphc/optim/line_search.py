"""A line search for a step along which the loss falls and flattens enough: the strong Wolfe conditions.

Source: Nocedal & Wright, Numerical Optimization (2006): algorithms 3.5 and 3.6, and the cubic of equation 3.59.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphc.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found at one step along a direction: loss, gradient, and the slope of the loss along the direction."""

    step: Any
    loss: float
    gradient: Tensor
    slope: Tensor


def cubic_minimizer(first: Trial, second: Trial, bounds: tuple[Any, Any] | None = None) -> Any:
    """The step at the minimum of the cubic through two trials' losses and slopes, within the bounds (by default the two
    steps); the middle of the bounds where the cubic has no minimum."""
    left, right = (first, second) if first.step <= second.step else (second, first)
    low, high = bounds if bounds is not None else (left.step, right.step)
    bend = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.step - second.step)
    square = bend**2 - first.slope * second.slope
    if not square >= 0:
        return (low + high) / 2.0
    root = square.sqrt()
    share = (right.slope + root - bend) / (right.slope - left.slope + 2 * root)
    return min(max(right.step - (right.step - left.step) * share, low), high)


def strong_wolfe(
    evaluate: Callable[[Any], Trial],
    origin: Trial,
    step: Any,
    extent: Any,
    tolerance: float,
    limit: int,
    decrease: float = 1e-4,
    curvature: float = 0.9,
) -> tuple[Trial, int]:
    """Search for a step that satisfies the strong Wolfe conditions.

    Args:
        evaluate: the trial at a step.
        origin: the trial at step 0.
        step: the first to try.
        extent: the largest element of the direction, by magnitude.
        tolerance: the smallest interval, times ``extent``, that is still searched.
        limit: how many trials to make after the first.
        decrease, curvature: the conditions' constants, c1 and c2.

    Returns:
        the best trial, and how many were made.
    """

    def falls(trial: Trial) -> bool:
        return bool(trial.loss <= origin.loss + decrease * trial.step * origin.slope)

    def is_flat(trial: Trial) -> bool:
        return bool(abs(trial.slope) <= -curvature * origin.slope)

    made = 0
    previous, trial = origin, evaluate(step)
    while made < limit:
        if not falls(trial) or (made > 1 and trial.loss >= previous.loss):
            break
        if is_flat(trial):
            return trial, made + 1
        if trial.slope >= 0:
            break
        bounds = trial.step + 0.01 * (trial.step - previous.step), trial.step * 10
        previous, trial = trial, evaluate(cubic_minimizer(previous, trial, bounds))
        made += 1
    else:
        previous = origin
    return _narrow(evaluate, (previous, trial), falls, is_flat, extent, tolerance, limit, made)


def _narrow(
    evaluate: Callable[[Any], Trial],
    bracket: tuple[Trial, Trial],
    falls: Callable[[Trial], bool],
    is_flat: Callable[[Trial], bool],
    extent: Any,
    tolerance: float,
    limit: int,
    made: int,
) -> tuple[Trial, int]:
    """Narrow an interval that holds a good step, always keeping its end of lower loss."""
    ends = list(bracket)
    low = 0 if ends[0].loss <= ends[1].loss else 1
    near_an_end = False
    while made < limit and not abs(ends[1].step - ends[0].step) * extent < tolerance:
        step = cubic_minimizer(*ends)
        left, right = min(end.step for end in ends), max(end.step for end in ends)
        margin = 0.1 * (right - left)
        if min(right - step, step - left) < margin:
            # Twice in a row close to an end would hardly narrow the interval: step away from it.
            if near_an_end or step >= right or step <= left:
                step = right - margin if abs(step - right) < abs(step - left) else left + margin
                near_an_end = False
            else:
                near_an_end = True
        else:
            near_an_end = False
        trial = evaluate(step)
        made += 1
        if not falls(trial) or trial.loss >= ends[low].loss:
            ends[1 - low] = trial
            low = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        if is_flat(trial):
            return trial, made + 1
        if trial.slope * (ends[1 - low].step - ends[low].step) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = trial
    return ends[low], made + 1
