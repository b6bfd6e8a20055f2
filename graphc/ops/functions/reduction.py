"""Reductions with PyTorch's names and arguments. ``dim`` is an int, a sequence of ints, or None for all dimensions.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, int64
from graphc.ops import reductions
from graphc.ops.functions import arithmetic
from graphc.ops.functions.return_types import return_type
from graphc.ops.gathers import GatherAlong
from graphc.ops.operands import cast, is_value, keep_dims, normalize_dim, normalize_dims, truth
from graphc.ops.views import Detach, Reshape

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]
FUNCTIONS_ONLY = ("std_mean", "var_mean")

Value = Any
Dim = int | Sequence[int] | None


ExtremeOfMax = return_type("max", "values indices")
ExtremeOfMin = return_type("min", "values indices")
LeastAndGreatest = return_type("aminmax", "min max")


def _reduce(primitive: type[Primitive], input: Value, dim: Dim, keepdim: bool) -> Value:
    dims = normalize_dims(dim, input.ndim)
    shape = input.shape
    for axis in dims:
        if shape[axis] == 0 and not primitive.instance.has_identity:
            raise IndexError(
                f"{primitive.name}(): Expected reduction dim {axis} to have non-zero size."
                if dim is not None
                else f"{primitive.name}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
    result = primitive.bind(input, dims=dims)
    return keep_dims(result, shape, dims) if keepdim else result


def _accumulated(input: Value, dtype: DType | None) -> Value:
    """The input in the dtype in which sums and products are taken: integers and bool in int64."""
    if dtype is not None:
        return cast(input, dtype)
    return input if input.dtype.category == "float" else cast(input, int64)


def sum(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The sum along ``dim``; of integers and bool in int64."""
    return _reduce(reductions.Sum, _accumulated(input, dtype), dim, keepdim)


