"""Reductions: each element of the result combines the elements along some dimensions, which the result lacks.

``dims`` is a tuple of non-negative dimensions in ascending order. Gradients follow PyTorch at ties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.primitive import Attributes, Reduction, register
from graphc.ir.scalars import Index, Operand, Scalar
from graphc.ir.types import DType, TensorType, int64
from graphc.ops import gathers, views
from graphc.ops.comparisons import Eq, IsNan, LogicalAnd, LogicalOr, Where
from graphc.ops.composites import Composite
from graphc.ops.conjugation import conjugate
from graphc.ops.pointwise import Cast
from graphc.ops.pointwise_family import ANY, NUMERIC_OR_COMPLEX, full_value
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.sources import Iota, number_like
from graphc.ops.type_names import type_name

Dims = tuple[int, ...]


def restored(value: Any, shape: Sequence[Dimension], dims: Dims) -> Any:
    """A reduced value at every place of the shape that it was reduced from."""
    return Restored.bind(value, shape=tuple(shape), dims=dims) if dims else value


class Restored(Composite):
    """A value reduced over ``dims``, at every place of the shape that it was reduced from."""

    name, differentiable = "restored", False

    def decompose(self, value: Any, *, shape: tuple[Dimension, ...], dims: Dims) -> Any:
        return views.Expand.bind(views.Reshape.bind(value, shape=_kept(shape, dims)), shape=shape)

    def evaluate(self, value: np.ndarray, *, shape: tuple[int, ...], dims: Dims) -> np.ndarray:
        array = views.stretched(value if not value.ndim else value.reshape(_kept(shape, dims)), shape)
        return array.copy() if array.flags.c_contiguous else array  # nothing is stretched: memory of its own


class Spread(Restored):
    """As :class:`Restored`, where tensors compute it in memory of its own, that can be written to."""

    name, moves, of_any_dtype = "spread", True, True
    by_rows = True

    def evaluate(self, value: np.ndarray, *, shape: tuple[int, ...], dims: Dims) -> np.ndarray:
        array = np.empty(shape, value.dtype)
        array[...] = value.reshape(_kept(shape, dims))
        return array


class CentringGradient(Composite):
    """What the operand of ``x - mean(x)`` gets through the mean, of the cotangent of the difference. The mean is taken
    of a sum in ``wide``: float64 or the operand's own dtype."""

    name, differentiable = "centring_gradient", False

    def decompose(self, cotangent: Any, *, dims: Dims, wide: bool) -> Any:
        count = product(cotangent.shape[dim] for dim in dims)
        return restored(-Sum.bind(cotangent, dims=dims) / count, cotangent.shape, dims)

    def evaluate(self, cotangent: np.ndarray, *, dims: Dims, wide: bool) -> np.ndarray:
        token = silence(IGNORE)
        try:
            total, count = 0 - kept_sum(cotangent, dims), math.prod(cotangent.shape[dim] for dim in dims)
            mean = total.astype(np.float64) / count if wide else total / total.dtype.type(count)
        finally:
            restore(token)
        array = views.stretched(mean.astype(cotangent.dtype, copy=False), cotangent.shape)
        return array.copy() if array.flags.c_contiguous else array


def _kept(shape: Sequence[Dimension], dims: Dims) -> tuple[Dimension, ...]:
    if len(dims) == len(shape):
        return (1,) * len(dims)
    return tuple(1 if dim in dims else extent for dim, extent in enumerate(shape))


