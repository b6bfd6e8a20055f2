"""Probability distributions: draws, densities, entropies, and divergences, as in ``torch.distributions``."""

from graphc.distributions import constraints, transforms
from graphc.distributions.continuous import Exponential, Laplace, Uniform
from graphc.distributions.counts import Binomial, Geometric, Multinomial, NegativeBinomial
from graphc.distributions.derived import FisherSnedecor, InverseGamma, Kumaraswamy, LogisticNormal, VonMises
from graphc.distributions.discrete import (
    Bernoulli,
    Categorical,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)
from graphc.distributions.distribution import Distribution
from graphc.distributions.gamma import Beta, Dirichlet, Gamma
from graphc.distributions.heavy_tails import Cauchy, Chi2, StudentT
from graphc.distributions.independent import Independent
from graphc.distributions.kl import kl_divergence, register_kl
from graphc.distributions.mixture import MixtureSameFamily
from graphc.distributions.normal import LogNormal, MultivariateNormal, Normal
from graphc.distributions.relaxed import LogitRelaxedBernoulli, RelaxedBernoulli, RelaxedOneHotCategorical
from graphc.distributions.transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Pareto,
    TransformedDistribution,
    Weibull,
)
from graphc.distributions.transforms import *  # noqa: F403
from graphc.missing_names import lazy_names

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "FisherSnedecor",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "Kumaraswamy",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LogitRelaxedBernoulli",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transforms",
]
__getattr__ = lazy_names(__name__, {"utils": "graphc.distributions.utils"})
