"""The choice of a way to compute attention.

Source: https://docs.pytorch.org/docs/stable/nn.attention.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(int, Enum):
    """The ways that PyTorch has to compute ``scaled_dot_product_attention``."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __repr__(self) -> str:
        return f"<SDPBackend.{self.name}: {self.value}>"


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict[str, object]]:
    """Within the block attention is computed in one of the ways named. Here there is one way, and the compiler makes
    the kernel, so that nothing changes. Raises AssertionError for what is no way or list of them."""
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield {}