class DimensionReduction(Reduction):
    """A reduction over ``dims`` of its one operand.

    ``accepts`` lists the categories of dtypes; ``result`` is the dtype of the result where it is not the operand's;
    ``reduce`` is numpy's reduction, called with ``axis`` and, where ``keeps_dtype``, with ``dtype``.
    """

    by_rows = True
    accepts: ClassVar[tuple[str, ...]] = ANY
    result: ClassVar[DType | None] = None
    has_identity: ClassVar[bool] = True
    reduce: ClassVar[Any]
    keeps_dtype: ClassVar[bool] = False
    kernel: ClassVar[str | None] = None  # PyTorch's, as its messages for complex operands name it

    def infer(self, x: TensorType, *, dims: Dims) -> TensorType:
        if x.dtype.category not in self.accepts:
            if x.dtype.is_complex and self.kernel is None:
                raise RuntimeError(f"{self.name}(): does not support complex input")
            if x.dtype.is_complex:
                raise NotImplementedError(f"\"{self.kernel}\" not implemented for '{type_name(x.dtype)}'")
            raise TypeError(f"{self.name} expects {' or '.join(self.accepts)} elements, got {x.dtype.name}")
        if any(not 0 <= dim < x.rank for dim in dims) or any(a >= b for a, b in pairwise(dims)):
            raise ValueError(f"{self.name} expects ascending dims of a value of rank {x.rank}, got {dims}")
        if not self.has_identity:
            for dim in dims:
                if x.shape[dim] == 0:
                    raise IndexError(f"{self.name}(): Expected reduction dim {dim} to have non-zero size.")
        kept = tuple(extent for dim, extent in enumerate(x.shape) if dim not in dims)
        return TensorType(x.dtype if self.result is None else self.result, kept)

    def evaluate(self, x: np.ndarray, *, dims: Dims) -> np.ndarray:
        token = silence(IGNORE)
        try:
            result = self.reduce(x, axis=dims, dtype=x.dtype) if self.keeps_dtype else self.reduce(x, axis=dims)
        finally:
            restore(token)
        return result if type(result) is np.ndarray else np.asarray(result)

    def room(self, type: TensorType, *arrays: np.ndarray, **attrs: Any) -> np.ndarray | None:
        known = super().room(type, *arrays)
        if known is not None or 0 in arrays[0].shape:
            return known
        if not type.shape:
            return np.empty((), type.dtype.numpy)
        # The order of what stays of the operand's dimensions, as numpy's reductions choose it.
        (x,), dims = arrays, attrs["dims"]
        kept = iter(range(x.ndim))
        axes = [list(range(x.ndim)), [-1 if dim in dims else next(kept) for dim in range(x.ndim)]]
        flags = [["readonly"], ["readwrite", "allocate"]]
        kinds = [x.dtype, type.dtype.numpy]
        with np.nditer([x, None], ["reduce_ok"], flags, kinds, op_axes=axes) as walk:
            return walk.operands[-1]

    def reduced_extents(self, types: Sequence[TensorType], **attrs: Any) -> tuple[Dimension, ...]:
        return tuple(types[0].shape[dim] for dim in attrs["dims"])

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        dims: Dims = attrs["dims"]
        kept, along = iter(index), iter(reduced)
        return operands[0](*(next(along) if dim in dims else next(kept) for dim in range(types[0].rank)))

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (x,) = inputs
        extents = [x.shape[dim] for dim in attrs["dims"]]
        itself = not extents or self.keeps_single(x.dtype)
        if self.result in (None, x.dtype) and itself and all(extent == 1 for extent in extents):
            return views.Reshape.bind(x, shape=output_type.shape)
        return self.rule(x, extents, output_type)

    def keeps_single(self, dtype: DType) -> bool:
        """Whether the reduction of one element is that element, bit for bit."""
        return True

    def rule(self, x: Any, extents: Sequence[Dimension], output_type: TensorType) -> Any | None:
        """A simpler value for the reduction over these extents; None where there is none."""
        return None


# Sums of no more elements are left to numpy; longer dimensions than a block are summed block by block.
_SMALL, _BLOCK = 4096, 128


def _sum(x: np.ndarray, axis: Dims, dtype: np.dtype) -> np.ndarray:
    if x.size > _SMALL and x.dtype.kind in "fc":
        return _sum_in_blocks(x, axis, dtype)
    return np.add.reduce(x, axis, dtype)


def _sum_in_blocks(x: np.ndarray, axis: Dims, dtype: np.dtype) -> np.ndarray:
    """The sum of many floats. numpy adds in pairs along the dimension that is contiguous; along another it adds one
    after the other, so that errors grow with the length: there, blocks are summed, and then their sums."""
    fastest = min((abs(stride) for stride, extent in zip(x.strides, x.shape, strict=True) if extent > 1), default=0)
    slow = [dim for dim in axis if abs(x.strides[dim]) > fastest]
    dim = max(slow, key=lambda each: x.shape[each], default=None)
    if dim is None or x.shape[dim] < 2 * _BLOCK or len(axis) == x.ndim:
        return np.add.reduce(x, axis, dtype)
    count = x.shape[dim] // _BLOCK
    before = (slice(None),) * dim
    head = x[(*before, slice(count * _BLOCK))].reshape(*x.shape[:dim], count, _BLOCK, *x.shape[dim + 1 :])
    blocks = np.add.reduce(head, dim + 1, dtype)
    tail = np.add.reduce(x[(*before, slice(count * _BLOCK, None))], dim, dtype, keepdims=True)
    return _sum(np.concatenate((blocks, tail), dim), axis, dtype)


