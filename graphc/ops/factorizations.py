"""Factorisations of matrices: LU, Cholesky, QR, singular values, eigenvalues.

A factorisation is one primitive. What it gives lies packed in one last dim, and the front end takes views of it. All
work on batches of float32, float64, complex64 or complex128, evaluated by LAPACK through numpy, and gradients follow
PyTorch's: they hold for distinct singular values or eigenvalues, and do not depend on the freedom of sign and phase.
Sources: Giles, An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation (2008); Townsend, Differentiating the singular value decomposition (2016); Murray, Differentiation of
the Cholesky decomposition (2016); Liao, Liu, Wang and Xiang, Differentiable programming tensor networks (2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import External, register
from graphc.ir.types import TensorType, int32, int64
from graphc.ops import gathers, matrix_numerics
from graphc.ops.conjugation import conjugate
from graphc.ops.linear_algebra import Inverse, SolveTriangular, batch_element, require_square
from graphc.ops.matrix_numerics import LinAlgError
from graphc.ops.matrix_rules import (
    adjoint,
    block,
    columnwise,
    diagonal,
    diagonal_matrices,
    identity_like,
    pack,
    packed_type,
    quotient,
    real_part,
    unpack,
    with_diagonal,
    without_imaginary,
    zeros_like,
)
from graphc.ops.pointwise import Cast, Eq
from graphc.ops.quiet import quiet
from graphc.ops.sources import Iota, number_like

Shape = tuple[Dimension, ...]


def _require_matrices(name: str, x: TensorType) -> None:
    if x.rank < 2:
        raise ValueError(f"{name} expects matrices, got {x}")


def _solve_from_right(triangle: Any, b: Any, *, upper: bool) -> Any:
    """X of ``X @ triangle = B``."""
    return adjoint(SolveTriangular.bind(adjoint(triangle), adjoint(b), upper=not upper, unit=False))


# -- LU ------------------------------------------------------------------------------------------------------------


def lu_shapes(rows: int, columns: int) -> tuple[Shape, Shape]:
    """The shapes of what ``lu_factor`` gives: L and U in one matrix, and the pivots (as numbers of its dtype)."""
    return (rows, columns), (min(rows, columns),)


def as_pivots(numbers: Any) -> Any:
    """Pivots as int32, of the numbers that ``lu_factor`` gives."""
    return Cast.bind(real_part(numbers), dtype=int32)


@register
class LuFactor(External):
    """LU with partial pivoting, packed as ``lu_shapes``. ``check`` names the function that raises RuntimeError where U
    has a zero on its diagonal; "" leaves it there."""

    name = "lu_factor"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType, *, check: str) -> TensorType:
        _require_matrices("lu_factor", x)
        return packed_type(x, lu_shapes(*x.shape[-2:]))

    @quiet
    def evaluate(self, x: np.ndarray, *, check: str) -> np.ndarray:
        lu, pivots = matrix_numerics.factor_lu(x)
        info = matrix_numerics.zero_pivot(lu)
        if check and info.any():
            place, where = batch_element(info != 0)
            raise RuntimeError(
                f"{check}: {where}U[{info[place]},{info[place]}] is zero and using it on lu_solve would result in a "
                "division by zero. If you still want to perform the factorization, consider calling "
                "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
            )
        return pack(x.shape[:-2], x.dtype, (lu, pivots))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, check: str) -> tuple[Any, ...]:
        rows, columns = x.shape[-2:]
        count = min(rows, columns)
        shapes = lu_shapes(rows, columns)
        (lu, pivots), (given, _) = unpack(output, shapes), unpack(cotangent, shapes)
        square = ((0, count), (0, count))
        lower = with_diagonal(block(lu, *square).tril(-1), diagonal(identity_like(block(lu, *square))))
        upper = block(lu, *square).triu()
        # Of B = L U, where B is A with its rows exchanged: first what stands beside the square of L and U.
        beside = below = None
        weights = adjoint(lower) @ block(given, *square).tril(-1)
        across = block(given, *square).triu() @ adjoint(upper)
        if columns > rows:
            part = block(given, (0, rows), (rows, columns))
            weights = weights - part @ adjoint(block(lu, (0, rows), (rows, columns)))
            beside = SolveTriangular.bind(adjoint(lower), part, upper=True, unit=True)
        elif rows > columns:
            part = block(given, (columns, rows), (0, columns))
            across = across - adjoint(block(lu, (columns, rows), (0, columns))) @ part
            below = _solve_from_right(adjoint(upper), part, upper=False)
        inner = weights.tril(-1) + across.triu()
        inner = _solve_from_right(adjoint(upper), inner, upper=False)
        of_b = SolveTriangular.bind(adjoint(lower), inner, upper=True, unit=True)
        rank = len(x.shape)
        if beside is not None:
            of_b = gathers.Cat.bind(of_b, beside, dim=rank - 1)
        elif below is not None:
            of_b = gathers.Cat.bind(of_b, below, dim=rank - 2)
        places = PivotRows.bind(as_pivots(pivots), count=rows, inverse=True)
        index = places.unsqueeze(-1).expand(tuple(x.shape))
        return (gathers.GatherAlong.bind(of_b, index, dim=rank - 2),)


@register
class PivotRows(External):
    """int64 ``[..., count]``: the rows that pivots bring to each place. ``inverse``: the place of each row."""

    name = "pivot_rows"
    differentiable = False

    def infer(self, pivots: TensorType, *, count: int, inverse: bool) -> TensorType:
        if not pivots.rank or not pivots.dtype.is_integer:
            raise ValueError(f"pivot_rows expects vectors of integers, got {pivots}")
        return TensorType(int64, (*pivots.shape[:-1], count))

    def evaluate(self, pivots: np.ndarray, *, count: int, inverse: bool) -> np.ndarray:
        rows = matrix_numerics.rows_of_pivots(pivots, count)
        return np.argsort(rows, -1) if inverse else rows


def unpack_factors(lu: Any, pivots: Any) -> tuple[Any, Any, Any]:
    """P, L and U of L and U in one matrix, and of pivots from 1 on."""
    rows, columns = lu.shape[-2:]
    count = min(rows, columns)
    places = PivotRows.bind(pivots, count=rows, inverse=True)
    # Row k of P has its one where the exchange puts row k of A.
    numbers = places.apply(
        Iota.instance, (), {"shape": (*places.shape, rows), "dim": len(places.shape), "dtype": int64}
    )
    permutation = Cast.bind(Eq.bind(places.unsqueeze(-1).expand(tuple(numbers.shape)), numbers), dtype=lu.dtype)
    lower = block(lu, (0, rows), (0, count)).tril(-1)
    lower = with_diagonal(lower, number_like(lower, 1, shape=tuple(diagonal(lower).shape)))
    return permutation, lower, block(lu, (0, count), (0, columns)).triu()


# -- Cholesky ------------------------------------------------------------------------------------------------------


@register
class CholeskyFactor(External):
    """The lower factor L of ``L @ L.mH``, from the lower triangle; with ``upper`` its adjoint, from the upper triangle.
    ``check`` names the function that raises LinAlgError where there is none; "" leaves the factor unfinished."""

    name = "cholesky"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType, *, check: str, upper: bool = False) -> TensorType:
        require_square("cholesky", x)
        return x

    @quiet
    @columnwise
    def evaluate(self, x: np.ndarray, *, check: str, upper: bool = False) -> np.ndarray:
        factors, minors = matrix_numerics.factor_cholesky(matrix_numerics.adjoint(x) if upper else x)
        if check and minors.any():
            place, where = batch_element(minors != 0)
            raise LinAlgError(
                f"{check}: {where}The factorization could not be completed because the input is not positive-definite "
                f"(the leading minor of order {minors[place]} is not positive-definite)."
            )
        return np.ascontiguousarray(matrix_numerics.adjoint(factors)) if upper else factors

    def vjp(self, cotangent: Any, output: Any, x: Any, *, check: str, upper: bool = False) -> tuple[Any, ...]:
        if upper:
            cotangent, output = adjoint(cotangent), adjoint(output)
        inner = (adjoint(output) @ cotangent).tril()
        inner = (inner + adjoint(inner.tril(-1))) / 2
        inner = SolveTriangular.bind(adjoint(output), inner, upper=True, unit=False)
        return (_solve_from_right(output, inner, upper=False),)


@register
class CholeskySolve(External):
    """X of ``A @ X = B`` for ``A = L @ L.mH`` (``L.mH @ L`` with ``upper``). Operands: B and the factor, of one batch.

    As in PyTorch the cotangent of the factor is that of all its elements, those of the other triangle too.
    """

    name = "cholesky_solve"
    saves_inputs = (1,)
    saves_output = True

    def infer(self, b: TensorType, factor: TensorType, *, upper: bool) -> TensorType:
        require_square("cholesky_solve", factor)
        if b.rank != factor.rank or b.shape[:-1] != factor.shape[:-1] or b.dtype != factor.dtype:
            raise ValueError(f"cholesky_solve of {b} and {factor}: expected one dtype, one batch and as many rows")
        return b

    @quiet
    @columnwise
    def evaluate(self, b: np.ndarray, factor: np.ndarray, *, upper: bool) -> np.ndarray:
        if b.shape[:-1] != factor.shape[:-1]:
            raise ValueError(f"cholesky_solve of shapes {b.shape} and {factor.shape}")
        across = matrix_numerics.adjoint(factor)
        lower, above = (across, factor) if upper else (factor, across)
        found = matrix_numerics.substitute(lower, b, upper=False, unit=False)
        return matrix_numerics.substitute(above, found, upper=True, unit=False)

    def vjp(self, cotangent: Any, output: Any, b: Any, factor: Any, *, upper: bool) -> tuple[Any, ...]:
        of_b = CholeskySolve.bind(cotangent, factor, upper=upper)

        def of_factor() -> Any:
            both = of_b @ adjoint(output)
            both = both + adjoint(both)
            return -(factor.triu() @ both) if upper else -(both @ factor.tril())

        return of_b, of_factor


@register
class CholeskyFailure(External):
    """int32: the order of the first leading minor of each matrix that is not positive; 0: it is positive-definite."""

    name = "cholesky_failure"
    differentiable = False

    def infer(self, x: TensorType) -> TensorType:
        require_square("cholesky_failure", x)
        return TensorType(int32, x.shape[:-2])

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(matrix_numerics.factor_cholesky(x)[1])


# -- QR ------------------------------------------------------------------------------------------------------------


def qr_shapes(rows: int, columns: int, mode: str) -> tuple[Shape, Shape]:
    """The shapes of Q and R; Q is empty with mode "r"."""
    inner = rows if mode == "complete" else min(rows, columns)
    return (0,) if mode == "r" else (rows, inner), (inner, columns)


@register
class Qr(External):
    """``A = Q @ R``, packed as ``qr_shapes``; modes "reduced", "complete", "r"."""

    name = "qr"
    saves_inputs = (0,)
    saves_output = True

    def infer(self, x: TensorType, *, mode: str) -> TensorType:
        _require_matrices("qr", x)
        return packed_type(x, qr_shapes(*x.shape[-2:], mode))

    @quiet
    def evaluate(self, x: np.ndarray, *, mode: str) -> np.ndarray:
        batch = x.shape[:-2]
        if mode == "r":
            return pack(batch, x.dtype, (np.empty((*batch, 0)), np.linalg.qr(x, mode="r")))
        return pack(batch, x.dtype, np.linalg.qr(x, mode=mode))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, mode: str) -> tuple[Any, ...]:
        rows, columns = x.shape[-2:]
        if mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                "linalg.qr(A, mode='reduced') if you are going to require gradients."
            )
        if mode == "complete" and rows > columns:
            raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
        shapes = qr_shapes(rows, columns, mode)
        (q, r), (of_q, of_r) = unpack(output, shapes), unpack(cotangent, shapes)
        if rows >= columns:
            return (_qr_cotangent(q, r, of_q, of_r),)
        # A is wider than tall: its first columns are Q R1, and the others only turn by Q.
        first, others = ((0, rows), (0, rows)), ((0, rows), (rows, columns))
        of_q = of_q + block(x, *others) @ adjoint(block(of_r, *others))
        of_first = _qr_cotangent(q, block(r, *first), of_q, block(of_r, *first))
        return (gathers.Cat.bind(of_first, q @ block(of_r, *others), dim=len(x.shape) - 1),)


def _qr_cotangent(q: Any, r: Any, of_q: Any, of_r: Any) -> Any:
    weights = (of_r @ adjoint(r) - adjoint(q) @ of_q).triu()
    symmetric = weights + adjoint(weights.triu(1))
    if q.dtype.is_complex:
        symmetric = with_diagonal(symmetric, without_imaginary(diagonal(weights)))
    return _solve_from_right(adjoint(r), of_q + q @ symmetric, upper=False)


def reflection_shapes(rows: int, columns: int) -> tuple[Shape, Shape]:
    """The shapes of what ``geqrf`` gives: R with the reflections below its diagonal, and their factors."""
    return (rows, columns), (min(rows, columns),)


@register
class Geqrf(External):
    """The QR factorisation as LAPACK's geqrf leaves it, packed as ``reflection_shapes``."""

    name = "geqrf"
    saves_inputs = ()

    def infer(self, x: TensorType) -> TensorType:
        _require_matrices("geqrf", x)
        return packed_type(x, reflection_shapes(*x.shape[-2:]))

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if not x.size:
            return pack(
                x.shape[:-2], x.dtype, [np.zeros((*x.shape[:-2], *s)) for s in reflection_shapes(*x.shape[-2:])]
            )
        across, factors = np.linalg.qr(x, mode="raw")
        return pack(x.shape[:-2], x.dtype, (np.swapaxes(across, -1, -2), factors))

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        raise NotImplementedError("derivative for aten::geqrf is not implemented")


