"""How contractions are cut among threads."""

from __future__ import annotations

import pytest

from graphc.codegen.c.contractions import split_images
from graphc.codegen.c.tiles import Side, choose_tile
from graphc.codegen.loops import Contract
from tests.codegen.loop_programs import Convolution

PRODUCTS = [(1024, 784, 256), (1024, 256, 128), (256, 1024, 784), (128, 1024, 256), (1024, 128, 256), (2048, 512, 128)]


@pytest.mark.parametrize(("m", "k", "n"), PRODUCTS)
@pytest.mark.parametrize("columns_lie", ["n", "k"])
def test_two_threads_get_equal_shares(m: int, k: int, n: int, columns_lie: str) -> None:
    """The blocks of a product cover it once, and neither of two threads has much more of them than the other."""
    b = Side(n, 1, n, False) if columns_lie == "n" else Side(n, k, 1, False)
    tiling = choose_tile(1, Side(m, k, 1, False), b, k, 16, 32)
    sizes = {
        (i, j): min(tiling.block_m, m - i * tiling.block_m) * min(tiling.block_n, n - j * tiling.block_n)
        for i in range(tiling.m_blocks)
        for j in range(tiling.n_blocks)
    }
    assert sum(sizes.values()) == m * n
    assert tiling.block_m == m or tiling.block_m % tiling.tile_m == 0
    assert tiling.block_n == n or tiling.block_n % tiling.tile_n == 0
    in_order = sorted(sizes, key=lambda at: at if tiling.order == "mn" else at[::-1])
    share = sum(sizes[at] for at in in_order[: len(in_order) // 2])
    assert abs(share - m * n / 2) < 0.04 * m * n / 2


def test_shallow_products_are_written_in_long_rows() -> None:
    """The gradient of a large weight from few samples moves results above all."""
    tiling = choose_tile(1, Side(4096, 1, 4096, False), Side(12544, 1, 12544, False), 2, 16, 32)
    assert tiling.block_n >= 2048


@pytest.mark.parametrize(("images", "size", "batch"), [(3, 8, 3), (1, 56, 28), (1, 48, 48), (1, 33, 33)])
def test_rows_of_one_picture_fill_vectors(images: int, size: int, batch: int) -> None:
    """Pictures are split from each other; of a single one rows, two together where one does not fill vectors of 16."""
    contract = Convolution(images, 40, 64, size, 3, 1, 1).forward().body
    assert isinstance(contract, Contract)
    split = split_images(contract, 16)
    places = split.rows if contract.rows == images * size * size else split.columns
    assert (split.batch, places) == (batch, images * size * size // batch)
