"""Filling tensors with random numbers in place, with PyTorch's numbers for the same seed.

The elements are drawn in the order of the memory, within a compiled function too.
Source: https://docs.pytorch.org/docs/stable/torch.html#in-place-random-sampling
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, float32, float64, int64
from graphc.ops.complex_numbers import ViewAsComplex, ViewAsReal
from graphc.ops.describing import described
from graphc.ops.functions import arithmetic, elementary
from graphc.ops.functions.factories import not_implemented
from graphc.ops.functions.random_draws import (
    exact_limit,
    integer_range,
    integers,
    is_empty,
    program_draws,
    program_integers,
    trials,
)
from graphc.ops.functions.random_values import (
    draws_here,
    in_order,
    laid_out,
    memory_order,
    ordered_shape,
    require_drawable,
)
from graphc.ops.number_limits import finfo
from graphc.ops.operands import cast
from graphc.ops.pointwise import Copy
from graphc.ops.random_numbers import (
    RandomBits,
    RandomExponential,
    RandomIntegers,
    RandomLogNormal,
    RandomSerialNormal,
)
from graphc.ops.sources import RandomBernoulli, RandomNormal, RandomUniform, number_like
from graphc.ops.type_names import scalar_name, type_name
from graphc.randomness import sampling
from graphc.randomness.stream import RandomStream
from graphc.recording import refuse_in_capture

NAMESPACE = "Tensor"
__all__: list[str] = []
METHODS = (
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
)

Value = Any
Draw = Callable[[RandomStream, int], np.ndarray]
# Fewer normal numbers than these are made pair by pair, and so are those of a tensor that is not contiguous.
_BLOCK = 16


def _write(input: Value, values: Value, node: str) -> Value:
    """Overwrite a tensor with values that do not depend on it."""
    return input._assign(described(Copy.bind(input._replaced_by(values)), f"{node}(input)", input))


def _fill(input: Value, stream: RandomStream, draw: Draw, node: str) -> Value:
    """Overwrite a tensor with as many numbers as it has elements."""
    values = laid_out(draw(stream, input.numel()), input)
    return _write(input, input.from_array(values), node)


def _scaled(values: Value, factor: float, offset: float) -> Value:
    """values * factor + offset, these two in the values' precision; of float32 in double precision, so that the result
    is rounded once. Of complex values both parts are."""
    if values.dtype.is_complex:
        return ViewAsComplex.bind(_scaled(ViewAsReal.bind(values), factor, offset))
    kind = values.dtype.numpy.type
    wide = cast(values, float64) if values.dtype is float32 else values
    return cast(wide * float(kind(factor)) + float(kind(offset)), values.dtype)


def _serial(input: Value, primitive: type[Primitive], mean: float, std: float) -> Value:
    """What a random primitive of float64 draws within a program, of a tensor's shape and dtype."""
    order = memory_order(input)
    if input.dtype.is_complex:
        refuse_in_capture("normal_() of a complex tensor that is not contiguous")
    shape = ordered_shape(input, order)
    whole = input.apply(primitive.instance, (), {"shape": shape, "mean": float(mean), "std": float(std)})
    return cast(in_order(whole, order), input.dtype)


