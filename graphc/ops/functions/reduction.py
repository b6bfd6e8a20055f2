"""Reductions with PyTorch's names and arguments. ``dim`` is an int, a sequence of ints, or None for all dimensions.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import Primitive
from graphc.ir.types import DType, bool_, int64, uint8
from graphc.notices import warn
from graphc.ops import reductions
from graphc.ops.argument_kinds import dim_is_no_none
from graphc.ops.complex_numbers import parts
from graphc.ops.composites import Composite, runs_whole
from graphc.ops.functions import arithmetic, norms
from graphc.ops.functions.factories import not_implemented, require_tensors
from graphc.ops.functions.return_types import return_type
from graphc.ops.gathers import GatherAlong
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import (
    apply_binary,
    cast,
    is_value,
    keep_dims,
    normalize_dim,
    normalize_dims,
    require_value,
    truth,
)
from graphc.ops.pointwise import Copy, Div, PowerScalar, Sub
from graphc.ops.quiet import IGNORE, quiet, restore, silence
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, Reshape
from graphc.sizes import stretches

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "dist",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanmean",
    "nansum",
    "norm",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]
FUNCTIONS_ONLY = ("std_mean", "var_mean")
OUT_MAY_OVERLAP = True

Value = Any
Dim = int | Sequence[int] | None


ExtremeOfMax = return_type("max", "values indices")
ExtremeOfMin = return_type("min", "values indices")
LeastAndGreatest = return_type("aminmax", "min max")


@stretches
def _reduce(primitive: type[Primitive], input: Value, dim: Dim, keepdim: bool, name: str | None = None) -> Value:
    """A reduction; ``name`` is what messages call the function where it is not the primitive's name."""
    name = primitive.name if name is None else name
    require_value(name, input)
    dims = normalize_dims(dim, input.ndim)
    shape = input.shape
    for axis in () if primitive.instance.has_identity else dims:
        if shape[axis] == 0:
            if dim is not None:
                raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
            kind = IndexError if primitive.name in ("argmax", "argmin") else RuntimeError
            raise kind(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
                "with the 'dim' argument."
            )
    result = primitive.bind(input, dims=dims)
    return keep_dims(result, shape, dims) if keepdim else result


def _accumulated(input: Value, dtype: DType | None) -> Value:
    """The input in the dtype in which sums and products are taken: integers and bool in int64."""
    if dtype is not None:
        return cast(input, dtype)
    return input if input.dtype.is_differentiable else cast(input, int64)


def sum(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The sum along ``dim``; of integers and bool in int64."""
    return _reduce(reductions.Sum, _accumulated(input, dtype), dim, keepdim)


@dim_is_no_none("prod() received an invalid combination of arguments - got (Tensor, NoneType)")
def prod(input: Value, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The product along ``dim``; of integers and bool in int64."""
    if dim is not None and not hasattr(dim, "__index__"):
        raise TypeError(f"prod(): argument 'dim' must be int, not {type(dim).__name__}")
    return _reduce(reductions.Prod, _accumulated(input, dtype), dim, keepdim)


def _require_floating(name: str, input: Value, dtype: DType | None = None) -> Value:
    wanted = input.dtype if dtype is None else dtype
    if wanted.is_differentiable and dtype is None:
        return input
    if not wanted.is_differentiable:
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"{name}(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. "
            f"Got: {type_name(wanted)}"
        )
    return cast(input, wanted)


