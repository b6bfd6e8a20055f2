"""Derivatives as functions, batches, and modules called with other parameters, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.autograd.scenarios import assert_like_torch, in_order

torch = pytest.importorskip("torch")


def some(t: Any) -> Any:
    return t.tensor([0.5, -1.0, 2.0])


def gradient(t):
    g = t.func.grad(lambda x: (x**3).sum())(some(t))
    return g, g.requires_grad


def gradient_by_several(t):
    return t.func.grad(lambda x, y: (x * y * y).sum(), argnums=(0, 1))(some(t), some(t) * 2)


def gradient_and_value(t):
    return t.func.grad_and_value(lambda x: (x**2).sum())(some(t))


def gradient_with_more(t):
    return t.func.grad(lambda x: ((x**2).sum(), x * 10), has_aux=True)(some(t))


def value_with_more(t):
    return t.func.grad_and_value(lambda x: ((x**2).sum(), x * 10), has_aux=True)(some(t))


def gradient_of_a_gradient(t):
    f = t.func.grad(t.func.grad(t.func.grad(lambda x: x**4)))
    return f(t.tensor(2.0))


def gradient_of_a_tree(t):
    return t.func.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": some(t), "b": [some(t) * 3]})["b"]


def gradient_that_is_zero(t):
    return t.func.grad(lambda x, y: x.sum(), argnums=1)(some(t), some(t))


def gradient_of_a_vector(t):
    t.func.grad(lambda x: x * 2)(some(t))


def gradient_of_a_number(t):
    t.func.grad(lambda x: 3.0)(some(t))


def gradient_in_the_callers_graph(t):
    x = some(t).requires_grad_()
    g = t.func.grad(lambda x: (x**3).sum())(x)
    g.sum().backward()
    return x.grad


def pulled_back(t):
    y, pull = t.func.vjp(lambda x: x.exp(), some(t))
    return y, pull(t.ones(3))


def pulled_back_by_several(t):
    y, pull = t.func.vjp(lambda x, z: (x * z, z.sum()), some(t), some(t) * 2)
    return y, pull((t.ones(3), t.tensor(2.0)))


def pushed_forward(t):
    return t.func.jvp(lambda x: x.sin(), (some(t),), (t.tensor([1.0, 2.0, 3.0]),))


def pushed_forward_by_several(t):
    return t.func.jvp(lambda x, y: x * y, (some(t), some(t)), (t.ones(3), t.zeros(3)))


def jacobian_in_reverse(t):
    return t.func.jacrev(lambda x: x**2)(some(t))


def jacobian_forward(t):
    return t.func.jacfwd(lambda x: x**2)(some(t))


def jacobian_by_several(t):
    return t.func.jacrev(lambda x, y: x.outer(y), argnums=(0, 1))(some(t), some(t)[:2])


def jacobian_of_several(t):
    return t.func.jacrev(lambda x: {"a": x * 2, "b": x.sum()})(some(t))["b"]


def second_derivatives(t):
    return t.func.hessian(lambda x: (x**3).prod())(some(t))


def batched(t):
    return t.vmap(lambda x, y: (x * y).sum())(t.arange(6.0).reshape(2, 3), t.ones(2, 3))


def batched_along_other_dims(t):
    x = t.arange(6.0).reshape(2, 3)
    return t.vmap(lambda x, y: x + y, in_dims=(1, None), out_dims=1)(x, t.ones(2))


def batched_trees(t):
    return t.vmap(lambda p: (p["a"] * 2, p["a"].sum()))({"a": t.arange(6.0).reshape(2, 3)})


def batched_gradients(t):
    return t.vmap(t.func.grad(lambda x: (x**3).sum()))(t.arange(6.0).reshape(2, 3))


def gradients_of_samples(t):
    w = some(t)
    x = t.arange(6.0).reshape(2, 3)
    return t.vmap(t.func.grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))(w, x)


def batches_of_different_sizes(t):
    t.vmap(lambda x, y: x + y)(t.ones(2), t.ones(3))


def called_with_other_parameters(t):
    layer = t.nn.Linear(3, 2)
    given = {"weight": t.ones(2, 3), "bias": t.zeros(2)}
    before = layer.weight.clone()
    y = t.func.functional_call(layer, given, some(t))
    return y, bool((layer.weight == before).all())


def gradient_of_a_module(t):
    net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 1))
    given = {name: t.full(tuple(p.shape), 0.1) for name, p in net.named_parameters()}
    g = t.func.grad(lambda p: t.func.functional_call(net, p, (some(t),)).sum())(given)
    return g["0.weight"], g["2.bias"]


def models_side_by_side(t):
    models = [t.nn.Linear(3, 2) for _ in range(4)]
    for number, model in enumerate(models):
        for p in model.parameters():
            t.nn.init.constant_(p, number)
    params, buffers = t.func.stack_module_state(models)
    y = t.vmap(lambda p, b, x: t.func.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(
        params, buffers, some(t)
    )
    return y, params["weight"].shape == (4, 2, 3)


def strictly_too_few(t):
    t.func.functional_call(t.nn.Linear(3, 2), {"weight": t.ones(2, 3)}, some(t), strict=True)


def called_with_a_name_of_two_tables(t):
    t.func.functional_call(t.nn.Linear(3, 2), ({"weight": t.ones(2, 3)}, {"weight": t.ones(2, 3)}), some(t))


def _tied(t):
    net = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Linear(3, 3))
    net[1].weight, net[1].bias, net[0].bias = net[0].weight, None, None
    return net


def called_with_tied_parameters(t):
    net, given = _tied(t), {"0.weight": t.eye(3) * 2}
    for p in net.parameters():
        t.nn.init.ones_(p)
    together = t.func.functional_call(net, given, some(t))
    return together, t.func.functional_call(net, given, some(t), tie_weights=False), net[1].weight.detach()


def called_with_two_tensors_for_one_parameter(t):
    t.func.functional_call(_tied(t), {"0.weight": t.zeros(3, 3), "1.weight": t.ones(3, 3)}, some(t))


def statistics_written_to_what_was_given(t):
    norm = t.nn.BatchNorm1d(3)
    given = {name: value.clone() for name, value in (*norm.named_parameters(), *norm.named_buffers())}
    y = t.func.functional_call(norm, given, (t.stack([some(t), some(t) * 3]),))
    return y.detach(), given["running_mean"], given["num_batches_tracked"], norm.running_mean


def trace_by_keyword(t):
    return t.trace(input=t.eye(3) * 2)


SCENARIOS = in_order(globals(), some)
# PyTorch goes on about its own machinery.
WORDS = {"batches_of_different_sizes": 10}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_like_torch(scenario: Any) -> None:
    """Results in their trees and shapes, and the words of errors, are PyTorch's."""
    assert_like_torch(scenario, words=WORDS.get(scenario.__name__))


