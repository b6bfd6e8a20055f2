"""What parameters and values of distributions have to satisfy.

Source: https://docs.pytorch.org/docs/stable/distributions.html#module-torch.distributions.constraints
"""

from __future__ import annotations

from typing import Any, ClassVar

from graphc import linalg
from graphc.missing_names import lazy_names
from graphc.tensor import Tensor

__getattr__ = lazy_names(__name__)


class Constraint:
    """A region of values; the last ``event_dim`` dims of a tensor are one value."""

    is_discrete: bool = False
    event_dim: int = 0
    _bounds: ClassVar[tuple[str, ...]] = ()

    def check(self, value: Tensor) -> Tensor:
        """Whether each value lies in the region: bool, without the dims of one value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name in self._bounds)
        return f"{type(self).__name__}({bounds})"


class Real(Constraint):
    """All numbers but NaN."""

    def check(self, value: Tensor) -> Tensor:
        return value.isnan().logical_not()


class Boolean(Constraint):
    """0 and 1."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)


class OneHot(Constraint):
    """Vectors of zeros and a single one."""

    is_discrete = True
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class Interval(Constraint):
    """Numbers from ``lower_bound`` to ``upper_bound``."""

    _bounds = ("lower_bound", "upper_bound")

    def __init__(self, lower_bound: Any, upper_bound: Any):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    def check(self, value: Tensor) -> Tensor:
        return (value >= self.lower_bound) & (value <= self.upper_bound)


class IntegerInterval(Interval):
    """Integers from ``lower_bound`` to ``upper_bound``."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value % 1 == 0) & super().check(value)


class GreaterThan(Constraint):
    """Numbers above ``lower_bound``."""

    _bounds = ("lower_bound",)

    def __init__(self, lower_bound: Any):
        self.lower_bound = lower_bound

    def check(self, value: Tensor) -> Tensor:
        return value > self.lower_bound


class GreaterThanEq(GreaterThan):
    """``lower_bound`` and the numbers above."""

    def check(self, value: Tensor) -> Tensor:
        return value >= self.lower_bound


class IntegerGreaterThan(GreaterThan):
    """``lower_bound`` and the integers above."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value % 1 == 0) & (value >= self.lower_bound)


class LessThan(Constraint):
    """Numbers below ``upper_bound``."""

    _bounds = ("upper_bound",)

    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound

    def check(self, value: Tensor) -> Tensor:
        return value < self.upper_bound


class Simplex(Constraint):
    """Vectors of numbers that are not negative and sum to 1 (within 1e-6)."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class LowerCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        is_lower = (value.tril() == value).flatten(-2).all(-1)
        return is_lower & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class PositiveDefinite(Constraint):
    """Symmetric matrices (within 1e-6) whose eigenvalues are positive."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        is_symmetric = value.isclose(value.mT, atol=1e-6).flatten(-2).all(-1)
        if not is_symmetric.all():
            return is_symmetric
        return linalg.cholesky_ex(value).info == 0


class IndependentConstraint(Constraint):
    """Values of ``reinterpreted_batch_ndims`` dims more, each element of which satisfies another constraint."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        result = self.base_constraint.check(value)
        count = self.reinterpreted_batch_ndims
        if result.dim() < count:
            raise ValueError(
                f"Expected value.dim() >= {self.event_dim} but got {value.dim()}: there are too few dims for {self!r}"
            )
        return result.reshape(*result.shape[: result.dim() - count], -1).all(-1) if count else result

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


real = Real()
boolean = Boolean()
one_hot = OneHot()
positive = GreaterThan(0.0)
nonnegative = GreaterThanEq(0.0)
nonnegative_integer = IntegerGreaterThan(0)
unit_interval = Interval(0.0, 1.0)
simplex = Simplex()
lower_cholesky = LowerCholesky()
positive_definite = PositiveDefinite()
independent = IndependentConstraint
real_vector = IndependentConstraint(real, 1)
interval = Interval
integer_interval = IntegerInterval
greater_than = GreaterThan
greater_than_eq = GreaterThanEq
less_than = LessThan
