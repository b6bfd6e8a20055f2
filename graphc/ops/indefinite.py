"""The factorisation ``P L D L.mT P.mT`` of symmetric or Hermitian matrices that need not be definite.

D has blocks of one or two rows, chosen by diagonal pivoting, and pivots are LAPACK's (sytrf, hetrf): the row k was
exchanged with row ``pivots[k] - 1``; a negative pivot, twice in a row, stands for a block of two whose second row was
exchanged with row ``-pivots[k] - 1``. Sources: Bunch and Kaufman, Some stable methods for calculating inertia and
solving symmetric linear systems, Math. Comp. 31 (1977); Golub and Van Loan, Matrix Computations, 4th ed., 4.4.4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import External, register
from graphc.ir.types import TensorType
from graphc.ops import matrix_numerics
from graphc.ops.linear_algebra import require_square
from graphc.ops.matrix_numerics import stacked
from graphc.ops.matrix_rules import columnwise, pack, packed_type
from graphc.ops.quiet import quiet

# The bound on the growth of elements is least with it.
_ALPHA = (1 + math.sqrt(17)) / 8


def indefinite_shapes(size: int) -> tuple[tuple[Dimension, ...], ...]:
    """The shapes of what ``ldl_factor`` gives: L and D in one matrix, the pivots, and the place of a zero block."""
    return (size, size), (size,), ()


def _size(value: Any) -> float:
    return abs(value.real) + abs(value.imag)


def _sizes(values: np.ndarray) -> np.ndarray:
    return np.abs(values.real) + np.abs(values.imag) if values.dtype.kind == "c" else np.abs(values)


def _pivot(a: np.ndarray, k: int) -> tuple[int, int]:
    """The row to bring to place k, and the rows of the block there; 0 rows for a column of zeros."""
    own = _size(a[k, k])
    below = _sizes(a[k + 1 :, k])
    greatest = float(below.max(initial=0.0))
    if max(own, greatest) == 0:
        return k, 0
    if own >= _ALPHA * greatest:
        return k, 1
    row = k + 1 + int(below.argmax())
    across = max(float(_sizes(a[row, k:row]).max(initial=0.0)), float(_sizes(a[row + 1 :, row]).max(initial=0.0)))
    if own >= _ALPHA * greatest * (greatest / across):
        return k, 1
    return (row, 1) if _size(a[row, row]) >= _ALPHA * across else (row, 2)


def _exchange(a: np.ndarray, first: int, second: int, k: int, hermitian: bool) -> None:
    """Exchange two rows and columns of what is left from k on, in the lower triangle."""
    turn = np.conj if hermitian else np.asarray
    a[second + 1 :, [first, second]] = a[second + 1 :, [second, first]]
    between = a[first + 1 : second, first].copy()
    a[first + 1 : second, first] = turn(a[second, first + 1 : second])
    a[second, first + 1 : second] = turn(between)
    if hermitian:
        a[second, first] = np.conj(a[second, first])
    a[first, first], a[second, second] = a[second, second], a[first, first]
    if first > k:
        a[first, k], a[second, k] = a[second, k], a[first, k]


def _block(a: np.ndarray, k: int, rows: int, hermitian: bool) -> np.ndarray:
    """The block of D at place k, in full."""
    if rows == 1:
        return np.array([[a[k, k].real if hermitian else a[k, k]]], a.dtype)
    corner = a[k + 1, k]
    other = np.conj(corner) if hermitian else corner
    return np.array([[a[k, k], other], [corner, a[k + 1, k + 1]]], a.dtype)


def _divided(block: np.ndarray, b: np.ndarray) -> np.ndarray:
    """X of ``block @ X = b``; of a block of zero, inf or NaN."""
    return b / block[0, 0] if len(block) == 1 else matrix_numerics.solve(block, b)


def factor_indefinite(matrix: np.ndarray, hermitian: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """L (below D) and D in a lower triangle, the pivots, and the first column of zeros, counted from 1; 0: none."""
    a = np.tril(matrix)
    size, k, failed = len(a), 0, 0
    pivots = np.empty(size, np.int32)
    while k < size:
        row, rows = _pivot(a, k)
        if not rows:
            failed = failed or k + 1
            rows, row = 1, k
            pivots[k] = k + 1
            k += 1
            continue
        if row != k + rows - 1:
            _exchange(a, k + rows - 1, row, k, hermitian)
        pivots[k : k + rows] = row + 1 if rows == 1 else -(row + 1)
        block = _block(a, k, rows, hermitian)
        if hermitian:
            a[k, k] = a[k, k].real
        columns = a[k + rows :, k : k + rows]
        lower = _divided(block.T, columns.T).T
        across = np.conj(columns.T) if hermitian else columns.T
        a[k + rows :, k + rows :] -= np.tril(lower @ across)
        a[k + rows :, k : k + rows] = lower
        k += rows
    return a, pivots, failed


def solve_indefinite(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    """X of ``A @ X = B`` for the result of :func:`factor_indefinite` for A."""
    x, size, starts, k = b.copy(), len(ld), [], 0
    while k < size:
        rows = 1 if pivots[k] > 0 else 2
        last, other = k + rows - 1, abs(int(pivots[k])) - 1
        if last != other:
            x[[last, other]] = x[[other, last]]
        x[k + rows :] -= ld[k + rows :, k : k + rows] @ x[k : k + rows]
        x[k : k + rows] = _divided(_block(ld, k, rows, hermitian), x[k : k + rows])
        starts.append((k, rows, last, other))
        k += rows
    for k, rows, last, other in reversed(starts):
        across = ld[k + rows :, k : k + rows].T
        x[k : k + rows] -= (np.conj(across) if hermitian else across) @ x[k + rows :]
        if last != other:
            x[[last, other]] = x[[other, last]]
    return x


@register
class LdlFactor(External):
    """The factorisation from the lower triangle, packed as ``indefinite_shapes``; all in the matrices' dtype. ``check``
    names the function that raises RuntimeError where D has a block of zero; "" leaves it there."""

    name = "ldl_factor"
    differentiable = False

    def infer(self, x: TensorType, *, hermitian: bool, check: str) -> TensorType:
        require_square("ldl_factor", x)
        return packed_type(x, indefinite_shapes(x.shape[-1]))

    @quiet
    def evaluate(self, x: np.ndarray, *, hermitian: bool, check: str) -> np.ndarray:
        batch, size = x.shape[:-2], x.shape[-1]
        found = [factor_indefinite(matrix, hermitian) for matrix in stacked(x)]
        if check and any(failed for _, _, failed in found):
            place = next(failed for _, _, failed in found if failed)
            raise RuntimeError(f"{check}: D is singular: its block {place} is zero")
        parts = [np.array([each[place] for each in found]) for place in range(3)]
        shapes = indefinite_shapes(size)
        return pack(batch, x.dtype, [part.reshape((*batch, *shape)) for part, shape in zip(parts, shapes, strict=True)])


@register
class LdlSolve(External):
    """X of ``A @ X = B``, of L and D in one matrix, the pivots, and B, of one batch."""

    name = "ldl_solve"
    differentiable = False

    def infer(self, ld: TensorType, pivots: TensorType, b: TensorType, *, hermitian: bool) -> TensorType:
        require_square("ldl_solve", ld)
        if b.rank != ld.rank or b.shape[:-1] != ld.shape[:-1] or pivots.shape != ld.shape[:-1] or b.dtype != ld.dtype:
            raise ValueError(f"ldl_solve of {ld}, {pivots} and {b}: expected one dtype, one batch and as many rows")
        return b

    @quiet
    @columnwise
    def evaluate(self, ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, *, hermitian: bool) -> np.ndarray:
        every = pivots.reshape(len(stacked(ld)), ld.shape[-1])
        groups = zip(stacked(ld), every, stacked(b), strict=True)
        found = [solve_indefinite(*group, hermitian) for group in groups]
        return np.array(found, b.dtype).reshape(b.shape)
