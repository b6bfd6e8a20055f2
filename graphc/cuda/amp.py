"""Mixed precision on a GPU: the older names. Source: https://docs.pytorch.org/docs/stable/amp.html"""

from __future__ import annotations

from typing import Any

from graphc import amp

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

custom_bwd, custom_fwd = amp.custom_bwd, amp.custom_fwd


class autocast(amp.autocast):
    """Mixed precision on a GPU; without one it does nothing."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """Scaled losses for a GPU; without one it hands everything on."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__("cuda", *arguments, **keywords)
