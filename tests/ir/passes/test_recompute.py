"""Values that the backward part computes again: fewer bytes pass from the forward part, and no bit changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc.capture.trace import capture
from graphc.ir.graph import Graph, Node
from graphc.ir.interp import interpret
from graphc.ir.passes.pipeline import PIPELINE, optimize
from graphc.ir.passes.recompute import FEWEST_BYTES, nbytes_of, phase_of, recompute, shown
from graphc.ir.primitive import Source
from graphc.ir.verify import verify
from graphc.tensor import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def graph_of(loss: Loss, *shapes: tuple[int, ...]) -> Graph:
    """The whole step of a loss of two leaves, as it is before the pass."""
    leaves = [gc.randn(*shape, requires_grad=True) for shape in shapes]

    def step(*given: Tensor) -> Tensor:
        value = loss(*given)
        value.backward()
        return value

    recording, _ = capture(step, leaves, {})
    assert PIPELINE[-1][0] is recompute
    return optimize(recording.graph, passes=PIPELINE[:-1]).graph


def passed_on(graph: Graph) -> dict[Node, None]:
    """The values of the forward part that the backward part reads."""
    found: dict[Node, None] = {}
    for node in graph.nodes:
        if phase_of(node) != "forward":
            for operand in map(shown, node.inputs):
                if not operand.is_input and phase_of(operand) == "forward" and not isinstance(operand.op, Source):
                    found[operand] = None
    return found


def gelu(x: Tensor, w: Tensor) -> Tensor:
    return (F.gelu(x @ w) ** 2).sum()


def normalized(x: Tensor, w: Tensor) -> Tensor:
    return (F.layer_norm(x @ w, (64,)) @ w.t()).sin().sum()


def attention(x: Tensor, w: Tensor) -> Tensor:
    scores = (x @ w @ x.t()).softmax(dim=-1)
    return (scores @ x).tanh().sum()


def dropped(x: Tensor, w: Tensor) -> Tensor:
    return (F.dropout(F.silu(x @ w), 0.5) @ w.t()).square().sum()


@pytest.mark.parametrize("loss", [gelu, normalized, attention, dropped])
def test_less_is_kept_and_every_bit_stays(loss: Loss) -> None:
    """Fewer large bytes pass from the forward part to the backward part; outputs are the same, bit for bit."""
    before = graph_of(loss, (256, 64), (64, 64))
    after = verify(recompute(before))
    one, other = (sum(map(nbytes_of, passed_on(graph))) for graph in (before, after))
    assert other < one
    inputs = {node.name: np.random.default_rng(0).standard_normal(node.type.shape) for node in before.inputs}
    inputs = {node.name: inputs[node.name].astype(node.type.dtype.numpy) for node in before.inputs}
    gc.manual_seed(0)
    expected = interpret(before, inputs).outputs
    gc.manual_seed(0)
    found = interpret(after, inputs).outputs
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_one_value_is_kept_of_the_four_around_a_gelu() -> None:
    """What goes into it; its result, and the products and the error function within, are computed again."""
    large = [node for node in passed_on(recompute(graph_of(gelu, (256, 64), (64, 64)))) if nbytes_of(node) > 4096]
    assert [node.op.name for node in large] == ["matmul"]


def test_random_numbers_and_small_values_are_kept() -> None:
    """No draw is doubled; a graph of small values stays the very same."""
    graph = recompute(graph_of(dropped, (256, 64), (64, 64)))
    assert sum(node.op.effect == "random" for node in graph.nodes) == 1
    small = graph_of(gelu, (4, 8), (8, 8))
    assert FEWEST_BYTES > 4 * 8 * 4
    assert recompute(small) is small


def test_results_are_not_computed_again() -> None:
    """A value that the function returns is in memory anyway."""
    x, w = gc.randn(256, 64, requires_grad=True), gc.randn(64, 64, requires_grad=True)

    def step(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        hidden = F.gelu(x @ w)
        loss = (hidden @ w.t()).sin().sum()
        loss.backward()
        return loss, hidden.detach()

    recording, _ = capture(step, [x, w], {})
    graph = optimize(recording.graph).graph
    result = shown(graph.outputs[1].node)
    assert any(result in map(shown, node.inputs) for node in graph.nodes if phase_of(node) != "forward")
