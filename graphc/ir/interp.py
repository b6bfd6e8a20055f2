"""Evaluating a graph with numpy, node by node: the oracle that every pass and every target is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.graph import Graph, Node
from graphc.ir.integers import bind_attribute


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values after a run: outputs by name, new values of state by the state's name."""

    outputs: dict[str, np.ndarray]
    updates: dict[str, np.ndarray]


def interpret(
    graph: Graph, inputs: Mapping[str, np.ndarray], observe: Callable[[Node, np.ndarray], None] | None = None
) -> Evaluation:
    """Evaluate the graph on arrays given by input name; nothing is written in place. ``observe`` sees every value.

    Symbolic dimensions take their sizes from the arrays. Raises TypeError naming the input, what was given, and what
    was expected.
    """
    sizes = bind_sizes(graph, inputs)
    given = {node: np.asarray(inputs[node.name]) for node in graph.inputs}
    values = evaluate_nodes(graph, given, sizes, observe)
    return Evaluation(
        {output.name: np.array(values[output.node]) for output in graph.outputs},
        {update.state.name: np.array(values[update.node]) for update in graph.updates},
    )


def evaluate_nodes(
    graph: Graph,
    given: Mapping[Node, np.ndarray],
    sizes: Mapping[str, int],
    observe: Callable[[Node, np.ndarray], None] | None = None,
) -> dict[Node, Any]:
    """The value of every node, for values of the inputs and the sizes of symbolic dimensions. A structured operation's
    is a tuple."""
    values: dict[Node, Any] = dict(given)
    for node in graph.nodes:
        attrs = {key: bind_attribute(value, sizes) for key, value in node.attributes}
        values[node] = node.op.compute(*(values[operand] for operand in node.inputs), **attrs)
        if observe is not None:
            observe(node, values[node])
    return values


def bind_sizes(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The sizes of the symbolic dimensions that the arrays' shapes imply."""
    sizes: dict[str, int] = {}
    for node in graph.inputs:
        if node.name not in inputs:
            raise TypeError(f"graph {graph.name} needs an array for its input {node.name!r} ({node.type})")
        array = np.asarray(inputs[node.name])
        for extent, size in zip(node.type.shape, array.shape, strict=False):
            text = str(extent)
            if not isinstance(extent, int) and text.isidentifier():
                sizes.setdefault(text, size)
    for node in graph.inputs:
        array = np.asarray(inputs[node.name])
        expected = node.type.bind(sizes)
        if array.shape != expected.shape or array.dtype != expected.dtype.numpy:
            raise TypeError(
                f"input {node.name!r} of graph {graph.name} was given {array.dtype}{list(array.shape)}; "
                f"expected {expected}"
            )
    return sizes
