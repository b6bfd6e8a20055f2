"""Numerical linear algebra on batches of numpy arrays, where numpy.linalg offers none or says too little.

All functions take ``[..., m, n]`` arrays of float32, float64, complex64 or complex128 and stay in that dtype.
Sources: Golub and Van Loan, Matrix Computations, 4th ed., chapters 3 and 4 (LU, substitution, Cholesky);
Higham, The Scaling and Squaring Method for the Matrix Exponential Revisited, SIAM J. Matrix Anal. 26 (2005).
"""

from __future__ import annotations

import math

import numpy as np

_BLOCK = 32


class LinAlgError(RuntimeError):
    """A matrix has no inverse, is not positive-definite, or an algorithm did not converge on it."""


def adjoint(x: np.ndarray) -> np.ndarray:
    """The conjugate transpose of the last two dims."""
    return np.conj(np.swapaxes(x, -1, -2))


def stacked(matrices: np.ndarray) -> np.ndarray:
    """The matrices of all batches in one row."""
    return matrices.reshape(math.prod(matrices.shape[:-2]), *matrices.shape[-2:])


def factor_lu(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LU with partial pivoting, as LAPACK's getrf: L (below the diagonal of ones) and U in one array, and pivots.

    Pivots ``[..., min(m, n)]`` count from 1: row k was exchanged with row ``pivots[k]``, in turn.
    """
    lu = np.array(matrices, order="C")
    rows, columns = lu.shape[-2:]
    count = min(rows, columns)
    batch = lu.shape[:-2]
    lu = stacked(lu)
    pivots = np.empty((len(lu), count), np.int32)
    every = np.arange(len(lu))
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        for k in range(start, stop):
            best = k + np.argmax(_magnitude(lu[:, k:, k]), axis=1)
            pivots[:, k] = best + 1
            if (best != k).any():
                row = lu[every, best]
                lu[every, best] = lu[:, k]
                lu[:, k] = row
            head = lu[:, k, k, None]
            lu[:, k + 1 :, k] /= np.where(head == 0, 1, head)
            lu[:, k + 1 :, k + 1 : stop] -= lu[:, k + 1 :, k, None] * lu[:, k, None, k + 1 : stop]
        if stop < columns:
            panel = lu[:, start:stop, start:stop]
            lu[:, start:stop, stop:] = substitute(panel, lu[:, start:stop, stop:], upper=False, unit=True)
            lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ lu[:, start:stop, stop:]
    return lu.reshape(matrices.shape), pivots.reshape(*batch, count)


def _magnitude(values: np.ndarray) -> np.ndarray:
    """What LAPACK compares pivots by."""
    return np.abs(values.real) + np.abs(values.imag) if values.dtype.kind == "c" else np.abs(values)


def rows_of_pivots(pivots: np.ndarray, count: int) -> np.ndarray:
    """The permutation of ``count`` rows that exchanges in turn make: row k of the product is row ``result[k]``."""
    flat = stacked(pivots[..., None, :])[:, 0].astype(np.int64) - 1
    result = np.tile(np.arange(count), (len(flat), 1))
    every = np.arange(len(flat))
    for k in range(flat.shape[1]):
        other = flat[:, k]
        result[every, k], result[every, other] = result[every, other], result[every, k].copy()
    return result.reshape(*pivots.shape[:-1], count)


def zero_pivot(lu: np.ndarray) -> np.ndarray:
    """``[...]`` int32: the place, from 1 on, of the first zero on the diagonal of U; 0 where there is none."""
    count = min(lu.shape[-2:])
    if not count:
        return np.zeros(lu.shape[:-2], np.int32)
    zeros = np.diagonal(lu, axis1=-2, axis2=-1) == 0
    return np.where(zeros.any(-1), np.argmax(zeros, -1) + 1, 0).astype(np.int32)


def substitute(triangle: np.ndarray, right: np.ndarray, *, upper: bool, unit: bool) -> np.ndarray:
    """``triangle @ X = right`` solved by substitution, in blocks; the other triangle is not read.

    Batches broadcast. A zero on the diagonal gives inf or NaN. ``unit``: the diagonal counts as ones.
    """
    size = triangle.shape[-1]
    batch = np.broadcast_shapes(triangle.shape[:-2], right.shape[:-2])
    result = np.array(np.broadcast_to(right, (*batch, *right.shape[-2:])), order="C")
    starts = list(range(0, size, _BLOCK))
    for start in reversed(starts) if upper else starts:
        stop = min(start + _BLOCK, size)
        places = range(stop - 1, start - 1, -1) if upper else range(start, stop)
        for k in places:
            row = result[..., k, :]
            if not unit:
                row /= triangle[..., k, k, None]
            rest = slice(start, k) if upper else slice(k + 1, stop)
            result[..., rest, :] -= triangle[..., rest, k, None] * row[..., None, :]
        rest = slice(0, start) if upper else slice(stop, size)
        if rest.start < rest.stop:
            result[..., rest, :] -= triangle[..., rest, start:stop] @ result[..., start:stop, :]
    return result


def factor_cholesky(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower Cholesky factors, of the lower triangles, and ``[...]`` int32: the order of the first leading minor that is
    not positive, or 0. What is computed before that minor stands in the factor."""
    try:
        return np.tril(np.linalg.cholesky(matrices)), np.zeros(matrices.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        pass
    factors = np.tril(matrices)
    size = factors.shape[-1]
    factors = stacked(factors)
    minors = np.zeros(len(factors), np.int32)
    for place, factor in enumerate(factors):
        for k in range(size):
            head = factor[k, k].real - (np.abs(factor[k, :k]) ** 2).sum()
            if not head > 0:
                factor[k, k] = head
                minors[place] = k + 1
                break
            factor[k, k] = math.sqrt(head)
            factor[k + 1 :, k] -= factor[k + 1 :, :k] @ np.conj(factor[k, :k])
            factor[k + 1 :, k] /= factor[k, k]
    return factors.reshape(matrices.shape), minors.reshape(matrices.shape[:-2])


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverses; of a singular matrix inf and NaN."""
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        return solve(matrices, np.broadcast_to(np.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape))


def solve(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X of ``matrices @ X = right`` for ``[..., n, n]`` and ``[..., n, k]``; inf or NaN where a matrix is singular."""
    try:
        return np.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:
        lu, pivots = factor_lu(matrices)
        rows = rows_of_pivots(pivots, lu.shape[-1])
        batch = np.broadcast_shapes(lu.shape[:-2], right.shape[:-2])
        permuted = np.take_along_axis(
            np.broadcast_to(right, (*batch, *right.shape[-2:])),
            np.broadcast_to(rows[..., None], (*batch, rows.shape[-1], right.shape[-1])),
            -2,
        )
        return substitute(lu, substitute(lu, permuted, upper=False, unit=True), upper=True, unit=False)


def cofactors(matrix: np.ndarray) -> np.ndarray:
    """The cofactors of one matrix, by way of its singular values: exact where it is singular, too."""
    if not np.isfinite(matrix).all():
        return np.full_like(matrix, np.nan)
    u, s, vh = np.linalg.svd(matrix)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign * (np.conj(u) * _products_without(s)) @ np.conj(vh)


def second_cofactors(matrices: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The derivatives of ``cofactors`` along directions, by way of the singular values."""
    finite = np.isfinite(matrices).all((-2, -1))[..., None, None]
    u, s, vh = np.linalg.svd(np.where(finite, matrices, 0))
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    one = np.eye(s.shape[-1], dtype=bool)
    # The products of all singular values but the i-th and the j-th, in the place (i, j).
    pairs = np.where(one, 0, _products_without(np.where(one, 1, s[..., None, :])))
    turned = adjoint(u) @ along @ adjoint(vh)
    own = (pairs @ np.diagonal(turned, axis1=-2, axis2=-1)[..., None]) * one
    result = sign * np.conj(u) @ (own - pairs * np.swapaxes(turned, -1, -2)) @ np.conj(vh)
    return np.where(finite, result, np.nan).astype(matrices.dtype, copy=False)


def _products_without(values: np.ndarray) -> np.ndarray:
    """For each place of the last dim the product of all others."""
    one = np.ones_like(values[..., :1])
    before = np.cumprod(np.concatenate([one, values[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, values[..., :0:-1]], -1), -1)[..., ::-1]
    return before * after


# Coefficients of the Padé approximants of the exponential, and the greatest norms for which they are exact to double
# precision (Higham, table 2.3).
_PADE = {
    3: (120.0, 60.0, 12.0, 1.0),
    5: (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0),
    7: (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0),
    9: (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0, 3960.0, 90.0, 1.0),
    13: (
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ),
}
_GREATEST_NORM = {3: 1.495585217958292e-2, 5: 2.53939833006323e-1, 7: 9.504178996162932e-1, 9: 2.097847961257068}
_GREATEST_NORM_13 = 5.371920351148152


def exponential(matrices: np.ndarray) -> np.ndarray:
    """The matrix exponential, by scaling and squaring of a Padé approximant; each matrix is scaled by its own norm."""
    flat = stacked(matrices)
    result = np.empty_like(flat)
    for place, matrix in enumerate(flat):
        result[place] = _exponential(matrix.astype(np.result_type(matrix.dtype, np.float64)))
    return result.reshape(matrices.shape)


def _exponential(matrix: np.ndarray) -> np.ndarray:
    norm = float(np.abs(matrix).sum(0).max(initial=0.0))
    if not math.isfinite(norm):
        return np.full_like(matrix, np.nan)
    for degree, greatest in _GREATEST_NORM.items():
        if norm <= greatest:
            return _pade(matrix, _PADE[degree])
    squarings = max(0, math.ceil(math.log2(norm / _GREATEST_NORM_13)))
    result = _pade(matrix / 2.0**squarings, _PADE[13])
    for _ in range(squarings):
        result = result @ result
    return result


def _pade(matrix: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    square = matrix @ matrix
    power = np.eye(len(matrix), dtype=matrix.dtype)
    odd, even = np.zeros_like(matrix), np.zeros_like(matrix)
    for place in range(0, len(coefficients), 2):
        even += coefficients[place] * power
        odd += coefficients[place + 1] * power
        power = power @ square
    odd = matrix @ odd
    return np.linalg.solve(even - odd, even + odd)
