"""graphc.distributions against PyTorch's: draws from one seed, densities, moments, gradients, divergences, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

# Arguments of each kind, with numbers, with tensors, and given another way.
FAMILIES = {
    "Normal": ("(0.0, 1.0)", "(t.tensor([1.0, -2.0]), t.tensor([0.5, 3.0]))", "(t.zeros(2, 1), t.ones(3))"),
    "LogNormal": ("(0.0, 0.5)", "(t.tensor([1.0, -2.0]), t.tensor([0.5, 0.3]))"),
    "Laplace": ("(0.0, 1.0)", "(t.tensor([1.0, -2.0]), t.tensor([0.5, 3.0]))"),
    "Uniform": ("(0.0, 1.0)", "(t.tensor([1.0, -2.0]), t.tensor([1.5, 3.0]))"),
    "Exponential": ("(2.0,)", "(t.tensor([1.0, 2.0]),)"),
    "Bernoulli": ("(0.3,)", "(t.tensor([0.1, 0.9, 0.5]),)", "(None, t.tensor([0.1, -2.0]))"),
    "Categorical": (
        "(t.tensor([1.0, 2.0, 3.0]),)",
        "(t.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 1.0]]),)",
        "(None, t.tensor([0.1, -2.0]))",
    ),
    "OneHotCategorical": ("(t.tensor([1.0, 2.0, 3.0]),)", "(None, t.tensor([[0.1, -2.0], [1.0, 1.0]]))"),
    "Poisson": ("(3.0,)", "(t.tensor([1.0, 20.0]),)"),
    "Gamma": ("(2.0, 3.0)", "(t.tensor([0.3, 1.0, 15.0]), t.tensor([0.5, 3.0, 1.0]))"),
    "Beta": ("(2.0, 3.0)", "(t.tensor([0.3, 1.0, 15.0]), t.tensor([0.5, 3.0, 1.0]))"),
    "Dirichlet": ("(t.tensor([0.3, 1.0, 15.0]),)", "(t.tensor([[2.0, 3.0], [0.5, 0.7]]),)"),
    "MultivariateNormal": (
        "(t.zeros(2), t.tensor([[2.0, 0.5], [0.5, 1.0]]))",
        "(t.zeros(3, 2), None, t.tensor([[2.0, 0.5], [0.5, 1.0]]))",
        "(t.ones(2), None, None, t.tensor([[[2.0, 0.0], [0.5, 1.0]], [[1.0, 0.0], [-0.5, 1.0]]]))",
    ),
}
CASES = [(name, arguments) for name, given in FAMILIES.items() for arguments in given]
# Their draws go through exponentials and logarithms that may differ in the last bit.
ROUNDED = ("LogNormal", "Laplace")


def made(t: Any, name: str, arguments: str) -> Any:
    return getattr(t.distributions, name)(*eval(arguments, {"t": t}))


def outcome(t: Any, run: Callable[[Any], Any]) -> Any:
    t.manual_seed(3)
    try:
        return run(t)
    except RuntimeError as error:
        return type(error).__name__


def assert_same(run: Callable[[Any], Any], tolerance: float = 2e-5) -> None:
    """One seed, one result: of a tolerance of 0 to the bit."""
    found, wanted = outcome(gc, run), outcome(torch, run)
    if not isinstance(wanted, torch.Tensor):
        assert found == wanted
        return
    assert tuple(found.shape) == tuple(wanted.shape)
    assert str(found.dtype) == str(wanted.dtype)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_draws_are_those_of_pytorch(name: str, arguments: str) -> None:
    """The same numbers from one seed, singly and many, with and without a way for gradients; and as many of them."""
    tolerance = 1e-6 if name in ROUNDED else 0
    for method in ("sample", "rsample"):
        for shape in ((), (5,), (20, 7)):
            assert_same(lambda t, m=method, s=shape: getattr(made(t, name, arguments), m)(s), tolerance)
    assert_same(lambda t: (made(t, name, arguments).sample((9,)), t.rand(3))[1], 0)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_what_distributions_tell(name: str, arguments: str) -> None:
    """Moments, entropy, densities, distribution functions, values, shapes, and how they print."""
    for attribute in ("mean", "mode", "variance", "stddev", "has_rsample", "has_enumerate_support"):
        assert_same(lambda t, a=attribute: getattr(made(t, name, arguments), a))
    for call in ("entropy", "perplexity", "enumerate_support", "__repr__"):
        assert_same(lambda t, c=call: getattr(made(t, name, arguments), c)())
    for call in ("log_prob", "cdf"):
        assert_same(lambda t, c=call: (lambda d: getattr(d, c)(d.sample((4,))))(made(t, name, arguments)))
    assert_same(lambda t: made(t, name, arguments).icdf(t.tensor([[0.2], [0.7]])))
    assert_same(lambda t: repr(made(t, name, arguments).support))
    assert_same(
        lambda t: tuple(map(tuple, (made(t, name, arguments).batch_shape, made(t, name, arguments).event_shape)))
    )


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_expanded_and_independent(name: str, arguments: str) -> None:
    """Parameters in another shape, and dims of the batch that belong to one value."""

    def expanded(t: Any) -> Any:
        d = made(t, name, arguments)
        return d.expand((4, *d.batch_shape))

    def joined(t: Any) -> Any:
        d = made(t, name, arguments)
        return t.distributions.Independent(d, len(d.batch_shape))

    tolerance = 1e-6 if name in ROUNDED else 0
    for change in (expanded, joined):
        assert_same(lambda t, c=change: repr(c(t)))
        assert_same(lambda t, c=change: c(t).sample((3,)), tolerance)
        assert_same(lambda t, c=change: (lambda d: d.log_prob(d.sample()))(c(t)))
    assert_same(lambda t: joined(t).entropy())


def leaves(t: Any, arguments: str) -> list[Any]:
    given = eval(arguments, {"t": t})
    return [None if v is None else (t.tensor(v) if isinstance(v, float) else v.clone()).requires_grad_() for v in given]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_gradients(name: str, arguments: str) -> None:
    """Of densities and of draws, to all parameters; PyTorch's of gamma and beta draws are approximations."""

    def gradients(t: Any, run: Callable[[Any], Any]) -> Any:
        given = leaves(t, arguments)
        value = run(getattr(t.distributions, name)(*given))
        (value * t.arange(value.numel()).reshape(value.shape)).sum().backward()
        return t.cat([each.grad.reshape(-1) for each in given if each is not None])

    assert_same(lambda t: gradients(t, lambda d: d.log_prob(d.sample((6,)))), 1e-4)
    assert_same(lambda t: gradients(t, lambda d: d.rsample((6,))), 3e-3)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_divergences_of_one_kind(name: str, arguments: str) -> None:
    """From the first of a kind to each other one."""
    first = FAMILIES[name][0]
    assert_same(lambda t: t.distributions.kl_divergence(made(t, name, arguments), made(t, name, first)))


