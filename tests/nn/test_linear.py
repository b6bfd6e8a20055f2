"""Linear layers, embeddings, and changes of shape as modules, against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_same_error, compare, normal

torch = pytest.importorskip("torch")

LAYERS: dict[str, tuple[Any, list[Any]]] = {
    "linear": (lambda t: t.nn.Linear(3, 4), [normal(2, 5, 3)]),
    "linear double": (lambda t: t.nn.Linear(3, 4, bias=False, dtype=t.float64), [normal(3, dtype=np.float64)]),
    "identity": (lambda t: t.nn.Identity(54, unused=0.1), [normal(2, 3)]),
    "flatten": (lambda t: t.nn.Flatten(0, 1), [normal(2, 3, 4)]),
    "unflatten": (lambda t: t.nn.Unflatten(1, (2, 3)), [normal(2, 6, 4)]),
    "unflatten list": (lambda t: t.nn.Unflatten(-1, [2, 2]), [normal(2, 6, 4)]),
    "bilinear": (lambda t: t.nn.Bilinear(3, 4, 5), [normal(2, 6, 3), normal(2, 6, 4)]),
    "bilinear without bias": (lambda t: t.nn.Bilinear(3, 4, 5, bias=False), [normal(3), normal(4)]),
    "embedding": (lambda t: t.nn.Embedding(6, 3), [np.array([[1, 5], [0, 1]])]),
    "embedding padding": (lambda t: t.nn.Embedding(6, 3, padding_idx=-2), [np.array([[1, 4], [0, 1]])]),
    "embedding norm": (lambda t: t.nn.Embedding(6, 3, max_norm=1.0, norm_type=1.5), [np.array([1, 4, 1])]),
    "embedding frequency": (lambda t: t.nn.Embedding(6, 3, scale_grad_by_freq=True), [np.array([1, 4, 1, 1])]),
    "bag mean": (lambda t: t.nn.EmbeddingBag(6, 3), [np.array([[1, 5], [0, 1]])]),
    "bag sum": (lambda t: t.nn.EmbeddingBag(6, 3, mode="sum", padding_idx=1), [np.array([[1, 5], [0, 1]])]),
    "bag max": (lambda t: t.nn.EmbeddingBag(6, 3, max_norm=1.0, mode="max"), [np.array([1, 5, 0]), np.array([0, 2])]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    """First values from one seed, text, results, and gradients."""
    make, arrays = LAYERS[name]
    compare(make, arrays, ulps=16)


def test_embeddings_of_given_rows() -> None:
    """from_pretrained takes a matrix over, frozen or not, and shares its memory."""
    rows = normal(4, 3)
    for kind in ("Embedding", "EmbeddingBag"):
        seen = []
        for t in (gc, torch):
            table = t.from_numpy(rows)
            made = getattr(t.nn, kind).from_pretrained(table, padding_idx=1)
            other = getattr(t.nn, kind).from_pretrained(table, freeze=False)
            seen.append([made.weight.requires_grad, other.weight.requires_grad, repr(made), made.weight.tolist()])
        assert seen[0] == seen[1]


ERRORS: dict[str, Any] = {
    "bilinear": lambda t: t.nn.Bilinear(0, 1, 1),
    "unflatten": lambda t: t.nn.Unflatten(1, 3),
    "unflatten elements": lambda t: t.nn.Unflatten(1, (2, "3")),
    "padding": lambda t: t.nn.Embedding(3, 2, padding_idx=3),
    "padding below": lambda t: t.nn.Embedding(3, 2, padding_idx=-4),
    "padding of bag": lambda t: t.nn.EmbeddingBag(3, 2, padding_idx=3),
    "weight": lambda t: t.nn.Embedding(3, 2, _weight=t.zeros(2, 2)),
    "rows": lambda t: t.nn.Embedding.from_pretrained(t.zeros(3)),
    "rows of bag": lambda t: t.nn.EmbeddingBag.from_pretrained(t.zeros(3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """Arguments that can't be raise PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])
