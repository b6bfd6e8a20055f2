"""Random samples by PyTorch's names, with PyTorch's numbers for the same seed.

Within a compiled function the program draws them, or its host: the same numbers.
Source: https://docs.pytorch.org/docs/stable/torch.html#random-sampling
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.types import DType, float32, float64
from graphc.layouts import MemoryFormat, preserve_format
from graphc.ops.cumulative import NarrowCumulativeSum
from graphc.ops.describing import described
from graphc.ops.functions.creation import empty_like
from graphc.ops.functions.factories import not_implemented
from graphc.ops.functions.loss_reduction import require_values
from graphc.ops.functions.new_options import finished
from graphc.ops.functions.random_draws import integer_range, integers, program_integers, trials
from graphc.ops.functions.random_filling import bernoulli_, normal_, uniform_
from graphc.ops.functions.random_values import draws_here, laid_out
from graphc.ops.functions.reduction import sum
from graphc.ops.functions.shaping import reshape, slice_dim, unsqueeze
from graphc.ops.gathers import Cat
from graphc.ops.number_limits import finfo
from graphc.ops.operands import broadcast_shapes, cast, expand, require_value
from graphc.ops.pointwise import Copy
from graphc.ops.random_numbers import RandomBinomial, RandomExponential, RandomIntegers, RandomPoisson
from graphc.ops.sorting import ArgSort, SearchSorted
from graphc.ops.sources import RandomUniform, number_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, SliceUpdate
from graphc.randomness import sampling
from graphc.randomness.stream import RandomStream
from graphc.recording import state

__all__ = ["bernoulli", "binomial", "multinomial", "normal", "poisson", "rand_like", "randint_like", "randn_like"]
METHODS = ("bernoulli", "multinomial")

Value = Any


def _without_slope(values: Value, node: str, *inputs: Value) -> Value:
    """Random values as results of tensors, whose gradient is zero."""
    for input in inputs:
        if hasattr(input, "apply") and state.gradients and getattr(input, "requires_grad", False):
            shape = tuple(values.shape)
            base = expand(cast(input, values.dtype), shape)
            whole = {"starts": (0,) * len(shape), "stops": shape, "steps": (1,) * len(shape)}
            values = described(Copy.bind(SliceUpdate.bind(base, values, **whole)), f"{node}(input)", input)
    return values


def rand_like(
    input: Value,
    *,
    generator: RandomStream | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """Uniform random numbers in [0, 1) of the input's shape and dtype. Raises NotImplementedError for integers."""
    made = empty_like(input, dtype=dtype, layout=layout, memory_format=memory_format)
    return finished(uniform_(made, generator=generator), device, requires_grad, input)


