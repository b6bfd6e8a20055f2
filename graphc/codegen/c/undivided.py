"""The planes of a contraction's picture, and contractions whose windows divide, without the divisors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.c.rewriting import map_scalar, substitution
from graphc.codegen.loops import Contract, Sliding
from graphc.ir.integers import Integer, variable
from graphc.ir.planes import Planes, plane_axis, shifts_of, undivided_axis
from graphc.ir.scalars import Constant, both, choose, within


def planes_of(sliding: Sliding) -> Planes | None:
    """The planes of a picture whose sizes are known and whose window divides nothing; None for another."""
    window = sliding.window
    if not isinstance(window.channels, int):
        return None
    for axis in window.axes:
        if not all(isinstance(size, int) for size in (axis.extent, axis.places, axis.taps)) or axis.divisor != 1:
            return None
    return Planes(tuple(map(plane_axis, window.axes)), window.channels)


@dataclass(frozen=True, slots=True)
class Undivided:
    """A contraction without the divisors of its window. Row ``m`` of the old one is the rows ``m * phases + phase`` of
    the new one, whose place ``p`` along a dimension is the old one's ``divisor * p + (digit of phase)``."""

    contract: Contract
    divisors: tuple[int, ...]

    @property
    def phases(self) -> int:
        return math.prod(self.divisors)


def undivide(contract: Contract) -> Undivided:
    """The contraction with a row for each remainder of a place, where its window divides coordinates.

    Such a window, that of a strided convolution's gradient, meets the picture with other taps at each remainder. The
    new taps are all steps between those; where an old one is missing, the left factor is zero.
    """
    assert contract.sliding is not None
    window = contract.sliding.window
    divisors = tuple(axis.divisor for axis in window.axes)
    if all(divisor == 1 for divisor in divisors):
        return Undivided(contract, divisors)
    row = variable("m", 0, contract.rows * math.prod(divisors) - 1)  # type: ignore[operator]
    starts, counts = zip(*map(shifts_of, window.axes), strict=True)
    taps = [axis.taps for axis in window.axes]
    depth = window.channels * math.prod(counts)  # type: ignore[operator]
    shift_digits = _digits(variable("k", 0, depth - 1), (window.channels, *counts))
    phase_digits = _digits(row, (contract.rows, *divisors))
    conditions, old_taps = [], []
    for axis, digit, phase, start in zip(window.axes, shift_digits[1:], phase_digits[1:], starts, strict=True):
        # The tap that meets element p + start + digit at place divisor * p + phase.
        distance = (phase + axis.origin - axis.divisor * (digit + start)) * (-1 if axis.gap > 0 else 1)
        gap = abs(axis.gap)
        conditions += [within(distance % gap, 0, 1), within(distance // gap, 0, axis.taps)]
        old_taps.append(distance // gap)
    position: Integer = shift_digits[0]
    for tap, count in zip(old_taps, taps, strict=True):
        position = position * count + tap
    left = map_scalar(contract.left, substitution({"m": phase_digits[0], "k": position}))
    axes = tuple(map(undivided_axis, window.axes))
    undivided = replace(
        contract,
        rows=contract.rows * math.prod(divisors),
        depth=depth,
        left=choose(both(*conditions), left, Constant(0.0, contract.dtype)),
        sliding=replace(contract.sliding, window=replace(window, axes=axes)),
    )
    return Undivided(undivided, divisors)


def _digits(value: Integer, extents: Sequence[Integer]) -> list[Integer]:
    digits: list[Integer] = []
    for extent in reversed(extents[1:]):
        digits.insert(0, value % extent)
        value = value // extent
    return [value, *digits]
