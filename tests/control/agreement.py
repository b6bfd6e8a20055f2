"""Programs with structured control flow, held against plain Python that does the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc
from graphc import Tensor
from graphc.ir.graph import Graph, Node
from graphc.ir.structured import nested_nodes


def values(*shape: int) -> Tensor:
    """Numbers that are the same at every run."""
    generator = np.random.default_rng(sum(shape) + 10 * len(shape))
    return graphc.from_numpy(generator.standard_normal(shape).astype(np.float32))


def parameter(*shape: int) -> Tensor:
    """The like, of which gradients are wanted."""
    return values(*shape).requires_grad_()


def gradients(function: Callable[..., Tensor], wrt: Sequence[Tensor], arguments: Sequence[Any]) -> list[np.ndarray]:
    """What a function that calls backward() gives, and the gradients that it leaves; zeros where it leaves none."""
    for tensor in wrt:
        tensor.grad = None
    result = function(*arguments)
    left = [np.zeros(tuple(t.shape), np.float32) if t.grad is None else t.grad.numpy().copy() for t in wrt]
    return [result.detach().numpy().copy(), *left]


def assert_agrees(
    loss: Callable[..., Tensor], wrt: Sequence[Tensor], *arguments: Any, plain: Callable[..., Tensor] | None = None
) -> Any:
    """Hold a loss, compiled with its gradient inside and outside, against eager mode (of ``plain``, where given).

    Every compiled call is also held against numpy, node by node. Gives the compiled step.
    """

    def eager(*given: Any) -> Tensor:
        value = (plain or loss)(*given)
        value.backward()
        return value

    @graphc.compile(check=True)
    def step(*given: Any) -> Tensor:
        value = loss(*given)
        value.backward()
        return value.detach()

    forward = graphc.compile(loss, check=True)

    def outside(*given: Any) -> Tensor:
        value = forward(*given)
        value.backward()
        return value

    expected = gradients(eager, wrt, arguments)
    for run in (step, step, outside, outside):  # the first call records, the second one runs what was built
        for found, wanted in zip(gradients(run, wrt, arguments), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4 * max(1.0, float(np.abs(wanted).max())))
    return step


def operations(graph: Graph) -> list[str]:
    """The names of the operations of a graph, in order, without those in its regions."""
    return [node.op.name for node in graph.nodes]


def nodes_named(graph: Graph, name: str) -> list[Node]:
    """The nodes of a graph and of its regions that apply a primitive of this name."""
    return [node for node in nested_nodes(graph) if node.op.name == name]
