"""Large results of row kernels go past the caches: which do, that their values are right, and that others do not."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.c import streaming
from graphc.codegen.c.streaming import with_streams
from graphc.codegen.loops import LoopProgram
from graphc.codegen.lower import lower
from graphc.ir.graph import Builder
from tests.codegen.lowering import graph, op, softmax, spread, tensor

COPY = "gc_stream(&"


def _streamed(program: LoopProgram) -> set[str]:
    return {
        name
        for launch in with_streams(program).launches
        for parameter, name in zip(launch.kernel.parameters, launch.buffers, strict=True)
        if parameter.streamed
    }


def test_large_results_that_nothing_reads_are_streamed() -> None:
    """A large one is; a small one, and one that another launch reads, are not."""
    b = Builder("rows")
    y = softmax(b.input("x", tensor(4096, 1024)))
    assert _streamed(lower(graph(b, {"y": y}))) == {"y"}
    balanced = op("div", y, spread(op("sum", y, dims=(0,)), (4096, 1024), (0,)))
    assert _streamed(lower(graph(b, {"y": y, "balanced": balanced}))) == {"balanced"}
    b = Builder("small")
    assert not _streamed(lower(graph(b, {"y": softmax(b.input("x", tensor(64, 64)))})))


@pytest.mark.parametrize("width", [64, 33, 19])
def test_streamed_rows_are_the_values_of_eager_mode(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that begin at lines of memory, and rows that do not, in float32, float64, and int64."""
    monkeypatch.setattr(streaming, "FEWEST_BYTES", 1)

    def rows(x):
        y = gc.softmax(x, dim=-1)
        return y, y.double() - y.double().mean(-1, keepdim=True), (y * 1000).long() - (y * 1000).long().amax(-1, True)

    compiled = gc.compile(rows)
    gc.manual_seed(width)
    x = gc.randn(37, width)
    compiled(x)
    assert COPY in compiled.source
    for found, expected in zip(compiled(x), rows(x), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_a_row_that_is_read_again_stays_in_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later sweep of the same kernel reads is stored as ever."""
    monkeypatch.setattr(streaming, "FEWEST_BYTES", 1)

    def rows(x):
        centred = x - x.mean(-1, keepdim=True)
        return centred, (centred * centred).sum(-1)

    compiled = gc.compile(rows)
    x = gc.randn(40, 5000)  # too long for a local array
    compiled(x)
    for found, expected in zip(compiled(x), rows(x), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)
    assert COPY not in compiled.source
