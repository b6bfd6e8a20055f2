"""What a gradient that is recorded depends on in PyTorch, though its derivative is zero.

PyTorch differentiates the backward function of ``relu``, a pool, or a loss as a function of the cotangent and of what
it saves: the gradient requires a gradient, and that of the input is zeros. The rules here choose by what they have
saved and do not depend on it. So that ``grad`` of such a gradient gives zeros and does not raise, a recorded sweep puts
a node behind the first cotangent of these functions that leads to what they save. Which they are is said beside what
PyTorch's nodes save (:data:`graphc.autograd.node_saves.SECOND_NODES`). The gradients of a compiled function get such
nodes as its own tape had them, while it was recorded.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphc.autograd.node_saves import SECOND_NODES, SecondNode
from graphc.autograd.tape import Node, WatchingTapeNode, gradient_edge, next_sequence
from graphc.ops.sources import number_like
from graphc.recording import state

if TYPE_CHECKING:
    from graphc.tensor import Tensor


class DoubleBackwardNode(Node):
    """Behind a cotangent: its own node, and those of the tensors on which it depends with a derivative of zero."""

    __slots__ = ("edges", "shapes", "word")

    def __init__(self, cotangent: Tensor, operands: Sequence[tuple[Any, Sequence[Any]]], word: str):
        self.edges = (gradient_edge(cotangent), *(edge for edge, _ in operands))
        self.shapes = [shape for _, shape in operands]
        self.word = word
        self.sequence = next_sequence()
        self.hooks = self.description = None
        self.released = False
        self.location = state.location

    def own_name(self) -> str:
        return self.word

    def pull_back(self, cotangent: Tensor) -> Sequence[Any]:
        """The cotangent itself, and zeros."""
        return (cotangent, *(number_like(cotangent, 0, shape=tuple(shape)) for shape in self.shapes))


def second_of(node: Node) -> SecondNode | None:
    """What PyTorch has behind the cotangents that a node gives; None where they depend on nothing more."""
    return node.description[0].second if node.description is not None else SECOND_NODES.get(node.own_name())


def connected(node: Node, results: list[Any]) -> list[Any]:
    """The cotangents of a node's inputs, in a sweep that is recorded, connected as PyTorch's are."""
    second = second_of(node)
    if second is None:
        return results
    if not second.zeros:
        return [result if result is None or result.requires_grad else _behind(result, (), second) for result in results]
    place = next((place for place, result in enumerate(results) if result is not None), None)
    if place is None:
        return results
    if isinstance(node, WatchingTapeNode):
        operands = [(entry.edge, entry.shape) for entry in node.watched if entry.edge is not None]
    else:
        operands = [(node.edges[place], results[place].shape)]
    if operands:
        results[place] = _behind(results[place], operands, second)
    return results


def leads_to(root: Node, ends: Mapping[Node, str]) -> dict[str, frozenset[str]]:
    """For the gradients of a result, whose node is ``root``, by the named ends of the tape: to which of these a
    recorded sweep would connect them with zeros. A gradient that it connects to nothing has no names; others are not
    there."""
    names = tuple(dict.fromkeys(ends.values()))
    bits = {name: 1 << number for number, name in enumerate(names)}  # sets are numbers: networks have many parameters
    reached: dict[Node, int] = {}
    pending = [root]
    while pending:
        node = pending[-1]
        edges = () if node in ends else [edge for edge in node.edges if edge is not None]
        missing = [edge for edge in edges if edge not in reached]
        if node not in reached and missing:
            pending += missing
            continue
        pending.pop()
        reached[node] = bits[ends[node]] if node in ends else _union(reached, edges)
    found: dict[int, int] = {}
    for node in reached:
        second = None if node in ends else second_of(node)
        edges = [edge for edge in node.edges if edge in reached]
        if second is not None and not second.zeros and edges:
            for bit in _each(reached[edges[-1]]):
                found.setdefault(bit, 0)
        elif second is not None:
            left = reached[node]
            for edge in edges:
                watched = (node.watched or ()) if isinstance(node, WatchingTapeNode) else None
                saved = [edge] if watched is None else [entry.edge for entry in watched if entry.edge in reached]
                for bit in _each(reached[edge] & left):
                    found[bit] = found.get(bit, 0) | _union(reached, saved)
                left &= ~reached[edge]
    sets = {mask: frozenset(names[bit.bit_length() - 1] for bit in _each(mask)) for mask in found.values()}
    return {names[bit.bit_length() - 1]: sets[mask] for bit, mask in found.items()}


def _union(masks: Mapping[Node, int], nodes: Iterable[Node]) -> int:
    return functools.reduce(operator.or_, (masks[node] for node in nodes), 0)


def _each(mask: int) -> Iterator[int]:
    """The bits of a number, each alone."""
    while mask:
        yield mask & -mask
        mask &= mask - 1


def behind(result: Tensor, operands: Sequence[Tensor]) -> Tensor:
    """A gradient that a compiled function gives connected with zeros to tensors."""
    edges = [(gradient_edge(operand), operand._array.shape) for operand in operands]
    return _behind(result, edges, SecondNode("CompiledFunctionBackwardBackward"))


def _behind(result: Tensor, operands: Sequence[tuple[Any, Sequence[Any]]], second: SecondNode) -> Tensor:
    node = DoubleBackwardNode(result, operands, second.name)
    return result._wrap(result._array, result.dtype, result._storage, result._chain, grad_fn=node)
