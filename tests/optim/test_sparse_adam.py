"""SparseAdam on embeddings: the rows that a step names, as PyTorch's does with sparse gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc


def _trained(t: Any, **options: Any) -> list[list[float]]:
    table = t.nn.Embedding(5, 3, sparse=True)
    with t.no_grad():
        table.weight.copy_(t.arange(15).view(5, 3) / 10.0)
    optimizer = t.optim.SparseAdam(table.parameters(), lr=0.1, **options)
    for rows in ([0, 2], [2, 2, 3], [0, 3]):
        optimizer.zero_grad()
        (table(t.tensor(rows)) ** 2 + 1.0).log().sum().backward()
        optimizer.step()
    return table.weight.detach().tolist()


@pytest.mark.filterwarnings("ignore:embedding")
@pytest.mark.parametrize("options", [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"maximize": True}])
def test_it_trains_as_pytorchs(options: dict[str, Any]) -> None:
    """The weights after three steps, of which none names the rows 1 and 4."""
    torch = pytest.importorskip("torch")
    found = _trained(gc, **options)
    np.testing.assert_allclose(found, _trained(torch, **options), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[4], [1.2, 1.3, 1.4], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:embedding")
def test_plain_descent_with_sparse_embeddings() -> None:
    """SGD takes the dense gradient, to the same weights."""
    torch = pytest.importorskip("torch")
    weights = []
    for t in (gc, torch):
        table = t.nn.EmbeddingBag(4, 2, mode="sum", sparse=True)
        with t.no_grad():
            table.weight.fill_(1.0)
        optimizer = t.optim.SGD(table.parameters(), lr=0.5)
        table(t.tensor([[0, 1], [1, 3]])).pow(2).sum().backward()
        optimizer.step()
        weights.append(table.weight.detach().tolist())
    assert weights[0] == weights[1]


def test_a_compiled_step_follows_the_eager_one() -> None:
    """The choice of rows is a part of the program."""
    weights = []
    for compiled in (False, True):
        table = gc.nn.Embedding.from_pretrained(gc.ones(4, 2), freeze=False)
        optimizer = gc.optim.SparseAdam(table.parameters(), lr=0.1)

        def step(rows: Any, table: Any = table, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = table(rows).pow(2).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = gc.compile(step) if compiled else step
        for rows in ([0, 1], [1, 3]):
            run(gc.tensor(rows))
        weights.append(table.weight.detach().numpy())
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-6)
    np.testing.assert_array_equal(weights[0][2], [1.0, 1.0])
