"""How losses are put together: the reductions, their older arguments, and checks of values that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.notices import warn
from graphc.ops.functions.reduction import mean, sum
from graphc.recording import state

Value = Any


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str, level: int = 4) -> str:
    """The reduction's name: "mean", "sum", or "none", by PyTorch's older arguments where one is given.

    Warns of those; ``level`` is how many frames above the user's call stands. Raises ValueError for another name.
    """
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce, level + 1)
    if reduction == "elementwise_mean":
        warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.")
        return "mean"
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def legacy_reduction(size_average: bool | None, reduce: bool | None, level: int = 3) -> str:
    """The reduction that PyTorch's older arguments mean; warns of them."""
    reduction = older_reduction(size_average, reduce)
    warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
    )
    return reduction


def older_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that PyTorch's older arguments mean."""
    averaged, reduced_ = size_average in (None, True), reduce in (None, True)
    return "none" if not reduced_ else "mean" if averaged else "sum"


def reduced(loss: Value, reduction: str) -> Value:
    """The mean or sum of all elements, or the loss itself."""
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss


def require_values(value: Value, right: Callable[[Any], Any], error: Exception) -> None:
    """Raise the error unless ``right``, of the elements, holds for all of them.

    What is recorded rests on it: a program whose elements are wrong leaves before it has changed anything, and eager
    mode raises. In a graph without tensors nothing is known.
    """
    if not value.is_eager:
        return
    if state.recorder is not None:
        state.recorder.require(right(value.detach()).all(), error)
    elif not bool(right(value._settled).all()):
        raise error


def known_array(value: Value) -> np.ndarray | None:
    """The elements of a tensor that is no part of a recording; None for others: a graph does not look at values."""
    return value.detach().numpy() if value.is_eager and state.recorder is None else None
