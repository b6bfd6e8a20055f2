"""Clipping, vectors of parameters, folding, and norms of weights against PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.nn.twins import assert_close, assert_same_error, assert_same_state, compare, given, normal, twins

torch = pytest.importorskip("torch")


def with_gradients(t: Any) -> Any:
    """A net whose parameters have gradients, but for one."""
    net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2))
    (net(t.from_numpy(normal(5, 3))) * 3).pow(2).sum().backward()
    net[2].bias.grad = None
    return net


@pytest.mark.parametrize("order", [2.0, 1, "inf", float("inf"), 3.5])
@pytest.mark.parametrize("bound", [0.1, 1e6])
def test_clip_grad_norm(order: Any, bound: float) -> None:
    """The norm that is given, and the gradients, before and after, for several orders of norm."""
    seen = []
    for t, net in zip((gc, torch), twins(with_gradients), strict=True):
        total = t.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None], float(order))
        clipped = t.nn.utils.clip_grad_norm_(net.parameters(), bound, order)
        seen.append((total, clipped, [p.grad for p in net.parameters()]))
    assert_close(*seen)


def test_other_ways_to_clip() -> None:
    """By value; of one tensor; with a norm computed before; of nothing; non-finite norms; old names."""
    seen = []
    for t, net in zip((gc, torch), twins(with_gradients), strict=True):
        utils = t.nn.utils
        utils.clip_grad_value_(net[0].parameters(), 0.3)
        utils.clip_grad_norm_(net[2].weight, 0.2)
        utils.clip_grads_with_norm_(net[0].weight, 0.1, t.tensor(5.0))
        with pytest.warns(FutureWarning, match="`torch.nn.utils.clip_grad_norm` is now deprecated in favor of"):
            utils.clip_grad_norm(net[0].bias, 0.2)
        with pytest.warns(UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur."):
            nothing = utils.clip_grad_norm_((p for p in ()), 0.2)
        seen.append((nothing, utils.clip_grad_norm_([], 1.0), [p.grad for p in net.parameters()]))

    assert_close(*seen)

    def infinite(t: Any) -> None:
        w = t.zeros(2, requires_grad=True)
        w.grad = t.tensor([float("inf"), 1.0])
        t.nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)

    assert_same_error(infinite)


def test_vectors_of_parameters() -> None:
    """Parameters become one vector and take one over, in its memory."""
    seen = []
    for t, net in zip((gc, torch), twins(with_gradients), strict=True):
        vector = t.nn.utils.parameters_to_vector(net.parameters())
        other = t.arange(vector.numel(), dtype=t.float32)
        t.nn.utils.vector_to_parameters(other, net.parameters())
        other[0] = 7.0
        seen.append((vector, list(net.parameters()), vector.requires_grad))
    assert_close(*seen)
    assert_same_error(lambda t: t.nn.utils.vector_to_parameters([1.0], []))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_folding_batch_norm(bias: bool, affine: bool) -> None:
    """A convolution, or a linear layer, with a batch normalisation folded in computes what both do, with PyTorch's
    weights."""

    def make(t: Any) -> Any:
        return t.nn.ModuleList([
            t.nn.Conv2d(2, 3, 3, bias=bias), t.nn.BatchNorm2d(3, affine=affine), t.nn.Linear(3, 4, bias=bias),
            t.nn.BatchNorm1d(4),
        ])  # fmt: skip

    seen = []
    for t, net in zip((gc, torch), twins(make), strict=True):
        conv, norm2d, linear, norm1d = net
        norm2d(t.from_numpy(normal(4, 3, 5, 5))), norm1d(t.from_numpy(normal(6, 4)))
        with pytest.raises(AssertionError, match="Fusion only for eval!"):
            t.nn.utils.fuse_conv_bn_eval(conv, norm2d)
        net.eval()
        folded = t.nn.utils.fuse_conv_bn_eval(conv, norm2d), t.nn.utils.fuse_linear_bn_eval(linear, norm1d)
        image, row = t.from_numpy(normal(2, 2, 6, 6)), t.from_numpy(normal(2, 3))
        assert_close(folded[0](image), given_result(norm2d(conv(image))), 1e-5)
        assert_close(folded[1](row), given_result(norm1d(linear(row))), 1e-5)
        seen.append([list(layer.parameters()) for layer in folded])
    assert_close(*seen)
    assert_same_error(lambda t: t.nn.utils.fuse_linear_bn_eval(t.nn.Linear(3, 4).eval(), t.nn.BatchNorm1d(5).eval()))


def given_result(value: Any) -> Any:
    """A result as a tensor of PyTorch's, to be compared with."""
    return torch.from_numpy(value.detach().numpy())


