"""Many steps of a compiled function in one call, with the loop in C."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphc.autograd.modes import no_grad
from graphc.capture.trees import flatten_results, unflatten
from graphc.compiled.builds import Entry
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor

Ready = Callable[[list[Tensor]], Iterable[Entry]]


def run_many(function: Callable[..., Any], ready: Ready, steps: int, arguments: tuple[Any, ...], keywords: dict) -> Any:
    """Run ``function`` on each part of stacked arguments; its results, stacked.

    ``ready`` gives the builds that are right for the arguments of a step. A step for which there is none, or whose
    program can't follow itself, is an ordinary call.

    Raises ValueError for a number of steps below 1, and for a tensor whose first extent is another.
    """
    stacked, description = flatten_results((arguments, keywords))
    _check(steps, stacked)
    arrays = [tensor._array for tensor in stacked]
    strides = [array.strides[0] for array in arrays]
    parts: list[Any] = []
    done = 0
    while done < steps:
        with no_grad():
            tensors = [tensor[done] for tensor in stacked]
        count = 0
        for entry in ready(tensors):
            bound = entry.bound
            with bound.lock:
                if bound.holds(tensors) and bound.repeats(arrays):
                    results, count = bound.run_many(tensors, strides, steps - done)
                    entry.calls += count
            if count:
                break
        if not count:
            given, named = unflatten(description, iter(tensors))
            results, count = _alone(function(*given, **named)), 1
        parts.append(results)
        done += count
    return parts[0] if len(parts) == 1 else _joined(parts)


def _check(steps: int, stacked: Sequence[Tensor]) -> None:
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"run takes the number of steps, 1 or more; given: {steps!r}")
    for tensor in stacked:
        if tensor.ndim == 0 or tensor.shape[0] != steps:
            raise ValueError(
                f"{steps} steps take tensors that hold {steps} arguments along their first dimension; given: "
                f"{list(tensor.shape)} (expand one that is the same in every step: x.expand({steps}, *x.shape))"
            )
        if tensor.requires_grad:
            raise ValueError("arguments of many steps can't want gradients; detach() them, or call step by step")


def _alone(result: Any) -> Any:
    """The results of one step as those of many: copies, since a later step may change what they show."""
    tensors, description = flatten_results(result)
    with no_grad():
        return unflatten(description, iter([tensor.detach().clone().unsqueeze(0) for tensor in tensors]))


def _joined(parts: Sequence[Any]) -> Any:
    """Results of several runs, one behind the other."""
    flat = [flatten_results(part) for part in parts]
    with no_grad():
        columns = [cat(rows) for rows in zip(*(tensors for tensors, _ in flat), strict=True)]
    return unflatten(flat[-1][1], iter(columns))
