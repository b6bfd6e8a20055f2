"""Signals: PyTorch's ``torch.signal``."""

from graphc.signal import windows

__all__ = ["windows"]
