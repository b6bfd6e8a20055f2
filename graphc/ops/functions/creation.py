"""Values made in the likeness of another: numbers of its shape, dtype, and order in memory.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

from typing import Any

from graphc.ir.types import DType
from graphc.layouts import MemoryFormat, lay_in, preserve_format
from graphc.ops.functions.new_options import finished
from graphc.ops.functions.random_values import drawn, in_order, memory_order, ordered_shape
from graphc.ops.operands import cast, expand
from graphc.ops.pointwise import Copy
from graphc.ops.sources import RandomBernoulli, number_like
from graphc.ops.views import SliceUpdate
from graphc.recording import state

__all__ = ["empty_like", "fill", "full_like", "ones_like", "zeros_like"]
FUNCTIONS_ONLY = ("empty_like", "fill", "full_like", "ones_like", "zeros_like")

Value = Any


def full_like(
    input: Value,
    fill_value: float | int | bool,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """A number at every place of a new value of the input's shape and dtype (or the given dtype).

    Its elements lie in memory in the order of the input's, or in that of the memory format.
    """
    if layout is not None:
        layout.require()
    if hasattr(fill_value, "apply"):
        fill_value = fill_value.item()
    value = Copy.bind(number_like(input, fill_value, dtype=dtype))
    if value.is_eager:
        if memory_format is not preserve_format:
            value = memory_format.lay_out(value)
        elif input.ndim > 1 and (order := memory_order(input)) != tuple(range(input.ndim)):
            lay_in(value, order)
    return finished(value, device, requires_grad, input)


def zeros_like(
    input: Value,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """Zeros of the input's shape and dtype (or the given dtype)."""
    options = {"layout": layout, "device": device, "requires_grad": requires_grad, "memory_format": memory_format}
    return full_like(input, 0, dtype=dtype, **options)


def ones_like(
    input: Value,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """Ones of the input's shape and dtype (or the given dtype)."""
    options = {"layout": layout, "device": device, "requires_grad": requires_grad, "memory_format": memory_format}
    return full_like(input, 1, dtype=dtype, **options)


def empty_like(
    input: Value,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """A new value of the input's shape and dtype; its elements are zeros."""
    options = {"layout": layout, "device": device, "requires_grad": requires_grad, "memory_format": memory_format}
    return full_like(input, 0, dtype=dtype, **options)


def fill(input: Value, value: Any) -> Value:
    """A number, or a tensor without dimensions, at every place of a new value of the input's shape and dtype.

    Raises RuntimeError for a tensor with dimensions.
    """
    if not hasattr(value, "apply"):
        filled = Copy.bind(number_like(input, value))
    elif value.ndim:
        raise RuntimeError(f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    else:
        filled = Copy.bind(expand(cast(value, input.dtype), tuple(input.shape)))
    if not (state.gradients and getattr(input, "requires_grad", False)):
        return filled
    shape = tuple(input.shape)
    # The input has a gradient, of zeros.
    return SliceUpdate.bind(input, filled, starts=(0,) * len(shape), stops=shape, steps=(1,) * len(shape))


def bernoulli_like(input: Value, probability: float, *, dtype: DType | None = None) -> Value:
    """One with the given probability, else zero, of the input's shape and dtype (or the given dtype).

    Draws what PyTorch's ``empty_like(input).bernoulli_(probability)`` draws. Raises ValueError for a probability
    outside [0, 1].
    """
    order = memory_order(input)

    def make(primitive: Any, **attrs: Any) -> Value:
        primitive.instance.infer(**attrs)
        return input.apply(primitive.instance, (), attrs)

    own = input.dtype if dtype is None else dtype
    found = drawn(make, RandomBernoulli, ordered_shape(input, order), own, probability=float(probability))
    return in_order(found, order)
