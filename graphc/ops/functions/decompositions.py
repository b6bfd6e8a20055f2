"""Linear algebra under the names that ``torch`` itself and its tensors have, older forms among them.

Source: https://docs.pytorch.org/docs/stable/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ops import factorizations as primitives
from graphc.ops.factorizations import CholeskyFactor, CholeskySolve, unpack_factors
from graphc.ops.functions import factorizations, linear_algebra
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.sampling import randn_like
from graphc.ops.matrix_checks import broadcast_batches, require_floating, require_square
from graphc.ops.matrix_rules import adjoint, identity_like, reflected, reflection_vectors, transposed, unpack
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "lu",
    "lu_solve",
    "lu_unpack",
    "matrix_exp",
    "matrix_power",
    "orgqr",
    "ormqr",
    "pca_lowrank",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "svd_lowrank",
    "triangular_solve",
]
FUNCTIONS_ONLY = ("lu_unpack", "pca_lowrank", "svd_lowrank")
OUT_MAY_OVERLAP = True

QAndR = return_type("qr", "Q R")
SingularVectors = return_type("svd", "U S V")
SignAndLogarithm = return_type("slogdet", "sign logabsdet")
PermutedFactors = return_type("lu_unpack", "P L U")
LuWithInfo = return_type("_lu_with_info", "LU pivots info")
FactorsOfReflections = return_type("geqrf", "a tau")
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
        return CholeskyFactor.bind(input, check="cholesky", upper=True)
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


def geqrf(input: Any) -> Any:
    """The QR factorisation as LAPACK leaves it: R with the vectors of reflections below its diagonal, and the factors
    ``tau``; for :func:`orgqr` and :func:`ormqr`. It has no gradient."""
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise NotImplementedError(f"\"geqrf_cpu\" not implemented for '{type_name(input.dtype)}'")
    packed = primitives.Geqrf.bind(input)
    return FactorsOfReflections(*unpack(packed, primitives.reflection_shapes(*input.shape[-2:])))


def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """``Q @ other`` (``other @ Q`` with ``left=False``) for the product Q of reflections that :func:`geqrf` gives; with
    ``transpose`` by Q's adjoint. Q is never made."""
    if input.ndim < 2:
        raise RuntimeError("torch.ormqr: input must have at least 2 dimensions.")
    if other.ndim < 2:
        raise RuntimeError("torch.ormqr: other must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] > input.shape[-1] or tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    for name, shape in (("tau", tau.shape[:-1]), ("other", other.shape[:-2])):
        if tuple(shape) != tuple(input.shape[:-2]):
            raise RuntimeError(
                f"torch.ormqr: Expected batch dimensions of {name} to be equal to input.shape[:-2], but got "
                f"{list(shape)}"
            )
    if not left:
        return adjoint(ormqr(input, tau, adjoint(other), True, not transpose))
    vectors, result = reflection_vectors(input), other
    places = range(tau.shape[-1])
    for place in places if transpose else reversed(places):
        result = reflected(vectors, tau, place, result, inverse=transpose)
    return result


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Any:
    """U, S and V of nearly ``A - M`` for a rank of about ``q``, by ``niter`` iterations of a random subspace.

    Source: Halko, Martinsson and Tropp, Finding structure with randomness (2009), algorithms 4.4 and 5.1.
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    centred = A if M is None else A - M.broadcast_to(tuple(A.shape))
    wide = A.shape[-2] < A.shape[-1]
    tall = adjoint(centred) if wide else centred
    basis = _range_of(tall, q, niter)
    inner = factorizations.svd(adjoint(basis) @ tall, full_matrices=False)
    u, v = basis @ inner.U, adjoint(inner.Vh)
    return (v, inner.S, u) if wide else (u, inner.S, v)


def _range_of(A: Any, q: int, niter: int) -> Any:
    """An orthonormal basis of ``q`` dims in which nearly the whole range of A lies."""
    basis = factorizations.qr(A @ randn_like(number_like(A, 0, shape=(A.shape[-1], q)))).Q
    for _ in range(niter):
        basis = factorizations.qr(adjoint(A) @ basis).Q
        basis = factorizations.qr(A @ basis).Q
    return basis


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """The principal components of the rows of A: :func:`svd_lowrank` of A less the mean of its rows."""
    rows, columns = A.shape[-2:]
    if q is None:
        q = min(6, rows, columns)
    elif not 0 <= q <= min(rows, columns):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(rows, columns)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean((-2,), keepdim=True) if center else A, q, niter)


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
