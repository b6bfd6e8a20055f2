"""Normal distributions, of numbers, of their logarithms, and of vectors.

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from graphc import linalg
from graphc.autograd.modes import no_grad
from graphc.creation import eye, randn
from graphc.distributions import constraints
from graphc.distributions.constraints import Constraint
from graphc.distributions.distribution import Distribution, broadcast_all, lazy, shape_of_parameters
from graphc.ops.functions.sampling import normal
from graphc.ops.operands import broadcast_shapes
from graphc.tensor import Tensor

_LOG_TAU = math.log(2 * math.pi)


class Normal(Distribution):
    """Normal numbers of a mean ``loc`` and a standard deviation ``scale``."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    _event_dims: ClassVar[Mapping[str, int]] = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(shape_of_parameters(self.loc, loc, scale), (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + drawn * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        distance = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -distance - self.scale.log() - _LOG_TAU / 2

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * _LOG_TAU + self.scale.log()


class LogNormal(Distribution):
    """Numbers whose logarithms are normal, of a mean ``loc`` and a standard deviation ``scale`` of these."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.base_dist = Normal(loc, scale, validate_args)
        super().__init__(self.base_dist.batch_shape, (), validate_args)

    def expand(self, batch_shape: Sequence[int]) -> LogNormal:
        new = super().expand(batch_shape)
        new.base_dist = self.base_dist.expand(batch_shape)
        return new

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithms."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithms."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return self.base_dist.sample(sample_shape).exp()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logarithm = value.log()
        return self.base_dist.log_prob(logarithm) - logarithm

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self.base_dist.cdf(value.log())

    def icdf(self, value: Tensor) -> Tensor:
        return self.base_dist.icdf(value).exp()

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc


class MultivariateNormal(Distribution):
    """Normal vectors of a mean ``loc`` [..., n] and one of these [..., n, n]: their covariance, its inverse, or the
    lower triangular matrix that the covariance is the product of with its transpose."""

    has_rsample = True
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    _event_dims: ClassVar[Mapping[str, int]] = {
        "loc": 1,
        "covariance_matrix": 2,
        "precision_matrix": 2,
        "scale_tril": 2,
    }

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            what = f"{name} matrix" if name == "scale_tril" else name
            raise ValueError(f"{what} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        setattr(self, name, matrix.expand(*batch_shape, -1, -1))
        self.loc = loc.expand(*batch_shape, -1)
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args)

    @lazy
    def scale_tril(self) -> Tensor:
        """The lower triangular factor of the covariance [..., n, n]."""
        return self._factor

    @lazy
    def _factor(self) -> Tensor:
        # Under a name of its own, since those that are there are shown.
        if "scale_tril" in vars(self):
            return self.scale_tril
        if "covariance_matrix" in vars(self):
            return linalg.cholesky(self.covariance_matrix)
        # The factor of the inverse with rows and columns turned round is that of the inverse's other triangle.
        turned = linalg.cholesky(self.precision_matrix.flip((-2, -1))).flip((-2, -1)).mT
        identity = eye(self._event_shape[0], dtype=self.loc.dtype)
        return linalg.solve_triangular(turned, identity, upper=False)

    @lazy
    def covariance_matrix(self) -> Tensor:
        """The covariance [..., n, n]."""
        return self._factor @ self._factor.mT

    @lazy
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance [..., n, n]."""
        return self._factor.cholesky_inverse()

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self._factor.pow(2).sum(-1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._factor.contiguous() @ drawn.unsqueeze(-1)).squeeze(-1)

    def _half_log_determinant(self) -> Tensor:
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        distance = squared_distance(self._factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * _LOG_TAU + distance) - self._half_log_determinant()

    def entropy(self) -> Tensor:
        return 0.5 * self._event_shape[0] * (1.0 + _LOG_TAU) + self._half_log_determinant()


def squared_distance(scale_tril: Tensor, difference: Tensor) -> Tensor:
    """Mahalanobis' distance of a difference [..., n] by the triangular factor of a covariance [..., n, n], squared."""
    batch = broadcast_shapes(tuple(scale_tril.shape[:-2]), tuple(difference.shape[:-1]))
    factor = scale_tril.expand(*batch, -1, -1)
    solved = linalg.solve_triangular(factor, difference.expand(*batch, -1).unsqueeze(-1), upper=False)
    return solved.squeeze(-1).pow(2).sum(-1)
