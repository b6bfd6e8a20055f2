"""Join products that are added up: a sum of many small contractions is one of concatenated operands.

The gradient of a weight that every step of a sequence uses is such a sum: each product would be written and added to
the sum of those before it, and each runs over few elements. What is concatenated is computed in place (see
:mod:`graphc.codegen.placements`), and the sums over all steps stay in registers. Only the order of additions changes,
which a contraction leaves open anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.graph import Builder, Graph, Node
from graphc.ir.integers import variable
from graphc.ir.primitive import PRIMITIVES, Contraction, Source, View
from graphc.ir.rewrite import rebuild

FEWEST = 4  # products that are worth two concatenations


@dataclass(frozen=True, slots=True)
class _Side:
    """One operand of each of some products: values whose dimensions the products read in the order ``dims``, and the
    one of these that is summed over."""

    values: tuple[Node, ...]
    dims: tuple[int, ...]
    dim: int


def join_products(graph: Graph) -> Graph:
    """The graph with sums of products, of which nothing else reads any, as products of concatenations."""
    sums = _sums(graph)
    sides = {node: _sides(products) for node, products in sums.items()}
    found = {node: both for node, both in sides.items() if both is not None}
    if not found:
        return graph
    there = {
        (node.attrs["dim"], frozenset(node.inputs)): node.inputs
        for node in graph.nodes
        if node.op is PRIMITIVES["cat"] and len(node.inputs) >= FEWEST
    }
    values: dict[Node, Node] = {}

    def transform(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node | None:
        values.update(zip(node.inputs, operands, strict=True))
        both = found.get(node)
        if both is None:
            return None
        order: Sequence[int] = range(len(both[0].values))
        for side in both:
            same = there.get((side.dim, frozenset(side.values)), ())
            if len(same) == len(order):
                at = {value: position for position, value in enumerate(side.values)}
                order = [at[value] for value in same]
        product = sums[node][0]
        joined = [_concatenated(builder, side, order, values) for side in both]
        return builder.add(product.op, joined, product.attrs, node.location)

    return rebuild(graph, transform, simplify=True)


def _sums(graph: Graph) -> dict[Node, tuple[Node, ...]]:
    """The sums to be written anew, each with the products that it adds, which are alike but for how much they sum."""
    uses = Counter(operand for node in graph.nodes for operand in node.inputs)
    uses.update(graph.results)
    products: dict[Node, tuple[Node, ...]] = {}
    sums: dict[Node, tuple[Node, ...]] = {}
    for node in graph.nodes:
        if _is_small(node):
            products[node] = (node,)
        elif node.op is PRIMITIVES["add"]:
            mine = [products.get(operand, ()) for operand in node.inputs if uses[operand] == 1]
            if len(mine) == 2 and all(mine) and mine[0][0].op is mine[1][0].op:
                products[node] = sums[node] = mine[0] + mine[1]
                for operand in node.inputs:
                    sums.pop(operand, None)
    return {node: each for node, each in sums.items() if len(each) >= FEWEST}


def _is_small(node: Node) -> bool:
    """Whether a node is a contraction that can be part of a longer one, and whose operands have fewer elements than it
    takes to write and add its result."""
    if not isinstance(node.op, Contraction) or node.op.summed is None:
        return False
    dtype, sizes = node.type.dtype, [each.type.size for each in (*node.inputs, node)]
    if not dtype.is_floating_point or dtype.is_half or not all(isinstance(size, int) for size in sizes):
        return False
    left, right, result = sizes
    return 0 < left + right <= result


def _sides(products: Sequence[Node]) -> tuple[_Side, _Side] | None:
    """What is concatenated on each side; None where the operands are not alike."""
    sides = []
    for position in range(2):
        shown = [_shown(product.inputs[position]) for product in products]
        # A constant that was permuted is another constant.
        dims = next((order for value, order in shown if not isinstance(value.op, Source)), shown[0][1])
        if any(order != dims and not isinstance(value.op, Source) for value, order in shown):
            return None
        summed = products[0].op.summed[position]  # type: ignore[union-attr, index]
        sides.append(_Side(tuple(value for value, _ in shown), dims, dims[summed]))
    return sides[0], sides[1]


def _shown(node: Node) -> tuple[Node, tuple[int, ...]]:
    """The value that is shown by views which only order its dimensions anew, and these in the order that they show."""
    dims = tuple(range(node.type.rank))
    while isinstance(node.op, View) and len(node.inputs) == 1:
        (source,) = node.inputs
        index = tuple(variable(f"i{d}", 0, extent - 1) for d, extent in enumerate(node.type.shape))
        at = node.op.source_index(index, source.type, node.type, **node.attrs)
        if len(at) != len(set(index)) or set(at) != set(index):
            break
        dims = tuple(at.index(index[d]) for d in dims)
        node = source
    return node, dims


def _concatenated(builder: Builder, side: _Side, order: Sequence[int], values: dict[Node, Node]) -> Node:
    """One operand of all products together: beside a concatenation of the same values that is there, in its order."""
    back = tuple(side.dims.index(d) for d in range(len(side.dims)))
    parts = []
    for position in order:
        value = side.values[position]
        part = values[value]
        parts.append(_permuted(builder, part, back) if isinstance(value.op, Source) else part)
    return _permuted(builder, builder.add(PRIMITIVES["cat"], parts, {"dim": side.dim}), side.dims)


def _permuted(builder: Builder, node: Node, dims: tuple[int, ...]) -> Node:
    return node if dims == tuple(range(len(dims))) else builder.add(PRIMITIVES["permute"], (node,), {"dims": dims})
