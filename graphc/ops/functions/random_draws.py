"""What random functions have in common: draws within programs, trials of probabilities, and integers of a range."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, float32, int64
from graphc.ops.functions.factories import not_implemented
from graphc.ops.functions.loss_reduction import require_values
from graphc.ops.functions.random_values import drawn, draws_here, in_order, laid_out, memory_order, ordered_shape
from graphc.ops.number_limits import finfo
from graphc.ops.operands import broadcast_shapes, cast, expand
from graphc.ops.pointwise import Copy
from graphc.ops.random_numbers import WIDE_RANGE
from graphc.ops.sources import RandomUniform, converted
from graphc.ops.type_names import scalar_name
from graphc.randomness import sampling
from graphc.randomness.stream import RandomStream
from graphc.sizes import stretches

Value = Any


def program_draws(input: Value, primitive: type[Primitive], dtype: DType | None = None, **attrs: Any) -> Value:
    """What a random primitive draws within a program: numbers of a tensor's shape, in the order of its memory."""
    order = memory_order(input)

    def make(primitive: type[Primitive], **attrs: Any) -> Value:
        return input.apply(primitive.instance, (), attrs)

    own = input.dtype if dtype is None else dtype
    return in_order(drawn(make, primitive, ordered_shape(input, order), own, **attrs), order)


def program_integers(input: Value, primitive: type[Primitive], **attrs: Any) -> Value:
    """Integers that a random primitive draws within a program, of a tensor's shape and dtype, in the order of its
    memory."""
    order = memory_order(input)
    whole = input.apply(primitive.instance, (), {"shape": ordered_shape(input, order), "dtype": int64, **attrs})
    return cast(in_order(whole, order), input.dtype)


@stretches
def is_empty(input: Value) -> bool:
    """Whether there is nothing to draw: PyTorch then asks no more, not even for a dtype that can be drawn."""
    return 0 in tuple(input.shape)


def trials(input: Value, p: Value, generator: RandomStream | None) -> Value:
    """Ones of the probabilities that a floating tensor holds, and zeros, of the input's shape and dtype.

    A number of the probabilities' dtype is drawn for each; halves compare with float32. Raises NotImplementedError for
    probabilities of another dtype, RuntimeError for some outside [0, 1].
    """
    if is_empty(input):
        return Copy.bind(input)
    if input.dtype.is_complex:
        raise not_implemented("bernoulli_tensor_cpu_self_", input.dtype)
    if not p.dtype.is_floating_point:
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    if broadcast_shapes(tuple(input.shape), tuple(p.shape)) != tuple(input.shape):
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(tuple(input.shape), tuple(p.shape)))}"
        )
    wide = cast(p, float32) if p.dtype.is_half else p
    stream = draws_here(input, generator, "bernoulli")
    outside = RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    require_values(wide, lambda values: (values >= 0) & (values <= 1), outside)
    if stream is None:
        return cast(program_draws(input, RandomUniform, wide.dtype) < expand(wide, tuple(input.shape)), input.dtype)
    probabilities = np.broadcast_to(wide._array, input._array.shape)
    drawn_numbers = laid_out(stream.uniform(input.numel(), wide.dtype.numpy), input, wide.dtype)
    return input._beside((drawn_numbers < probabilities).astype(input.dtype.numpy))


def exact_limit(dtype: DType) -> int:
    """Up to where a floating dtype holds every integer."""
    return round(2.0 / finfo(dtype).eps)


def integer_range(low: int, high: int | None, dtype: DType) -> tuple[int, int]:
    """Where the integers in [low, high) of a dtype begin, and how many they are; up to the greatest for None.

    Raises RuntimeError, with PyTorch's words, for bounds in the wrong order or beyond the dtype.
    """
    if dtype.is_complex:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    if dtype.is_floating_point:
        least, most = -int(finfo(dtype).max), int(finfo(dtype).max)
        greatest = min(exact_limit(dtype), 2**63 - 1)
    elif dtype is bool_:
        least, most = 0, 1
        greatest = most
    else:
        limits = np.iinfo(dtype.numpy)
        least, most = int(limits.min), int(limits.max)
        greatest = most
    if high is None:
        if not least <= low <= most:
            raise RuntimeError(f"from is out of bounds for {scalar_name(dtype)}")
        return low, greatest - low + 1
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if not least <= low <= most:
        raise RuntimeError(f"from is out of bounds for {scalar_name(dtype)}")
    if not least <= high - 1 <= most:
        raise RuntimeError(f"to - 1 is out of bounds for {scalar_name(dtype)}")
    if dtype.is_floating_point:
        low, high = _representable(low, high, dtype)
    return low, high - low


def _representable(low: int, high: int, dtype: DType) -> tuple[int, int]:
    """Bounds between which rounding to a floating dtype does not leave the range."""
    digits = exact_limit(dtype).bit_length() - 1
    above = int(float(converted(np.asarray(low + 1), dtype)))
    if above < low:
        low = above + (1 << (abs(low + 1).bit_length() - digits))
    below = int(float(converted(np.asarray(high - 1), dtype)))
    if below >= high:
        high = below - (1 << (abs(high - 1).bit_length() - digits))
    return low, high


def integers(stream: RandomStream, count: int, low: int, span: int) -> np.ndarray:
    """``count`` integers from ``low`` on, out of ``span``, as int64."""
    draws = sampling.below(stream, count, span, wide=span >= WIDE_RANGE)
    return draws.view(np.int64) + np.int64(low)
