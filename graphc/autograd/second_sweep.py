"""What a gradient that is recorded depends on in PyTorch, though its derivative is zero.

PyTorch differentiates the backward function of ``relu``, a pool, or a loss as a function of the cotangent and of what
it saves: the gradient requires a gradient, and that of the input is zeros. The rules here choose by what they have
saved and do not depend on it. So that ``grad`` of such a gradient gives zeros and does not raise, a recorded sweep puts
a node behind the first cotangent of these functions that leads to what they save. Which they are is said beside what
PyTorch's nodes save (:data:`graphc.autograd.node_saves.SECOND_NODES`).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def _behind(result: Tensor, operands: Sequence[tuple[Any, Sequence[Any]]], second: SecondNode) -> Tensor:
    node = DoubleBackwardNode(result, operands, second.name)
    return result._wrap(result._array, result.dtype, result._storage, result._chain, grad_fn=node)
