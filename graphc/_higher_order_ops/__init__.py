"""Where PyTorch keeps its operators of control flow: the names of the package's own :mod:`graphc.control`."""

from graphc._higher_order_ops.cond import cond
from graphc._higher_order_ops.scan import scan
from graphc._higher_order_ops.while_loop import while_loop

__all__ = ["cond", "scan", "while_loop"]