@rounded_once
def mean(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The arithmetic mean along ``dim``. Raises RuntimeError for integers unless ``dtype`` is a floating one."""
    require_value("mean", input)
    input = _require_floating("mean", input, dtype)
    dims = normalize_dims(dim, input.ndim)
    average = Mean.bind(input, dims=dims)
    return keep_dims(average, input.shape, dims) if keepdim else average


class Mean(Composite):
    """The sum over ``dims`` divided by the number of elements."""

    name, saves_inputs = "mean", ()

    def decompose(self, x: Value, *, dims: tuple[int, ...]) -> Value:
        return apply_binary(Div.instance, reductions.SumOfMean.bind(x, dims=dims), _count(x.shape, dims))

    def evaluate(self, x: np.ndarray, *, dims: tuple[int, ...]) -> np.ndarray:
        total = reductions.Sum.instance.evaluate(x, dims=dims)
        token = silence(IGNORE)
        try:
            return np.asarray(total / x.dtype.type(_count(x.shape, dims)))
        finally:
            restore(token)

    def vjp(self, cotangent: Value, output: Value, x: Value, *, dims: tuple[int, ...]) -> tuple[Value]:
        shape = tuple(x.shape)
        share = apply_binary(Div.instance, cotangent, _count(shape, dims))
        return (reductions.Spread.bind(share, shape=shape, dims=dims) if dims else share,)


def nansum(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The sum along ``dim`` of the elements that are numbers; of integers and bool in int64. Raises RuntimeError for
    complex numbers."""
    require_value("nansum", input)
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    require_value("nansum", input)
    _refuse_complex(input)
    # The numbers are chosen before they are converted: as an integer NaN is none.
    return sum(_without_nan(input), dim, keepdim, dtype=dtype)


def _refuse_complex(input: Value) -> None:
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")


def _without_nan(input: Value) -> Value:
    return arithmetic.where(arithmetic.isnan(input), 0, input) if input.dtype.is_differentiable else input


@rounded_once
def nanmean(input: Value, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Value:
    """The arithmetic mean along ``dim`` of the elements that are numbers. Raises RuntimeError for integers."""
    if not input.dtype.is_differentiable:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {type_name(input.dtype)}"
        )
    _refuse_complex(input)
    input = _require_floating("nanmean", input, dtype)
    numbers = arithmetic.logical_not(arithmetic.isnan(input))
    return sum(_without_nan(input), dim, keepdim) / sum(numbers, dim, keepdim)


def _count(shape: Sequence[Dimension], dims: tuple[int, ...]) -> Any:
    """How many elements are reduced: an int or a symbolic dimension."""
    return product(shape if len(dims) == len(shape) else [shape[axis] for axis in dims])


def _squared_deviations(
    name: str, input: Value, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None
) -> tuple[Value, Value]:
    """The variance and the mean along ``dim``."""
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if not input.dtype.is_differentiable:
        name = "std and var" if name in ("std", "var") else name
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    shape, dims = input.shape, normalize_dims(dim, input.ndim)
    count = _count(shape, dims)
    _note_freedom(name, count, correction)
    average = apply_binary(Div.instance, reductions.Sum.bind(input, dims=dims), count)
    kept = keep_dims(average, shape, dims)
    deviation = apply_binary(Sub.instance, input, kept)
    total = reductions.Sum.bind(_squared_magnitude(deviation), dims=dims)
    freedom = count - correction
    if isinstance(freedom, (int, float)):
        freedom = builtins.max(freedom, 0)  # of too few elements the variance is inf or NaN
    variance = apply_binary(Div.instance, total, freedom)
    return (keep_dims(variance, shape, dims), kept) if keepdim else (variance, average)


def _squared_magnitude(value: Value) -> Value:
    """|x|^2, real for complex values too."""
    if not value.dtype.is_complex:
        return PowerScalar.bind(value, exponent=2)
    real, imaginary = parts(value)
    return arithmetic.square(real) + arithmetic.square(imaginary)


@rounded_once
def var(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Value:
    """The variance along ``dim``, divided by n - ``correction`` (1; ``unbiased=False`` is 0)."""
    return _variance("var", input, dim, unbiased, keepdim, correction)


def _variance(
    name: str, input: Value, dim: Dim, unbiased: bool | None, keepdim: bool, correction: float | None
) -> Value:
    """The variance of the function with a name, ``var`` or ``std``."""
    if runs_whole(input) and input.dtype.is_floating_point and not isinstance(dim, bool):
        chosen = correction if correction is not None else 1 if unbiased is None else int(unbiased)
        dims = normalize_dims(dim, input.ndim)
        _note_freedom(name, _count(input.shape, dims), chosen)
        variance = Variance.bind(input, input, dims=dims, correction=chosen)
        return keep_dims(variance, input.shape, dims) if keepdim else variance
    return _squared_deviations(name, input, dim, unbiased, keepdim, correction)[0]


def _note_freedom(name: str, count: Any, correction: float) -> None:
    """Warn where too few elements are left for a variance."""
    if type(count) is int and count <= correction:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            f"(input "
            "numel divided by output numel)."
        )


class Variance(Composite):
    """The variance over ``dims`` of real numbers; the operand is given twice."""

    name, saves_inputs = "variance", (0,)

    @quiet
    def evaluate(self, x: np.ndarray, again: np.ndarray, *, dims: tuple[int, ...], correction: float) -> np.ndarray:
        deviation, freedom = _deviations(x, dims, correction)
        return reductions.Sum.instance.evaluate(deviation * deviation, dims=dims) / freedom

    def vjp(self, cotangent: Value, output: Value, x: Value, again: Value, **attrs: Any) -> tuple[Value, ...]:
        deviation = VarianceGradient.bind(cotangent, x, **attrs)
        return deviation, reductions.CentringGradient.bind(deviation, dims=attrs["dims"], wide=False)


def _deviations(x: np.ndarray, dims: tuple[int, ...], correction: float) -> tuple[np.ndarray, Any]:
    """The differences from the mean, and what the sum of their squares is divided by."""
    count, kind = math.prod(x.shape[dim] for dim in dims), x.dtype.type
    return x - reductions.kept_sum(x, dims) / kind(count), kind(builtins.max(count - correction, 0))


class VarianceGradient(Composite):
    """The cotangent of the difference from the mean in :class:`Variance`."""

    name, differentiable = "variance_gradient", False

    def decompose(self, cotangent: Value, x: Value, *, dims: tuple[int, ...], correction: float) -> Value:
        freedom = builtins.max(_count(x.shape, dims) - correction, 0)
        return reductions.restored(cotangent * 2 / freedom, x.shape, dims) * (x - mean(x, dims, keepdim=True))

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, *, dims: tuple[int, ...], correction: float) -> np.ndarray:
        deviation, freedom = _deviations(x, dims, correction)
        kept = tuple(1 if dim in dims else extent for dim, extent in enumerate(x.shape))
        return (cotangent / freedom).reshape(kept) * (deviation * x.dtype.type(2))


