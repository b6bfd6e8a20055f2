"""Linear algebra of square matrices: inverses, systems of equations, determinants, exponentials, least squares.

All work on batches ``[..., n, n]`` of float32, float64, complex64 or complex128, evaluated by LAPACK through numpy.
Gradients follow PyTorch's, in the convention of conjugate Wirtinger derivatives.
Sources: Giles, An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation (2008); Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate, SIAM J. Numer. Anal. 10 (1973); Mathias, A chain rule for matrix functions and applications,
SIAM J. Matrix Anal. Appl. 17 (1996).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.primitive import External, register
from graphc.ir.types import TensorType, int32
from graphc.ops import gathers, matrix_numerics, matrix_rules
from graphc.ops.conjugation import conjugate
from graphc.ops.matrix_numerics import LinAlgError
from graphc.ops.matrix_rules import adjoint, block, columnwise, identity_like, unpack, without_imaginary
from graphc.ops.quiet import quiet


def require_square(name: str, x: TensorType) -> None:
    """Raises ValueError unless the type is one of square matrices."""
    if x.rank < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name} expects square matrices, got {x}")


def batch_element(failed: np.ndarray) -> tuple[tuple[int, ...], str]:
    """The first place of a batch where something failed, and PyTorch's words for it; no words without a batch."""
    place = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(failed)))
    if not failed.ndim:
        return (), ""
    return place, f"(Batch element {int(np.ravel_multi_index(place, failed.shape))}): "


@register
class Inverse(External):
    """Inverses. ``check`` names the function that raises LinAlgError for a singular matrix; "" leaves inf and NaN."""

    name = "inverse"
    saves_inputs = ()
    saves_output = True

    def infer(self, x: TensorType, *, check: str) -> TensorType:
        require_square("inverse", x)
        return x

    @quiet
    @columnwise
    def evaluate(self, x: np.ndarray, *, check: str) -> np.ndarray:
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            if not check:
                return matrix_numerics.invert(x)
            info = matrix_numerics.zero_pivot(matrix_numerics.factor_lu(x)[0])
            place, where = batch_element(info != 0)
            raise LinAlgError(
                f"{check}: {where}The diagonal element {info[place]} is zero, the inversion could not be completed "
                "because the input matrix is singular."
            ) from None

    def vjp(self, cotangent: Any, output: Any, x: Any, *, check: str) -> tuple[Any, ...]:
        across = adjoint(output)
        return (-(across @ cotangent @ across),)


@register
class ZeroPivot(External):
    """int32: where the LU factorisation of each matrix first meets a zero pivot, counted from 1; 0: it does not."""

    name = "zero_pivot"
    differentiable = False

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(int32, x.shape[:-2])

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(matrix_numerics.zero_pivot(matrix_numerics.factor_lu(x)[0]))


@register
class Solve(External):
    """X of ``A @ X = B`` for square A and B ``[..., n, k]`` of one batch. ``check`` as for ``inverse``."""

    name = "solve"
    saves_inputs = (0,)
    saves_output = True

    def infer(self, a: TensorType, b: TensorType, *, check: str) -> TensorType:
        require_square("solve", a)
        if b.rank != a.rank or b.shape[:-1] != a.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"solve of {a} and {b}: expected one dtype, one batch and as many rows")
        return b

    @quiet
    @columnwise
    def evaluate(self, a: np.ndarray, b: np.ndarray, *, check: str) -> np.ndarray:
        if a.shape[:-1] != b.shape[:-1]:
            raise ValueError(f"solve of shapes {a.shape} and {b.shape}")
        try:
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            if not check:
                return matrix_numerics.solve(a, b)
            _, where = batch_element(matrix_numerics.zero_pivot(matrix_numerics.factor_lu(a)[0]) != 0)
            raise LinAlgError(f"{check}: {where}The solver failed because the input matrix is singular.") from None

    def vjp(self, cotangent: Any, output: Any, a: Any, b: Any, *, check: str) -> tuple[Any, ...]:
        right = Solve.bind(adjoint(a), cotangent, check=check)
        return (lambda: -(right @ adjoint(output)), right)


@register
class SolveTriangular(External):
    """X of ``A @ X = B`` by substitution in one triangle of A; ``unit``: A's diagonal counts as ones. No check."""

    name = "solve_triangular"
    saves_inputs = (0,)
    saves_output = True

    def infer(self, a: TensorType, b: TensorType, *, upper: bool, unit: bool) -> TensorType:
        require_square("solve_triangular", a)
        if b.rank != a.rank or b.shape[:-1] != a.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"solve_triangular of {a} and {b}: expected one dtype, one batch and as many rows")
        return b

    @quiet
    @columnwise
    def evaluate(self, a: np.ndarray, b: np.ndarray, *, upper: bool, unit: bool) -> np.ndarray:
        if a.shape[:-1] != b.shape[:-1]:
            raise ValueError(f"solve_triangular of shapes {a.shape} and {b.shape}")
        return matrix_numerics.substitute(a, b, upper=upper, unit=unit)

    def vjp(self, cotangent: Any, output: Any, a: Any, b: Any, *, upper: bool, unit: bool) -> tuple[Any, ...]:
        right = SolveTriangular.bind(adjoint(a), cotangent, upper=not upper, unit=unit)

        def of_a() -> Any:
            whole = -(right @ adjoint(output))
            return whole.triu(int(unit)) if upper else whole.tril(-int(unit))

        return of_a, right