DIVERGENCES = (
    "D.kl_divergence(D.Normal(0.0, 1.0), D.Uniform(0.0, 1.0))",
    "D.kl_divergence(D.Uniform(t.zeros(2), 1.0), D.Normal(0.3, 2.0))",
    "D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0))",
    "D.kl_divergence(D.Categorical(logits=t.tensor([0.1, -2.0])), D.Categorical(t.tensor([0.4, 0.6])))",
    "D.kl_divergence(D.Dirichlet(t.tensor([[2.0, 3.0], [0.5, 0.7]])), D.Dirichlet(t.tensor([1.0, 4.0])))",
    "D.kl_divergence(D.Bernoulli(t.tensor([0.0, 0.5, 1.0])), D.Bernoulli(t.tensor([0.5, 1.0, 0.0])))",
    "D.kl_divergence(D.Independent(D.Normal(t.zeros(3), 1.0), 1), D.Independent(D.Normal(t.ones(3), 2.0), 1))",
    "D.kl_divergence(D.Normal(0.0, 1.0), D.MultivariateNormal(t.zeros(2), t.eye(2)))",
)


@pytest.mark.parametrize("text", DIVERGENCES)
def test_divergences_of_two_kinds(text: str) -> None:
    """Infinite where the second has not all values of the first; refused for pairs that nobody has entered."""
    assert_same(lambda t: eval(text, {"t": t, "D": t.distributions}))


