"""Anomaly mode: an error of a backward pass names the forward line, and NaN in a gradient is an error.

Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from graphc.autograd.descriptions import Description, place_of
from graphc.autograd.watching import Trace, switch, watching
from graphc.notices import warn
from graphc.recording import state


class set_detect_anomaly:
    """Switches anomaly mode on or off at once; as a context manager, restores the mode at the end.

    With ``check_nan`` a NaN that a node's rule gives is a RuntimeError that names the node.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._outer = watching.anomalies, watching.check_nan
        _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _set(*self._outer)


class detect_anomaly:
    """Context manager: anomaly mode is on. Operations within keep their Python stack, and run slower for it."""

    def __init__(self, check_nan: bool = True):
        self._check_nan = check_nan
        warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
        )

    def __enter__(self) -> Self:
        self._outer = watching.anomalies, watching.check_nan
        _set(True, self._check_nan)
        return self

    def __exit__(self, *exception: object) -> None:
        _set(*self._outer)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on in this thread."""
    return watching.anomalies


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, where it is on, looks for NaN."""
    return watching.check_nan


def _set(mode: bool, check_nan: bool) -> None:
    switch.active += bool(mode) - watching.anomalies
    watching.anomalies, watching.check_nan = bool(mode), check_nan


def refuse_anomalies(node: Any, results: Sequence[Any]) -> None:
    """Raise RuntimeError, in PyTorch's words, where the rule of a node gave NaN for an input that wants a gradient.

    A node within a function that PyTorch has as one node counts for the function: what passes between its parts is not
    looked at.
    """
    if not watching.check_nan or state.recorder is not None:
        return
    owner = _owner(node)
    for position, result in enumerate(results):
        edge = node.edges[position]
        if result is None or not hasattr(result, "_array") or not np.isnan(result._settled).any():
            continue
        if _owner(edge) is owner:
            continue
        description: Description | None = owner.description
        place = position if description is None else place_of(description, edge)
        raise RuntimeError(f"Function '{owner.name()}' returned nan values in its {place}th output.")


def _owner(node: Any) -> Any:
    trace: Trace | None = getattr(node, "trace", None)
    return node if trace is None or trace.owner is None else trace.owner


def warn_of_forward(node: Any) -> None:
    """Warn, in PyTorch's words, which lines made the node whose rule has just raised."""
    owner = _owner(node)
    trace: Trace | None = getattr(owner, "trace", None)
    if trace is None:
        message = (
            "No forward pass information available. Enable detect anomaly during forward pass for more information."
        )
    else:
        message = f"Traceback of forward call that caused the error:\n{trace.stack}"
    warn(f"Error detected in {owner.name()}. {message}")
