"""``torch._higher_order_ops.scan``."""

from graphc.control.functions import scan

__all__ = ["scan"]
