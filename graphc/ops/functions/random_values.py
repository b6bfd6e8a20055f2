"""Random values of any floating or complex dtype, from the two that programs draw: float32 and float64."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, float32
from graphc.ops.comparisons import Where
from graphc.ops.complex_numbers import ViewAsComplex
from graphc.ops.gathers import Cat
from graphc.ops.pointwise import Cast
from graphc.ops.sources import RandomBernoulli, RandomNormal, RandomUniform, converted, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Permute, Reshape, Slice
from graphc.randomness.generator import default_generator
from graphc.randomness.stream import RandomStream
from graphc.recording import state
from graphc.sizes import stretches
from graphc.storage import widest_first

Shape = tuple[Dimension, ...]
# PyTorch draws normal numbers in blocks of so many.
_BLOCK = 16
# What PyTorch calls the kernels that refuse a dtype.
_KERNELS = {
    RandomBernoulli: "bernoulli_scalar_cpu_",
    RandomNormal: "normal_kernel_cpu",
    RandomUniform: "check_uniform_bounds",
}


def require_drawable(primitive: type[Primitive], dtype: DType) -> None:
    """Raises NotImplementedError, with PyTorch's words, for a dtype whose values a random primitive can't give."""
    kernel = _KERNELS.get(primitive)
    if dtype.is_complex if primitive is RandomBernoulli else not dtype.is_differentiable:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(dtype)}'")


@stretches
def drawn(
    make: Callable[..., Any],
    primitive: type[Primitive],
    shape: Shape,
    dtype: DType,
    *,
    rounds_halves: bool = True,
    **attrs: Any,
) -> Any:
    """What a random primitive draws, in any dtype: ``make(primitive, shape=..., dtype=..., **attrs)`` draws it.

    As PyTorch, halves are float32 values rounded (or, with ``rounds_halves`` False, still to be rounded), and the parts
    of complex values are drawn side by side, normal ones with a variance of 1/2. Raises NotImplementedError for an
    integer dtype.
    """
    if 0 not in shape or primitive is RandomUniform:
        require_drawable(primitive, dtype)
    if dtype.is_complex:
        pairs = make(primitive, shape=(*shape, 2), dtype=dtype.to_real(), **attrs)
        if primitive is RandomNormal:
            pairs = pairs * number_like(pairs, math.sqrt(0.5))
        if 0 in shape:
            return Cast.bind(Reshape.bind(pairs, shape=shape), dtype=dtype)
        return ViewAsComplex.bind(pairs)
    if not dtype.is_half or primitive is RandomBernoulli:
        return make(primitive, shape=shape, dtype=dtype, **attrs)
    count = product(shape)
    if primitive is RandomNormal and isinstance(count, int) and count > _BLOCK and count % _BLOCK:
        # Halves are drawn block by block, and nothing is drawn in vain before the last block.
        whole = make(primitive, shape=(count - count % _BLOCK,), dtype=float32)
        first = Slice.bind(whole, starts=(0,), stops=(count - _BLOCK,), steps=(1,))
        values = Reshape.bind(Cat.bind(first, make(primitive, shape=(_BLOCK,), dtype=float32), dim=0), shape=shape)
    else:
        values = make(primitive, shape=shape, dtype=float32, **attrs)
    if not rounds_halves:
        return values
    halves = Cast.bind(values, dtype=dtype)
    if primitive is RandomUniform:
        # One is not in the range, and what is rounded to it becomes zero.
        return Where.bind(halves == number_like(halves, 1), number_like(halves, 0), halves)
    return halves


def with_own_streams(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes a ``generator``, so that programs that are recorded draw from one of the user's too."""
    parameters = inspect.signature(function).parameters
    place = list(parameters).index("generator")
    by_position = parameters["generator"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD

    @functools.wraps(function)
    def draw(*arguments: Any, **keywords: Any) -> Any:
        if state.recorder is None:
            return function(*arguments, **keywords)
        given = by_position and len(arguments) > place
        generator = arguments[place] if given else keywords.get("generator")
        if generator is None:
            return function(*arguments, **keywords)
        require_generator(function.__name__, generator)
        if given:
            arguments = (*arguments[:place], None, *arguments[place + 1 :])
        with state.recorder.drawing_from(generator):
            return function(*arguments, **{**keywords, "generator": None} if not given else keywords)

    return draw


def draws_here(value: Any, generator: RandomStream | None, name: str) -> RandomStream | None:
    """The generator to draw from for a tensor that runs without being recorded; None where a primitive must draw."""
    if generator is not None:
        require_generator(name, generator)
    if state.recorder is not None or not value.is_eager:
        return None
    return default_generator if generator is None else generator


def require_generator(name: str, generator: Any) -> None:
    """Raises TypeError for what is no generator."""
    if not isinstance(generator, RandomStream):
        kind = type(generator).__name__
        raise TypeError(f"{name}(): argument 'generator' must be torch.Generator, not {kind}")


def memory_order(value: Any) -> tuple[int, ...]:
    """The dims of a tensor by their strides: PyTorch draws in the order of the memory. Of a symbol as they come."""
    return widest_first(value._array) if value.is_eager else tuple(range(value.ndim))


def ordered_shape(value: Any, order: tuple[int, ...]) -> Shape:
    """The shape of a value with its dims in an order."""
    return tuple(value.shape[dim] for dim in order)


def in_order(drawn: Any, order: tuple[int, ...]) -> Any:
    """Values whose dims come in an order, with the dims in their own places."""
    if order == tuple(range(len(order))):
        return drawn
    return Permute.bind(drawn, dims=tuple(order.index(dim) for dim in range(len(order))))


def laid_out(flat: np.ndarray, value: Any, dtype: DType | None = None) -> np.ndarray:
    """A vector of numbers that were drawn in the order of a tensor's memory, as an array of its shape and dtype."""
    order = memory_order(value)
    array = converted(flat, value.dtype if dtype is None else dtype).reshape(ordered_shape(value, order))
    return array if order == tuple(range(len(order))) else array.transpose(np.argsort(order))
