"""How a contraction is cut: register tile, blocks, chunks, and where its operands are read from.

The roles are those of ``templates/c/gemm.c.j2``: ``a`` has rows, and its elements are spread over vectors; ``b`` has
columns, and in the form "outer" its vectors run along them. Costs are nanoseconds on one core, good enough to rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from graphc.ir.integers import ceiling, round_up
from graphc.ir.plane_cuts import BLOCK_ELEMENTS, WANTED_ITEMS

PEAK = 90.0  # floating-point operations in a nanosecond, when all is well
COPY = 0.8  # nanoseconds to pack an element that lies in memory by strides, often across them
GATHER = 0.4  # nanoseconds to pack an element of an expression, most of them in vectors
VISIT = 0.3  # nanoseconds for an element of the epilogue
LANE_SUM = 3.0  # nanoseconds to add the lanes of a vector
LONGEST_DEPTH = 768
SHALLOW = 32  # products of so few terms write more than they read
SIDE = 256  # columns of a block that has many rows too
TEAMS = (2, 4)  # numbers of threads whose shares of the work are weighed
MORE_BLOCKS = 0.02  # of the time that twice as many blocks take more
SPLIT_DEPTH = 2048  # a contraction with few blocks, or a few that are uneven, is summed in chunks from this depth on


@dataclass(frozen=True, slots=True)
class Side:
    """What choosing needs to know of an operand. Strides are elements, None where the operand must be copied.

    Attributes:
        extent: how many rows or columns there are; the most of them where that is known at run time only.
        stride: from one row (of a) or column (of b) to the next.
        varies: whether the extent is known at run time only.
    """

    extent: int
    stride: int | None
    depth_stride: int | None
    by_batch: bool
    varies: bool = False

    @property
    def in_memory(self) -> bool:
        return self.stride is not None and self.depth_stride is not None

    @property
    def copy_cost(self) -> float:
        """Nanoseconds to pack an element."""
        return COPY if self.in_memory else GATHER


@dataclass(frozen=True, slots=True)
class Tiling:
    """The choices. Names are those of the template's holes. Extents that are known at run time only are their greatest.

    Attributes:
        single_rows: rows behind the last whole tile are computed one by one, since it is not known how many they are.
    """

    form: str
    lanes: int
    batch: int
    m: int
    n: int
    k: int
    tile_m: int
    tile_n: int
    edge_m: int
    edge_n: int
    block_m: int
    block_n: int
    block_k: int
    chunks: int
    chunk_k: int
    order: str
    a_place: str
    b_place: str
    cost: float
    single_rows: bool = False

    @property
    def m_blocks(self) -> int:
        return ceiling(self.m, self.block_m)

    @property
    def n_blocks(self) -> int:
        return ceiling(self.n, self.block_n)

    @property
    def pitch(self) -> int:
        columns = round_up(self.block_n, self.lanes)
        whole_tiles = self.form == "outer" and self.edge_n == 0
        return max(columns, round_up(self.block_n, self.tile_n)) if whole_tiles else columns

    @property
    def block_elements(self) -> int:
        return round_up(self.block_m, self.tile_m) * self.pitch


def choose_tile(batch: int, a: Side, b: Side, k: int, lanes: int, registers: int) -> Tiling:
    """The cheapest way to compute ``batch`` products of a (rows by k) and b (k by columns)."""
    return even(min(_candidates(batch, a, b, k, lanes, registers), key=lambda tiling: tiling.cost))


def even(tiling: Tiling) -> Tiling:
    """The tiling with blocks of fewer tiles where threads then get more equal shares of the work."""
    if tiling.chunks > 1:
        return tiling

    def blocks(tile: int, block: int) -> list[int]:
        tiles = ceiling(block, tile)
        return [block, *(each * tile for each in range(tiles - 1, max(0, tiles // 4), -1))]

    # Where a block has its own copy of b, the next one may need the same, and does if there is one piece of k.
    copies = tiling.b_place == "local"
    choices = [
        replace(tiling, block_m=block_m, block_n=block_n, order=order)
        for order in dict.fromkeys((tiling.order, tiling.order if copies else "nm"))
        for block_n in blocks(tiling.tile_n, tiling.block_n)
        for block_m in blocks(tiling.tile_m, tiling.block_m)
        if block_m == tiling.block_m or not copies or tiling.block_k == tiling.k
    ]
    count = tiling.m_blocks * tiling.n_blocks
    return min(choices, key=lambda each: _waiting(each) + MORE_BLOCKS * (each.m_blocks * each.n_blocks / count - 1))


def _waiting(tiling: Tiling) -> float:
    """By how much the longest share of the work is longer than the average, as a part of it, for each of the teams."""
    outer = (tiling.m, tiling.block_m, tiling.m_blocks)
    inner = (tiling.n, tiling.block_n, tiling.n_blocks)
    if tiling.order == "nm":
        outer, inner = inner, outer
    (extent, block, count), (inner_extent, inner_block, inner_count) = outer, inner
    items, total = tiling.batch * count * inner_count, tiling.batch * extent * inner_extent

    def before(item: int) -> int:
        """How many elements the items before one have."""
        batch, place = divmod(item, count * inner_count)
        row, column = divmod(place, inner_count)
        start = row * block
        size = min(block, extent - start)
        return (batch * extent + start) * inner_extent + max(0, size) * column * inner_block

    waiting = 0.0
    for team in TEAMS:
        ends = [before(items * part // team) for part in range(team + 1)]
        longest = max(stop - start for start, stop in pairwise(ends))
        waiting += longest * team / total - 1
    return waiting


def _candidates(batch: int, a: Side, b: Side, k: int, lanes: int, registers: int) -> Iterator[Tiling]:
    for vectors in range(1, 5):
        if vectors == 1 or (vectors - 1) * lanes < b.extent:
            yield _outer(batch, a, b, k, lanes, registers, vectors)
    known = not a.varies and not b.varies
    if known and a.in_memory and b.in_memory and a.depth_stride == b.depth_stride == 1 and k >= lanes:
        yield _dot(batch, a, b, k, lanes)


def _outer(batch: int, a: Side, b: Side, k: int, lanes: int, registers: int, vectors: int) -> Tiling:
    m, n = a.extent, b.extent
    tile_n = vectors * lanes
    most = max(1, (registers - vectors - 1) // vectors)
    tile_m = ceiling(m, ceiling(m, most))
    edge_n = 0 if b.varies else round_up(n % tile_n, lanes) % tile_n
    b_in_memory = b.in_memory and b.stride == 1 and n % lanes == 0 and not b.varies
    block_k = k if k <= LONGEST_DEPTH else ceiling(k, ceiling(k, LONGEST_DEPTH))
    a_place = "memory" if a.in_memory else "shared"
    single_rows = a.varies and a.in_memory and tile_m > 1
    if b_in_memory:
        b_place = "memory"
    else:
        b_place = "local" if a_place == "shared" or a.extent <= 4 * tile_m or b.by_batch else "shared"
    block_n, block_m = _blocks(batch, m, n, tile_m, tile_n, block_k, b_place)
    m_blocks, n_blocks = ceiling(m, block_m), ceiling(n, block_n)
    chunks, chunk_k = 1, k
    items = batch * m_blocks * n_blocks
    if k >= SPLIT_DEPTH and (items < WANTED_ITEMS // 2 or (items < WANTED_ITEMS + 2 and items % 2)):
        wanted = min(16, k // (SPLIT_DEPTH // 4))
        chunk_k = round_up(ceiling(k, wanted), block_k)
        chunks = ceiling(k, chunk_k)
    columns = round_up(n, lanes)
    sums = tile_m * vectors
    # Loads are shared by the rows and columns of a tile; too few sums leave the multipliers waiting for additions.
    efficiency = min(1.0, sums / 10) * sums / (sums + 0.35 * (tile_m + vectors))
    copies = 0.0
    if a_place == "shared":
        copies += m * k * (batch if a.by_batch else 1) * a.copy_cost
    if b_place == "shared":
        copies += columns * k * (batch if b.by_batch else 1) * b.copy_cost
    elif b_place == "local":
        copies += columns * k * batch * (m_blocks if block_k < k else 1) * b.copy_cost
    cost = 2.0 * batch * m * columns * k / (PEAK * efficiency) + copies + batch * m * n * VISIT
    return Tiling(
        form="outer",
        lanes=lanes,
        batch=batch,
        m=m,
        n=n,
        k=k,
        tile_m=tile_m,
        tile_n=tile_n,
        edge_m=1 if single_rows else 0 if a.varies else m % tile_m,
        edge_n=edge_n,
        block_m=block_m,
        block_n=block_n,
        block_k=block_k,
        chunks=chunks,
        chunk_k=chunk_k,
        order="nm" if b_place == "local" else "mn",
        a_place=a_place,
        b_place=b_place,
        cost=cost,
        single_rows=single_rows,
    )


def _blocks(batch: int, m: int, n: int, tile_m: int, tile_n: int, block_k: int, b_place: str) -> tuple[int, int]:
    """Columns and rows of a block: multiples of the tile, or the whole extent."""
    if b_place == "local":
        most_n = BLOCK_ELEMENTS // max(block_k, 32)
    elif block_k < SHALLOW:  # results are most of what moves: in long rows
        most_n = BLOCK_ELEMENTS // tile_m
    else:  # about square, so that no operand is read again more often than it must
        most_n = max(SIDE, BLOCK_ELEMENTS // round_up(m, tile_m))
    block_n = _multiple(n, tile_n, max(1, most_n // tile_n))
    block_m = _multiple(m, tile_m, max(1, BLOCK_ELEMENTS // (tile_m * block_n)))
    # Smaller blocks where there would be too few of them; rows first, since a local copy of b is made for each block.
    while batch * ceiling(m, block_m) * ceiling(n, block_n) < WANTED_ITEMS:
        if b_place != "local" and block_m > 2 * tile_m:
            block_m = _multiple(m, tile_m, max(1, block_m // tile_m // 2))
        elif block_n > tile_n:
            block_n = _multiple(n, tile_n, max(1, block_n // tile_n // 2))
        else:
            break
    return block_n, block_m


def _multiple(extent: int, tile: int, most: int) -> int:
    """A block of at most ``most`` tiles, such that all blocks are about equal; the extent where one is enough."""
    tiles = ceiling(extent, tile)
    if tiles <= most:
        return extent
    return ceiling(tiles, ceiling(tiles, most)) * tile


def _dot(batch: int, a: Side, b: Side, k: int, lanes: int) -> Tiling:
    m, n = a.extent, b.extent
    tile_m = min(m, 4)
    tile_n = min(n, 16 // tile_m)
    block_n = _multiple(n, tile_n, max(1, 64 // tile_n))
    block_m = _multiple(m, tile_m, max(1, 64 // tile_m))
    cost = 2.0 * batch * m * n * k / (PEAK * 0.6) + batch * m * n * (LANE_SUM + VISIT)
    return Tiling(
        form="dot",
        lanes=lanes,
        batch=batch,
        m=m,
        n=n,
        k=k,
        tile_m=tile_m,
        tile_n=tile_n,
        edge_m=m % tile_m,
        edge_n=n % tile_n,
        block_m=block_m,
        block_n=block_n,
        block_k=k,
        chunks=1,
        chunk_k=k,
        order="mn",
        a_place="memory",
        b_place="memory",
        cost=cost,
    )