REFUSED = (
    "D.Normal(0.0, -1.0)",
    "D.Normal(t.zeros(3), t.tensor([1.0, -1.0, 1.0]))",
    "D.Normal(t.tensor(float('nan')), 1.0)",
    "D.Normal('a', 1.0)",
    "D.Normal(0, 1.0).log_prob(1.0)",
    "D.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2))",
    "D.Normal(0.0, 1.0).log_prob(t.tensor(float('nan')))",
    "D.Bernoulli(1.5)",
    "D.Bernoulli()",
    "D.Bernoulli(0.3, 0.3)",
    "D.Bernoulli(0.3).log_prob(t.tensor(0.5))",
    "D.Categorical(t.tensor([-1.0, 1.0]))",
    "D.Categorical(t.tensor(0.5))",
    "D.Categorical(t.ones(3)).log_prob(t.tensor(5))",
    "D.Categorical(logits=t.tensor([float('nan'), 1.0]))",
    "D.Uniform(1.0, 0.0)",
    "D.Uniform(0.0, 1.0).log_prob(t.tensor(2.0))",
    "D.Uniform(t.zeros(2), t.ones(2)).log_prob(t.tensor([0.0, 3.0]))",
    "D.Exponential(-1.0)",
    "D.Exponential(1.0).log_prob(t.tensor(-1.0))",
    "D.Gamma(-1.0, 1.0)",
    "D.Beta(-1.0, 1.0)",
    "D.Beta(1.0, 2.0).log_prob(t.tensor(1.5))",
    "D.Dirichlet(t.tensor([1.0, -1.0]))",
    "D.Dirichlet(t.tensor(1.0))",
    "D.Dirichlet(t.ones(3)).log_prob(t.ones(3))",
    "D.MultivariateNormal(t.zeros(2), -t.eye(2))",
    "D.MultivariateNormal(t.zeros(2))",
    "D.MultivariateNormal(t.tensor(0.0), t.eye(1))",
    "D.MultivariateNormal(t.zeros(2), t.tensor([[1.0, 2.0], [0.0, 1.0]]))",
    "D.MultivariateNormal(t.zeros(2), t.zeros(2))",
    "D.MultivariateNormal(t.zeros(2), scale_tril=t.ones(2, 2))",
    "D.MultivariateNormal(t.zeros(2), t.eye(2)).log_prob(t.zeros(3))",
    "D.Independent(D.Normal(0.0, 1.0), 1)",
    "D.Normal(0.0, 1.0).sample(3)",
)


@pytest.mark.parametrize("text", REFUSED)
def test_refusals(text: str) -> None:
    """Parameters and values that do not fit are refused with the class and all words of PyTorch's error."""
    # PyTorch's compiler, which other tests load with its control flow, turns PyTorch's checks off.
    torch.distributions.Distribution.set_default_validate_args(True)
    errors = []
    for t in (gc, torch):
        with pytest.raises((ValueError, TypeError)) as caught:
            eval(text, {"t": t, "D": t.distributions})
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


def test_checks_can_be_switched_off() -> None:
    """For one distribution, and for all that are made from then on."""
    distributions = gc.distributions
    assert repr(distributions.Normal(0.0, -1.0, validate_args=False)) == "Normal(loc: 0.0, scale: -1.0)"
    try:
        distributions.Distribution.set_default_validate_args(False)
        distributions.Bernoulli(1.5)
    finally:
        distributions.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="Expected parameter probs"):
        distributions.Bernoulli(1.5)


