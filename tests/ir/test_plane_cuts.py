"""Blocks of work on planes: all is computed, nothing is read outside of a block's stage, and blocks fit the caches."""

from __future__ import annotations

import random

import pytest

from graphc.ir.integers import round_up
from graphc.ir.plane_cuts import BLOCK_ELEMENTS, LONGEST_ROW, STAGE_ELEMENTS, cut_places, cut_sum
from graphc.ir.planes import Planes, plane_axis
from graphc.ir.window import WindowAxis


def drawn(number: int) -> Planes:
    """The planes of a picture in which anything may be odd."""
    choose = random.Random(number)
    axes = []
    for _ in range(choose.choice((1, 2, 2, 3))):
        extent, taps, step, gap = (
            choose.randint(3, 70),
            choose.randint(1, 5),
            choose.randint(1, 3),
            choose.randint(1, 2),
        )
        padding = choose.randint(0, 3)
        places = max(1, (extent + 2 * padding - gap * (taps - 1) - 1) // step + 1)
        axes.append(plane_axis(WindowAxis(extent, places, taps, step, gap, -padding)))
    return Planes(tuple(axes), choose.choice((1, 3, 16, 100)))


@pytest.mark.parametrize("number", range(60))
def test_blocks_of_places(number: int) -> None:
    """A tile at any place of a block reads within the stage at every tap, and what is too large is cut as far as it
    goes."""
    planes, choose = drawn(number), random.Random(number)
    m, tile, batch = choose.choice((1, 6, 40, 300)), (6, choose.choice((16, 64))), choose.choice((1, 2, 50))
    cut = cut_places(planes, batch, m, tile, planes.channels)
    assert 1 <= cut.rows <= planes.axes[0].places
    assert 1 <= cut.channels <= planes.channels
    assert cut.block_m == m or cut.block_m % tile[0] == 0
    last = (cut.channels * planes.phases - 1) * cut.plane
    of_one = [offset + round_up(cut.rows * planes.row, tile[1]) for offset in planes.tap_offsets(0)]
    assert last + max(*of_one, planes.read(cut.rows)) <= cut.stage
    smallest = cut.rows == cut.channels == 1
    assert cut.channels * planes.phases * planes.read(cut.rows) <= STAGE_ELEMENTS or smallest
    columns = cut.rows * planes.row
    assert cut.block_m * columns <= 2 * BLOCK_ELEMENTS or columns <= 2 * tile[1] or cut.block_m <= 2 * tile[0]


@pytest.mark.parametrize("number", range(60))
def test_blocks_of_sums(number: int) -> None:
    """A block's rows stay short, its samples or its rows of places are whole, and its taps read within the stage."""
    planes, choose = drawn(number), random.Random(number)
    samples, m, tile_m, lanes = choose.randint(1, 40), choose.choice((1, 6, 300)), 4, choose.choice((4, 16))
    unit = choose.choice((1, 3))
    cut = cut_sum(planes, samples, m, tile_m, lanes, unit)
    places = planes.axes[0].places
    assert 1 <= cut.rows <= places
    assert cut.samples == 1 or cut.rows == places
    assert 1 <= cut.samples <= samples
    assert cut.depth % lanes == 0
    assert cut.samples * cut.segment <= cut.depth
    assert cut.depth <= round_up(LONGEST_ROW, lanes) or cut.rows == 1 or cut.samples == 1
    assert cut.channels == planes.channels or cut.channels % unit == 0
    assert cut.block_m == m or cut.block_m % tile_m == 0
    last = (cut.channels * planes.phases - 1) * cut.plane
    assert last + max(planes.tap_offsets(0)) + cut.depth <= cut.stage
    assert last + cut.plane <= cut.stage
