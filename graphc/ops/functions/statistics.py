"""Medians, quantiles, histograms, and covariances with PyTorch's names and arguments.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import bool_, float32, float64, int64
from graphc.notices import warn
from graphc.ops import sorting
from graphc.ops.argument_kinds import dim_is_no_none
from graphc.ops.complex_numbers import parts
from graphc.ops.conjugation import conjugate
from graphc.ops.functions import factories
from graphc.ops.functions.arithmetic import (
    ceil,
    clamp,
    floor,
    isnan,
    lerp,
    logical_and,
    round,
    sqrt,
    where,
)
from graphc.ops.functions.indexing import gather, scatter_add
from graphc.ops.functions.linear import matmul
from graphc.ops.functions.loss_reduction import require_values
from graphc.ops.functions.matrices import diagonal
from graphc.ops.functions.reduction import all, amax, amin, any, sum
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import movedim, reshape, slice_dim, squeeze, transpose, unsqueeze
from graphc.ops.functions.sorting import at_positions
from graphc.ops.functions.sorting import sort as sorted_along
from graphc.ops.operands import cast, is_value, normalize_dim, require_value
from graphc.ops.promotion import floating
from graphc.ops.sources import Iota, number_like
from graphc.ops.type_names import type_name
from graphc.ops.value_sizes import greatest_of, is_counted

__all__ = [
    "bincount",
    "corrcoef",
    "cov",
    "histc",
    "histogram",
    "histogramdd",
    "median",
    "nanmedian",
    "nanquantile",
    "quantile",
]
FUNCTIONS_ONLY = ("histogramdd",)
OUT_MAY_OVERLAP = True

Value = Any

MedianAlong = return_type("median", "values indices")
NanMedianAlong = return_type("nanmedian", "values indices")
Histogram = return_type("histogram", "hist bin_edges")
HistogramOfPoints = return_type("histogramdd", "hist bin_edges")

_C_NAMES = {float32: "float", float64: "double"}
_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


# -- medians and quantiles --------------------------------------------------------------------------------------------


def _median(name: str, result: Any, input: Value, dim: int | None, keepdim: bool, ignore_nan: bool) -> Any:
    require_value(name, input)
    if input.dtype == bool_ or input.dtype.is_complex:
        raise factories.not_implemented("median_cpu" if dim is None else "median_out", input.dtype)
    if dim is None:
        return sorting.Median.bind(reshape(input, (-1,)), ignore_nan=ignore_nan)
    return at_positions(result, "median", sorting.MedianPosition, input, dim, keepdim, ignore_nan=ignore_nan)


@dim_is_no_none("median(): argument 'dim' must be int, not NoneType")
def median(input: Value, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median; along a ``dim`` (values, indices). NaN wins.

    Without ``dim``, elements that are equal to the median share the gradient evenly.
    """
    return _median("median", MedianAlong, input, dim, keepdim, False)


