"""Tools around training, as in ``torch.utils``."""

from graphc.utils import data

__all__ = ["data"]
