"""Pictures laid out for contractions that read them through a window: where each element goes, what each tap adds.

A picture is copied once into *planes*: flat arrays in which all rows have one pitch, and the zeros beyond a row's end
are those before the next one's start. Then tap ``t`` at flat place ``p`` is element ``p + offset(t)``, so that a loop
over flat places needs no test, reads memory in order, and computes but a few too many: those in the gaps between rows.
A window that steps by more than one has a plane for each remainder of a coordinate, in which it steps by one.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

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


def plane_axis(axis: WindowAxis) -> PlaneAxis:
    """The planes under one dimension of a window whose sizes are known and that divides nothing."""
    assert axis.divisor == 1
    assert isinstance(axis.extent, int)
    assert isinstance(axis.places, int)
    met = [axis.gap * tap + axis.origin for tap in range(axis.taps)]  # type: ignore[arg-type]
    phases, shifts = tuple(at % axis.step for at in met), tuple(at // axis.step for at in met)
    return PlaneAxis(axis.extent, axis.places, axis.step, phases, shifts)


def shifts_of(axis: WindowAxis) -> tuple[int, int]:
    """The least distance, in elements of the picture, between a place and what a tap meets; and how many there are."""
    met = [
        (phase + axis.gap * tap + axis.origin) // axis.divisor
        for phase in range(axis.divisor)
        for tap in range(axis.taps)  # type: ignore[arg-type]
        if (phase + axis.gap * tap + axis.origin) % axis.divisor == 0
    ]
    return (min(met), max(met) - min(met) + 1) if met else (0, 1)


def undivided_axis(axis: WindowAxis) -> WindowAxis:
    """The window of one remainder of a place, the same for all: its taps are all distances at which an old one meets
    the picture at any remainder."""
    start, count = shifts_of(axis)
    return WindowAxis(axis.extent, -(-axis.places // axis.divisor), count, 1, 1, start)  # type: ignore[operator]
