"""A compiled call is computed again and the first node that differs is named; ``fullgraph`` refuses call-outs."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.compiled.checking import CheckError
from graphc.ir.primitive import PRIMITIVES
from tests.codegen.test_call_out import ordered


def test_a_right_program_passes_every_check() -> None:
    """A training step with dropout, momentum, and running statistics; the random stream goes on as it should."""
    gc.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def plain(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = gc.compile(plain, check=True)
    x, y = gc.randn(5, 6), gc.tensor([0, 1, 2, 1, 0])
    losses = [step(x, y).item() for _ in range(4)]
    assert losses[-1] != losses[0]


def test_the_first_wrong_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With numpy's tanh made wrong behind the program's back, the error names tanh, this file's line, both values."""

    @gc.compile(check=True)
    def step(x: gc.Tensor) -> gc.Tensor:
        y = x * 2
        z = y.tanh()
        return (z + 1).sum()

    x = gc.tensor([0.5, -0.25, 1.0])
    step(x)
    step(x)
    right = type(PRIMITIVES["tanh"]).evaluate
    monkeypatch.setattr(type(PRIMITIVES["tanh"]), "evaluate", lambda self, x: right(self, x) + np.float32(0.25))
    with pytest.raises(CheckError, match=r"test_checking.py:\d+: tanh \(f32\[3\]\): 3 of 3 elements differ") as caught:
        step(x)
    assert "compiled" in str(caught.value)
    assert "numpy" in str(caught.value)


def test_a_sweep_from_outside_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward programs of a result that is swept outside, and of its derivative, name the wrong node."""

    @gc.compile(check=True, dynamic={"x": {0: ("N", 8)}})
    def step(x: gc.Tensor) -> gc.Tensor:
        return (x.sin() * x).sum()

    def sweep(rows: int) -> gc.Tensor:
        x = gc.arange(2.0 * rows).reshape(rows, 2).requires_grad_()
        (first,) = gc.autograd.grad(step(x), x, create_graph=True)
        (second,) = gc.autograd.grad(first.sum(), x)
        return second

    for rows in (3, 3, 5):
        x = gc.arange(2.0 * rows).reshape(rows, 2)
        np.testing.assert_allclose(sweep(rows).numpy(), (2 * x.cos() - x * x.sin()).numpy(), rtol=1e-4, atol=1e-5)
    right = type(PRIMITIVES["cos"]).evaluate
    monkeypatch.setattr(type(PRIMITIVES["cos"]), "evaluate", lambda self, x: right(self, x) + np.float32(0.25))
    with pytest.raises(CheckError, match=r"test_checking.py:\d+ \(backward\): cos \(f32\[N,2\]\)"):
        sweep(3)


def test_fullgraph_refuses_what_the_host_does() -> None:
    """By name and line; without the option it runs."""

    def function(x: gc.Tensor) -> gc.Tensor:
        return ordered(x) + 1

    assert gc.compile(function)(gc.tensor([2.0, 1.0])).tolist() == [2.0, 3.0]
    with pytest.raises(gc.CaptureError, match=r"ordered_for_test at .*test_call_out\.py"):
        gc.compile(function, fullgraph=True)(gc.tensor([2.0, 1.0]))


def test_fullgraph_looks_into_the_bodies_of_control_flow() -> None:
    """What the host would do within a branch is refused as outside of it."""

    def function(x: gc.Tensor) -> gc.Tensor:
        return gc.cond(x.sum() > 0, lambda x: ordered(x), lambda x: x * 1, (x,))

    with pytest.raises(gc.CaptureError, match=r"ordered_for_test at .*test_call_out\.py"):
        gc.compile(function, fullgraph=True)(gc.tensor([2.0, 1.0]))
