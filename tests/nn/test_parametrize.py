"""Parametrized tensors against PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, compare, normal, twins

torch = pytest.importorskip("torch")


def symmetric(t: Any) -> Any:
    class Symmetric(t.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a):
            return a.triu()

    return Symmetric()


def exponential(t: Any) -> Any:
    class Exponential(t.nn.Module):
        def forward(self, x):
            return x.exp()

        def right_inverse(self, y):
            return y.abs().log()

    return Exponential()


def two_factors(t: Any) -> Any:
    class Product(t.nn.Module):
        def forward(self, x, y):
            return x * y

        def right_inverse(self, z):
            return z * 2, t.full_like(z, 0.5)

    return Product()


def no_inverse(t: Any) -> Any:
    class Doubled(t.nn.Module):
        def forward(self, x):
            return x * 2

    return Doubled()


def shortened(t: Any) -> Any:
    class Shortened(t.nn.Module):
        def forward(self, x):
            return x[:1]

    return Shortened()


KINDS = {"symmetric": symmetric, "exponential": exponential, "two factors": two_factors, "no inverse": no_inverse}


def made(t: Any, *kinds: str) -> Any:
    net = t.nn.Linear(3, 3)
    for kind in kinds:
        t.nn.utils.parametrize.register_parametrization(net, "weight", KINDS[kind](t))
    return net


@pytest.mark.parametrize("kinds", [("symmetric",), ("two factors",), ("no inverse",), ("symmetric", "exponential"),
                                   ("two factors", "no inverse")], ids=str)  # fmt: skip
def test_parametrizations(kinds: tuple[str, ...]) -> None:
    """Names, text, value, results, and gradients through what is learned; the type before."""
    ours, theirs = compare(lambda t: made(t, *kinds), [normal(4, 3)], second=True)
    assert_close(ours.weight, theirs.weight)
    assert gc.nn.utils.parametrize.type_before_parametrizations(ours) is gc.nn.Linear
    assert gc.nn.utils.parametrize.is_parametrized(ours)
    assert not gc.nn.utils.parametrize.is_parametrized(ours, "bias")


@pytest.mark.parametrize("kind", ["symmetric", "two factors"])
def test_assigning_goes_through_the_inverse(kind: str) -> None:
    """An assigned value is what is read afterwards, as far as the parametrization allows."""
    value = normal(3, 3, seed=8)
    seen = []
    for t, net in zip((gc, torch), twins(lambda t: made(t, kind)), strict=True):
        net.weight = t.from_numpy(value.copy())
        seen.append((net.weight, dict(net.state_dict())))
    assert_close(*seen)


@pytest.mark.parametrize("leave", [True, False])
def test_removing(leave: bool) -> None:
    """The tensor is a parameter again, with its value or the original's; the class is the old one."""
    seen = []
    for t, net in zip((gc, torch), twins(lambda t: made(t, "exponential", "symmetric")), strict=True):
        t.nn.utils.parametrize.remove_parametrizations(net, "weight", leave_parametrized=leave)
        assert type(net) is t.nn.Linear
        assert isinstance(net.weight, t.nn.Parameter)
        seen.append(dict(net.state_dict()))
    assert list(seen[0]) == list(seen[1])
    assert_close(*seen)


def test_the_cache_computes_once() -> None:
    """Within cached() a tensor is computed when it is first read, and anew after the block."""
    for t in (gc, torch):
        net = made(t, "symmetric")
        calls: list[int] = []
        net.parametrizations.weight[0].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        with t.nn.utils.parametrize.cached():
            with t.nn.utils.parametrize.cached():
                first = net.weight
            assert net.weight is first
        assert net.weight is not first
        assert len(calls) == 2


def test_copies_and_pickles() -> None:
    """A deep copy is parametrized apart from the original; pickling is refused in PyTorch's words."""
    for t in (gc, torch):
        net = made(t, "symmetric")
        other = copy.deepcopy(net)
        with t.no_grad():
            other.parametrizations.weight.original.add_(1.0)
        assert not np.allclose(net.weight.detach().numpy(), other.weight.detach().numpy())
        assert type(other) is type(net)
    assert_same_error(lambda t: pickle.dumps(made(t, "symmetric")))


