"""GPUs of Apple: there is none. Source: https://docs.pytorch.org/docs/stable/mps.html"""

from __future__ import annotations

from graphc.missing_names import lazy_names

__all__ = ["device_count", "is_available"]
__getattr__ = lazy_names(__name__)


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0
