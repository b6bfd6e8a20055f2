"""Groups of one structure are traced once and written once: every kernel is the one that would be written anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn
from graphc.capture.trace import capture
from graphc.codegen import lower as lowering
from graphc.codegen.lower import LoweringOptions, lower
from graphc.ir.graph import Graph
from graphc.ir.passes.pipeline import optimize

Case = tuple[Callable[..., Any], tuple[gc.Tensor, ...]]


def _trained(net: nn.Module, forward: Callable[[gc.Tensor], gc.Tensor], x: gc.Tensor) -> Case:
    optimizer = gc.optim.AdamW(net.parameters(), lr=0.01)

    def step(x: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = forward(x)
        loss.backward()
        optimizer.step()
        return loss

    return step, (x,)


def recurrent(depth: int) -> Case:
    """Steps of a recurrence over parts of a sequence."""
    cell = nn.LSTMCell(4, 6)

    def forward(x: gc.Tensor) -> gc.Tensor:
        state = (gc.zeros(3, 6), gc.zeros(3, 6))
        for t in range(depth):
            state = cell(x[:, t], state)
        return state[0].square().mean()

    return _trained(cell, forward, gc.randn(3, depth, 4))


def attentive(depth: int) -> Case:
    """Layers of attention, whose masks are arrays of the program, and of embeddings that are gathered and scattered."""
    net = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True) for _ in range(depth)])
    tables = nn.ModuleList([nn.Embedding(7, 8) for _ in range(depth)])
    net.append(tables)
    mask = nn.Transformer.generate_square_subsequent_mask(5)

    def forward(x: gc.Tensor) -> gc.Tensor:
        value = gc.zeros(2, 5, 8)
        for layer, table in zip(net, tables, strict=False):
            value = layer(value + table(x), src_mask=mask)
        return value.square().mean()

    return _trained(net, forward, gc.randint(0, 7, (2, 5)))


def residual(depth: int) -> Case:
    """Convolutions and batch norms, with state that is overwritten where it is read."""
    net = nn.Sequential(
        *[nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(depth)]
    )

    def forward(x: gc.Tensor) -> gc.Tensor:
        for layer in net:
            x = x + layer(x)
        return F.max_pool2d(x, 2).square().mean()

    return _trained(net, forward, gc.randn(2, 3, 6, 6))


def graph_of(make: Callable[[int], Case], depth: int) -> Graph:
    gc.manual_seed(0)
    step, arguments = make(depth)
    step(*arguments)
    recording, _ = capture(step, arguments, {})
    return optimize(recording.graph).graph


@pytest.mark.parametrize("make", [recurrent, attentive, residual])
def test_reused_kernels_are_those_written_anew(make: Callable[[int], Case]) -> None:
    """Launch by launch: the kernels, buffers, places, and operations of a program lowered without any reuse."""
    graph = graph_of(make, 5)
    reused, anew = (lower(graph, LoweringOptions(reuse=reuse)) for reuse in (True, False))
    assert reused.buffers == anew.buffers
    assert reused.outputs == anew.outputs
    for mine, other in zip(reused.launches, anew.launches, strict=True):
        assert mine.kernel.parameters == other.kernel.parameters
        assert mine.kernel.body == other.kernel.body
        assert (mine.buffers, mine.starts, mine.operations) == (other.buffers, other.starts, other.operations)
        assert mine.origins == other.origins


@pytest.mark.parametrize("make", [recurrent, attentive, residual])
def test_what_is_written_does_not_grow_with_depth(make: Callable[[int], Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of twice the layers has hardly more groups whose kernels are written: only those that read another part
    of a sequence, by offsets of their own."""
    counts = []
    for depth in (6, 12):
        graph, written = graph_of(make, depth), []
        original = lowering._Lowering._written

        def counted(self: Any, group: Any, operations: Any, original: Any = original, written: list = written) -> Any:
            written.append(group)
            return original(self, group, operations)

        monkeypatch.setattr(lowering._Lowering, "_written", counted)
        launches = len(lower(graph).launches)
        monkeypatch.setattr(lowering._Lowering, "_written", original)
        shared = [group for group in written if group.kind in ("loops", "contraction") and not group.split]
        counts.append((len(shared), launches))
    more = counts[1][1] - counts[0][1]
    assert counts[1][0] - counts[0][0] < more / 6
    assert more > 0.6 * counts[0][1]
