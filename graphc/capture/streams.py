"""Generators of the user's own within a program, whose draws all come from one stream.

Around draws from another generator the program exchanges the stream's state with that generator's, which is memory from
outside like any other: it is read at entry and written back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from graphc.autograd.modes import no_grad
from graphc.ops.random_numbers import RandomExchange
from graphc.tensor import Tensor


@contextlib.contextmanager
def exchanged(own: Tensor) -> Iterator[None]:
    """Draws within come from the stream whose state a tensor shows; the default stream then goes on where it was."""
    with no_grad():
        others = RandomExchange.bind(own)
    try:
        yield
    finally:
        with no_grad():
            own.copy_(RandomExchange.bind(others))