_DRAWING = {
    "randn": lambda t, row: row + t.randn(2),
    "rand_like": lambda t, row: t.rand_like(row),
    "randint": lambda t, row: row + t.randint(0, 10, (2,)),
    "randperm": lambda t, row: row[:1] + t.randperm(4),
    "dropout": lambda t, row: t.nn.functional.dropout(row + 1, 0.5),
    "normal_": lambda t, row: (row + 0).normal_(),
    "exponential_": lambda t, row: (row + 0).exponential_(),
    "gumbel_softmax": lambda t, row: t.nn.functional.gumbel_softmax(row),
    "odd normal": lambda t, row: row + t.randn(1),
}


@pytest.mark.parametrize("name", _DRAWING)
def test_vmap_draws_as_randomness_says(name: str) -> None:
    """Random numbers within are PyTorch's, one draw for all samples or each its own; by default they are refused in its
    words, and the stream goes on afterwards where PyTorch's does."""
    function = _DRAWING[name]
    for randomness in ("same", "different"):
        found = []
        for t in (gc, torch):
            t.manual_seed(3)
            values = t.func.vmap(lambda row, t=t: function(t, row), randomness=randomness)(t.zeros(3, 2))
            found.append((values.tolist(), t.rand(2).tolist()))
        ours, theirs = found
        assert np.allclose(ours[0], theirs[0], rtol=1e-6), randomness
        assert ours[1] == theirs[1], randomness
    for keywords in ({}, {"randomness": "error"}, {"randomness": "none"}):
        messages = []
        for t in (gc, torch):
            with pytest.raises(RuntimeError) as caught:
                t.func.vmap(lambda row, t=t: function(t, row), **keywords)(t.zeros(3, 2))
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_vmap_within_vmap_asks_both() -> None:
    """The outer one refuses what the inner one would let pass; after an error numbers are drawn again."""
    for t in (gc, torch):
        inner = t.func.vmap(lambda x, t=t: x + t.rand(()), randomness="same")
        with pytest.raises(RuntimeError, match="randomness error mode"):
            t.func.vmap(inner)(t.zeros(2, 3))
        rows = t.func.vmap(inner, randomness="different")(t.zeros(2, 3)).tolist()
        assert all(len(set(row)) == 1 for row in rows)
        assert rows[0] != rows[1]
        assert t.rand(2).shape == (2,)


def test_vmap_starts_a_generator_of_the_user_anew() -> None:
    """With randomness="same" every stream that is drawn from begins anew at each sample."""
    generator = gc.Generator().manual_seed(1)
    rows = gc.func.vmap(lambda row: row + gc.rand(2, generator=generator), randomness="same")(gc.zeros(3, 2)).tolist()
    assert rows[0] == rows[1] == rows[2]
    assert gc.rand(2, generator=generator).tolist() == gc.rand(4, generator=gc.Generator().manual_seed(1))[2:].tolist()
