"""What the tests of random streams share."""

from __future__ import annotations

import numpy as np

# Around a pair, a block of sixteen, the 624 words of the state, and the chunks in which normals are made.
COUNTS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 311, 312, 313, 623, 624, 625, 1248, 1249, 8192, 8200, 20011)


def bits(array: np.ndarray) -> np.ndarray:
    """The bit pattern: unlike ==, it tells -0.0 from 0.0."""
    array = np.ascontiguousarray(array)
    return array.view({1: np.uint8, 4: np.uint32, 8: np.uint64}[array.itemsize])
