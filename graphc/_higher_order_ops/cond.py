"""``torch._higher_order_ops.cond``."""

from graphc.control.functions import cond

__all__ = ["cond"]
