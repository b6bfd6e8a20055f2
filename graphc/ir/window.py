"""How a contraction reads a picture through a moving window: what a convolution and its gradients have in common.

Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.integers import Dimension


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """One spatial dimension: tap ``t`` at place ``p`` meets the picture at ``(step * p + gap * t + origin) / divisor``,
    where that is whole and within ``range(extent)``; elsewhere it meets a zero."""

    extent: Dimension
    places: Dimension
    taps: Dimension
    step: int
    gap: int
    origin: int
    divisor: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a contraction whose right operand is a picture, ``[batch, (group,) channels, *extents]``.

    ``summed`` is "taps" where the reduction runs over (channel, *taps) and the columns are the places, and "places"
    where it runs over (sample, *places) and the columns are (channel, *taps).
    """

    axes: tuple[WindowAxis, ...]
    channels: Dimension
    summed: str