def kept_sum(x: np.ndarray, dims: Dims) -> np.ndarray:
    """The sum along dimensions, which stay as ones of extent 1; as :class:`Sum` computes it."""
    if x.size > _SMALL:
        return _sum(x, dims, x.dtype).reshape(_kept(x.shape, dims))
    return np.add.reduce(x, dims, x.dtype, None, True)


@register
class Sum(DimensionReduction):
    """The sum; 0 of nothing."""

    name, combiner, accepts, keeps_dtype, saves_inputs = "sum", "sum", NUMERIC_OR_COMPLEX, True, ()
    reduce = staticmethod(_sum)

    def evaluate(self, x: np.ndarray, *, dims: Dims) -> np.ndarray:
        token = silence(IGNORE)
        try:
            result = np.add.reduce(x, dims, x.dtype) if x.size <= _SMALL else _sum(x, dims, x.dtype)
        finally:
            restore(token)
        return result if type(result) is np.ndarray else np.asarray(result)

    def keeps_single(self, dtype: DType) -> bool:
        return not dtype.is_differentiable  # the sum of -0.0 alone is 0.0

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        return (restored(cotangent, x.shape, dims),)


class SumOfMean(Composite, Sum):
    """The sum that a mean divides: its operand's cotangent has memory of its own, as PyTorch's of a mean has and that
    of a sum has not."""

    of_any_dtype = True

    def decompose(self, x: Any, *, dims: Dims) -> Any:
        return Sum.bind(x, dims=dims)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        return (Spread.bind(cotangent, shape=tuple(x.shape), dims=dims) if dims else cotangent,)


class Extreme(DimensionReduction):
    """The greatest or least element; NaN wins. Elements that tie share the gradient evenly."""

    has_identity, saves_output = False, True

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        tied = _as(Eq.bind(x, restored(output, x.shape, dims)), cotangent)
        return (tied * restored(cotangent / Sum.bind(tied, dims=dims), x.shape, dims),)

    def rule(self, x: Any, extents: Sequence[Dimension], output_type: TensorType) -> Any | None:
        value = full_value(x)
        if value is None or not all(isinstance(extent, int) and extent > 0 for extent in extents):
            return None
        return number_like(x, value, shape=output_type.shape)


def _as(value: Any, reference: Any) -> Any:
    return Cast.bind(value, dtype=reference.dtype)


@register
class Amax(Extreme):
    name, combiner, reduce, kernel = "amax", "max", staticmethod(np.maximum.reduce), "max_values_cpu"


@register
class Amin(Extreme):
    name, combiner, reduce, kernel = "amin", "min", staticmethod(np.minimum.reduce), "min_values_cpu"


class Single(Extreme):
    """The same, but where the extreme is NaN its gradient goes to the elements that are NaN: PyTorch's max and min of a
    whole tensor have it so, amax and amin make the whole gradient NaN."""

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        return (shared_evenly(cotangent, output, x, dims),)


def shared_evenly(cotangent: Any, found: Any, x: Any, dims: Dims) -> Any:
    """The cotangent of a reduction that found an element: all that equal it, NaN included, share it."""
    everywhere = restored(found, x.shape, dims)
    both_nan = LogicalAnd.bind(IsNan.bind(x), IsNan.bind(everywhere))
    equal = _as(LogicalOr.bind(Eq.bind(x, everywhere), both_nan), cotangent)
    return equal * restored(cotangent / Sum.bind(equal, dims=dims), x.shape, dims)


@register
class Max(Single):
    name, combiner, reduce, kernel = "max", "max", staticmethod(np.maximum.reduce), "max_all"


@register
class Min(Single):
    name, combiner, reduce, kernel = "min", "min", staticmethod(np.minimum.reduce), "min_all"


@register
class Prod(DimensionReduction):
    """The product; 1 of nothing. The gradient is exact where elements are zero, and differentiable again."""

    name, combiner, accepts, keeps_dtype = "prod", "prod", NUMERIC_OR_COMPLEX, True
    reduce = staticmethod(np.multiply.reduce)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        return (restored(cotangent, x.shape, dims) * conjugate(product_of_others(x, dims)),)