@register
class Determinant(External):
    """Determinants."""

    name = "det"

    def infer(self, x: TensorType) -> TensorType:
        require_square("det", x)
        return TensorType(x.dtype, x.shape[:-2])

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.det(x), x.dtype)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (cotangent.unsqueeze(-1).unsqueeze(-1) * conjugate(Cofactors.bind(x)),)


@register
class Cofactors(External):
    """The matrices of cofactors: ``det(A) * inv(A).T``, and what continues that to singular matrices."""

    name = "cofactors"

    def infer(self, x: TensorType) -> TensorType:
        require_square("cofactors", x)
        return x

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        result = np.linalg.det(x)[..., None, None] * np.swapaxes(matrix_numerics.invert(x), -1, -2)
        irregular = ~np.isfinite(result).all((-2, -1))
        if irregular.any():
            result[irregular] = np.stack([matrix_numerics.cofactors(matrix) for matrix in x[irregular]])
        return result.astype(x.dtype, copy=False)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        return (SecondCofactors.bind(conjugate(x), cotangent),)


@register
class SecondCofactors(External):
    """The derivative of the cofactors of A along G; for regular A, ``(tr(inv(A) G) - (inv(A) G).T) cofactors(A)``."""

    name = "second_cofactors"

    def infer(self, x: TensorType, along: TensorType) -> TensorType:
        require_square("second_cofactors", x)
        if along != x:
            raise ValueError(f"second_cofactors of {x} along {along}: expected equal types")
        return x

    @quiet
    def evaluate(self, x: np.ndarray, along: np.ndarray) -> np.ndarray:
        if x.shape != along.shape:
            raise ValueError(f"second_cofactors of shapes {x.shape} and {along.shape}")
        return matrix_numerics.second_cofactors(x, along) if x.size else x.copy()

    def vjp(self, cotangent: Any, output: Any, x: Any, along: Any) -> tuple[Any, ...]:
        across = conjugate(x)

        def of_x() -> Any:
            inverse = Inverse.bind(across, check="")
            one, other = inverse @ conjugate(along), inverse @ cotangent
            traces = [matrix_rules.diagonal(part).sum(-1).unsqueeze(-1).unsqueeze(-1) for part in (one, other)]
            crossed = one @ other
            trace = matrix_rules.diagonal(crossed).sum(-1).unsqueeze(-1).unsqueeze(-1)
            weights = (
                identity_like(x) * (traces[0] * traces[1] - trace)
                - one * traces[1]
                - other * traces[0]
                + crossed
                + other @ one
            )
            det = Determinant.bind(across).unsqueeze(-1).unsqueeze(-1)
            return det * matrix_rules.transposed(weights @ inverse)

        return of_x, lambda: SecondCofactors.bind(across, cotangent)


@register
class SignAndLogDeterminant(External):
    """``[..., 2]``: the sign of each determinant (of modulus 1, or 0) and the logarithm of its modulus."""

    name = "slogdet"
    saves_output = True

    def infer(self, x: TensorType) -> TensorType:
        require_square("slogdet", x)
        return TensorType(x.dtype, (*x.shape[:-2], 2))

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        sign, logarithm = np.linalg.slogdet(x)
        return np.stack([sign, logarithm], -1).astype(x.dtype, copy=False)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        of_sign, of_logarithm = unpack(cotangent, ((), ()))
        weight = of_logarithm
        if x.dtype.is_complex:
            (sign, _) = unpack(output, ((), ()))
            # Only along the circle does the sign move.
            turned = conjugate(of_sign) * sign
            weight = without_imaginary(of_logarithm) - (turned - conjugate(turned)) / 2
        return (weight.unsqueeze(-1).unsqueeze(-1) * Inverse.bind(adjoint(x), check=""),)


