"""Distributions of counts of trials.

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from graphc.autograd.modes import no_grad
from graphc.creation import arange, empty
from graphc.distributions import constraints
from graphc.distributions.constraints import Constraint
from graphc.distributions.discrete import Categorical, require_one, within_open_interval
from graphc.distributions.distribution import Distribution, broadcast_all, lazy, shape_of_parameters
from graphc.distributions.gamma import Gamma
from graphc.ops.functions.creation import ones_like, zeros_like
from graphc.ops.functions.sampling import binomial, poisson
from graphc.ops.functions.special_functions import xlogy
from graphc.ops.number_limits import finfo
from graphc.tensor import Tensor


class _OfTrials(Distribution):
    """What is told of by the probability of success, or by its log-odds."""

    def _take(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        require_one(probs, logits)
        value, *rest = broadcast_all(logits if probs is None else probs, *others)
        setattr(self, "logits" if probs is None else "probs", value)
        return tuple(rest)

    @lazy
    def probs(self) -> Tensor:
        """The probabilities of success."""
        return self.logits.sigmoid()

    @lazy
    def logits(self) -> Tensor:
        """The log-odds of success."""
        inside = within_open_interval(self.probs)
        return inside.log() - (-inside).log1p()

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return (self.probs if "probs" in vars(self) else self.logits).shape

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        raise NotImplementedError


_TRIALS: Mapping[str, Constraint] = {"probs": constraints.unit_interval, "logits": constraints.real}


class Geometric(_OfTrials):
    """The failures before the first success."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = _TRIALS
    support = constraints.nonnegative_integer
    _event_dims: ClassVar[Mapping[str, int]] = {"probs": 0, "logits": 0}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._take(probs, logits)
        given = logits if probs is None else probs
        super().__init__(self.param_shape if isinstance(given, Tensor) else (), (), validate_args)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            dtype = self.probs.dtype
            drawn = empty(self._extended_shape(sample_shape), dtype=dtype).uniform_(finfo(dtype).tiny, 1)
            return (drawn.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.masked_fill((probs == 1) & (value == 0), 0)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        probs = self.probs
        return -(xlogy(1 - probs, 1 - probs) + xlogy(probs, probs)) / probs


class Binomial(_OfTrials):
    """The successes of ``total_count`` trials."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"total_count": constraints.nonnegative_integer, **_TRIALS}
    _event_dims: ClassVar[Mapping[str, int]] = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(self.param_shape, (), validate_args)

    @property
    def support(self) -> Constraint:
        """The integers up to ``total_count``."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        count, logits = self.total_count, self.logits
        ways = (count + 1).lgamma() - (value + 1).lgamma() - (count - value + 1).lgamma()
        above = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2  # max(logits, 0), with a gradient at 0
        normalizer = count * above + count * (-logits.abs()).exp().log1p() - ways
        return value * logits - normalizer

    has_enumerate_support = True

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = arange(1 + count, dtype=self.param.dtype).reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values

    @property
    def param(self) -> Tensor:
        """The parameter that was given."""
        return self.probs if "probs" in vars(self) else self.logits

    def entropy(self) -> Tensor:
        if not self.total_count.min() == int(self.total_count.max()):
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)


class Multinomial(Distribution):
    """How often each category came in ``total_count`` draws."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = Categorical.arg_constraints

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count, self._categorical = total_count, Categorical(probs, logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    def expand(self, batch_shape: Sequence[int]) -> Any:
        return Multinomial(self.total_count, logits=self.logits.expand(*batch_shape, self.event_shape[0]))

    @property
    def support(self) -> Constraint:
        """Vectors of integers up to ``total_count``."""
        return constraints.independent(constraints.integer_interval(0, self.total_count), 1)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
            counts = drawn.new_zeros(self._extended_shape(sample_shape))
            return counts.scatter_add_(-1, drawn, ones_like(drawn)).to(self.probs.dtype)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        each = Binomial(self.total_count, self.probs)
        support = each.enumerate_support(expand=False)[1:]
        repeated = (each.log_prob(support).exp() * (support + 1).lgamma()).sum([0, -1])
        return self.total_count * self._categorical.entropy() - math.lgamma(self.total_count + 1) + repeated


class NegativeBinomial(_OfTrials):
    """The successes before ``total_count`` failures."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"total_count": constraints.nonnegative, **_TRIALS}
    support = constraints.nonnegative_integer
    _event_dims: ClassVar[Mapping[str, int]] = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        (self.total_count,) = self._take(probs, logits, total_count)
        super().__init__(shape_of_parameters(self.total_count, self.total_count), (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            rate = Gamma(self.total_count, (-self.logits).exp(), validate_args=False)
            return poisson(rate.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        plain = self.total_count * (-self.logits).sigmoid().log() + value * self.logits.sigmoid().log()
        normalizer = -(self.total_count + value).lgamma() + (1.0 + value).lgamma() + self.total_count.lgamma()
        return plain - normalizer.masked_fill(self.total_count + value == 0.0, 0.0)
