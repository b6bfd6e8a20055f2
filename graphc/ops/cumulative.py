"""Scans: each element of the result combines the elements of its row up to it. Floats are carried in float64, and
rounded at each element.

``dim`` is a non-negative dimension; with ``reverse`` rows run from their ends. The family is closed under
differentiation: the slope of a running product is a linear recurrence, and that of a recurrence is one again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Scan, register
from graphc.ir.scalars import Call, Constant, Index, Operand, Scalar, from_index
from graphc.ir.types import DType, TensorType, bool_, complex128, float64, int64
from graphc.ops import gathers, views
from graphc.ops.comparisons import Eq, Where
from graphc.ops.conjugation import conjugate
from graphc.ops.elementary import logarithm_of_sum
from graphc.ops.pointwise import Exp
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like
from graphc.sizes import stretches


class ScanOfOne(Scan):
    """A scan of one operand. ``accepts`` lists the categories of dtypes; ``result`` is the dtype of the result where it
    is not the operand's. ``function`` is the scalar function of what is carried and the next element, and ``start`` its
    neutral number."""

    function: ClassVar[str]
    start: ClassVar[float]
    accepts: ClassVar[tuple[str, ...]] = ("int", "float", "complex")
    result: ClassVar[DType | None] = None

    def infer(self, x: TensorType, *, dim: int, reverse: bool) -> TensorType:
        if x.dtype.category not in self.accepts:
            raise TypeError(f"{self.name} expects {' or '.join(self.accepts)} elements, got {x.dtype.name}")
        if not 0 <= dim < x.rank:
            raise ValueError(f"{self.name} expects a dim of a value of rank {x.rank}, got {dim}")
        return TensorType(x.dtype if self.result is None else self.result, x.shape)

    @quiet
    def evaluate(self, x: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
        rows = np.flip(x, dim) if reverse else x
        scanned = self.scan(rows, dim)
        return np.ascontiguousarray(np.flip(scanned, dim) if reverse else scanned)

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        """The scan from the start."""
        raise NotImplementedError

    def carried(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Constant, ...]:
        return (_constant(self.start, _carried_dtype(output)),)

    def step(
        self,
        carried: Sequence[Scalar],
        index: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> tuple[Scalar, ...]:
        (before,) = carried
        return (Call(self.function, (before, _widened(operands[0](*index), before.dtype)), before.dtype),)


def _carried_dtype(output: TensorType) -> DType:
    if output.dtype.is_complex:
        return complex128
    return float64 if output.dtype.is_floating_point else output.dtype


def _constant(value: float, dtype: DType) -> Constant:
    return Constant(int(value) if dtype.category in ("int", "bool") else value, dtype)


def _widened(value: Scalar, dtype: DType) -> Scalar:
    return value if value.dtype is dtype else Call("cast", (value,), dtype)


def _wide(dtype: np.dtype) -> np.dtype:
    """The dtype in which sums and products are accumulated."""
    return np.dtype({"f": np.float64, "c": np.complex128}.get(dtype.kind, dtype))


@register
class CumulativeSum(ScanOfOne):
    name, function, start, saves_inputs = "cumsum", "add", 0.0, ()

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        # A sum starts from 0, to which -0 adds nothing.
        return (np.cumsum(x, dim, _wide(x.dtype)) + x.dtype.type(0)).astype(x.dtype, copy=False)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dim: int, reverse: bool) -> tuple[Any, ...]:
        return (CumulativeSum.bind(cotangent, dim=dim, reverse=not reverse),)


@register
class NarrowCumulativeSum(ScanOfOne):
    """The running sum carried in the dtype of the elements: what a distribution of categories is drawn by."""

    name, function, start, differentiable = "narrow_cumsum", "add", 0.0, False

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        return np.cumsum(x, dim, x.dtype) + x.dtype.type(0)

    def carried(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Constant, ...]:
        return (_constant(self.start, output.dtype),)


@register
class CumulativeProduct(ScanOfOne):
    name, function, start, saves_output = "cumprod", "mul", 1.0, True

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        return np.cumprod(x, dim, _wide(x.dtype)).astype(x.dtype, copy=False)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dim: int, reverse: bool) -> tuple[Any, ...]:
        # What comes before an element, times what comes after it with the weights of the cotangent: no division, so
        # that zeros do no harm.
        before = _moved(output, dim, not reverse, 1.0)
        after = _recurrence(_moved(conjugate(x), dim, reverse, 0.0), cotangent, dim, not reverse)
        return (conjugate(before) * after,)


@stretches
def _moved(value: Any, dim: int, forward: bool, fill: float) -> Any:
    """The elements one place on along ``dim`` (or back); ``fill`` comes in."""
    shape = tuple(value.shape)
    if shape[dim] == 0:
        return value
    starts, stops = [0] * len(shape), list(shape)
    low, high = [0] * len(shape), [0] * len(shape)
    if forward:
        stops[dim], low[dim] = shape[dim] - 1, 1
    else:
        starts[dim], high[dim] = 1, 1
    kept = views.Slice.bind(value, starts=tuple(starts), stops=tuple(stops), steps=(1,) * len(shape))
    return gathers.Pad.bind(kept, low=tuple(low), high=tuple(high), value=fill)


def _recurrence(factors: Any, terms: Any, dim: int, reverse: bool) -> Any:
    return LinearRecurrence.bind(factors, terms, dim=dim, reverse=reverse)


@register
class LinearRecurrence(Scan):
    """Of operands (a, b) along ``dim`` the numbers s[k] = b[k] + a[k] * s[k - 1], with s[-1] = 0."""

    name, saves_inputs, saves_output = "linear_recurrence", (0,), True

    def infer(self, factors: TensorType, terms: TensorType, *, dim: int, reverse: bool) -> TensorType:
        if factors != terms or factors.dtype.category not in ("float", "complex"):
            raise TypeError(f"linear_recurrence expects two equal types of floats, got {factors} and {terms}")
        if not 0 <= dim < terms.rank:
            raise ValueError(f"linear_recurrence expects a dim of a value of rank {terms.rank}, got {dim}")
        return terms

    @quiet
    def evaluate(self, factors: np.ndarray, terms: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
        wide = _wide(terms.dtype)
        result = np.empty(terms.shape, terms.dtype)
        a, b, rows = (np.moveaxis(array, dim, 0) for array in (factors, terms, result))
        order = range(len(rows))
        state = np.zeros(rows.shape[1:], wide)
        for position in reversed(order) if reverse else order:
            state = b[position] + a[position] * state
            rows[position] = state
        return result

    def carried(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Constant, ...]:
        return (_constant(0.0, _carried_dtype(output)),)

    def step(
        self,
        carried: Sequence[Scalar],
        index: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> tuple[Scalar, ...]:
        (before,) = carried
        factor, term = (_widened(operand(*index), before.dtype) for operand in operands)
        return (Call("add", (term, Call("mul", (factor, before), before.dtype)), before.dtype),)

    def vjp(self, cotangent: Any, output: Any, factors: Any, terms: Any, *, dim: int, reverse: bool) -> Any:
        back = _recurrence(_moved(conjugate(factors), dim, reverse, 0.0), cotangent, dim, not reverse)
        return (lambda: back * conjugate(_moved(output, dim, not reverse, 0.0)), back)


class ExtremePosition(ScanOfOne):
    """The position of the last extreme element so far; NaN is the most extreme."""

    accepts, result, differentiable = ("bool", "int", "float"), int64, False
    extreme: ClassVar[Any]
    reached: ClassVar[str]  # the comparison of an element with the extreme one so far that makes it the new one

    @quiet
    def evaluate(self, x: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
        positions = super().evaluate(x, dim=dim, reverse=reverse)
        return x.shape[dim] - 1 - positions if reverse else positions

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        running = self.extreme.accumulate(x, dim)
        line = np.arange(x.shape[dim]).reshape((-1,) + (1,) * (x.ndim - dim - 1))
        reached = (x == running) | (x != x)
        return np.maximum.accumulate(np.where(reached, line, 0), dim)

    def positions_below(self, types: Sequence[TensorType], **attrs: Any) -> Dimension | None:
        return types[0].shape[attrs["dim"]]

    def carried(self, types: Sequence[TensorType], output: TensorType, **attrs: Any) -> tuple[Constant, ...]:
        return Constant(0, int64), _least_extreme(types[0].dtype, self.reached == "ge")

    def step(
        self,
        carried: Sequence[Scalar],
        index: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        *,
        dim: int,
        reverse: bool,
    ) -> tuple[Scalar, ...]:
        position, extreme = carried
        value = operands[0](*index)
        reached: Scalar = Call(self.reached, (value, extreme), bool_)
        if value.dtype.is_floating_point:
            reached = Call("logical_or", (reached, Call("isnan", (value,), bool_)), bool_)
        return (
            Call("where", (reached, from_index(index[dim]), position), int64),
            Call("where", (reached, value, extreme), value.dtype),
        )


def _least_extreme(dtype: DType, greatest: bool) -> Constant:
    """What every number is at least as great as (or as little)."""
    if dtype.is_floating_point:
        return Constant(-math.inf if greatest else math.inf, dtype)
    if dtype is bool_:
        return Constant(not greatest, dtype)
    limits = np.iinfo(dtype.numpy)
    return Constant(int(limits.min if greatest else limits.max), dtype)


@register
class CumulativeArgMax(ExtremePosition):
    name, extreme, reached = "cummax_indices", np.maximum, "ge"


@register
class CumulativeArgMin(ExtremePosition):
    name, extreme, reached = "cummin_indices", np.minimum, "le"


@register
class LogCumulativeSumExp(ScanOfOne):
    """The logarithm of the running sum of exponentials, without overflow."""

    name, function, start, saves_output = "logcumsumexp", "logaddexp", -math.inf, True
    accepts = ("float", "complex")
    cost = 30.0

    def scan(self, x: np.ndarray, dim: int) -> np.ndarray:
        if x.dtype.kind != "c":
            return (np.logaddexp.accumulate(x, dim, np.float64) + 0.0).astype(x.dtype, copy=False)
        rows = np.moveaxis(x, dim, 0).astype(_wide(x.dtype))
        for position in range(1, len(rows)):
            rows[position] = logarithm_of_sum(rows[position - 1], rows[position])
        return np.moveaxis(rows, 0, dim).astype(x.dtype)

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dim: int, reverse: bool) -> tuple[Any, ...]:
        # The sum of g[i] exp(x[k] - output[i]) over i from k on. As a recurrence of factors exp(output[i - 1] -
        # output[i]), none of them above 1, it neither overflows nor cancels.
        earlier = _moved(output, dim, not reverse, 0.0)
        same = Eq.bind(earlier, output)  # two infinities have no difference
        ratio = Where.bind(same, number_like(output, 1), Exp.bind(earlier - output))
        sums = _recurrence(_moved(conjugate(ratio), dim, reverse, 0.0), cotangent, dim, not reverse)
        weight = Where.bind(Eq.bind(x, output), number_like(x, 1), Exp.bind(x - output))
        return (sums * conjugate(weight),)
