"""Distributions: samples, densities, divergences, gradients through samples."""

import torch
import torch.distributions as D
from torch.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    Gumbel,
    Independent,
    Laplace,
    LogNormal,
    MixtureSameFamily,
    Multinomial,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    OneHotCategorical,
    Poisson,
    RelaxedOneHotCategorical,
    StudentT,
    TransformedDistribution,
    Uniform,
    VonMises,
    Weibull,
    kl_divergence,
)

torch.manual_seed(0)
for dist in (
    Normal(0.0, 1.0),
    Bernoulli(0.3),
    Categorical(torch.tensor([0.2, 0.3, 0.5])),
    Exponential(2.0),
    Gamma(2.0, 3.0),
    Beta(2.0, 3.0),
    Laplace(0.0, 1.0),
    Gumbel(0.0, 1.0),
    Poisson(3.0),
    Uniform(-1.0, 1.0),
    StudentT(3.0),
    LogNormal(0.0, 0.5),
    Weibull(1.0, 2.0),
    Binomial(5, 0.4),
    Dirichlet(torch.ones(3)),
    OneHotCategorical(logits=torch.zeros(3)),
    NegativeBinomial(3, 0.5),
    Multinomial(4, torch.ones(3)),
    MultivariateNormal(torch.zeros(2), torch.eye(2)),
    VonMises(0.0, 4.0),
):
    sample = dist.sample()
    print(dist, sample, dist.log_prob(sample))
    try:
        print("  ", dist.mean, dist.variance, dist.batch_shape, dist.event_shape, dist.has_rsample)
        print("  ", dist.entropy())
    except NotImplementedError as error:
        print("  none", type(error).__name__)
loc, scale = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
z = Normal(loc, scale).rsample()
z.pow(2).sum().backward()
print(z, loc.grad, scale.grad)
p, q = Normal(torch.zeros(2), torch.ones(2)), Normal(torch.ones(2), 2 * torch.ones(2))
print(
    kl_divergence(p, q),
    kl_divergence(Independent(p, 1), Independent(q, 1)),
    kl_divergence(Bernoulli(0.3), Bernoulli(0.6)),
)
print(
    kl_divergence(Categorical(logits=torch.zeros(3)), Categorical(torch.tensor([0.2, 0.3, 0.5]))),
    kl_divergence(Gamma(1.0, 1.0), Gamma(2.0, 2.0)),
)
mix = MixtureSameFamily(
    Categorical(torch.tensor([0.4, 0.6])), Normal(torch.tensor([-1.0, 1.0]), torch.tensor([0.5, 0.5]))
)
print(mix, mix.sample((3,)), mix.log_prob(torch.tensor(0.0)), mix.mean)
flow = TransformedDistribution(Normal(0.0, 1.0), [D.transforms.AffineTransform(1.0, 2.0), D.transforms.ExpTransform()])
print(flow.sample(), flow.log_prob(torch.tensor(2.0)), flow)
print(
    RelaxedOneHotCategorical(torch.tensor(0.5), logits=torch.zeros(3)).rsample(),
    p.cdf(torch.zeros(2)),
    p.icdf(torch.tensor([0.5, 0.9])),
)
print(
    p.expand((4, 2)).batch_shape,
    Categorical(torch.ones(2, 3)).enumerate_support(),
    Normal(0, 1).support,
    Beta(1.0, 1.0).support,
)
try:
    Normal(0.0, -1.0)
except ValueError as error:
    print(error)
try:
    Bernoulli(0.5).log_prob(torch.tensor(2.0))
except ValueError as error:
    print(error)
print(D.constraints.positive.check(torch.tensor([1.0, -1.0])), D.Distribution.set_default_validate_args(True))
