"""Factorisations of matrices, with the names of PyTorch's ``linalg``: results are views of one packed array.

Source: https://docs.pytorch.org/docs/stable/linalg.html#matrix-decompositions
"""

from __future__ import annotations

from typing import Any

from graphc.ir.types import int32
from graphc.ops import factorizations as primitives
from graphc.ops.factorizations import unpack_factors
from graphc.ops.functions.linear_algebra import solve_triangular
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import broadcast_to
from graphc.ops.gathers import CheckIndex, GatherAlong
from graphc.ops.indefinite import LdlFactor, LdlSolve, indefinite_shapes
from graphc.ops.linear_algebra import ZeroPivot
from graphc.ops.matrix_checks import (
    broadcast_batches,
    require_equation,
    require_floating,
    require_matrices,
    require_one_dtype,
    require_square,
)
from graphc.ops.matrix_rules import adjoint as conjugate_transpose
from graphc.ops.matrix_rules import (
    diagonal,
    real_part,
    reflected,
    reflection_vectors,
    replaced,
    unpack,
    with_diagonal,
    zeros_like,
)
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

NAMESPACE = "linalg"
__all__: list[str] = []
METHODS = ()
OUT_MAY_OVERLAP = True

FactorAndInfo = return_type("linalg_cholesky_ex", "L info")
QAndR = return_type("linalg_qr", "Q R")
SingularVectors = return_type("linalg_svd", "U S Vh")
HermitianEigenvectors = return_type("linalg_eigh", "eigenvalues eigenvectors")
Eigenvectors = return_type("linalg_eig", "eigenvalues eigenvectors")
PermutedFactors = return_type("linalg_lu", "P L U")
LuAndPivots = return_type("linalg_lu_factor", "LU pivots")
LdAndPivots = return_type("linalg_ldl_factor", "LD pivots")
LdPivotsAndInfo = return_type("linalg_ldl_factor_ex", "LD pivots info")
LuPivotsAndInfo = return_type("linalg_lu_factor_ex", "LU pivots info")


# -- Cholesky ------------------------------------------------------------------------------------------------------


def _cholesky(A: Any, upper: bool, check: str) -> Any:
    name = check or "linalg.cholesky_ex"
    require_square(name, A)
    require_floating(name, A)
    return primitives.CholeskyFactor.bind(A, check=check, upper=upper)


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """The lower factors L of ``A = L @ L.mH`` (or the upper ones, of ``U.mH @ U``).

    Raises LinAlgError for a matrix that is not positive-definite.
    """
    return _cholesky(A, upper, "linalg.cholesky")


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """As :func:`cholesky`, and the order of the first leading minor that is not positive (0: none) in place of an
    error."""
    factor = _cholesky(A, upper, "linalg.cholesky_ex" if check_errors else "")
    return FactorAndInfo(factor, primitives.CholeskyFailure.bind(conjugate_transpose(A) if upper else A))


# -- LU ------------------------------------------------------------------------------------------------------------


def _require_two_dims(name: str, A: Any) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")