# -- norms of weights ------------------------------------------------------------------------------------------------

NORMS: dict[str, Any] = {
    "weight_norm": lambda t, m, **k: t.nn.utils.parametrizations.weight_norm(m, **k),
    "spectral_norm": lambda t, m, **k: t.nn.utils.parametrizations.spectral_norm(m, **k),
    "old weight_norm": lambda t, m, **k: t.nn.utils.weight_norm(m, **k),
    "old spectral_norm": lambda t, m, **k: t.nn.utils.spectral_norm(m, **k),
}
LAYERS: dict[str, Any] = {
    "linear": (lambda t: t.nn.Linear(3, 4), {}, normal(5, 3)),
    "dim 1": (lambda t: t.nn.Linear(3, 4), {"dim": 1}, normal(5, 3)),
    "convolution": (lambda t: t.nn.Conv2d(2, 3, 2), {}, normal(2, 2, 4, 4)),
    "embedding": (lambda t: t.nn.Embedding(6, 3), {}, np.array([[1, 3], [5, 0]])),
    "lstm": (lambda t: t.nn.LSTM(3, 2), {"name": "weight_hh_l0"}, normal(4, 2, 3)),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", NORMS)
def test_norms_of_weights(kind: str, layer: str) -> None:
    """Names, first values, results, and gradients; in training the estimate moves at each call, in eval it stays."""
    make, options, x = LAYERS[layer]

    def call(t: Any, net: Any, x: Any) -> Any:
        net(x)
        first = net(x)
        net.eval()
        return first, net(x)

    # The second gradients of PyTorch's own weight norm miss those of the norm; ours are looked at below.
    second = layer == "linear" and "spectral" in kind
    # PyTorch's LSTM reads a parametrized weight several times a call, and each time its estimate improves.
    more_steps = (layer, kind) == ("lstm", "spectral_norm")
    ours, theirs = compare(
        lambda t: NORMS[kind](t, make(t), **options), [x], call, second=second, ulps=16,
        tolerance=1e-3 if more_steps else 2e-5,
    )  # fmt: skip
    if not more_steps:
        assert_same_state(ours, theirs, ulps=64)


def test_second_gradients_of_weight_norm() -> None:
    """They are those of length times direction over norm, written out."""
    seen = []
    for t in (gc, torch):
        v, g = given(t, normal(4, 3, dtype=np.float64)), given(t, normal(4, 1, seed=2, dtype=np.float64))
        make = gc.nn.utils.parametrizations._WeightNorm(0) if t is gc else lambda g, v: v * (g / v.norm(2, 1, True))
        w = make(g, v)
        first = t.autograd.grad((w * w * w).sum(), [v, g], create_graph=True)
        seen.append((w, first, t.autograd.grad(sum((each * each).sum() for each in first), [v, g])))
    assert_close(*seen, 1e-9)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", NORMS)
def test_norms_are_taken_away(kind: str) -> None:
    """Removing leaves a parameter with the value that it had, under its own name."""
    name = kind.removeprefix("old ")
    seen = []
    for t, net in zip((gc, torch), twins(lambda t: NORMS[kind](t, t.nn.Linear(3, 4))), strict=True):
        net(t.from_numpy(normal(2, 3)))
        if kind.startswith("old"):
            getattr(t.nn.utils, f"remove_{name}")(net)
            with pytest.raises(ValueError, match=f"{name} of 'weight' not found in Linear"):
                getattr(t.nn.utils, f"remove_{name}")(net)
        else:
            t.nn.utils.parametrize.remove_parametrizations(net, "weight")
        assert type(net) is t.nn.Linear
        seen.append((dict(net.named_parameters()), [isinstance(net.weight, t.nn.Parameter)], repr(net)))
    assert list(seen[0][0]) == list(seen[1][0])
    assert_close(*seen)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
def test_states_of_the_older_norms() -> None:
    """A state of the older weight norm loads into the newer; the older spectral norm notes its version; the rest is
    refused in PyTorch's words."""
    old, new = gc.nn.utils.weight_norm(gc.nn.Linear(3, 4)), gc.nn.utils.parametrizations.weight_norm(gc.nn.Linear(3, 4))
    assert repr(new.load_state_dict(old.state_dict())) == "<All keys matched successfully>"
    x = gc.tensor(normal(2, 3))
    np.testing.assert_allclose(new(x).detach().numpy(), old(x).detach().numpy(), rtol=1e-6)
    ours, theirs = twins(lambda t: t.nn.utils.spectral_norm(t.nn.Linear(3, 4)))
    assert_same_state(ours, theirs, ulps=4)
    assert_same_error(lambda t: t.nn.utils.weight_norm(t.nn.utils.weight_norm(t.nn.Linear(3, 4))))
    assert_same_error(lambda t: t.nn.utils.spectral_norm(t.nn.utils.spectral_norm(t.nn.Linear(3, 4))))
    assert_same_error(lambda t: t.nn.utils.spectral_norm(t.nn.Linear(3, 4), n_power_iterations=0))
    assert_same_error(lambda t: t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(3, 4), dim=2))
    assert_same_error(lambda t: t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(3, 4), name="w"))


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", NORMS)
def test_norms_of_weights_in_a_compiled_step(kind: str) -> None:
    """Losses, parameters, and the buffers of the estimates follow the eager step."""
    results = []
    for compiled in (False, True):
        gc.manual_seed(0)
        net = gc.nn.Sequential(NORMS[kind](gc, gc.nn.Linear(3, 4)), gc.nn.Tanh(), gc.nn.Linear(4, 2))
        optimizer = gc.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, y: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = gc.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = gc.compile(step) if compiled else step
        losses = [step(gc.tensor(normal(5, 3)), gc.tensor(normal(5, 2))).item() for _ in range(4)]
        results.append((losses, [value.numpy() for value in net.state_dict().values()]))
    for mine, other in zip(*results, strict=True):
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# -- calling with other parameters -----------------------------------------------------------------------------------


