"""Probability distributions: draws, densities, entropies, and divergences, as in ``torch.distributions``."""

from graphc.distributions import constraints
from graphc.distributions.continuous import Exponential, Laplace, Uniform
from graphc.distributions.discrete import Bernoulli, Categorical, OneHotCategorical, Poisson
from graphc.distributions.distribution import Distribution
from graphc.distributions.gamma import Beta, Dirichlet, Gamma
from graphc.distributions.independent import Independent
from graphc.distributions.kl import kl_divergence, register_kl
from graphc.distributions.normal import LogNormal, MultivariateNormal, Normal

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Independent",
    "Laplace",
    "LogNormal",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
]
