"""Widen halves: what eager mode does within an operator on float16 and bfloat16 stands in the graph as casts.

Each operator computes in float32 and rounds once (:meth:`graphc.ir.primitive.Primitive.compute`). After this pass
halves are only moved and cast from and to float32, so that kernels fuse them as anything else and keep every rounding:
the cast to a half and back is no identity.
"""

from __future__ import annotations

from graphc.ir.graph import Builder, Graph, Node
from graphc.ir.primitive import PRIMITIVES, External
from graphc.ir.rewrite import rebuild
from graphc.ir.types import DType, float32


def widen_halves(graph: Graph) -> Graph:
    """The graph with operators on halves computed in float32. What the host carries out stays as it is."""
    if not any(node.type.dtype.is_half for node in (*graph.inputs, *graph.nodes)):
        return graph
    return rebuild(graph, _widened)


def _widened(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
    def cast(value: Node, dtype: DType) -> Node:
        same = value.type.dtype is dtype
        return value if same else builder.add(PRIMITIVES["cast"], (value,), {"dtype": dtype}, node.location)

    if not operands or isinstance(node.op, External):
        return None
    half, target = operands[0].type.dtype, node.type.dtype
    if node.op.name == "cast":
        # From and to halves by way of float32, as PyTorch converts. Of a complex number the host takes the real part.
        by_way = (half.is_half or target.is_half) and not (half.is_complex or target.is_complex)
        return cast(cast(operands[0], float32), target) if by_way else None
    if node.op.moves or not node.op.widens or not half.is_half:
        return None
    wide = [cast(operand, float32) if operand.type.dtype is half else operand for operand in operands]
    result = builder.add(node.op, wide, node.attrs, node.location)
    return cast(result, half) if result.type.dtype is float32 else result
