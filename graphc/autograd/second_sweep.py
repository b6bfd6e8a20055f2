"""What a gradient that is recorded depends on in PyTorch, though its derivative is zero.

PyTorch differentiates the backward function of ``relu``, a pool, or a loss as a function of the cotangent and of what
it saves: the gradient requires a gradient, and that of the input is zeros. The rules here choose by what they have
saved and do not depend on it. So that ``grad`` of such a gradient gives zeros and does not raise, a recorded sweep puts
a node behind the first cotangent of these functions that leads to what they save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.autograd.descriptions import Template
from graphc.autograd.tape import Node, WatchingTapeNode, gradient_edge, next_sequence
from graphc.ops.sources import number_like
from graphc.recording import state

if TYPE_CHECKING:
    from graphc.tensor import Tensor

# Nodes whose backward function PyTorch calls after them.
_WITH_ZEROS = frozenset(
    f"{name}Backward0"
    for name in (
        "AdaptiveAvgPool2D",
        "AdaptiveAvgPool3D",
        "AdaptiveMaxPool2D",
        "AdaptiveMaxPool3D",
        "AvgPool2D",
        "AvgPool3D",
        "FractionalMaxPool2D",
        "FractionalMaxPool3D",
        "Hardshrink",
        "Hardsigmoid",
        "Hardtanh",
        "LeakyRelu",
        "MaxPool2DWithIndices",
        "MaxPool3DWithIndices",
        "NllLoss",
        "NllLoss2D",
        "PreluKernel",
        "ReflectionPad1D",
        "ReflectionPad2D",
        "ReflectionPad3D",
        "Relu",
        "ReplicationPad1D",
        "ReplicationPad2D",
        "ReplicationPad3D",
        "RreluWithNoise",
        "Softshrink",
        "Threshold",
    )
)
# Those of several gradients, of which the last depends on nothing: it requires a gradient, and there is none.
_WITH_NOTHING = frozenset({"ConvolutionBackward0", "NativeBatchNormBackward0", "NativeLayerNormBackward0"})
_OTHER_NAMES = {"ReluBackward0": "ThresholdBackwardBackward0"}


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


def connected(node: Node, results: list[Any]) -> list[Any]:
    """The cotangents of a node's inputs, in a sweep that is recorded, connected as PyTorch's are."""
    name = _name(node)
    if name in _WITH_NOTHING:
        return [result if result is None or result.requires_grad else _behind(result, (), name) for result in results]
    place = next((place for place, result in enumerate(results) if result is not None), None)
    if name not in _WITH_ZEROS or place is None:
        return results
    if isinstance(node, WatchingTapeNode):
        operands = [(entry.edge, entry.shape) for entry in node.watched if entry.edge is not None]
    else:
        operands = [(node.edges[place], results[place].shape)]
    if operands:
        results[place] = _behind(results[place], operands, name)
    return results


def _name(node: Node) -> str:
    """The node of PyTorch that has the rule: a description may begin with the views that follow it."""
    if node.description is None:
        return node.own_name()
    return _known(node.description[0])


def _known(template: Template) -> str:
    if template.name not in _WITH_ZEROS and template.name.startswith(("Squeeze", "View")):
        for operand in template.operands:
            if isinstance(operand, Template):
                return _known(operand)
    return template.name


def _behind(result: Tensor, operands: Sequence[tuple[Any, Sequence[Any]]], name: str) -> Tensor:
    node = DoubleBackwardNode(result, operands, _OTHER_NAMES.get(name) or name.replace("Backward", "BackwardBackward"))
    return result._wrap(result._array, result.dtype, result._storage, result._chain, grad_fn=node)
