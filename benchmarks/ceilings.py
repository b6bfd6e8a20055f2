"""What the machine can do at most: the denominators of the floors. Needs numpy alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

MATRIX = 1024
COPY_BYTES = 2**28


def fastest(function: Callable[[], object], seconds: float) -> float:
    """Return the least time of one call, of as many as fit into the given seconds."""
    best, end = float("inf"), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        function()
        best = min(best, time.perf_counter() - start)
    return best


def measure_ceilings(threads: int) -> dict[str, float]:
    """Return the best rates seen on so many threads.

    `gflops`: float32 product of two 1024 x 1024 matrices in numpy's BLAS, 10^9 operations a second.
    `gbytes`: copy of 256 MiB, 10^9 bytes a second, read and written bytes both counted.
    """
    random = np.random.default_rng(0)
    left, right = random.random((2, MATRIX, MATRIX), dtype=np.float32)
    product = np.empty_like(left)
    multiplication = fastest(lambda: np.matmul(left, right, out=product), 1.5)

    source, target = np.ones(COPY_BYTES // 4, np.float32), np.ones(COPY_BYTES // 4, np.float32)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        copy = fastest(lambda: list(pool.map(lambda part: np.copyto(*part), parts)), 1.5)
    return {"gflops": 2 * MATRIX**3 / multiplication / 1e9, "gbytes": 2 * COPY_BYTES / copy / 1e9}
