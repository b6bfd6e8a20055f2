"""How work on planes is cut into blocks that stay in the caches: the same rules for programs and for eager mode.

A block of a product whose columns are places has some rows of places of one sample, and some of the channels. A block
of one that sums over places has several whole samples, or some rows of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.integers import ceiling, round_up
from graphc.ir.planes import Planes

STAGE_ELEMENTS = 1 << 16  # of the planes that a thread works on: they stay in the second-level cache
BLOCK_ELEMENTS = 1 << 15  # of a block of the product: it stays there too
LONGEST_ROW = 1280  # elements that a dot product runs over at a time, so that a tile's rows stay in the nearest cache
WANTED_ITEMS = 8  # to share among threads


@dataclass(frozen=True, slots=True)
class PlaceCut:
    """A block of a product whose columns are places.

    Attributes:
        rows: places along the first dimension.
        channels: how many are summed over at a time.
        block_m: rows of the matrix.
        plane: elements from one plane to the next.
        stage: elements of all planes of a block.
    """

    rows: int
    channels: int
    block_m: int
    plane: int
    stage: int


@dataclass(frozen=True, slots=True)
class SumCut:
    """A block of a product that sums over places.

    Attributes:
        rows: places along the first dimension.
        samples: samples at once; 1 where places are cut.
        segment: flat places from one sample, or one cut of it, to the next.
        depth: flat places of a block, in whole vectors.
        channels: how many there are columns of.
        block_m: rows of the matrix.
        plane: elements from one plane to the next.
        stage: elements of all planes of a block.
    """

    rows: int
    samples: int
    segment: int
    depth: int
    channels: int
    block_m: int
    plane: int
    stage: int


def cut_places(planes: Planes, batch: int, m: int, tile: tuple[int, int], channels: int) -> PlaceCut:
    """The blocks of ``batch`` products of ``m`` rows, computed in tiles of so many rows and flat places.

    ``channels`` are the most that may be summed over at a time. Rows of the matrix are cut where a block has more than
    two tiles of them.
    """
    tile_m, tile_n = tile
    row, places, phases = planes.row, planes.axes[0].places, planes.phases
    rows, block_m = places, m
    while rows > 1 and (
        channels * phases * planes.read(rows) > STAGE_ELEMENTS
        or (m * rows * row > BLOCK_ELEMENTS and rows * row > 2 * tile_n)
    ):
        rows = ceiling(rows, 2)
    while channels > 1 and channels * phases * planes.read(rows) > STAGE_ELEMENTS:
        channels = ceiling(channels, 2)
    while block_m > 2 * tile_m and block_m * rows * row > 2 * BLOCK_ELEMENTS:
        block_m = round_up(ceiling(block_m, 2), tile_m)
    while batch * ceiling(places, rows) * ceiling(m, block_m) < WANTED_ITEMS:
        if rows > 1 and rows * row >= 2 * tile_n:
            rows = ceiling(rows, 2)
        elif block_m > 2 * tile_m:
            block_m = round_up(ceiling(block_m, 2), tile_m)
        else:
            break
    plane = planes.rows(rows) * row
    overshoot = max(planes.tap_offsets(0)) + round_up(rows * row, tile_n)
    return PlaceCut(rows, channels, block_m, plane, (channels * phases - 1) * plane + max(planes.read(rows), overshoot))


def cut_sum(planes: Planes, samples: int, m: int, tile_m: int, lanes: int, unit: int = 1) -> SumCut:
    """The blocks of a product of ``m`` rows, in tiles of ``tile_m``, that sums over the places of so many samples.

    Channels are cut into multiples of ``unit``.
    """
    row, places, phases = planes.row, planes.axes[0].places, planes.phases
    rows = places if planes.rows(places) * row <= LONGEST_ROW else max(1, min(places, LONGEST_ROW // row))
    rows = ceiling(places, ceiling(places, rows))
    segment = (planes.rows(rows) if rows == places else rows) * row
    together = max(1, min(samples, LONGEST_ROW // segment)) if rows == places else 1
    together = ceiling(samples, ceiling(samples, together))
    depth = round_up(together * segment, lanes)
    plane = (together - 1) * segment + planes.read(rows)
    channels, block_m = planes.channels, m
    while channels > unit and channels * phases * plane > STAGE_ELEMENTS:
        channels = round_up(ceiling(channels, 2), unit)
    channels = min(channels, planes.channels)
    while block_m > tile_m and block_m * depth > STAGE_ELEMENTS:
        block_m = round_up(ceiling(block_m, 2), tile_m)
    count = channels * phases
    stage = max(count * plane, (count - 1) * plane + max(planes.tap_offsets(0)) + depth)
    return SumCut(rows, together, segment, depth, channels, min(block_m, m), plane, stage)
