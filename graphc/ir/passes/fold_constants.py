"""Fold constants: a node whose operands are all small constants is computed now, where it is one number everywhere.

A small table that is not is left to the loop that reads it: index arithmetic there costs less than memory.
"""

from __future__ import annotations

import numpy as np

from graphc.ir.graph import Builder, Graph, Node
from graphc.ir.integers import IntegerExpression
from graphc.ir.primitive import PRIMITIVES, Source
from graphc.ir.rewrite import rebuild

MOST_ELEMENTS = 16


def fold_constants(graph: Graph) -> Graph:
    """Replace nodes whose elements are known and equal bit for bit by ``full``."""
    return rebuild(graph, _fold)


def _fold(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
    if not operands or node.op.effect is not None or not all(_is_constant(operand) for operand in operands):
        return None
    size = node.type.size
    if not isinstance(size, int) or not 0 < size <= MOST_ELEMENTS:
        return None
    with np.errstate(all="ignore"):
        arrays = [operand.op.evaluate(**operand.attrs) for operand in operands]
        value = np.asarray(node.op.compute(*arrays, **node.attrs))
    first = value.reshape(-1)[:1]
    if value.tobytes() != first.tobytes() * value.size:
        return None
    attrs = {"value": first[0].item(), "shape": node.type.shape, "dtype": node.type.dtype}
    return builder.add(PRIMITIVES["full"], (), attrs, node.location)


def _is_constant(node: Node) -> bool:
    size = node.type.size
    is_literal = isinstance(node.op, Source) and node.op.is_literal
    if not is_literal or not isinstance(size, int) or size > MOST_ELEMENTS:
        return False
    # A number that is known at run time only is none yet.
    return not isinstance(node.attrs.get("value"), IntegerExpression)