@register
class MatrixExponential(External):
    """The exponentials of matrices."""

    name = "matrix_exp"

    def infer(self, x: TensorType) -> TensorType:
        require_square("matrix_exp", x)
        return x

    @quiet
    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return matrix_numerics.exponential(x)

    def vjp(self, cotangent: Any, output: Any, x: Any) -> tuple[Any, ...]:
        # The exponential of [[A, G], [0, A]] has the derivative at A along G at its upper right.
        size = x.shape[-1]
        across = adjoint(x)
        upper = gathers.Cat.bind(across, cotangent, dim=len(x.shape) - 1)
        lower = gathers.Cat.bind(matrix_rules.zeros_like(across), across, dim=len(x.shape) - 1)
        whole = MatrixExponential.bind(gathers.Cat.bind(upper, lower, dim=len(x.shape) - 2))
        return (block(whole, (0, size), (size, 2 * size)),)


@register
class PseudoInverse(External):
    """Moore-Penrose inverses ``[..., n, m]``. Singular values up to ``max(atol, rtol * greatest)`` count as zero.

    Operands: matrices ``[..., m, n]``, and the two tolerances for each, ``[...]`` in the matrices' real dtype.
    """

    name = "pinv"
    saves_inputs = (0,)
    saves_output = True

    def infer(self, x: TensorType, atol: TensorType, rtol: TensorType, *, hermitian: bool) -> TensorType:
        if x.rank < 2 or atol.shape != x.shape[:-2] or rtol.shape != x.shape[:-2]:
            raise ValueError(f"pinv of {x} with tolerances {atol} and {rtol}: expected tolerances of the batch's shape")
        return TensorType(x.dtype, (*x.shape[:-2], x.shape[-1], x.shape[-2]))

    @quiet
    def evaluate(self, x: np.ndarray, atol: np.ndarray, rtol: np.ndarray, *, hermitian: bool) -> np.ndarray:
        if not x.size:
            return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
        if hermitian:
            values, left = np.linalg.eigh(x)
            right = matrix_numerics.adjoint(left)
        else:
            left, values, right = np.linalg.svd(x, full_matrices=False)
        sizes = np.abs(values)
        kept = sizes > np.maximum(atol, rtol * sizes.max(-1))[..., None]
        inverted = np.where(kept, 1 / np.where(kept, values, 1), 0)
        weighted = matrix_numerics.adjoint(right) * inverted[..., None, :]
        return (weighted @ matrix_numerics.adjoint(left)).astype(x.dtype, copy=False)

    def vjp(self, cotangent: Any, output: Any, x: Any, *tolerances: Any, hermitian: bool) -> tuple[Any, ...]:
        return pseudo_inverse_cotangent(cotangent, output, x), None, None


def pseudo_inverse_cotangent(cotangent: Any, inverse: Any, x: Any) -> Any:
    """The cotangent of matrices of constant rank from that of their pseudo-inverses (Golub and Pereyra, 4.12)."""
    inverse_across, given = adjoint(inverse), adjoint(cotangent)
    if x.shape[-2] <= x.shape[-1]:
        inner = given @ inverse
        outer = inner @ inverse_across
        rest = (inverse_across @ inverse) @ (given - inner @ x)
        return -adjoint(inverse @ inner) + outer - (x @ inverse) @ outer + rest
    inner = inverse @ given
    outer = inverse_across @ inner
    rest = ((given - x @ inner) @ inverse) @ inverse_across
    return -adjoint(inner @ inverse) + rest + outer - (outer @ inverse) @ x


@register
class LeastSquares(External):
    """X ``[..., n, k]`` of least norm for which ``|A X - B|`` is least. ``rcond`` times the greatest singular value of
    A is the least that counts."""

    name = "least_squares"

    def infer(self, a: TensorType, b: TensorType, *, rcond: float) -> TensorType:
        if a.rank < 2 or b.rank != a.rank or b.shape[:-1] != a.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"least_squares of {a} and {b}: expected one dtype, one batch and as many rows")
        return TensorType(a.dtype, (*a.shape[:-2], a.shape[-1], b.shape[-1]))

    @quiet
    @columnwise
    def evaluate(self, a: np.ndarray, b: np.ndarray, *, rcond: float) -> np.ndarray:
        shape = (*a.shape[:-2], a.shape[-1], b.shape[-1])
        if not a.size or not b.size:
            return np.zeros(shape, a.dtype)
        pairs = zip(matrix_numerics.stacked(a), matrix_numerics.stacked(b), strict=True)
        return np.stack([np.linalg.lstsq(*pair, rcond=rcond)[0] for pair in pairs]).reshape(shape)

    def vjp(self, cotangent: Any, output: Any, a: Any, b: Any, *, rcond: float) -> tuple[Any, ...]:
        batch = tuple(a.shape[:-2])
        atol, rtol = (matrix_rules.real_number_like(a, value, batch) for value in (0.0, rcond))
        inverse = PseudoInverse.bind(a, atol, rtol, hermitian=False)
        return (
            lambda: pseudo_inverse_cotangent(cotangent @ adjoint(b), inverse, a),
            lambda: adjoint(inverse) @ cotangent,
        )