def product_of_others(x: Any, dims: Dims) -> Any:
    """For each element the product of all others along ``dims``; of the shape of x.

    Products of prefixes times products of suffixes, each by doubling (Hillis, Steele 1986): no division, so zeros do
    no harm. Where the number of elements is symbolic, each element multiplies the others in a loop of its own.
    """
    rank = len(x.shape)
    kept = tuple(dim for dim in range(rank) if dim not in dims)
    order = (*kept, *dims)
    moved = views.Permute.bind(x, dims=order)
    count = product(x.shape[dim] for dim in dims)
    rows = (*(x.shape[dim] for dim in kept), count)
    flat = views.Reshape.bind(moved, shape=rows)
    if isinstance(count, int):
        others = _shifted_products(flat, 1) * _shifted_products(flat, -1)
    else:
        others = _products_but_one(flat)
    back = tuple(order.index(dim) for dim in range(rank))
    return views.Permute.bind(views.Reshape.bind(others, shape=tuple(x.shape[dim] for dim in order)), dims=back)


def _shifted_products(rows: Any, direction: int) -> Any:
    """Along the last dimension the products of all elements before (direction 1) or after (-1) each."""
    count = rows.shape[-1]
    running = _shift(rows, direction)
    step = 1
    while step < count:
        running = running * _shift(running, direction * step)
        step *= 2
    return running


def _shift(rows: Any, distance: int) -> Any:
    """The elements moved along the last dimension; ones come in."""
    count, rank = rows.shape[-1], len(rows.shape)
    size = min(abs(distance), count)
    starts, low, high = [0] * rank, [0] * rank, [0] * rank
    stops = list(rows.shape)
    if distance > 0:
        stops[-1], low[-1] = count - size, size
    else:
        starts[-1], high[-1] = size, size
    remaining = views.Slice.bind(rows, starts=tuple(starts), stops=tuple(stops), steps=(1,) * rank)
    return gathers.Pad.bind(remaining, low=tuple(low), high=tuple(high), value=1.0)


def _products_but_one(rows: Any) -> Any:
    shape = tuple(rows.shape)
    square = (*shape, shape[-1])
    row = views.Reshape.bind(rows, shape=(*shape[:-1], 1, shape[-1]))
    positions = [
        rows.apply(Iota.instance, (), {"shape": square, "dim": len(shape) - 1 + offset, "dtype": int64})
        for offset in (0, 1)
    ]
    spread = views.Expand.bind(row, shape=square)
    return Prod.bind(Where.bind(Eq.bind(*positions), number_like(spread, 1), spread), dims=(len(shape),))


class Quantifier(DimensionReduction):
    """Of truth values."""

    accepts, differentiable = ("bool",), False


@register
class Any_(Quantifier):
    """Whether an element is true; false of nothing."""

    name, combiner, reduce = "any", "any", staticmethod(np.logical_or.reduce)


@register
class All(Quantifier):
    """Whether all elements are true; true of nothing."""

    name, combiner, reduce = "all", "all", staticmethod(np.logical_and.reduce)


class ArgumentReduction(DimensionReduction):
    """The row-major position of the first extreme element within the reduced dims; NaN is the most extreme."""

    result, has_identity, differentiable = int64, False, False

    def evaluate(self, x: np.ndarray, *, dims: Dims) -> np.ndarray:
        if len(dims) == x.ndim:
            return np.asarray(self.reduce(x, axis=None))
        if len(dims) == 1:
            return np.asarray(self.reduce(x, axis=dims[0]))
        kept = [dim for dim in range(x.ndim) if dim not in dims]
        moved = x.transpose(*kept, *dims).reshape(*(x.shape[dim] for dim in kept), -1)
        return np.asarray(self.reduce(moved, axis=-1))

    def rule(self, x: Any, extents: Sequence[Dimension], output_type: TensorType) -> Any | None:
        if all(extent == 1 for extent in extents) or (full_value(x) is not None and 0 not in extents):
            return number_like(x, 0, shape=output_type.shape, dtype=int64)
        return None

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return self.rule(inputs[0], [inputs[0].shape[dim] for dim in attrs["dims"]], output_type)


@register
class ArgMax(ArgumentReduction):
    name, combiner, reduce = "argmax", "argmax", staticmethod(np.argmax)


@register
class ArgMin(ArgumentReduction):
    name, combiner, reduce = "argmin", "argmin", staticmethod(np.argmin)