def _factored(A: Any, pivot: bool, check: str) -> tuple[Any, Any]:
    """L and U in one matrix, and the pivots as int32."""
    require_floating("linalg.lu_factor", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    lu, pivots = unpack(primitives.LuFactor.bind(A, check=check), primitives.lu_shapes(*A.shape[-2:]))
    return lu, primitives.as_pivots(pivots)


def lu_factor(A: Any, *, pivot: bool = True) -> Any:
    """L and U in one matrix, and the pivots, of ``A = P @ L @ U``. Raises RuntimeError where U has a zero on its
    diagonal."""
    _require_two_dims("linalg.lu_factor", A)
    return LuAndPivots(*_factored(A, pivot, "torch.linalg.lu_factor"))


def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """As :func:`lu_factor`, and the place of the first zero on U's diagonal (0: none) in place of an error."""
    _require_two_dims("linalg.lu_factor", A)
    factors, pivots = _factored(A, pivot, "torch.linalg.lu_factor_ex" if check_errors else "")
    return LuPivotsAndInfo(factors, pivots, ZeroPivot.bind(A))


def lu(A: Any, *, pivot: bool = True) -> Any:
    """P, L and U of ``A = P @ L @ U``: rows exchanged, ones on L's diagonal, U upper triangular."""
    _require_two_dims("linalg.lu", A)
    return PermutedFactors(*unpack_factors(*_factored(A, pivot, "")))


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X of ``A @ X = B`` (``X @ A = B`` with ``left=False``), of the result of :func:`lu_factor` for A; with
    ``adjoint`` for ``A.mH``."""
    name = "linalg.lu_solve"
    require_equation(name, LU, B, left)
    require_one_dtype(name, LU, B)
    if pivots.dtype != int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if tuple(pivots.shape) != tuple(LU.shape[:-1]):
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix, but got "
            f"{list(pivots.shape)} for {list(LU.shape)}"
        )
    if not left:  # X A = B is A.T X.T = B.T
        turned = lu_solve(LU, pivots, conjugate_transpose(B), adjoint=not adjoint)
        return conjugate_transpose(turned)
    LU, B = broadcast_batches(LU, B)
    rows = primitives.PivotRows.bind(_checked(pivots, LU.shape[-2]), count=LU.shape[-2], inverse=adjoint)
    index = broadcast_to(rows.unsqueeze(-1), tuple(B.shape))
    along = B.ndim - 2
    if not adjoint:
        found = solve_triangular(LU, GatherAlong.bind(B, index, dim=along), upper=False, unitriangular=True)
        return solve_triangular(LU, found, upper=True)
    across = conjugate_transpose(LU)
    found = solve_triangular(across, B, upper=False)
    found = solve_triangular(across, found, upper=True, unitriangular=True)
    return GatherAlong.bind(found, index, dim=along)


def _checked(pivots: Any, count: int) -> Any:
    try:
        return CheckIndex.bind(pivots - 1, extent=count, dim=0) + 1
    except IndexError:
        raise RuntimeError(
            "Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did you properly pass the result "
            "of lu_factor?"
        ) from None


# -- LDL -----------------------------------------------------------------------------------------------------------


def _ldl(A: Any, hermitian: bool, check: str) -> Any:
    name = "torch.linalg.ldl_factor_ex"
    require_square(name, A)
    require_floating(name, A)
    packed = LdlFactor.bind(A, hermitian=bool(hermitian and A.dtype.is_complex), check=check)
    factors, pivots, info = unpack(packed, indefinite_shapes(A.shape[-1]))
    return LdPivotsAndInfo(factors, primitives.as_pivots(pivots), primitives.as_pivots(info))


def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """As :func:`ldl_factor`, and the first block of D that is zero (0: none) in place of an error."""
    return _ldl(A, hermitian, "torch.linalg.ldl_factor_ex" if check_errors else "")


def ldl_factor(A: Any, *, hermitian: bool = False) -> Any:
    """L and D in one lower triangle, and the pivots, of symmetric matrices (Hermitian ones with ``hermitian``).

    Raises RuntimeError where D is singular. There is no gradient.
    """
    return LdAndPivots(*_ldl(A, hermitian, "torch.linalg.ldl_factor")[:2])


def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False) -> Any:
    """X of ``A @ X = B``, of the result of :func:`ldl_factor` for A. There is no gradient."""
    name = "torch.linalg.ldl_solve"
    require_matrices(name, LD, "LD")
    require_square(name, LD)
    if LD.dtype != B.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {type_name(B.dtype)} and A of type "
            f"{type_name(LD.dtype)} instead."
        )
    if B.ndim < 2:
        raise IndexError(f"Dimension out of range (expected to be in range of [-{B.ndim}, {B.ndim - 1}], but got -2)")
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-1]} by {LD.shape[-1]} but each b "
            f"matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    if not pivots.dtype.is_integer:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {type_name(pivots.dtype)}")
    LD, B = broadcast_batches(LD, B)
    pivots = broadcast_to(pivots, tuple(LD.shape[:-1]))
    return LdlSolve.bind(LD, pivots, B, hermitian=bool(hermitian and LD.dtype.is_complex))


# -- QR ------------------------------------------------------------------------------------------------------------


def qr(A: Any, mode: str = "reduced") -> Any:
    """Q and R of ``A = Q @ R``: Q with as many columns as R has rows ("reduced"), square ("complete"), or R alone
    ("r")."""
    require_matrices("linalg.qr", A)
    require_floating("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    rows, columns = A.shape[-2:]
    q, r = unpack(primitives.Qr.bind(A, mode=mode), primitives.qr_shapes(rows, columns, mode))
    return QAndR(number_like(A, 0, shape=(0,)) if mode == "r" else q, r)


def householder_product(A: Any, tau: Any) -> Any:
    """The first columns of the product of the reflections ``I - tau v v.mH`` whose vectors are A's columns, with a one
    on the diagonal and zeros above it."""
    name = "torch.linalg.householder_product"
    require_matrices(name, A, "input")
    rows, columns = A.shape[-2:]
    if rows < columns:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if columns < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tuple(A.shape[:-2]) != tuple(tau.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    vectors = reflection_vectors(A)
    result = with_diagonal(replaced(A, zeros_like(A)), number_like(A, 1, shape=tuple(diagonal(A).shape)))
    for place in reversed(range(tau.shape[-1])):
        result = reflected(vectors, tau, place, result)
    return result


# -- singular values -----------------------------------------------------------------------------------------------


def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """U, the singular values (descending), and Vh of ``A = U @ diag(S) @ Vh``; U and Vh square by default."""
    require_matrices("linalg.svd", A)
    require_floating("linalg.svd", A)
    _refuse_driver("svd", driver)
    full = bool(full_matrices)
    packed = primitives.Svd.bind(A, full=full)
    u, s, vh = unpack(packed, primitives.svd_shapes(*A.shape[-2:], full))
    return SingularVectors(u, real_part(s), vh)


def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """The singular values of matrices, descending."""
    require_matrices("linalg.svdvals", A)
    require_floating("linalg.svdvals", A)
    _refuse_driver("svdvals", driver)
    return primitives.SingularValues.bind(A)


def _refuse_driver(name: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(
            f"torch.linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


# -- eigenvalues ---------------------------------------------------------------------------------------------------


def _upper(UPLO: str) -> bool:
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO in ("U", "u")


def eigh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues (ascending) and eigenvectors of Hermitian matrices, from the lower or the upper triangle."""
    require_square("linalg.eigh", A)
    require_floating("linalg.eigh", A)
    packed = primitives.Eigh.bind(A, upper=_upper(UPLO))
    values, vectors = unpack(packed, primitives.eigen_shapes(A.shape[-1]))
    return HermitianEigenvectors(real_part(values), vectors)


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of Hermitian matrices, ascending."""
    require_square("linalg.eigvalsh", A)
    require_floating("linalg.eigvalsh", A)
    return primitives.HermitianEigenvalues.bind(A, upper=_upper(UPLO))


def eig(A: Any) -> Any:
    """The complex eigenvalues and eigenvectors of square matrices, in LAPACK's order."""
    require_square("linalg.eig", A)
    require_floating("linalg.eig", A)
    return Eigenvectors(*unpack(primitives.Eig.bind(A), primitives.eigen_shapes(A.shape[-1])))


def eigvals(A: Any) -> Any:
    """The complex eigenvalues of square matrices, in LAPACK's order."""
    require_square("linalg.eigvals", A)
    require_floating("linalg.eigvals", A)
    values, _ = unpack(primitives.Eig.bind(A), primitives.eigen_shapes(A.shape[-1]))
    return values