def prod(input: Value, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The product along ``dim``; of integers and bool in int64."""
    return _reduce(reductions.Prod, _accumulated(input, dtype), dim, keepdim)


def _require_floating(name: str, input: Value, dtype: DType | None = None) -> Value:
    input = input if dtype is None else cast(input, dtype)
    if input.dtype.category != "float":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype}"
        )
    return input


def mean(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The arithmetic mean along ``dim``. Raises RuntimeError for integers unless ``dtype`` is a floating one."""
    input = _require_floating("mean", input, dtype)
    return sum(input, dim, keepdim) / _count(input, dim)


def _count(input: Value, dim: Dim) -> Any:
    """How many elements are reduced: an int or a symbolic dimension."""
    return product(input.shape[axis] for axis in normalize_dims(dim, input.ndim))


def _squared_deviations(
    name: str, input: Value, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None
) -> tuple[Value, Value]:
    """The variance and the mean along ``dim``."""
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    input = _require_floating(name, input)
    shape, dims = input.shape, normalize_dims(dim, input.ndim)
    count = _count(input, dim)
    average = keep_dims(sum(input, dim) / count, shape, dims)
    total = sum(arithmetic.square(input - average), dim, keepdim)
    freedom = count - correction
    if isinstance(freedom, (int, float)):
        freedom = builtins.max(freedom, 0)  # of too few elements the variance is inf or NaN
    variance = total / freedom
    if not keepdim and dims:
        kept = tuple(extent for axis, extent in enumerate(shape) if axis not in dims)
        average = Reshape.bind(average, shape=kept)
    return variance, average


def var(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Value:
    """The variance along ``dim``, divided by n - ``correction`` (1; ``unbiased=False`` is 0)."""
    return _squared_deviations("var", input, dim, unbiased, keepdim, correction)[0]


def std(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Value:
    """The standard deviation along ``dim``, as ``var``; its gradient is 0 where it is 0."""
    return _root(var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Value, Value]:
    """The variance (as ``var``) and the mean along ``dim``."""
    return _squared_deviations("var_mean", input, dim, unbiased, keepdim, correction)


def std_mean(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Value, Value]:
    """The standard deviation (as ``std``) and the mean along ``dim``."""
    variance, average = _squared_deviations("std_mean", input, dim, unbiased, keepdim, correction)
    return _root(variance), average


def _root(square: Value) -> Value:
    """The square root, with the gradient 0 (not inf) at 0."""
    zero = square == 0
    return arithmetic.where(zero, square, arithmetic.sqrt(arithmetic.where(zero, 1.0, square)))


def amax(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """The greatest element along ``dim``; NaN wins; elements that tie share the gradient evenly."""
    return _reduce(reductions.Amax, input, dim, keepdim)


def amin(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """The least element along ``dim``; NaN wins; elements that tie share the gradient evenly."""
    return _reduce(reductions.Amin, input, dim, keepdim)


def aminmax(input: Value, *, dim: int | None = None, keepdim: bool = False) -> tuple[Value, Value]:
    """The least and the greatest element along ``dim``."""
    return LeastAndGreatest(amin(input, dim, keepdim), amax(input, dim, keepdim))


def argmax(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index (int64) of the first greatest element along ``dim``, or in the flattened input."""
    return _reduce(reductions.ArgMax, input, dim, keepdim)


def argmin(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index (int64) of the first least element along ``dim``, or in the flattened input."""
    return _reduce(reductions.ArgMin, input, dim, keepdim)


def max(input: Value, dim: Any = None, keepdim: bool = False, *, other: Value | None = None) -> Any:
    """The greatest element; along a ``dim`` (values, indices); of two tensors the elementwise maximum.

    Along a dimension the gradient goes to the element of the index alone.
    """
    return _extreme(ExtremeOfMax, reductions.Amax, reductions.ArgMax, arithmetic.maximum, input, dim, keepdim, other)


def min(input: Value, dim: Any = None, keepdim: bool = False, *, other: Value | None = None) -> Any:
    """The least element; along a ``dim`` (values, indices); of two tensors the elementwise minimum.

    Along a dimension the gradient goes to the element of the index alone.
    """
    return _extreme(ExtremeOfMin, reductions.Amin, reductions.ArgMin, arithmetic.minimum, input, dim, keepdim, other)


def _extreme(
    result: Any, whole: Any, position: Any, of_two: Any, input: Value, dim: Any, keepdim: bool, other: Any
) -> Any:
    if is_value(dim) or is_value(other):
        return of_two(input, dim if is_value(dim) else other)
    if dim is None:
        return _reduce(whole, input, None, False)
    axis = normalize_dim(dim, input.ndim)
    indices = _reduce(position, input, axis, True)
    values = GatherAlong.bind(input, indices, dim=axis) if input.ndim else input
    if not keepdim and input.ndim:
        shape = tuple(extent for place, extent in enumerate(input.shape) if place != axis)
        values, indices = Reshape.bind(values, shape=shape), Reshape.bind(indices, shape=shape)
    return result(values, indices)


def any(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """Whether an element along ``dim`` differs from zero, as bool."""
    return _reduce(reductions.Any_, truth(input), dim, keepdim)


def all(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """Whether all elements along ``dim`` differ from zero, as bool."""
    return _reduce(reductions.All, truth(input), dim, keepdim)


def count_nonzero(input: Value, dim: Dim = None) -> Value:
    """How many elements along ``dim`` differ from zero, as int64."""
    return sum(truth(input), dim)


def logsumexp(input: Value, dim: Dim, keepdim: bool = False) -> Value:
    """log(sum(exp(input))) along ``dim``, shifted by the maximum so that nothing overflows."""
    input = input if input.dtype.category == "float" else input / 1
    dims, shape = normalize_dims(dim, input.ndim), input.shape
    if builtins.any(shape[axis] == 0 for axis in dims):
        return arithmetic.log(sum(arithmetic.exp(input), dim, keepdim))
    greatest = amax(Detach.bind(input), dim, keepdim=True)
    # An infinite maximum is its own result: inf - inf would be NaN.
    shift = arithmetic.where(arithmetic.abs(greatest) == math.inf, 0.0, greatest)
    result = arithmetic.log(sum(arithmetic.exp(input - shift), dim, keepdim=True)) + shift
    return (
        result
        if keepdim
        else Reshape.bind(result, shape=tuple(extent for axis, extent in enumerate(shape) if axis not in dims))
    )


def norm(
    input: Value, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """The p-norm along ``dim``: p = 2 ("fro"), 1, inf, -inf, 0 (elements that are not zero), or any other number.

    Raises RuntimeError for integers unless ``dtype`` is a floating one.
    """
    input = _require_floating("linalg.vector_norm", input, dtype)
    order = 2.0 if p in ("fro", None) else float(p)
    magnitude = arithmetic.abs(input)
    if order == math.inf:
        return amax(magnitude, dim, keepdim)
    if order == -math.inf:
        return amin(magnitude, dim, keepdim)
    if order == 0:
        return sum(cast(truth(input), input.dtype), dim, keepdim)
    if order == 1:
        return sum(magnitude, dim, keepdim)
    if order == 2:
        return _root(sum(arithmetic.square(input), dim, keepdim))
    return arithmetic.pow(sum(arithmetic.pow(magnitude, order), dim, keepdim), 1.0 / order)