# -- singular values -----------------------------------------------------------------------------------------------


def svd_shapes(rows: int, columns: int, full: bool) -> tuple[Shape, Shape, Shape]:
    """The shapes of U, the singular values, and V.mH."""
    count = min(rows, columns)
    return (rows, rows if full else count), (count,), (columns if full else count, columns)


def _svd(function: str, *arguments: Any, **options: Any) -> Any:
    try:
        return np.linalg.svd(*arguments, **options)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"{function}: The algorithm failed to converge because the input matrix contained non-finite values."
        ) from None


@register
class Svd(External):
    """``A = U @ diag(S) @ Vh``, S descending, packed as ``svd_shapes``; ``full``: U and Vh are square."""

    name = "svd"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType, *, full: bool) -> TensorType:
        _require_matrices("svd", x)
        return packed_type(x, svd_shapes(*x.shape[-2:], full))

    @quiet
    def evaluate(self, x: np.ndarray, *, full: bool) -> np.ndarray:
        batch = x.shape[:-2]
        if not x.size:
            u, s, vh = svd_shapes(*x.shape[-2:], full)
            squares = (np.broadcast_to(np.eye(*shape, dtype=x.dtype), (*batch, *shape)) for shape in (u, vh))
            left, right = squares
            return pack(batch, x.dtype, (left, np.empty((*batch, *s)), right))
        return pack(batch, x.dtype, _svd("linalg.svd", x, full_matrices=full))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, full: bool) -> tuple[Any, ...]:
        rows, columns = x.shape[-2:]
        count = min(rows, columns)
        shapes = svd_shapes(rows, columns, full)
        (u, s, vh), (of_u, of_s, of_vh) = unpack(output, shapes), unpack(cotangent, shapes)
        u, of_u = (block(part, (0, rows), (0, count)) for part in (u, of_u))
        vh, of_vh = (block(part, (0, count), (0, columns)) for part in (vh, of_vh))
        from_left, from_right = adjoint(u) @ of_u, vh @ adjoint(of_vh)
        skew_left, skew_right = from_left - adjoint(from_left), from_right - adjoint(from_right)
        across, down = s.unsqueeze(-2), s.unsqueeze(-1)
        gaps = with_diagonal(across * across - down * down, zeros_like(s) + 1)
        inner = quotient(skew_left * across + down * skew_right, gaps) + diagonal_matrices(without_imaginary(of_s))
        if x.dtype.is_complex:
            inner = inner + diagonal_matrices(quotient(diagonal(skew_left), 2 * s))
        if rows > count:
            scaled = quotient(of_u, across)
            return ((u @ inner + scaled - u @ (adjoint(u) @ scaled)) @ vh,)
        if columns > count:
            scaled = quotient(of_vh, down)
            return (u @ (inner @ vh + scaled - (scaled @ adjoint(vh)) @ vh),)
        return (u @ inner @ vh,)