def test_a_step_with_distributions_compiles() -> None:
    """Draws, densities, and divergences within a compiled function: eager values, from the same seed."""

    def step(mean: Any, log_scale: Any, x: Any) -> Any:
        posterior = gc.distributions.Normal(mean, log_scale.exp())
        drawn = posterior.rsample()
        divergence = gc.distributions.kl_divergence(posterior, gc.distributions.Normal(0.0, 1.0))
        return posterior.log_prob(x).sum() + divergence.sum(), drawn

    given = (gc.zeros(3, requires_grad=True), gc.zeros(3, requires_grad=True), gc.ones(3))
    gc.manual_seed(0)
    eager = step(*given)
    gc.manual_seed(0)
    for found, wanted in zip(gc.compile(step)(*given), eager, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-6)


def test_divergences_can_be_entered() -> None:
    """A kind of one's own has a divergence once it is entered, that of the nearest base where it is not."""

    class Twice(gc.distributions.Normal):
        """A kind of one's own."""

    p, q = Twice(0.0, 1.0), gc.distributions.Normal(1.0, 1.0)
    assert gc.distributions.kl_divergence(p, q).item() == 0.5
    gc.distributions.register_kl(Twice, gc.distributions.Normal)(lambda p, q: gc.tensor(7.0))
    assert gc.distributions.kl_divergence(p, q).item() == 7.0
    with pytest.raises(TypeError, match="Expected type_p and type_q to be Distribution subclasses"):
        gc.distributions.register_kl(int, Twice)


DERIVED = {
    "VonMises": lambda d, t: d.VonMises(t.tensor([0.0, 1.0, -2.0]), t.tensor([4.0, 1e-6, 10.0])),
    "FisherSnedecor": lambda d, t: d.FisherSnedecor(t.tensor([5.0, 1.0]), t.tensor([6.0, 3.0])),
    "InverseGamma": lambda d, t: d.InverseGamma(t.tensor([3.0, 0.5]), t.tensor([2.0, 1.0])),
    "Kumaraswamy": lambda d, t: d.Kumaraswamy(t.tensor([2.0, 0.5]), t.tensor([3.0, 0.5])),
    "LogisticNormal": lambda d, t: d.LogisticNormal(t.zeros(2, 3), t.ones(2, 3)),
    "OneHotCategoricalStraightThrough": lambda d, t: d.OneHotCategoricalStraightThrough(t.tensor([0.2, 0.3, 0.5])),
}


@pytest.mark.parametrize("name", DERIVED)
def test_derived_distributions_are_pytorchs(name: str) -> None:
    """Draws for one seed, densities, moments, entropies, and shapes."""
    torch = pytest.importorskip("torch")
    found = []
    for t in (gc, torch):
        t.manual_seed(0)
        dist = DERIVED[name](t.distributions, t)
        drawn = dist.sample((4,))
        facts = [drawn, dist.log_prob(drawn), dist.expand((3, *dist.batch_shape)).sample()]
        for fact in ("mean", "mode", "variance", "entropy"):
            try:
                value = getattr(dist, fact)
                facts.append(value() if callable(value) else value)
            except NotImplementedError:
                facts.append(t.tensor([]))
        found.append([fact.numpy() for fact in facts])
    for own, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=2e-5, atol=1e-6)


def test_gradients_pass_straight_through() -> None:
    """A one-hot value has the gradient of its probabilities."""
    probs = gc.tensor([0.2, 0.8], requires_grad=True)
    drawn = gc.distributions.OneHotCategoricalStraightThrough(probs=probs).rsample()
    (drawn * gc.tensor([1.0, 2.0])).sum().backward()
    np.testing.assert_allclose(probs.grad.numpy(), [-0.8, 0.2], rtol=1e-5)


def test_only_what_was_given_is_shown_of_a_normal_vector() -> None:
    """After draws and densities too."""
    dist = gc.distributions.MultivariateNormal(gc.zeros(2), gc.eye(2))
    dist.log_prob(dist.sample())
    assert repr(dist) == "MultivariateNormal(loc: torch.Size([2]), covariance_matrix: torch.Size([2, 2]))"
