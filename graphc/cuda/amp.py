"""Mixed precision on a GPU: the older names. Source: https://docs.pytorch.org/docs/stable/amp.html"""

from __future__ import annotations

from graphc import amp

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

custom_bwd, custom_fwd = amp.custom_bwd, amp.custom_fwd
autocast = amp.older_autocast("cuda")
GradScaler = amp.older_scaler("cuda")
