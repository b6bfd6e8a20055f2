"""``torch._higher_order_ops.while_loop``."""

from graphc.control.functions import while_loop

__all__ = ["while_loop"]
