"""Linear algebra under the names that ``torch`` itself and its tensors have, older forms among them.

Source: https://docs.pytorch.org/docs/stable/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ops.factorizations import CholeskyFactor, CholeskySolve, unpack_factors
from graphc.ops.functions import factorizations, linear_algebra
from graphc.ops.functions.return_types import return_type
from graphc.ops.matrix_checks import broadcast_batches, require_floating, require_square
from graphc.ops.matrix_rules import adjoint, identity_like, transposed
from graphc.ops.sources import number_like

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "det",
    "inverse",
    "logdet",
    "lu",
    "lu_solve",
    "lu_unpack",
    "matrix_exp",
    "matrix_power",
    "orgqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "triangular_solve",
]
FUNCTIONS_ONLY = ("lu_unpack",)

QAndR = return_type("qr", "Q R")
SingularVectors = return_type("svd", "U S V")
SignAndLogarithm = return_type("slogdet", "sign logabsdet")
PermutedFactors = return_type("lu_unpack", "P L U")
LuWithInfo = return_type("_lu_with_info", "LU pivots info")
SolutionAndMatrix = return_type("triangular_solve", "solution cloned_coefficient")


def inverse(input: Any) -> Any:
    """As ``linalg.inv``."""
    return linear_algebra.inv(input)


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """As ``linalg.pinv``, with a smaller tolerance."""
    return linear_algebra.pinv(input, rcond)


def det(input: Any) -> Any:
    """As ``linalg.det``."""
    return linear_algebra.det(input)


def slogdet(input: Any) -> Any:
    """As ``linalg.slogdet``."""
    return SignAndLogarithm(*linear_algebra.slogdet(input))


def logdet(input: Any) -> Any:
    """The logarithms of determinants: NaN of a negative one, -inf of zero."""
    require_square("logdet", input)
    sign, logarithm = linear_algebra.slogdet(input)
    if input.dtype.is_complex:
        return sign.log() + logarithm
    return logarithm.masked_fill(sign < 0, math.nan)


def matrix_power(input: Any, n: int) -> Any:
    """As ``linalg.matrix_power``."""
    return linear_algebra.matrix_power(input, n)


def matrix_exp(input: Any) -> Any:
    """As ``linalg.matrix_exp``."""
    return linear_algebra.matrix_exp(input)


def cholesky(input: Any, upper: bool = False) -> Any:
    """As ``linalg.cholesky``."""
    require_square("cholesky", input)
    require_floating("cholesky", input)
    if upper:
        return adjoint(CholeskyFactor.bind(adjoint(input), check="cholesky"))
    return CholeskyFactor.bind(input, check="cholesky")


def cholesky_solve(input: Any, L: Any, upper: bool = False) -> Any:
    """X of ``A @ X = input`` for ``A = L @ L.mH`` (``L.mH @ L`` with ``upper``)."""
    for name, value in (("b", input), ("u", L)):
        if value.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {value.ndim} dimensions instead")
    if L.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-1]} by {L.shape[-1]} but each b "
            f"matrix is {input.shape[-2]} by {input.shape[-1]}"
        )
    require_square("cholesky_solve", L)
    return CholeskySolve.bind(*broadcast_batches(input, L), upper=bool(upper))


def cholesky_inverse(input: Any, upper: bool = False) -> Any:
    """The inverses of ``A = L @ L.mH`` (``L.mH @ L`` with ``upper``)."""
    require_square("cholesky_inverse", input)
    return cholesky_solve(identity_like(input), input, upper)


def lu(input: Any, pivot: bool = True, get_infos: bool = False) -> Any:
    """L and U in one matrix, and the pivots; with ``get_infos`` where U has a zero on its diagonal, else RuntimeError
    there."""
    if not get_infos:
        return tuple(factorizations.lu_factor(input, pivot=pivot))
    return LuWithInfo(*factorizations.lu_factor_ex(input, pivot=pivot))


def lu_solve(input: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """As ``linalg.lu_solve``, with the right side first."""
    return factorizations.lu_solve(LU_data, LU_pivots, input)


def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """P, L and U of the result of ``linalg.lu_factor``; those not asked for are empty."""
    permutation, lower, upper = unpack_factors(LU_data, LU_pivots)
    nothing = number_like(LU_data, 0, shape=(0,))
    return PermutedFactors(
        permutation if unpack_pivots else nothing,
        lower if unpack_data else nothing,
        upper if unpack_data else nothing,
    )


def qr(input: Any, some: bool = True) -> Any:
    """As ``linalg.qr``, in the mode "reduced" or (``some=False``) "complete"."""
    return QAndR(*factorizations.qr(input, "reduced" if some else "complete"))


def orgqr(input: Any, tau: Any) -> Any:
    """As ``linalg.householder_product``."""
    return factorizations.householder_product(input, tau)


def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """U, the singular values, and V (not its adjoint) of ``input = U @ diag(S) @ V.mH``; zeros for U and V without
    ``compute_uv``."""
    if compute_uv:
        u, s, vh = factorizations.svd(input, not some)
        return SingularVectors(u, s, adjoint(vh))
    batch, (rows, columns) = tuple(input.shape[:-2]), input.shape[-2:]
    u, v = (number_like(input, 0, shape=(*batch, size, size)) for size in (rows, columns))
    return SingularVectors(u, factorizations.svdvals(input), v)


def triangular_solve(b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False) -> Any:
    """X of ``A @ X = b`` (``A.T @ X = b`` with ``transpose``), and A, of which one triangle counts."""
    matrix = transposed(A) if transpose else A
    solution = linear_algebra.solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return SolutionAndMatrix(solution, A.clone())
