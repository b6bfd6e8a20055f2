"""Mixtures of distributions of one kind.

Source: https://docs.pytorch.org/docs/stable/distributions.html#mixturesamefamily
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.autograd.modes import no_grad
from graphc.distributions.constraints import Constraint
from graphc.distributions.discrete import Categorical
from graphc.distributions.distribution import Distribution
from graphc.ops.functions.indexing import gather
from graphc.ops.functions.reduction import logsumexp, sum
from graphc.tensor import Tensor


class MixtureSameFamily(Distribution):
    """Values of one of the distributions along the last dim of the components' batch, chosen by a categorical one.

    Raises ValueError for parts that do not fit.
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution need to be an instance of torch.distributions.Distribution")
        count = component_distribution.batch_shape[-1:]
        if mixture_distribution.logits.shape[-1:] != count:
            raise ValueError(
                f"`mixture_distribution component` ({mixture_distribution.param_shape[-1]}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({component_distribution.batch_shape[-1]})"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(component_distribution.batch_shape[:-1], component_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        count = self._component_distribution.batch_shape[-1]
        mixture = self._mixture_distribution.expand(tuple(batch_shape))
        return MixtureSameFamily(mixture, self._component_distribution.expand((*batch_shape, count)))

    @property
    def mixture_distribution(self) -> Categorical:
        """What chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """What is chosen from."""
        return self._component_distribution

    @property
    def support(self) -> Constraint:
        """That of the components."""
        return self._component_distribution.support

    @property
    def _place(self) -> int:
        return -1 - self._event_ndims

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape(*probs.shape, *(1,) * self._event_ndims)

    @property
    def mean(self) -> Tensor:
        return sum(self._weights() * self._component_distribution.mean, self._place)

    @property
    def variance(self) -> Tensor:
        weights, parts = self._weights(), self._component_distribution
        within = sum(weights * parts.variance, self._place)
        return within + sum(weights * (parts.mean - self.mean.unsqueeze(self._place)).pow(2.0), self._place)

    def cdf(self, value: Tensor) -> Tensor:
        below = self._component_distribution.cdf(value.unsqueeze(self._place))
        return sum(below * self._mixture_distribution.probs, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        parts = self._component_distribution.log_prob(value.unsqueeze(self._place))
        return logsumexp(parts + self._mixture_distribution.logits.log_softmax(-1), -1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            dim = len(sample_shape) + len(self.batch_shape)
            chosen = self._mixture_distribution.sample(sample_shape)
            values = self._component_distribution.sample(sample_shape)
            places = chosen.reshape(*chosen.shape, *(1,) * (self._event_ndims + 1))
            places = places.repeat(*(1,) * chosen.dim(), 1, *self.event_shape)
            return gather(values, dim, places).squeeze(dim)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
