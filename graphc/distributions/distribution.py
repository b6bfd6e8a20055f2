"""The base of the distributions, and how their parameters are given.

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from graphc.autograd.modes import enable_grad, no_grad
from graphc.creation import tensor
from graphc.distributions.constraints import Constraint
from graphc.ops.functions.shaping import broadcast_tensors
from graphc.ops.promotion import get_default_dtype
from graphc.storage import Size
from graphc.tensor import Tensor


class lazy(cached_property):
    """A property that is computed when it is first asked for, within the graph whoever asks."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        with enable_grad():
            return super().__get__(instance, owner)


class Distribution:
    """A family of probability distributions, one for each element of its parameters' common shape.

    ``batch_shape`` is the shape of the parameters, ``event_shape`` that of one value. Parameters are checked against
    ``arg_constraints`` and values against ``support``, unless ``validate_args`` is False.
    """

    has_rsample: ClassVar[bool] = False
    has_enumerate_support: ClassVar[bool] = False
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {}
    support: Any = None
    # The parameters that are tensors, by name, with how many of their last dims belong to one value.
    _event_dims: ClassVar[Mapping[str, int]] = {}
    _validate_args: bool = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Switches the checks on or off for all distributions made from now on."""
        if not isinstance(value, bool):
            raise ValueError(f"expected True or False, but got {value!r}")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None
    ):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            # What is computed from other parameters when it is asked for needs no check.
            value = vars(self).get(name, None if name in self._event_dims else getattr(self, name, None))
            if value is None or constraint.check(value).all():
                continue
            raise ValueError(
                f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
            )

    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The distribution with its parameters expanded to a shape."""
        batch_shape = Size(batch_shape)
        new = object.__new__(type(self))
        for name, event_dims in self._event_dims.items():
            value = vars(self).get(name)
            if value is not None:
                setattr(new, name, value.expand(*batch_shape, *value.shape[value.dim() - event_dims :]))
        Distribution.__init__(new, batch_shape, self._event_shape, False)
        new._validate_args = self._validate_args
        return new

    # -- what a distribution tells -------------------------------------------------------------------------------

    @property
    def mean(self) -> Tensor:
        """The mean of each distribution."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most likely value of each distribution."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance of each distribution."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Values drawn from each distribution, of a shape before that of the batch; outside the graph."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """As :meth:`sample`, of values through which gradients flow to the parameters."""
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, of values. Raises ValueError outside the support."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to these."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The values up to which the probability is that given."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along the first dim."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy of each distribution, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    # -- for the distributions themselves ------------------------------------------------------------------------

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size((*Size(sample_shape), *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        """Raises ValueError, with PyTorch's words, for what is no value of this distribution."""
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, rank = value.shape, len(self._event_shape)
        if tuple(shape[len(shape) - rank :]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.size()} vs {self._event_shape}."
            )
        whole = self._extended_shape()
        for given, own in zip(reversed(shape), reversed(whole), strict=False):
            if given not in (1, own) and own != 1:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.size()} vs {whole}.")
        support = self.support
        if support is not None and not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        given = [(name, vars(self)[name]) for name in self.arg_constraints if name in vars(self)]
        shown = ", ".join(f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in given)
        return f"{type(self).__name__}({shown})"


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape. Numbers take the dtype of the first tensor, else the default one.

    Raises ValueError for what is neither.
    """
    if not all(isinstance(value, (Tensor, float, int, complex, np.number)) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    dtype = next((value.dtype for value in values if isinstance(value, Tensor)), get_default_dtype())
    return broadcast_tensors(*(value if isinstance(value, Tensor) else tensor(value, dtype=dtype) for value in values))


def shape_of_parameters(value: Tensor, *given: Any) -> Size:
    """The batch's shape: that of the parameters, and none where all of them were given as numbers."""
    return value.shape if any(isinstance(each, Tensor) for each in given) else Size()


def sum_of_last(value: Tensor, count: int) -> Tensor:
    """The sum over so many last dims."""
    return value.reshape(*value.shape[: value.dim() - count], -1).sum(-1) if count else value