@register
class SingularValues(External):
    """Singular values ``[..., min(m, n)]``, descending, in the real dtype."""

    name = "svdvals"

    def infer(self, x: TensorType) -> TensorType:
        _require_matrices("svdvals", x)
        return TensorType(x.dtype.to_real(), (*x.shape[:-2], min(x.shape[-2:])))

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if not x.size:
            return np.zeros((*x.shape[:-2], min(x.shape[-2:])), x.real.dtype)
        return _svd("linalg.svd", x, compute_uv=False)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        rows, columns = x.shape[-2:]
        u, _, vh = unpack(Svd.bind(x, full=False), svd_shapes(rows, columns, False))
        return (u @ (cotangent.unsqueeze(-1) * vh),)


# -- eigenvalues ---------------------------------------------------------------------------------------------------


def eigen_shapes(size: int) -> tuple[Shape, Shape]:
    """The shapes of eigenvalues and eigenvectors."""
    return (size,), (size, size)


@register
class Eigh(External):
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices, packed as ``eigen_shapes``, from one triangle."""

    name = "eigh"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType, *, upper: bool) -> TensorType:
        require_square("eigh", x)
        return packed_type(x, eigen_shapes(x.shape[-1]))

    @quiet
    def evaluate(self, x: np.ndarray, *, upper: bool) -> np.ndarray:
        return pack(x.shape[:-2], x.dtype, np.linalg.eigh(x, "U" if upper else "L"))

    def vjp(self, cotangent: Any, output: Any, x: Any, *, upper: bool) -> tuple[Any, ...]:
        shapes = eigen_shapes(x.shape[-1])
        (values, vectors), (of_values, of_vectors) = unpack(output, shapes), unpack(cotangent, shapes)
        turned = adjoint(vectors) @ of_vectors
        skew = (turned - adjoint(turned)) / 2  # orthonormal vectors can only turn
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = with_diagonal(quotient(skew, with_diagonal(gaps, zeros_like(values) + 1)), without_imaginary(of_values))
        return (vectors @ inner @ adjoint(vectors),)


@register
class HermitianEigenvalues(External):
    """Eigenvalues of Hermitian matrices, ascending, in the real dtype, from one triangle."""

    name = "eigvalsh"

    def infer(self, x: TensorType, *, upper: bool) -> TensorType:
        require_square("eigvalsh", x)
        return TensorType(x.dtype.to_real(), x.shape[:-1])

    @quiet
    def evaluate(self, x: np.ndarray, *, upper: bool) -> np.ndarray:
        return np.linalg.eigvalsh(x, "U" if upper else "L")

    def vjp(self, cotangent: Any, output: Any, x: Any, *, upper: bool) -> tuple[Any, ...]:
        _, vectors = unpack(Eigh.bind(x, upper=upper), eigen_shapes(x.shape[-1]))
        return ((vectors * cotangent.unsqueeze(-2)) @ adjoint(vectors),)


@register
class Eig(External):
    """Eigenvalues and eigenvectors of square matrices, packed as ``eigen_shapes``, in the complex dtype."""

    name = "eig"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType) -> TensorType:
        require_square("eig", x)
        return packed_type(TensorType(x.dtype.to_complex(), x.shape), eigen_shapes(x.shape[-1]))

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if not np.isfinite(x).all():
            raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
        dtype = np.result_type(x.dtype, np.complex64)
        if not x.size:
            size = x.shape[-1]
            return np.zeros((*x.shape[:-2], size + size * size), dtype)
        return pack(x.shape[:-2], dtype, np.linalg.eig(x))

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        shapes = eigen_shapes(x.shape[-1])
        (values, vectors), (of_values, of_vectors) = unpack(output, shapes), unpack(cotangent, shapes)
        across = adjoint(vectors)
        turned = across @ of_vectors
        # Eigenvectors have length 1, so that they move on a sphere.
        lengths = without_imaginary(diagonal(turned))
        turned = turned - (across @ vectors) * lengths.unsqueeze(-2)
        gaps = conjugate(values.unsqueeze(-2) - values.unsqueeze(-1))
        inner = with_diagonal(quotient(turned, with_diagonal(gaps, zeros_like(values) + 1)), of_values)
        result = Inverse.bind(across, check="") @ inner @ across
        return (result if x.dtype.is_complex else real_part(result),)