def normal_(input: Value, mean: float = 0, std: float = 1, *, generator: RandomStream | None = None) -> Value:
    """Fill with normal numbers of a mean and a standard deviation."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if is_empty(input):
        return input
    require_drawable(RandomNormal, input.dtype)
    stream = draws_here(input, generator, "normal_")
    in_blocks = input.is_contiguous() or input.numel() * (2 if input.dtype.is_complex else 1) < _BLOCK
    if stream is None:
        if not in_blocks:
            return _write(input, _serial(input, RandomSerialNormal, mean, std), "NormalBackward0")
        values = program_draws(input, RandomNormal, rounds_halves=False)
        return _write(input, cast(_scaled(values, std, mean), input.dtype), "NormalBackward0")

    def draw(stream: RandomStream, count: int) -> np.ndarray:
        dtype = input.dtype
        if in_blocks:
            return stream.normal(count, dtype.numpy, mean, std)
        if dtype.is_complex:
            normals = sampling.serial_normals(stream, 2 * count)
            return sampling.scaled(normals, std / math.sqrt(2), mean).view(np.complex128)
        return sampling.scaled(sampling.serial_normals(stream, count), std, mean)

    return _fill(input, stream, draw, "NormalBackward0")


def uniform_(input: Value, *bounds: float, generator: RandomStream | None = None, **named: float) -> Value:
    """Fill with uniform numbers in [from, to); from 0 to 1 by default."""
    low, high = _bounds("uniform_", bounds, named)
    require_drawable(RandomUniform, input.dtype)
    _require_uniform_bounds(low, high, input.dtype)
    stream = draws_here(input, generator, "uniform_")
    if stream is not None:
        return _fill(input, stream, lambda s, n: s.uniform(n, input.dtype.numpy, low, high), "UniformBackward0")
    dtype = input.dtype
    if (low, high) == (0, 1):
        return _write(input, program_draws(input, RandomUniform), "UniformBackward0")
    values = program_draws(input, RandomUniform, rounds_halves=False)
    kind = (values.dtype.to_real() if dtype.is_complex else values.dtype).numpy.type
    values = cast(_scaled(values, kind(high) - kind(low), low), dtype)
    if not dtype.is_complex:
        # Rounding may reach the upper bound, which is not in the range.
        values = arithmetic.where(values == number_like(values, high), number_like(values, low), values)
    return _write(input, values, "UniformBackward0")


def _bounds(name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[float, float]:
    low = given[0] if given else named.pop("from", 0)
    high = given[1] if len(given) > 1 else named.pop("to", 1)
    if named or len(given) > 2:
        unknown = next(iter(named), "a third number")
        raise TypeError(f"{name}() got an unexpected keyword argument '{unknown}'")
    return float(low), float(high)


def _require_uniform_bounds(low: float, high: float, dtype: DType) -> None:
    real = dtype.to_real() if dtype.is_complex else dtype
    greatest = finfo(real).max
    kind = type_name(real).lower()
    for name, value in (("from", low), ("to", high)):
        if not -greatest <= value <= greatest:
            raise RuntimeError(f"{name} is out of bounds for {kind}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > greatest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{type_name(real)}>::max(), but found to={high:g} and "
            f"from={low:g} which result in to-from to exceed the limit"
        )


def bernoulli_(input: Value, p: Any = 0.5, *, generator: RandomStream | None = None) -> Value:
    """Fill with ones of the probability ``p``, a number or a tensor that broadcasts to this one, and zeros."""
    if hasattr(p, "apply"):
        return _write(input, trials(input, p, generator), "BernoulliBackward1")
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if is_empty(input):
        return input
    if input.dtype.is_complex:
        raise not_implemented("bernoulli_scalar_cpu_", input.dtype)
    stream = draws_here(input, generator, "bernoulli_")
    if stream is not None:
        return _fill(input, stream, lambda s, n: s.bernoulli(float(p), n), "BernoulliBackward2")
    return _write(input, program_draws(input, RandomBernoulli, probability=float(p)), "BernoulliBackward2")


def exponential_(input: Value, lambd: float = 1, *, generator: RandomStream | None = None) -> Value:
    """Fill with exponential numbers of a rate, one over their mean."""
    if is_empty(input):
        return input
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {type_name(input.dtype)}"
        )
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    stream = draws_here(input, generator, "exponential_")
    if stream is not None:
        return _fill(input, stream, lambda s, n: s.exponential(n, np.float64, lambd), "ExponentialBackward0")
    values = program_draws(input, RandomExponential, float64, rate=float(lambd))
    return _write(input, cast(values, input.dtype), "ExponentialBackward0")


def geometric_(input: Value, p: float, *, generator: RandomStream | None = None) -> Value:
    """Fill with how many trials of probability ``p`` it takes to succeed."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if is_empty(input):
        return input
    if input.dtype is bool_ or input.dtype.is_complex:
        raise not_implemented("geometric_cpu", input.dtype)
    stream = draws_here(input, generator, "geometric_")
    if stream is not None:
        return _fill(input, stream, lambda s, n: sampling.geometric(s, n, p), "GeometricBackward0")
    values = arithmetic.log(program_draws(input, RandomUniform, float64)) / math.log(1.0 - p)
    return _write(input, cast(arithmetic.ceil(values), input.dtype), "GeometricBackward0")