def test_calling_with_other_parameters() -> None:
    """functional_call uses the tensors given and leaves the module as it was; gradients go to what was given."""
    seen = []
    for t, net in zip((gc, torch), twins(with_gradients), strict=True):
        before = copy.deepcopy(net.state_dict())
        weight = given(t, normal(4, 3, seed=4))
        with pytest.warns(FutureWarning, match="functional_call. is deprecated as of PyTorch 2.0"):
            result = t.nn.utils.stateless.functional_call(net, {"0.weight": weight}, (t.from_numpy(normal(2, 3)),))
        (gradient,) = t.autograd.grad(result.sum(), [weight])
        seen.append((result, gradient, dict(net.state_dict()), dict(before)))
    assert_close(*seen)


@pytest.mark.filterwarnings("ignore:.*functional_call. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "scenario",
    [
        lambda t: t.nn.utils.stateless.functional_call(
            t.nn.Linear(2, 2), {"v": t.zeros(1), "bias": t.zeros(2)}, t.zeros(2), strict=True
        ),
        lambda t: t.nn.utils.stateless.functional_call(tied(t), {"0.weight": t.zeros(2, 2), "1.weight": t.ones(2, 2)}),
    ],
)
def test_errors_of_calling_with_other_parameters(scenario: Any) -> None:
    """Names that don't fit, and different tensors for one shared parameter, are PyTorch's errors."""
    assert_same_error(scenario)


def tied(t: Any) -> Any:
    """Two layers that share a weight."""
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Linear(2, 2))
    net[1].weight = net[0].weight
    return net