@dim_is_no_none("nanmedian(): argument 'dim' must be int, not NoneType")
def nanmedian(input: Value, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are numbers; along a ``dim`` (values, indices)."""
    return _median("nanmedian", NanMedianAlong, input, dim, keepdim, True)


def quantile(
    input: Value, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Value:
    """The q-th quantiles along ``dim`` (of all elements by default), 0 <= q <= 1; NaN wins.

    For a vector ``q`` the results stand along a new first dimension. ``interpolation`` between neighbours is "linear",
    "lower", "higher", "midpoint", or "nearest".
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Value, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Value:
    """The q-th quantiles of the elements that are numbers, as :func:`quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(
    name: str, input: Value, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Value:
    require_value(name, input)
    if not is_value(q) and not 0 <= q <= 1:
        raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
    if input.dtype not in (float32, float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if is_value(q):
        if q.ndim > 1:
            raise RuntimeError("quantile() q must be a scalar or 1D tensor")
        if q.dtype != input.dtype:
            raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
        if not factories.holds(all(logical_and(q >= 0, q <= 1))):
            raise RuntimeError("quantile() q values must be in the range [0, 1]")
        scalar, q = q.ndim == 0, reshape(q, (-1,))
    else:
        scalar, q = True, number_like(input, q, shape=(1,))
    if 0 in tuple(input.shape):
        raise RuntimeError("quantile() input tensor must be non-empty")
    # Quantiles along the last dimension of the sorted rows, in input's shape with ``dim`` last and of size 1.
    if dim is None:
        rows, shape = reshape(input, (-1,)), (1,) * input.ndim
    else:
        axis = normalize_dim(dim, input.ndim)
        rows = movedim(input, axis, -1) if input.ndim else reshape(input, (1,))
        shape = tuple(1 if place == axis else extent for place, extent in enumerate(input.shape))
    found = _at_ranks(sorted_along(rows, -1).values, q, interpolation, ignore_nan)
    count = found.shape[-1]
    found = movedim(found, -1, 0)
    if keepdim:
        found = reshape(found, (count, *shape))
    return squeeze(found, 0) if scalar else found


def _at_ranks(ordered: Value, q: Value, interpolation: str, ignore_nan: bool) -> Value:
    """The elements of sorted rows at fractions of their length."""
    missing = isnan(ordered)
    if ignore_nan:
        numbers = sum(cast(~missing, ordered.dtype), -1, keepdim=True)
        ranks = clamp(q * (numbers - 1), min=0)
    else:
        last = ordered.shape[-1] - 1
        ranks = where(any(missing, -1, keepdim=True), float(last), q * last)
    change = {"lower": floor, "higher": ceil, "nearest": round}.get(interpolation)
    if change is not None:
        ranks = change(ranks)
    below = cast(ranks, int64)
    values = gather(ordered, -1, below)
    if change is not None:
        return values
    above = gather(ordered, -1, cast(ceil(ranks), int64))
    return lerp(values, above, 0.5 if interpolation == "midpoint" else ranks - cast(below, ranks.dtype))


# -- histograms -------------------------------------------------------------------------------------------------------


def histc(input: Value, bins: int = 100, min: float = 0, max: float = 0) -> Value:
    """How many elements lie in each of ``bins`` intervals of one width from ``min`` to ``max``, in the input's dtype.

    Where both are equal, the least and the greatest element take their places. Elements outside count nowhere.
    Raises RuntimeError for a range that is empty or infinite, NotImplementedError for integers.
    """
    require_value("histc", input)
    if not input.dtype.is_floating_point:
        kernel = {"bool": "linspace_cpu", "complex": "aminmax_cpu"}.get(input.dtype.category, "histogram_cpu")
        raise factories.not_implemented(kernel, input.dtype)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if max < min:
        raise RuntimeError("torch.histc: max must be larger than min")
    values = reshape(input, (-1,))
    least, greatest = _bounds("histc", values, float(min), float(max))
    place = clamp(cast((values - least) * bins / (greatest - least), int64), 0, bins - 1)
    inside = logical_and(values >= least, values <= greatest)
    counts = number_like(values, 0, shape=(bins,))
    # What lies outside is counted in the first interval, with the weight 0.
    return scatter_add(counts, 0, where(inside, place, 0), cast(inside, values.dtype))


def _bounds(name: str, values: Value, least: float, greatest: float) -> tuple[Value, Value]:
    """The ends of the range of a histogram, as 0-d values; those of the values where both are given equal."""
    if not (math.isfinite(least) and math.isfinite(greatest)):
        raise RuntimeError(f"torch.{name}: range of [{least:g}, {greatest:g}] is not finite")
    low, high = (number_like(values, end, shape=()) for end in (least, greatest))
    if least == greatest and values.shape[0]:
        low, high = amin(values, 0), amax(values, 0)
        if not factories.holds(logical_and(low > -math.inf, high < math.inf)):
            raise RuntimeError(f"torch.{name}: range of [{low.item():g}, {high.item():g}] is not finite")
    same = low == high
    return where(same, low - 1, low), where(same, high + 1, high)


def histogram(
    input: Value,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Value | None = None,
    density: bool = False,
) -> Any:
    """The sums of the weights (1) of the elements in each interval, in the input's dtype, and the intervals' edges.

    ``bins`` are edges in ascending order, or a number of intervals over ``range``, by default from the least to the
    greatest element. With ``density`` the sums become a density, of integral 1.
    """
    require_value("histogram", input)
    if not input.dtype.is_floating_point:
        raise factories.not_implemented("histogramdd", input.dtype)
    values = reshape(input, (-1,))
    edges = bins if is_value(bins) else _edges(values, int(bins), range)
    return Histogram(_counted([values], [edges], weight, density), edges)


def histogramdd(
    input: Value,
    bins: Any,
    range: Sequence[float] | None = None,
    weight: Value | None = None,
    density: bool = False,
) -> Any:
    """The sums of the weights (1) of points in each cell of a grid, in the input's dtype, and the edges of the cells.

    The last dimension of the input holds the coordinates of a point. ``bins`` are for each coordinate the edges in
    ascending order, or a number of intervals (one number for all) over ``range``, the limits of all coordinates in a
    row. With ``density`` the sums become a density, of integral 1.
    """
    require_value("histogramdd", input)
    if not input.dtype.is_floating_point:
        raise factories.not_implemented("histogramdd", input.dtype)
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    count = input.shape[-1]
    cells = [bins] * count if isinstance(bins, int) else list(bins)
    if len(cells) != count:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if range is not None and len(range) != 2 * count:
        raise RuntimeError(
            f"torch.histogramdd: for a {count}-dimensional histogram range should have {2 * count} elements, but got "
            f"{len(range)}"
        )
    if weight is not None and tuple(weight.shape) != tuple(input.shape[:-1]):
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
            f"{list(weight.shape)}"
        )
    points = reshape(input, (-1, count))
    coordinates = [reshape(slice_dim(points, 1, at, at + 1), (-1,)) for at in builtins.range(count)]
    edges = [
        each if is_value(each) else _edges(values, int(each), None if range is None else range[2 * at : 2 * at + 2], at)
        for at, (values, each) in enumerate(zip(coordinates, cells, strict=True))
    ]
    return HistogramOfPoints(_counted(coordinates, edges, weight, density), tuple(edges))


def _counted(coordinates: Sequence[Value], edges: Sequence[Value], weight: Value | None, density: bool) -> Value:
    """The sums of the weights of points, given by coordinate, in the cells of a grid."""
    values = coordinates[0]
    for dimension, each in enumerate(edges):
        if each.dtype != values.dtype:
            given, other = _C_NAMES.get(values.dtype, values.dtype.name), _C_NAMES.get(each.dtype, each.dtype.name)
            raise RuntimeError(
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
                f"{given} and bins for dimension {dimension} with dtype {other}"
            )
    shape = tuple(each.shape[0] - 1 for each in edges)
    weights = number_like(values, 1) if weight is None else reshape(weight, (-1,))
    inside: Any = None
    place: Any = 0
    for line, ends, count in zip(coordinates, edges, shape, strict=True):
        within = logical_and(line >= ends[0], line <= ends[count])
        inside = within if inside is None else logical_and(inside, within)
        place = place * count + clamp(sorting.SearchSorted.bind(ends, line, right=True) - 1, 0, count - 1)
    found = number_like(values, 0, shape=(product(shape),))
    found = scatter_add(found, 0, place, where(inside, weights, number_like(weights, 0)))
    if density:
        found = found / sum(found)
    found = reshape(found, shape)
    if density:
        for axis, (ends, count) in enumerate(zip(edges, shape, strict=True)):
            widths = slice_dim(ends, 0, 1, count + 1) - slice_dim(ends, 0, 0, count)
            found = found / reshape(widths, (-1,) + (1,) * (len(shape) - axis - 1))
    return found


def _edges(values: Value, bins: int, limits: Sequence[float] | None, dimension: int = 0) -> Value:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension {dimension}")
    if limits is not None:
        low, high = (number_like(values, end, shape=()) for end in limits)
    elif values.shape[0]:
        low, high = amin(values, 0), amax(values, 0)
        if not factories.holds(logical_and(low > -math.inf, high < math.inf)):
            raise RuntimeError(
                f"torch.histogramdd: dimension {dimension}'s range [{low.item():g}, {high.item():g}] is not finite"
            )
    else:
        low, high = number_like(values, 0, shape=()), number_like(values, 1, shape=())
    if limits is None:
        same = low == high
        low, high = where(same, low - 0.5, low), where(same, high + 0.5, high)
    # As linspace: from the nearer end, so that both are exact.
    step = (high - low) / bins
    line = values.apply(Iota.instance, (), {"shape": (bins + 1,), "dim": 0, "dtype": values.dtype})
    return where(line < (bins + 1) // 2, low + step * line, high - step * (bins - line))


def bincount(input: Value, weights: Value | None = None, minlength: int = 0) -> Value:
    """How often each non-negative integer occurs in a vector (int64), or the sums of its weights (float64, float32).

    The result has an element for each integer up to the greatest, and at least ``minlength``. A compiled function rests
    on the greatest, or on its being below ``minlength``. Raises RuntimeError for negative integers and for other than
    vectors.
    """
    require_value("bincount", input)
    if not input.dtype.is_integer:
        raise factories.not_implemented("bincount_cpu", input.dtype)
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if is_counted(input, "bincount()"):
        return _counted_bins(input, weights, int(minlength))
    array = input._settled
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    places = array.astype(np.int64)
    if weights is None:
        return factories.known(input, np.bincount(places, minlength=minlength))
    if weights.ndim != 1 or weights.shape[0] != array.size:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    dtype = weights.dtype if weights.dtype == float32 else float64
    sums = np.bincount(places, cast(weights, dtype)._array, minlength)
    return factories.known(input, sums.astype(dtype.numpy))


def _counted_bins(input: Value, weights: Value | None, minlength: int) -> Value:
    """As :func:`bincount`, in a program that is recorded."""
    wrong = RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if input.ndim != 1:
        raise wrong
    require_values(input, lambda values: values >= 0, wrong)
    if weights is not None and (weights.ndim != 1 or weights.shape[0] != input.shape[0]):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    places, size = cast(input, int64), minlength
    if input.shape[0] and not (minlength and bool(all(places < minlength))):
        size = builtins.max(minlength, greatest_of(places) + 1)
    if weights is None:
        return scatter_add(number_like(places, 0, shape=(size,)), 0, places, number_like(places, 1))
    wide = cast(weights, float64)
    sums = scatter_add(number_like(wide, 0, shape=(size,)), 0, places, wide)
    return cast(sums, float32) if weights.dtype == float32 else sums


# -- covariances ------------------------------------------------------------------------------------------------------


def cov(input: Value, *, correction: int = 1, fweights: Value | None = None, aweights: Value | None = None) -> Value:
    """The covariances of the rows of a matrix, whose columns are observations; of a vector its variance.

    ``fweights`` (integers) tell how often each observation was made, ``aweights`` (floats) how much it weighs.
    """
    require_value("cov", input)
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    if input.dtype == bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = (
        cast(input, floating(input.dtype)) if input.ndim == 2 else reshape(cast(input, floating(input.dtype)), (1, -1))
    )
    count = rows.shape[1]
    weights = _observation_weights(count, fweights, aweights)
    total: Any = float(count) if weights is None else sum(weights)
    weighed = rows if weights is None else rows * weights
    deviations = rows - sum(weighed, 1, keepdim=True) / total
    freedom: Any = total - correction
    if aweights is not None and correction != 0:
        freedom = total - sum(weights * aweights) * correction / total
    if is_value(freedom):
        freedom = clamp(freedom, min=0)
    elif freedom <= 0:
        warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
        )
        freedom = 0.0
    weighed = deviations if weights is None else deviations * weights
    return squeeze(matmul(deviations, conjugate(transpose(weighed, 0, 1))) / freedom)


def _observation_weights(count: int, fweights: Value | None, aweights: Value | None) -> Value | None:
    """How much each observation counts; None where all count alike."""
    for name, weights, integral in (("fweights", fweights, True), ("aweights", aweights, False)):
        if weights is None:
            continue
        if weights.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
            )
        if weights.dtype.is_integer != integral or weights.dtype == bool_:
            kind = "integral" if integral else "floating point"
            raise RuntimeError(
                f"cov(): expected {name} to have {kind} dtype but got {name} with {type_name(weights.dtype)} dtype"
            )
        size = product(weights.shape)
        if size != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{size} != {count}"
            )
        if count and not factories.holds(all(weights >= 0)):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


def corrcoef(input: Value) -> Value:
    """The correlation coefficients of the rows of a matrix, in [-1, 1]; of a vector 1."""
    require_value("corrcoef", input)
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    found = cov(input)
    if found.ndim == 0:
        return found / found
    variances = diagonal(found)
    deviation = sqrt(parts(variances)[0] if variances.dtype.is_complex else variances)
    found = found / unsqueeze(deviation, 1) / unsqueeze(deviation, 0)
    return found if found.dtype.is_complex else clamp(found, -1, 1)
