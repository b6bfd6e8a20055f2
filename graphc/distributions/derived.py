"""Distributions that are made of others: ratios, reciprocals, powers, and logistic maps; and angles.

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from graphc import special
from graphc.autograd.modes import no_grad
from graphc.creation import rand, zeros
from graphc.distributions import constraints
from graphc.distributions.constraints import Constraint
from graphc.distributions.continuous import Uniform
from graphc.distributions.distribution import Distribution, broadcast_all, lazy, shape_of_parameters
from graphc.distributions.gamma import Gamma
from graphc.distributions.normal import Normal
from graphc.distributions.transformed import NamedTransform
from graphc.distributions.transforms import AffineTransform, PowerTransform, StickBreakingTransform
from graphc.ir.types import bool_, float64
from graphc.ops.functions.arithmetic import where
from graphc.ops.functions.creation import full_like, ones_like, zeros_like
from graphc.ops.number_limits import finfo
from graphc.tensor import Tensor

_EULER = 0.57721566490153286060


class FisherSnedecor(Distribution):
    """Ratios of two estimated variances, of ``df1`` and ``df2`` degrees of freedom."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    _event_dims: ClassVar[Mapping[str, int]] = {"df1": 0, "df2": 0}

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(shape_of_parameters(self.df1, df1, df2), (), validate_args)

    @property
    def mean(self) -> Tensor:
        return where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        return where(self.df1 > 2, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2), math.nan)

    @property
    def variance(self) -> Tensor:
        first, second = self.df1, self.df2
        found = 2 * second.pow(2) * (first + second - 2) / (first * (second - 2).pow(2) * (second - 4))
        return where(second > 4, found, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        above = Gamma(self.df1 * 0.5, self.df1).rsample(sample_shape)
        below = Gamma(self.df2 * 0.5, self.df2).rsample(sample_shape)
        tiny = finfo(below.dtype).tiny
        return (above / below.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        one, two, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        scale = (one + two).lgamma() - one.lgamma() - two.lgamma() + one * ratio.log()
        return scale + (one - 1) * value.log() - (one + two) * (ratio * value).log1p()


class InverseGamma(NamedTransform):
    """Reciprocals of gamma numbers."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args)

    @property
    def concentration(self) -> Tensor:
        """The shape parameter."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The scale."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        return where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), math.inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Kumaraswamy(NamedTransform):
    """Numbers between 0 and 1, much like those of a beta distribution, with a closed form."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(zeros_like(self.concentration0), ones_like(self.concentration0), validate_args)
        parts = [
            PowerTransform(self.concentration0.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(base, parts, validate_args)

    def _moment(self, order: int) -> Tensor:
        a, b = 1 + order / self.concentration1, self.concentration0
        return b * (a.lgamma() + b.lgamma() - (a + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        logarithm = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return where((b < 1) | (a < 1), full_like(b, math.nan), logarithm).exp()

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * ((b + 1).digamma() + _EULER) - a.log() - b.log()


class LogisticNormal(NamedTransform):
    """Points of a simplex whose logistic coordinates are normal numbers."""

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base if base.batch_shape else base.expand([1]), StickBreakingTransform(), validate_args)

    def expand(self, batch_shape: Sequence[int]) -> LogisticNormal:
        shape = (*batch_shape, self.loc.shape[-1])
        return LogisticNormal(self.loc.expand(shape), self.scale.expand(shape))

    @property
    def loc(self) -> Tensor:
        """The means of the coordinates."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviations of the coordinates."""
        return self.base_dist.base_dist.scale


class VonMises(Distribution):
    """Angles around ``loc``, in radians from -pi to pi, the closer the greater ``concentration`` is.

    Drawn by rejection in float64; source: Best and Fisher, Efficient simulation of the von Mises distribution, Applied
    Statistics 28 (1979). Mean and variance are those of directions.
    """

    arg_constraints: ClassVar[Mapping[str, Constraint]] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real
    _event_dims: ClassVar[Mapping[str, int]] = {"loc": 0, "concentration": 0}

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy
    def variance(self) -> Tensor:
        """1 less the mean length of the sum of two directions."""
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    @lazy
    def _bend(self) -> Tensor:
        """The parameter of the wrapped Cauchy distribution that is drawn from first."""
        kappa = self.concentration.to(float64)
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        return where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))

    @no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        loc, kappa, bend = self.loc.to(float64), self.concentration.to(float64), self._bend
        angle, done = zeros(shape, dtype=float64), zeros(shape, dtype=bool_)
        while not done.all():
            first, second, third = rand((3, *shape), dtype=float64).unbind()
            z = (math.pi * first).cos()
            cosine = (1 + bend * z) / (bend + z)
            c = kappa * (bend - cosine)
            accepted = (c * (2 - c) - second > 0) | ((c / second).log() + 1 - c >= 0)
            angle = where(accepted, (third - 0.5).sign() * cosine.acos(), angle)
            done = done | accepted
        return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        kappa = self.concentration
        return kappa * (value - self.loc).cos() - math.log(2 * math.pi) - (special.i0e(kappa).log() + kappa)