def cauchy_(input: Value, median: float = 0, sigma: float = 1, *, generator: RandomStream | None = None) -> Value:
    """Fill with Cauchy numbers of a median and a half width."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {scalar_name(input.dtype)}"
        )
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    stream = draws_here(input, generator, "cauchy_")
    if stream is not None:
        return _fill(input, stream, lambda s, n: sampling.cauchy(s, n, median, sigma), "CauchyBackward0")
    values = elementary.tan((program_draws(input, RandomUniform, float64) - 0.5) * math.pi) * sigma + median
    return _write(input, cast(values, input.dtype), "CauchyBackward0")


def log_normal_(input: Value, mean: float = 1, std: float = 2, *, generator: RandomStream | None = None) -> Value:
    """Fill with numbers whose logarithms are normal, of a mean and a standard deviation."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if is_empty(input):
        return input
    if not input.dtype.is_floating_point:
        raise not_implemented("log_normal_cpu", input.dtype)
    stream = draws_here(input, generator, "log_normal_")
    if stream is None:
        return _write(input, _serial(input, RandomLogNormal, mean, std), "LogNormalBackward0")
    return _fill(input, stream, lambda s, n: sampling.log_normal(s, n, mean, std), "LogNormalBackward0")


def random_(input: Value, *bounds: int, generator: RandomStream | None = None, **named: int) -> Value:
    """Fill with integers in [from, to), from 0 where one bound is given; else with any that the dtype holds (of a
    floating dtype as many as it holds exactly)."""
    dtype = input.dtype
    low, high = _whole_bounds(bounds, named)
    if low is None and high is None:
        if is_empty(input):
            return input
        if dtype.is_complex:
            raise not_implemented("random_kernel_cpu", dtype)
    stream = draws_here(input, generator, "random_")
    if stream is None:
        if low is None and high is None:
            return _write(input, _any_integers_of_program(input), "RandomBackward2")
        start, span = integer_range(low or 0, high, dtype)
        values = program_integers(input, RandomIntegers, low=start, span=span)
        return _write(input, values, "RandomBackward1" if low is None else "RandomBackward0")
    if low is None and high is None:
        return _fill(input, stream, lambda s, n: _any_integers(s, n, dtype), "RandomBackward2")
    node = "RandomBackward1" if low is None else "RandomBackward0"
    start, span = integer_range(low or 0, high, dtype)
    return _fill(input, stream, lambda s, n: integers(s, n, start, span), node)


def _any_integers_of_program(input: Value) -> Value:
    """Any integers that the dtype holds, drawn within a program."""
    dtype = input.dtype
    if dtype is bool_ or dtype.is_floating_point:
        span = 2 if dtype is bool_ else exact_limit(dtype) + 1
        return program_integers(input, RandomIntegers, low=0, span=span)
    return program_integers(input, RandomBits, bits=int(np.iinfo(dtype.numpy).max).bit_length())


def _whole_bounds(given: tuple[Any, ...], named: dict[str, Any]) -> tuple[int | None, int | None]:
    """The lower and the upper bound of integers; None where it is not given."""
    low, high = named.pop("from", None), named.pop("to", None)
    if named or len(given) > 2:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(named), 'a third number')}'")
    if len(given) == 2:
        low, high = given
    elif given and "to" not in named and high is None and low is None:
        high = given[0]
    elif given:
        low = given[0]
    for bound in (low, high):
        if bound is not None and (not hasattr(bound, "__index__") or isinstance(bound, bool)):
            raise TypeError(
                f"random_() received an invalid combination of arguments - got ({type(bound).__name__}), but expected "
                "integers"
            )
    return low, high


def _any_integers(stream: RandomStream, count: int, dtype: DType) -> np.ndarray:
    if dtype is bool_:
        return sampling.below(stream, count, 2, wide=False)
    if dtype.is_floating_point:
        return sampling.below(stream, count, exact_limit(dtype) + 1, wide=dtype is float64)
    wide = dtype is int64 or dtype.itemsize == 8
    return sampling.below(stream, count, int(np.iinfo(dtype.numpy).max) + 1, wide)
