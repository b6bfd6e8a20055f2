"""Values made in the likeness of another: numbers and random numbers of its shape and dtype.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

from typing import Any

from graphc.device import Device
from graphc.ir.types import DType
from graphc.ops.functions.random_values import drawn
from graphc.ops.pointwise import Copy
from graphc.ops.sources import RandomBernoulli, RandomNormal, RandomUniform, number_like

__all__ = ["empty_like", "full_like", "ones_like", "rand_like", "randn_like", "zeros_like"]
FUNCTIONS_ONLY = ("empty_like", "full_like", "ones_like", "rand_like", "randn_like", "zeros_like")

Value = Any


def full_like(
    input: Value,
    fill_value: float | int | bool,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Value:
    """A number at every place of a new value of the input's shape and dtype (or the given dtype)."""
    return _finished(Copy.bind(number_like(input, fill_value, dtype=dtype)), device, requires_grad)


def zeros_like(input: Value, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Value:
    """Zeros of the input's shape and dtype (or the given dtype)."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Value, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Value:
    """Ones of the input's shape and dtype (or the given dtype)."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Value, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Value:
    """A new value of the input's shape and dtype; its elements are zeros."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def rand_like(input: Value, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Value:
    """Uniform random numbers in [0, 1) of the input's shape and dtype. Raises TypeError for no floating dtype."""
    return _finished(_random(RandomUniform, input, dtype), device, requires_grad)


def randn_like(input: Value, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Value:
    """Normal random numbers of the input's shape and dtype. Raises TypeError for no floating dtype."""
    return _finished(_random(RandomNormal, input, dtype), device, requires_grad)


def bernoulli_like(input: Value, probability: float, *, dtype: DType | None = None) -> Value:
    """One with the given probability, else zero, of the input's shape and dtype (or the given dtype).

    Draws what PyTorch's ``empty_like(input).bernoulli_(probability)`` draws. Raises ValueError for a probability
    outside [0, 1].
    """
    return _random(RandomBernoulli, input, dtype, probability=float(probability))


def _random(primitive: Any, input: Value, dtype: DType | None, **attrs: Any) -> Value:
    def make(primitive: Any, **attrs: Any) -> Value:
        primitive.instance.infer(**attrs)
        return input.apply(primitive.instance, (), attrs)

    return drawn(make, primitive, tuple(input.shape), input.dtype if dtype is None else dtype, **attrs)


def _finished(value: Value, device: Any, requires_grad: bool) -> Value:
    if device is not None:
        Device.of(device).require()
    return value.requires_grad_() if requires_grad else value


__all__ = [
    "bernoulli_like",
    "empty_like",
    "full_like",
    "ones_like",
    "rand_like",
    "randn_like",
    "zeros_like",
]