def test_transfer() -> None:
    """Another module takes over parametrizations and what they learned."""
    for t in (gc, torch):
        source, target = made(t, "two factors"), t.nn.Linear(3, 3)
        t.nn.utils.parametrize.transfer_parametrizations_and_params(source, target)
        assert list(target.state_dict()) == list(source.state_dict())
        np.testing.assert_array_equal(target.weight.detach().numpy(), source.weight.detach().numpy())


def test_a_buffer_can_be_parametrized() -> None:
    """Buffers stay buffers."""
    seen = []
    for t in (gc, torch):
        net = t.nn.BatchNorm1d(3)
        t.nn.utils.parametrize.register_parametrization(net, "running_mean", no_inverse(t))
        seen.append([list(net.state_dict()), [name for name, _ in net.named_buffers()], repr(net)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("trivialized", [True, False])
@pytest.mark.parametrize("chosen", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
def test_orthogonal(shape: tuple[int, int], chosen: str | None, trivialized: bool) -> None:
    """All maps: what is learned, the base, the weight, results and gradients; it is orthogonal; assigning."""

    def make(t: Any) -> Any:
        net = t.nn.Linear(shape[1], shape[0], dtype=t.float64)
        return t.nn.utils.parametrizations.orthogonal(net, orthogonal_map=chosen, use_trivialization=trivialized)

    def call(t: Any, net: Any, x: Any) -> Any:
        return net(x), net.weight

    ours, theirs = compare(make, [normal(4, shape[1], dtype=np.float64)], call, tolerance=1e-9, ulps=10**6)
    weight = ours.weight.detach().numpy()
    product = weight @ weight.T if shape[0] < shape[1] else weight.T @ weight
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-12)
    if trivialized:
        target, seen = np.linalg.qr(normal(*shape, seed=7, dtype=np.float64))[0], []
        target = target if target.shape == shape else np.linalg.qr(normal(*shape[::-1], dtype=np.float64))[0].T
        for t, net in ((gc, ours), (torch, theirs)):
            t.manual_seed(2)
            net.weight = t.from_numpy(np.ascontiguousarray(target))
            seen.append((net.weight, net.parametrizations.weight[0].base))
        assert_close(*seen, 1e-9)
        np.testing.assert_allclose(seen[0][0].detach().numpy(), target, atol=1e-9)


def test_orthogonal_in_a_compiled_step() -> None:
    """A step that learns an orthogonal weight compiles, and follows the eager one."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = gc.nn.utils.parametrizations.orthogonal(gc.nn.Linear(3, 3))
        optimizer = gc.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (net(x) ** 3).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        results.append([step(gc.tensor(normal(4, 3))).item() for _ in range(3)])
    np.testing.assert_allclose(*results, rtol=1e-4)


ERRORS: dict[str, Any] = {
    "orthogonal name": lambda t: t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), "w"),
    "orthogonal rank": lambda t: t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), "bias"),
    "orthogonal map": lambda t: t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), orthogonal_map="qr"),
    "orthogonal shape": lambda t: setattr(
        t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2)), "weight", t.zeros(3, 3)
    ),
    "orthogonal without base": lambda t: setattr(
        t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), use_trivialization=False), "weight", t.eye(2)
    ),
    "name": lambda t: t.nn.utils.parametrize.register_parametrization(t.nn.Linear(2, 2), "w", symmetric(t)),
    "shape": lambda t: t.nn.utils.parametrize.register_parametrization(t.nn.Linear(2, 2), "weight", shortened(t)),
    "second shape": lambda t: t.nn.utils.parametrize.register_parametrization(
        made(t, "symmetric"), "weight", shortened(t)
    ),
    "remove": lambda t: t.nn.utils.parametrize.remove_parametrizations(t.nn.Linear(2, 2), "weight"),
    "remove several": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        made(t, "two factors"), "weight", leave_parametrized=False
    ),
    "assign": lambda t: setattr(made(t, "no inverse"), "weight", t.zeros(3, 3)),
    "assign dtype": lambda t: setattr(made(t, "symmetric"), "weight", t.zeros(3, 3, dtype=t.float64)),
    "none": lambda t: t.nn.utils.parametrize.ParametrizationList([], t.zeros(2)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """What does not fit raises PyTorch's errors, word for word."""
    assert_same_error(ERRORS[name])
