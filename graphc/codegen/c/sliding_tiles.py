"""How a contraction that reads a picture through a window is cut: the choices of :mod:`graphc.codegen.c.tiles` for one
that works on planes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

from graphc.codegen.c.tiles import (
    COPY,
    LANE_SUM,
    LONGEST_DEPTH,
    PEAK,
    VISIT,
    Side,
    Tiling,
)
from graphc.ir.integers import ceiling, round_up
from graphc.ir.plane_cuts import WANTED_ITEMS, cut_places, cut_sum
from graphc.ir.planes import Planes

FILL = 0.15  # nanoseconds to clear and copy an element of a plane, most of them in runs
UNALIGNED = 0.9  # of the peak is left where every other load crosses a cache line


@dataclass(frozen=True, slots=True)
class Cut:
    """A tiling, and what of the picture one block works on.

    Attributes:
        rows: places along the first dimension.
        samples: samples at once, where places are summed.
        segment: flat places from one sample, or one cut of it, to the next.
        plane: elements from one plane to the next.
        stage: elements of all planes of a block.
    """

    tiling: Tiling
    rows: int
    samples: int
    segment: int
    plane: int
    stage: int


def cuts_of_places(batch: int, a: Side, a_in_place: bool, planes: Planes, lanes: int, registers: int) -> Iterator[Cut]:
    """Ways to compute ``batch`` products of a (rows by channels and taps) and a picture whose columns are places.

    ``a_in_place`` tells whether tiles can read a where it lies.
    """
    for vectors in range(1, 5):
        if vectors == 1 or (vectors - 1) * lanes < planes.axes[0].places * planes.row:
            yield _cut_of_places(batch, a, a_in_place, planes, lanes, registers, vectors)


def _cut_of_places(
    batch: int, a: Side, a_in_place: bool, planes: Planes, lanes: int, registers: int, vectors: int
) -> Cut:
    m, taps, row, places = a.extent, planes.taps, planes.row, planes.axes[0].places
    tile_n = vectors * lanes
    tile_m = ceiling(m, ceiling(m, max(1, (registers - vectors - 1) // vectors)))
    channels = ceiling(planes.channels, ceiling(planes.channels * taps, max(LONGEST_DEPTH, taps)))
    cut = cut_places(planes, batch, m, (tile_m, tile_n), channels)
    rows, channels, block_m, stage = cut.rows, cut.channels, cut.block_m, cut.stage
    block_n, block_k, k = rows * row, channels * taps, planes.channels * taps
    n_blocks, m_blocks, k_blocks = ceiling(places, rows), ceiling(m, block_m), ceiling(planes.channels, channels)
    sums = tile_m * vectors
    efficiency = UNALIGNED * min(1.0, sums / 10) * sums / (sums + 0.35 * (tile_m + vectors))
    computed = batch * m * n_blocks * round_up(block_n, lanes) * k
    fills = batch * n_blocks * k_blocks * stage * (m_blocks if k_blocks > 1 else 1)
    copies = 0 if a_in_place else m * k * (batch if a.by_batch else 1)
    cost = 2.0 * computed / (PEAK * efficiency) + fills * FILL + copies * COPY + batch * m * places * row * VISIT
    tiling = Tiling(
        form="outer",
        lanes=lanes,
        batch=batch,
        m=m,
        n=places * row,
        k=k,
        tile_m=tile_m,
        tile_n=tile_n,
        edge_m=m % tile_m,
        edge_n=round_up(block_n % tile_n, lanes) % tile_n,
        block_m=block_m,
        block_n=block_n,
        block_k=block_k,
        chunks=1,
        chunk_k=k,
        order="nm",
        a_place="memory" if a_in_place else "shared",
        b_place="local",
        cost=cost,
    )
    return Cut(tiling, rows, 1, block_n, cut.plane, stage)


def cuts_of_taps(batch: int, samples: int, m: int, planes: Planes, lanes: int, registers: int) -> Iterator[Cut]:
    """Ways to compute ``batch`` products of a (rows by samples and places) and a picture, of which the columns are
    channels and taps. ``samples`` are the most that there can be."""
    for tile_m in range(1, 9):
        tile_n = (registers - 2) // (tile_m + 1)
        if tile_m <= m and tile_n > 0:
            yield _cut_of_taps(batch, samples, m, planes, lanes, tile_m, min(tile_n, planes.channels * planes.taps))


def _cut_of_taps(batch: int, samples: int, m: int, planes: Planes, lanes: int, tile_m: int, tile_n: int) -> Cut:
    taps, places = planes.taps, planes.axes[0].places
    n = planes.channels * taps
    # Blocks of channels whose columns are whole tiles, and of rows.
    cut = cut_sum(planes, samples, m, tile_m, lanes, unit=tile_n // gcd(tile_n, taps))
    rows, together, channels, block_m, block_k = cut.rows, cut.samples, cut.channels, cut.block_m, cut.depth
    blocks = ceiling(samples, together) * ceiling(places, rows)
    outputs = batch * ceiling(m, block_m) * ceiling(planes.channels, channels)
    wanted = min(blocks, ceiling(WANTED_ITEMS, outputs))
    chunk = ceiling(blocks, wanted)
    tiles = ceiling(m, tile_m) * ceiling(n, tile_n)
    # A vector of b crosses a cache line, one of a does not; both are shared by the columns and rows of a tile.
    sums = tile_m * tile_n
    efficiency = min(1.0, sums / 10) * sums / (sums + 0.2 * (tile_m + 2 * tile_n))
    multiplied = batch * blocks * tiles * sums * block_k
    fills = (
        batch
        * blocks
        * (
            ceiling(planes.channels, channels) * m * block_k
            + ceiling(m, block_m) * planes.channels * planes.phases * cut.plane
        )
    )
    cost = 2.0 * multiplied / (PEAK * efficiency) + fills * FILL + batch * m * n * (blocks * LANE_SUM / 2 + VISIT)
    tiling = Tiling(
        form="dot",
        lanes=lanes,
        batch=batch,
        m=m,
        n=n,
        k=blocks * block_k,
        tile_m=tile_m,
        tile_n=tile_n,
        edge_m=m % tile_m,
        edge_n=n % tile_n,
        block_m=block_m,
        block_n=channels * taps,
        block_k=block_k,
        chunks=ceiling(blocks, chunk),
        chunk_k=chunk * block_k,
        order="mn",
        a_place="local",
        b_place="local",
        cost=cost,
    )
    return Cut(tiling, rows, together, cut.segment, cut.plane, cut.stage)
