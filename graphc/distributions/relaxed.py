"""Discrete choices made smooth: numbers and vectors near the choice, nearer the lower a temperature.

Source: Jang, Gu, and Poole, Categorical Reparameterization with Gumbel-Softmax, arXiv:1611.01144; Maddison, Mnih, and
Teh, The Concrete Distribution, arXiv:1611.00712.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from graphc.creation import rand
from graphc.distributions import constraints
from graphc.distributions.constraints import Constraint
from graphc.distributions.discrete import Bernoulli, Categorical, within_open_interval
from graphc.distributions.distribution import Distribution, broadcast_all
from graphc.distributions.transformed import TransformedDistribution
from graphc.distributions.transforms import ExpTransform, SigmoidTransform
from graphc.ops.functions.creation import full_like
from graphc.ops.functions.shaping import broadcast_tensors
from graphc.tensor import Tensor


class _OfChoice(Distribution):
    """A distribution with the parameters of another: the choice that it is near to."""

    _choice: Distribution

    @property
    def probs(self) -> Tensor:
        """The probabilities: of 1, or of each kind."""
        return self._choice.probs

    @property
    def logits(self) -> Tensor:
        """The log-odds of 1, or the logarithms of the probabilities."""
        return self._choice.logits


class _Relaxed(TransformedDistribution, _OfChoice):
    """What a transform makes of a distribution of logarithms."""

    @property
    def _choice(self) -> Any:
        return self.base_dist

    @property
    def temperature(self) -> Any:
        """How far its values are from those of a choice."""
        return self.base_dist.temperature


class LogitRelaxedBernoulli(_OfChoice):
    """The log-odds of numbers near 0 and 1, nearer the lower the temperature."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = Bernoulli.arg_constraints
    support = constraints.real

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.temperature, self._choice = temperature, Bernoulli(probs, logits, validate_args)
        super().__init__(self._choice.batch_shape, (), validate_args)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        return LogitRelaxedBernoulli(self.temperature, probs=self.probs.expand(batch_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        probs = within_open_interval(self.probs.expand(shape))
        drawn = within_open_interval(rand(shape, dtype=probs.dtype))
        return (drawn.log() - (-drawn).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        difference = logits - value.mul(self.temperature)
        return self.temperature.log() + difference - 2 * difference.exp().log1p()


class RelaxedBernoulli(_Relaxed):
    """Numbers between 0 and 1, near 0 or 1 the lower the temperature."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = Bernoulli.arg_constraints
    support = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args)


class ExpRelaxedCategorical(_OfChoice):
    """The logarithms of vectors near those with a single one."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = Categorical.arg_constraints
    support = constraints.real_vector

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        self._choice, self.temperature = Categorical(probs, logits), temperature
        shape = self._choice.param_shape
        super().__init__(self._choice.batch_shape, shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[int]) -> Any:
        return ExpRelaxedCategorical(self.temperature, logits=self.logits.expand(*batch_shape, self.event_shape[0]))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = within_open_interval(rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits + -((-(drawn.log())).log())) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        count = self.event_shape[0]
        logits, value = broadcast_tensors(self.logits, value)
        scale = full_like(self.temperature, float(count)).lgamma() - self.temperature.log().mul(-(count - 1))
        score = logits - value.mul(self.temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(_Relaxed):
    """Probabilities, nearer to a single one the lower the temperature."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = Categorical.arg_constraints
    support = constraints.simplex

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args)
