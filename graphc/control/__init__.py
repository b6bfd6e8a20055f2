"""Structured control flow: ``scan``, ``cond``, and ``while_loop``, and the rules of their derivatives."""

from graphc.control import operators
from graphc.control.functions import cond, scan, while_loop

__all__ = ["cond", "operators", "scan", "while_loop"]