def randn_like(
    input: Value,
    *,
    generator: RandomStream | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """Normal random numbers of the input's shape and dtype. Raises NotImplementedError for integers."""
    made = empty_like(input, dtype=dtype, layout=layout, memory_format=memory_format)
    return finished(normal_(made, generator=generator), device, requires_grad, input)


def randint_like(
    input: Value,
    *bounds: int,
    low: int = 0,
    high: int | None = None,
    generator: RandomStream | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = preserve_format,
) -> Value:
    """Random integers in [low, high) of the input's shape and dtype; ``randint_like(input, high)`` starts at 0."""
    if len(bounds) == 2:
        low, high = bounds
    elif bounds:
        low, high = (0, bounds[0]) if high is None else (bounds[0], high)
    if high is None:
        raise TypeError('randint_like() missing 1 required positional arguments: "high"')
    made = empty_like(input, dtype=dtype, layout=layout, memory_format=memory_format)
    start, span = integer_range(low, high, made.dtype)
    stream = draws_here(made, generator, "randint_like")
    if stream is None:
        drawn = program_integers(made, RandomIntegers, low=start, span=span)
        return finished(made._assign(drawn), device, requires_grad)
    values = laid_out(integers(stream, made.numel(), start, span), made)
    return finished(made._assign(made.from_array(values)), device, requires_grad)


def bernoulli(input: Value, p: float | None = None, *, generator: RandomStream | None = None) -> Value:
    """Ones of the probabilities that the input holds, and zeros; with ``p`` of that probability throughout.

    A new tensor of the input's shape and dtype, of gradient zero. Raises NotImplementedError for integers without
    ``p``, RuntimeError for a probability outside [0, 1].
    """
    require_value("bernoulli", input)
    if p is not None:
        return bernoulli_(empty_like(input), p, generator=generator)
    # The result lies in row-major order, in which it is drawn, however the probabilities lie.
    result = input.contiguous() if input.is_eager else input
    return _without_slope(trials(result, input, generator), "BernoulliBackward0", input)


def _require_float(name: str, input: Value) -> None:
    require_value(name, input)
    if not input.dtype.is_floating_point:
        raise not_implemented(f"{name}_cpu", input.dtype)


def poisson(input: Value, generator: RandomStream | None = None) -> Value:
    """How many events occur at the mean numbers that the input holds, in its dtype.

    Raises RuntimeError for a negative rate.
    """
    _require_float("poisson", input)
    stream = draws_here(input, generator, "poisson")
    wrong = RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    require_values(input, lambda rates: rates >= 0, wrong)
    if stream is None:
        counts = cast(RandomPoisson.bind(cast(Detach.bind(input), float64)), input.dtype)
    else:
        rates = input._settled.astype(np.float64)
        found = sampling.poisson(stream, rates.reshape(-1)).reshape(rates.shape)
        counts = input._beside(found.astype(input.dtype.numpy))
    return _without_slope(counts, "PoissonBackward0", input)


def binomial(count: Value, prob: Value, generator: RandomStream | None = None) -> Value:
    """How many of ``count`` trials of the probability ``prob`` succeed, in the dtype of ``count``.

    Raises ValueError for integers."""
    require_value("binomial", count)
    for name, given in (("count", count), ("prob", prob)):
        if not given.dtype.is_floating_point:
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {type_name(given.dtype)}")
        if given.dtype.is_half:
            raise not_implemented("binomial_cpu", given.dtype)
    if count.dtype is not prob.dtype:
        raise RuntimeError(f"Found dtype {type_name(prob.dtype)} but expected {type_name(count.dtype)}")
    stream = draws_here(count, generator, "binomial")
    shape = broadcast_shapes(tuple(count.shape), tuple(prob.shape))
    if stream is None:
        given = (expand(cast(Detach.bind(each), float64), shape) for each in (count, prob))
        return cast(RandomBinomial.bind(*given), count.dtype)
    counts, probabilities = (
        np.broadcast_to(given._array, shape).astype(np.float64).reshape(-1) for given in (count, prob)
    )
    found = sampling.binomial(stream, counts, probabilities).reshape(shape)
    return count._beside(found.astype(count.dtype.numpy))


def multinomial(
    input: Value, num_samples: int, replacement: bool = False, *, generator: RandomStream | None = None
) -> Value:
    """Categories drawn by weights: int64[num_samples] of a vector, int64[rows, num_samples] of a matrix.

    Raises RuntimeError, with PyTorch's words, for weights that are negative, not finite, or
    all zero, and where more categories are asked for than there are.
    """
    require_value("multinomial", input)
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {type_name(input.dtype)}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    stream = draws_here(input, generator, "multinomial")
    if stream is None:
        return _drawn_categories(Detach.bind(input), num_samples, replacement)
    weights = input._settled
    rows = weights if weights.ndim == 2 else weights[None]
    if rows.size and not (np.isfinite(rows.max()) and rows.min() >= 0):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (rows.astype(np.float64).sum(1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    wide = rows.astype(np.float32) if input.dtype.is_half else rows
    if replacement and num_samples > 1:
        chosen = sampling.categories_with_replacement(stream, wide, num_samples)
    else:
        # The greatest of weights over exponential numbers: each is so with the probability of its weight.
        waits = stream.exponential(rows.size, input.dtype.numpy).reshape(rows.shape)
        with np.errstate(all="ignore"):
            scores = (wide / waits.astype(wide.dtype)).astype(input.dtype.numpy).astype(wide.dtype)
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :num_samples]
    return input._beside(np.ascontiguousarray(chosen.reshape((*weights.shape[:-1], num_samples)), np.int64))


def _drawn_categories(input: Value, samples: int, replacement: bool) -> Value:
    """Categories that a program draws: as :func:`multinomial` of numpy arrays, step by step."""
    greatest = finfo(input.dtype).max
    wrong = RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    require_values(input, lambda weights: (weights >= 0) & (weights <= greatest), wrong)
    rows = input if input.ndim == 2 else unsqueeze(input, 0)
    wrong = RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    require_values(sum(cast(rows, float64), 1), lambda totals: totals != 0, wrong)
    wide = cast(rows, float32) if input.dtype.is_half else rows
    if replacement and samples > 1:
        sums = NarrowCumulativeSum.bind(wide, dim=1, reverse=False)
        heights = cast(sums / slice_dim(sums, 1, sums.shape[1] - 1, sums.shape[1]), float64)
        ones = number_like(heights, 1, shape=(heights.shape[0], 1))
        heights = Cat.bind(slice_dim(heights, 1, 0, heights.shape[1] - 1), ones, dim=1)
        shape = (rows.shape[0], samples)
        drawn = input.apply(RandomUniform.instance, (), {"shape": shape, "dtype": float64})
        chosen = SearchSorted.bind(heights, drawn, right=False)
    else:
        attrs = {"shape": tuple(rows.shape), "dtype": wide.dtype, "rate": 1.0}
        waits = input.apply(RandomExponential.instance, (), attrs)
        waits = cast(cast(waits, input.dtype), wide.dtype)
        scores = cast(cast(wide / waits, input.dtype), wide.dtype)
        chosen = slice_dim(ArgSort.bind(-scores, dim=1, descending=False), 1, 0, samples)
    return reshape(chosen, (*input.shape[:-1], samples))


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: RandomStream | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Value:
    """Normal numbers of means and standard deviations: tensors that broadcast, of gradient zero, or numbers; of two
    numbers with a ``size``. Raises RuntimeError for a negative standard deviation."""
    tensors = [given for given in (mean, std) if hasattr(given, "apply")]
    if not tensors:
        from graphc.creation import empty

        if size is None:
            raise TypeError(
                "normal() received an invalid combination of arguments - got "
                f"({type(mean).__name__}, {type(std).__name__}), but expected a size or tensors"
            )
        made = empty(size, dtype=dtype, layout=layout)
        return finished(normal_(made, mean, std, generator=generator), device, requires_grad)
    if std is tensors[-1] and std.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    shape = broadcast_shapes(*(tuple(given.shape) for given in tensors))
    made = Copy.bind(number_like(tensors[0], 0, shape=shape))
    if std is tensors[-1]:
        require_values(std, lambda values: values >= 0, RuntimeError("normal expects all elements of std >= 0.0"))
        values = normal_(made, generator=generator) * std.detach()
        values = values + (mean.detach() if mean is tensors[0] else mean)
    else:
        values = normal_(made, 0, std, generator=generator) + mean.detach()
    node = "NormalBackward3" if len(tensors) == 2 else "NormalBackward1" if mean is tensors[0] else "NormalBackward2"
    return _without_slope(cast(values, made.dtype), node, *tensors)
