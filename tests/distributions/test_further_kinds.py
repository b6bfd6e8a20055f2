"""Counts, heavy tails, mixtures, and transformed distributions against PyTorch, from one seed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.distributions.test_distributions import assert_same, torch

assert torch

# Expressions of t (the library) and D (its distributions).
KINDS = {
    "Binomial": "D.Binomial(10, t.tensor([0.2, 0.9]))",
    "Binomial of logits": "D.Binomial(t.tensor([3.0, 5.0]), logits=t.tensor([0.0, -2.0]))",
    "Cauchy": "D.Cauchy(t.tensor([1.0, -2.0]), t.tensor([0.5, 3.0]))",
    "Chi2": "D.Chi2(t.tensor([1.0, 4.0]))",
    "Geometric": "D.Geometric(t.tensor([0.3, 0.8]))",
    "Geometric of a number": "D.Geometric(logits=0.3)",
    "Gumbel": "D.Gumbel(t.tensor([1.0, -2.0]), t.tensor([0.5, 3.0]))",
    "HalfCauchy": "D.HalfCauchy(t.tensor([1.0, 2.0]))",
    "HalfNormal": "D.HalfNormal(t.tensor([1.0, 2.0]))",
    "Multinomial": "D.Multinomial(8, t.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 0.5]]))",
    "NegativeBinomial": "D.NegativeBinomial(t.tensor([2.0, 5.0]), t.tensor([0.3, 0.6]))",
    "Pareto": "D.Pareto(t.tensor([1.0, 2.0]), t.tensor([2.5, 3.0]))",
    "StudentT": "D.StudentT(t.tensor([1.5, 4.0]), t.tensor([1.0, -2.0]), t.tensor([0.5, 3.0]))",
    "Weibull": "D.Weibull(t.tensor([1.0, 2.0]), t.tensor([0.7, 3.0]))",
    "MixtureSameFamily": (
        "D.MixtureSameFamily(D.Categorical(t.ones(3)), D.Normal(t.tensor([-1.0, 0.0, 2.0]), t.tensor([1.0, 0.1, 2.0])))"
    ),
    "MixtureSameFamily of vectors": (
        "D.MixtureSameFamily(D.Categorical(t.tensor([[0.3, 0.7]])), "
        "D.Independent(D.Normal(t.arange(4.0).reshape(1, 2, 2), 1.0), 1))"
    ),
    "RelaxedBernoulli": "D.RelaxedBernoulli(t.tensor(0.5), t.tensor([0.2, 0.9]))",
    "RelaxedOneHotCategorical": "D.RelaxedOneHotCategorical(t.tensor(0.5), t.tensor([[1.0, 2.0], [3.0, 1.0]]))",
    "tanh of normal": "D.TransformedDistribution(D.Normal(t.zeros(2), 1.0), [D.TanhTransform(cache_size=1)])",
    "logistic": (
        "D.TransformedDistribution(D.Uniform(t.zeros(2), 1.0), "
        "[D.SigmoidTransform().inv, D.AffineTransform(1.0, -2.0)])"
    ),
    "stick breaking": "D.TransformedDistribution(D.Normal(t.zeros(3, 2), 1.0), D.StickBreakingTransform())",
    "joined": (
        "D.TransformedDistribution(D.Normal(t.zeros(3, 2), 1.0), "
        "[D.ComposeTransform([D.ExpTransform(), D.PowerTransform(t.tensor(0.5))]), "
        "D.IndependentTransform(D.AffineTransform(t.ones(2), 3.0), 1)])"
    ),
}


def made(t: Any, kind: str) -> Any:
    return eval(KINDS[kind], {"t": t, "D": t.distributions})


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_those_of_pytorch(kind: str) -> None:
    """The same numbers from one seed, with and without a way for gradients, and as many of them."""
    for method in ("sample", "rsample"):
        for shape in ((), (5,), (7, 3)):
            assert_same(lambda t, m=method, s=shape: getattr(made(t, kind), m)(s), 2e-5)
    assert_same(lambda t: (made(t, kind).sample((9,)), t.rand(3))[1], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_distributions_tell(kind: str) -> None:
    """Moments, entropy, densities, distribution functions, shapes, and how they print."""
    for attribute in ("mean", "mode", "variance", "stddev", "has_rsample"):
        assert_same(lambda t, a=attribute: getattr(made(t, kind), a), 1e-4)
    for call in ("entropy", "__repr__"):
        assert_same(lambda t, c=call: getattr(made(t, kind), c)())
    for call in ("log_prob", "cdf"):
        assert_same(lambda t, c=call: (lambda d: getattr(d, c)(d.sample((4,))))(made(t, kind)), 1e-4)
    assert_same(lambda t: made(t, kind).icdf(t.tensor([[0.2], [0.7]])), 1e-4)
    assert_same(lambda t: tuple(map(tuple, (made(t, kind).batch_shape, made(t, kind).event_shape))))
    assert_same(lambda t: (lambda d: d.expand((4, *d.batch_shape)).sample((2,)))(made(t, kind)), 2e-5)


@pytest.mark.parametrize(
    "transform",
    [
        "D.ExpTransform()",
        "D.SigmoidTransform()",
        "D.SoftplusTransform()",
        "D.TanhTransform()",
        "D.AffineTransform(t.tensor(1.0), t.tensor(-2.0))",
        "D.AffineTransform(0.5, 3.0, event_dim=1)",
        "D.PowerTransform(2.0)",
        "D.StickBreakingTransform()",
        "D.ComposeTransform([D.AffineTransform(0.0, 2.0), D.SigmoidTransform(), D.SigmoidTransform().inv])",
        "D.IndependentTransform(D.ExpTransform(), 1)",
        "D.SoftmaxTransform()",
    ],
)
def test_transforms(transform: str) -> None:
    """Images, their images back, changes of volume, gradients through them, signs, and regions."""

    def of(t: Any) -> Any:
        return eval(transform, {"t": t, "D": t.distributions})

    def start(t: Any) -> Any:
        return t.tensor([[0.3, 1.2, 0.7], [2.0, 0.1, 0.5]], requires_grad=True)

    assert_same(lambda t: of(t)(start(t)))
    assert_same(lambda t: of(t).inv(of(t)(start(t))), 1e-4)
    assert_same(lambda t: of(t).log_abs_det_jacobian(start(t), of(t)(start(t))), 1e-4)
    assert_same(lambda t: t.autograd.grad(of(t)(x := start(t)).pow(2).sum(), x)[0], 1e-4)
    assert_same(lambda t: (of(t).bijective, repr(of(t).codomain), of(t) == of(t)))