@rounded_once
def std(
    input: Value,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Value:
    """The standard deviation along ``dim``, as ``var``; its gradient is 0 where it is 0."""
    return _root(_variance("std", input, dim, unbiased, keepdim, correction))


@rounded_once
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


@rounded_once
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
    require_value("aminmax", input)
    if input.dtype.is_complex:
        raise not_implemented("aminmax_cpu", input.dtype)
    if dim is not None:
        for axis in normalize_dims(dim, input.ndim):
            if input.shape[axis] == 0:
                raise IndexError(f"aminmax: Expected reduction dim {axis} to have non-zero size.")
    elif 0 in tuple(input.shape):
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    return LeastAndGreatest(amin(input, dim, keepdim), amax(input, dim, keepdim))


def argmax(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index (int64) of the first greatest element along ``dim``, or in the flattened input."""
    return _position(reductions.ArgMax, input, dim, keepdim)


def argmin(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index (int64) of the first least element along ``dim``, or in the flattened input."""
    return _position(reductions.ArgMin, input, dim, keepdim)


def _position(primitive: type[Primitive], input: Value, dim: int | None, keepdim: bool) -> Value:
    if is_value(input) and input.dtype == bool_:
        raise RuntimeError(f"{primitive.name}(): does not support bool input")
    return _reduce(primitive, input, dim, keepdim)


@dim_is_no_none("max() received an invalid combination of arguments - got (Tensor, NoneType)")
def max(input: Value, dim: Any = None, keepdim: bool = False, *, other: Value | None = None) -> Any:
    """The greatest element; along a ``dim`` (values, indices); of two tensors the elementwise maximum.

    Along a dimension the gradient goes to the element of the index alone.
    """
    return _extreme(ExtremeOfMax, reductions.Max, reductions.ArgMax, arithmetic.maximum, input, dim, keepdim, other)


@dim_is_no_none("min() received an invalid combination of arguments - got (Tensor, NoneType)")
def min(input: Value, dim: Any = None, keepdim: bool = False, *, other: Value | None = None) -> Any:
    """The least element; along a ``dim`` (values, indices); of two tensors the elementwise minimum.

    Along a dimension the gradient goes to the element of the index alone.
    """
    return _extreme(ExtremeOfMin, reductions.Min, reductions.ArgMin, arithmetic.minimum, input, dim, keepdim, other)


def _extreme(
    result: Any, whole: Any, position: Any, of_two: Any, input: Value, dim: Any, keepdim: bool, other: Any
) -> Any:
    name = result.__name__
    if is_value(dim) or is_value(other):
        return of_two(input, dim if is_value(dim) else other)
    if dim is None:
        return _reduce(whole, input, None, False, name)
    if not hasattr(dim, "__index__"):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
    require_value(name, input)
    if input.dtype.is_complex:
        raise RuntimeError(f"{name}(): does not support complex input")
    axis = normalize_dim(dim, input.ndim)
    indices = _reduce(position, input, axis, False, name)
    if not input.ndim:
        return result(Copy.bind(input), indices)
    if not keepdim and runs_whole(input):
        return result(ElementsAt.bind(input, indices, dim=axis), indices)
    kept = keep_dims(indices, input.shape, (axis,))
    values = GatherAlong.bind(input, kept, dim=axis)
    return result(values, kept) if keepdim else result(Reshape.bind(values, shape=tuple(indices.shape)), indices)


class ElementsAt(Composite):
    """One element of each row along ``dim``: that at the row's index, which lies within it."""

    name, saves_inputs = "elements_at", (1,)

    def evaluate(self, x: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
        rows = (x if dim == x.ndim - 1 else np.moveaxis(x, dim, -1)).reshape(-1, x.shape[dim])
        return rows[np.arange(index.size), index.reshape(-1)].reshape(index.shape)

    def vjp(self, cotangent: Value, output: Value, x: Value, index: Value, *, dim: int) -> tuple[Any, ...]:
        kept = keep_dims(index, x.shape, (dim,))
        along = Reshape.bind(cotangent, shape=tuple(kept.shape))
        return (*GatherAlong.instance.vjp(along, None, x, kept, dim=dim),)


def any(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """Whether an element along ``dim`` differs from zero, as bool (of uint8 as uint8). No dims reduce nothing."""
    return _quantified(reductions.Any_, input, dim, keepdim)


def all(input: Value, dim: Dim = None, keepdim: bool = False) -> Value:
    """Whether all elements along ``dim`` differ from zero, as bool (of uint8 as uint8). No dims reduce nothing."""
    return _quantified(reductions.All, input, dim, keepdim)


def _quantified(primitive: type[Primitive], input: Value, dim: Dim, keepdim: bool) -> Value:
    require_value(primitive.name, input)
    none = isinstance(dim, Sequence) and not dim
    result = truth(input) if none else _reduce(primitive, truth(input), dim, keepdim)
    return cast(result, uint8) if input.dtype == uint8 else result


def count_nonzero(input: Value, dim: Dim = None) -> Value:
    """How many elements along ``dim`` differ from zero, as int64."""
    return sum(truth(input), dim)


@stretches
def logsumexp(input: Value, dim: Dim, keepdim: bool = False) -> Value:
    """log(sum(exp(input))) along ``dim``, shifted by the maximum so that nothing overflows. None is a TypeError."""
    if dim is None:
        raise TypeError("logsumexp(): argument 'dim' (position 2) must be tuple of ints, not NoneType")
    input = input if input.dtype.is_differentiable else input / 1
    dims, shape = normalize_dims(dim, input.ndim), input.shape
    if builtins.any(shape[axis] == 0 for axis in dims):
        return arithmetic.log(sum(arithmetic.exp(input), dim, keepdim))
    greatest = amax(Detach.bind(parts(input)[0] if input.dtype.is_complex else input), dim, keepdim=True)
    # An infinite maximum is its own result: inf - inf would be NaN.
    shift = arithmetic.where(arithmetic.abs(greatest) == math.inf, 0.0, greatest)
    result = arithmetic.log(sum(arithmetic.exp(input - shift), dim, keepdim=True)) + shift
    return (
        result
        if keepdim
        else Reshape.bind(result, shape=tuple(extent for axis, extent in enumerate(shape) if axis not in dims))
    )


@rounded_once
def norm(
    input: Value, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """The p-norm along ``dim``: p = 2 ("fro"), 1, inf, -inf, 0 (elements that are not zero), any other number, or of
    matrices "nuc", the sum of the singular values.

    Raises RuntimeError for integers unless ``dtype`` is a floating one.
    """
    require_value("norm", input)
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    if p == "nuc":
        return norms.matrix_norm(input, "nuc", tuple(range(input.ndim)) if dim is None else dim, keepdim, dtype=dtype)
    return norms.vector_norm(input, 2.0 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def dist(input: Value, other: Value, p: float = 2) -> Value:
    """The p-norm of the differences of two tensors of floats, which broadcast."""
    require_tensors("dist", input=input, other=other)
    difference = arithmetic.sub(input, other)
    if not difference.dtype.is_differentiable:
        kind = type_name(difference.dtype)
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {kind} instead.")
    return norm(difference, p)
