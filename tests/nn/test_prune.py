"""Pruning against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, compare, normal, twins

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")

WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda t, net: t.nn.utils.prune.identity(net, "weight"),
    "random": lambda t, net: t.nn.utils.prune.random_unstructured(net, "weight", 0.3),
    "random count": lambda t, net: t.nn.utils.prune.random_unstructured(net, "bias", 2),
    "l1": lambda t, net: t.nn.utils.prune.l1_unstructured(net, "weight", 5),
    "l1 of nothing": lambda t, net: t.nn.utils.prune.l1_unstructured(net, "weight", 0),
    "l1 scores": lambda t, net: t.nn.utils.prune.l1_unstructured(
        net, "weight", 0.5, importance_scores=t.from_numpy(normal(4, 6, seed=3))
    ),
    "random structured": lambda t, net: t.nn.utils.prune.random_structured(net, "weight", 0.5, dim=1),
    "ln structured": lambda t, net: t.nn.utils.prune.ln_structured(net, "weight", 2, n=2, dim=0),
    "ln structured last": lambda t, net: t.nn.utils.prune.ln_structured(net, "weight", 0.4, n=float("inf"), dim=-1),
    "mask": lambda t, net: t.nn.utils.prune.custom_from_mask(net, "bias", t.tensor([1, 0, 1, 0])),
    "twice": lambda t, net: t.nn.utils.prune.l1_unstructured(
        t.nn.utils.prune.ln_structured(net, "weight", 1, n=1, dim=0), "weight", 0.25
    ),
    "thrice": lambda t, net: t.nn.utils.prune.custom_from_mask(
        t.nn.utils.prune.ln_structured(t.nn.utils.prune.l1_unstructured(net, "weight", 3), "weight", 1, n=2, dim=1),
        "weight",
        t.from_numpy(np.arange(24).reshape(4, 6) % 3),
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_ways_of_pruning(name: str) -> None:
    """Names, masks, results, and gradients; pruned elements have no gradient; removal leaves the masked values."""
    ours, theirs = compare(lambda t: WAYS[name](t, t.nn.Linear(6, 4)), [normal(3, 6)])
    assert gc.nn.utils.prune.is_pruned(ours)
    for t, net in ((gc, ours), (torch, theirs)):
        for member in ("weight", "bias"):
            if hasattr(net, f"{member}_mask"):
                t.nn.utils.prune.remove(net, member)
        assert not t.nn.utils.prune.is_pruned(net)
    assert sorted(ours.state_dict()) == ["bias", "weight"]
    assert_close(dict(sorted(ours.state_dict().items())), dict(sorted(theirs.state_dict().items())))


def test_pruning_of_several_parameters_together() -> None:
    """global_unstructured takes the least elements of all."""
    seen = []

    def make(t: Any) -> Any:
        return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2))

    for t, net in zip((gc, torch), twins(make), strict=True):
        prune = t.nn.utils.prune
        pairs = [(net[0], "weight"), (net[2], "weight"), (net[0], "bias")]
        prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.3)
        prune.global_unstructured(pairs, prune.RandomUnstructured, amount=2)
        seen.append([dict(net.named_buffers()), net(t.from_numpy(normal(2, 3)))])
    assert_close(*seen)


def test_pruning_of_a_tensor() -> None:
    """prune() works on a tensor that is no module's."""
    seen = []
    for t in (gc, torch):
        method = t.nn.utils.prune.L1Unstructured(amount=3)
        tensor = t.from_numpy(normal(4, 2))
        seen.append([method.prune(tensor), method.prune(tensor, importance_scores=t.from_numpy(normal(4, 2, seed=5)))])
    assert_close(*seen)


ERRORS: dict[str, Any] = {
    "amount": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(2, 2), "weight", 1.5),
    "amount below": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(2, 2), "weight", -1),
    "amount kind": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(2, 2), "weight", "x"),
    "amount beyond": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(2, 2), "weight", 9),
    "rank": lambda t: t.nn.utils.prune.ln_structured(t.nn.Linear(2, 2), "bias", 1, 2, 0),
    "dim": lambda t: t.nn.utils.prune.ln_structured(t.nn.Linear(2, 2), "weight", 1, 2, 2),
    "mask": lambda t: t.nn.utils.prune.custom_from_mask(t.nn.Linear(2, 2), "weight", t.ones(3)),
    "remove": lambda t: t.nn.utils.prune.remove(t.nn.Linear(2, 2), "weight"),
    "not a list": lambda t: t.nn.utils.prune.global_unstructured(3, t.nn.utils.prune.L1Unstructured, amount=1),
    "scores": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(2, 2), "weight", 1, t.ones(3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What can't be pruned raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])


def test_a_pruned_net_in_a_compiled_step() -> None:
    """Pruned elements stay zero while a compiled step trains the rest as the eager one does."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = gc.nn.utils.prune.l1_unstructured(gc.nn.Linear(3, 2), "weight", 2)
        optimizer = gc.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (net(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        results.append([step(gc.tensor(normal(4, 3))).item() for _ in range(3)])
        assert (gc.nn.utils.prune.remove(net, "weight").weight == 0).sum().item() == 2
    np.testing.assert_allclose(*results, rtol=1e-5)
