"""Pictures laid out for contractions that read them through a window: where each element goes, what each tap adds.

A picture is copied once into *planes*: flat arrays in which all rows have one pitch, and the zeros beyond a row's end
are those before the next one's start. Then tap ``t`` at flat place ``p`` is element ``p + offset(t)``, so that a loop
over flat places needs no test, reads memory in order, and computes but a few too many: those in the gaps between rows.
A window that steps by more than one has a plane for each remainder of a coordinate, in which it steps by one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.c.rewriting import map_scalar, substitution
from graphc.codegen.loops import Contract, Sliding
from graphc.ir.integers import Integer, variable
from graphc.ir.scalars import Constant, both, choose, within
from graphc.ir.window import WindowAxis


@dataclass(frozen=True, slots=True)
class PlaneAxis:
    """One dimension of a plane. Element ``j`` of plane ``phase`` is the picture's at ``step * j + phase``; tap ``t`` at
    place ``p`` meets element ``p + shifts[t]`` of plane ``phases[t]``."""

    extent: int
    places: int
    step: int
    phases: tuple[int, ...]
    shifts: tuple[int, ...]

    @property
    def first(self) -> int:
        """The element at which a row of a plane starts, at most 0."""
        return min(0, *self.shifts)

    @property
    def reach(self) -> int:
        """How far the taps lie apart: a row of ``n`` places reads ``n + reach`` elements."""
        return max(0, *self.shifts) - self.first

    @property
    def present(self) -> int:
        """The element behind the last that exists in any plane and that a place reads."""
        return min(-(-self.extent // self.step), self.places + max(self.shifts))

    @property
    def pitch(self) -> int:
        """From one row to the next: what a place reads past the end of its row is a zero before the next one."""
        return max(self.places, self.places + max(self.shifts), self.present - self.first)


@dataclass(frozen=True, slots=True)
class Planes:
    """All dimensions of a picture's planes; the first is the one that work is cut along."""

    axes: tuple[PlaneAxis, ...]
    channels: int

    @property
    def taps(self) -> int:
        """How many taps the window has."""
        return math.prod(len(axis.shifts) for axis in self.axes)

    @property
    def phases(self) -> int:
        """How many planes each channel has."""
        return math.prod(axis.step for axis in self.axes)

    @property
    def row(self) -> int:
        """Elements from one place along the first dimension to the next."""
        return math.prod(axis.pitch for axis in self.axes[1:])

    def pitches(self) -> tuple[int, ...]:
        """Elements from one place to the next, along each dimension."""
        return tuple(math.prod(axis.pitch for axis in self.axes[d + 1 :]) for d in range(len(self.axes)))

    def rows(self, places: int) -> int:
        """How many rows of a plane so many places along the first dimension take."""
        first = self.axes[0]
        return first.pitch if places == first.places else places + first.reach

    def read(self, places: int) -> int:
        """Elements of a plane from its start to the end of the last one that so many rows of places read."""
        last = [places - 1, *(axis.places - 1 for axis in self.axes[1:])]
        ends = zip(last, self.axes, self.pitches(), strict=True)
        return sum((end + axis.reach) * pitch for end, axis, pitch in ends) + 1

    def tap_offsets(self, plane: int) -> tuple[int, ...]:
        """What each tap adds to a flat place, when planes of one channel lie ``plane`` elements apart."""
        return tuple(
            sum(
                (shift - axis.first) * pitch
                for (_, shift), axis, pitch in zip(tap, self.axes, self.pitches(), strict=True)
            )
            + plane * _number([phase for phase, _ in tap], [axis.step for axis in self.axes])
            for tap in itertools.product(*(zip(axis.phases, axis.shifts, strict=True) for axis in self.axes))
        )


def _number(digits: list[int], extents: list[int]) -> int:
    total = 0
    for digit, extent in zip(digits, extents, strict=True):
        total = total * extent + digit
    return total


def planes_of(sliding: Sliding) -> Planes | None:
    """The planes of a picture whose sizes are known and whose window divides nothing; None for another."""
    axes = []
    for axis in sliding.window.axes:
        if not all(isinstance(size, int) for size in (axis.extent, axis.places, axis.taps)) or axis.divisor != 1:
            return None
        met = [axis.gap * tap + axis.origin for tap in range(axis.taps)]  # type: ignore[arg-type]
        phases, shifts = (tuple(at % axis.step for at in met), tuple(at // axis.step for at in met))
        axes.append(PlaneAxis(axis.extent, axis.places, axis.step, phases, shifts))  # type: ignore[arg-type]
    channels = sliding.window.channels
    return Planes(tuple(axes), channels) if isinstance(channels, int) else None


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
    starts, counts = zip(*map(_shifts, window.axes), strict=True)
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
    axes = tuple(
        WindowAxis(axis.extent, -(-axis.places // axis.divisor), count, 1, 1, start)  # type: ignore[operator]
        for axis, start, count in zip(window.axes, starts, counts, strict=True)
    )
    undivided = replace(
        contract,
        rows=contract.rows * math.prod(divisors),
        depth=depth,
        left=choose(both(*conditions), left, Constant(0.0, contract.dtype)),
        sliding=replace(contract.sliding, window=replace(window, axes=axes)),
    )
    return Undivided(undivided, divisors)


def _shifts(axis: WindowAxis) -> tuple[int, int]:
    """The least distance, in elements of the picture, between a place and what a tap meets; and how many there are."""
    met = [
        (phase + axis.gap * tap + axis.origin) // axis.divisor
        for phase in range(axis.divisor)
        for tap in range(axis.taps)  # type: ignore[arg-type]
        if (phase + axis.gap * tap + axis.origin) % axis.divisor == 0
    ]
    return (min(met), max(met) - min(met) + 1) if met else (0, 1)


def _digits(value: Integer, extents: Sequence[Integer]) -> list[Integer]:
    digits: list[Integer] = []
    for extent in reversed(extents[1:]):
        digits.insert(0, value % extent)
        value = value // extent
    return [value, *digits]
