"""Inverses, systems of equations, determinants, powers, and products, with the names of PyTorch's ``linalg``.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import int64
from graphc.ops import linear_algebra as primitives
from graphc.ops import reductions, views
from graphc.ops.conjugation import conjugate
from graphc.ops.factorizations import HermitianEigenvalues, SingularValues
from graphc.ops.functions import linear
from graphc.ops.functions.arithmetic import where
from graphc.ops.functions.return_types import return_type
from graphc.ops.functions.shaping import broadcast_tensors, broadcast_to, cat, movedim, roll, transpose, unsqueeze
from graphc.ops.matrix_checks import (
    broadcast_batches,
    require_equation,
    require_floating,
    require_matrices,
    require_one_dtype,
    require_square,
)
from graphc.ops.matrix_rules import identity_like, no_elements, product_of_chain, real_part, replaced, unpack
from graphc.ops.operands import cast, is_value, normalize_dim
from graphc.ops.sources import number_like
from graphc.ops.strided_views import Diagonal
from graphc.ops.type_names import scalar_name, type_name

NAMESPACE = "linalg"
__all__: list[str] = []
METHODS = ()
OUT_MAY_OVERLAP = True

InverseAndInfo = return_type("linalg_inv_ex", "inverse info")
ResultAndInfo = return_type("linalg_solve_ex", "result info")
SignAndLogarithm = return_type("linalg_slogdet", "sign logabsdet")
LeastSquares = return_type("linalg_lstsq", "solution residuals rank singular_values")


# -- products ------------------------------------------------------------------------------------------------------


def matmul(input: Any, other: Any) -> Any:
    """As ``torch.matmul``."""
    return linear.matmul(input, other)


def multi_dot(tensors: Sequence[Any]) -> Any:
    """The product of matrices, of which the first and the last may be vectors; PyTorch's ``linalg.multi_dot``."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    for name, value in (("first", first), ("last", last)):
        if value.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {name} tensor must be 1D or 2D but got {value.ndim}D")
    for position, value in enumerate(tensors):
        if 0 < position < len(tensors) - 1 and value.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {position} must be 2D but got {value.ndim}D")
        if value.dtype != first.dtype:
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{scalar_name(first.dtype)} and tensor {position} {scalar_name(value.dtype)}"
            )
    shape = (*first.shape[:-1], *(last.shape[1:] if last.ndim == 2 else ()))
    for position, (one, other) in enumerate(pairwise(tensors)):
        if one.shape[-1] != other.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {position} and {position + 1} with shapes {list(one.shape)} and "
                f"{list(other.shape)} cannot be multiplied"
            )
    if first.ndim == 1:
        tensors[0] = views.Reshape.bind(first, shape=(1, *first.shape))
    if last.ndim == 1:
        tensors[-1] = views.Reshape.bind(last, shape=(*last.shape, 1))
    return views.Reshape.bind(product_of_chain(tensors), shape=shape)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """The sums of products along a dim, of the conjugate of ``x``; the others broadcast."""
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {type_name(x.dtype)}"
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {type_name(x.dtype)} and y "
            f"of type {type_name(y.dtype)} instead"
        )
    return (conjugate(x) * y).sum(dim)


def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector products along a dim of extent 3; the other dims broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    place = normalize_dim(dim, input.ndim)
    sizes = input.shape[place], other.shape[place]
    if sizes != (3, 3):
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    if input.dtype != other.dtype:
        raise RuntimeError(f"expected scalar type {type_name(input.dtype)} but found {type_name(other.dtype)}")
    left, right = broadcast_tensors(input, other)
    return roll(left, -1, place) * roll(right, -2, place) - roll(left, -2, place) * roll(right, -1, place)


def vander(x: Any, *, N: int | None = None) -> Any:
    """The Vandermonde matrices of vectors: their powers 0 to ``N - 1`` as columns; of integers in int64."""
    if x.dtype.category == "bool":
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    count = (x.shape[-1] if x.ndim else 1) if N is None else N
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    x = cast(x, int64) if x.dtype.is_integer else x
    x = x if x.ndim else views.Reshape.bind(x, shape=(1,))
    found = [number_like(x, 1), x]
    while len(found) < count:
        found.append(found[-1] * x)
    return cat([unsqueeze(power, -1) for power in found], -1)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The elements on a diagonal of the last two dims (by default), as a view."""
    first, second = normalize_dim(dim1, A.ndim), normalize_dim(dim2, A.ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return Diagonal.bind(A, offset=int(offset), dim1=first, dim2=second)


# -- inverses and equations ----------------------------------------------------------------------------------------


def _require_invertible(name: str, A: Any) -> None:
    require_square(name, A)
    require_floating(name, A)


def inv(A: Any) -> Any:
    """The inverses of square matrices. Raises LinAlgError for one that is singular."""
    _require_invertible("linalg.inv", A)
    return primitives.Inverse.bind(A, check="linalg.inv")


def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """The inverses, and where each matrix was found singular (0: it was not) in place of an error."""
    _require_invertible("linalg.inv", A)
    inverse = primitives.Inverse.bind(A, check="linalg.inv_ex" if check_errors else "")
    return InverseAndInfo(inverse, primitives.ZeroPivot.bind(A))


def _is_vector(A: Any, B: Any) -> bool:
    """Whether the right side of an equation is a vector for each matrix, not a matrix."""
    return B.ndim == 1 or tuple(B.shape) == tuple(A.shape[:-1])


def _solved(name: str, A: Any, B: Any, left: bool, check: str) -> Any:
    require_square(name, A)
    require_one_dtype(name, A, B)
    require_floating(name, A)
    is_vector = _is_vector(A, B)
    columns = B.unsqueeze(-1) if is_vector else B
    require_equation(name, A, columns, left)
    if is_vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. In this case "
            "linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    if not left:
        A, columns = transpose(A, -1, -2), transpose(columns, -1, -2)
    result = primitives.Solve.bind(*broadcast_batches(A, columns), check=check)
    if is_vector:
        return views.Reshape.bind(result, shape=tuple(result.shape[:-1]))
    return result if left else transpose(result, -1, -2)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X of ``A @ X = B`` (``X @ A = B`` with ``left=False``); B may be a vector for each matrix.

    Raises LinAlgError for a singular matrix.
    """
    return _solved("linalg.solve", A, B, left, "torch.linalg.solve")


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """As :func:`solve`, and where each matrix was found singular (0: it was not) in place of an error."""
    result = _solved("linalg.solve", A, B, left, "torch.linalg.solve_ex" if check_errors else "")
    return ResultAndInfo(result, primitives.ZeroPivot.bind(A))


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """X of ``A @ X = B`` (``X @ A = B`` with ``left=False``) where one triangle of A counts. A zero on the diagonal
    gives inf or NaN."""
    name = "linalg.solve_triangular"
    require_equation(name, A, B, left)
    require_one_dtype(name, A, B)
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise NotImplementedError(f"\"triangular_solve_cpu\" not implemented for '{type_name(A.dtype)}'")
    A, B = broadcast_batches(A, B)
    if left:
        return primitives.SolveTriangular.bind(A, B, upper=bool(upper), unit=bool(unitriangular))
    A, B = transpose(A, -1, -2), transpose(B, -1, -2)
    result = primitives.SolveTriangular.bind(A, B, upper=not upper, unit=bool(unitriangular))
    return transpose(result, -1, -2)


def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of a tensor as a map from its last dims to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if product(first) != product(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{product(last)} != {product(first)}"
        )
    flat = views.Reshape.bind(A, shape=(product(first), product(last)))
    return views.Reshape.bind(inv(flat), shape=(*last, *first))


def tensorsolve(A: Any, B: Any, dims: Sequence[int] | None = None) -> Any:
    """X of ``tensordot(A, X, X.ndim) = B``; the ``dims`` of A are moved to its end first."""
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    first, last = tuple(A.shape[: B.ndim]), tuple(A.shape[B.ndim :])
    if product(first) != product(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {product(last)} != {product(first)}"
        )
    flat = views.Reshape.bind(A, shape=(product(first), product(last)))
    return views.Reshape.bind(solve(flat, B.reshape(-1)), shape=last)


# -- determinants --------------------------------------------------------------------------------------------------


def det(A: Any) -> Any:
    """The determinants of square matrices."""
    require_square("linalg.det", A)
    require_floating("linalg.det", A)
    return primitives.Determinant.bind(A)


def slogdet(A: Any) -> Any:
    """The sign (or phase) of each determinant, and the logarithm of its modulus."""
    require_square("linalg.slogdet", A)
    require_floating("linalg.slogdet", A)
    sign, logarithm = unpack(primitives.SignAndLogDeterminant.bind(A), ((), ()))
    return SignAndLogarithm(sign, real_part(logarithm))


# -- powers --------------------------------------------------------------------------------------------------------


def matrix_power(A: Any, n: int) -> Any:
    """Square matrices to an integer power, by repeated squaring; a negative one is of the inverses."""
    if not isinstance(n, int) or isinstance(n, bool):
        raise TypeError(f"matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}")
    require_square("linalg.matrix_power", A)
    if n == 0:
        return replaced(A, identity_like(A))
    power, rest = (inv(A), -n) if n < 0 else (A, n)
    if rest == 1:
        return power if n < 0 else power.clone()
    if rest == 3:
        return (power @ power) @ power
    result = None
    while rest:
        if rest % 2:
            result = power if result is None else result @ power
        rest //= 2
        if rest:
            power = power @ power
    return result


def matrix_exp(A: Any) -> Any:
    """The exponentials of square matrices."""
    require_square("linalg.matrix_exp", A)
    require_floating("linalg.matrix_exp", A)
    return primitives.MatrixExponential.bind(A)


# -- rank, pseudo-inverse, least squares ---------------------------------------------------------------------------


def _tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """The absolute and relative tolerances for singular values, as values of the batch's shape."""
    dtype, batch = A.dtype.to_real(), tuple(A.shape[:-2])

    def value(tolerance: Any) -> Any:
        if is_value(tolerance):
            return broadcast_to(cast(tolerance, dtype), batch)
        return number_like(A, float(tolerance), shape=batch, dtype=dtype)

    default = float(np.finfo(dtype.numpy).eps) * max(A.shape[-2:])
    if rtol is None:
        rtol = where(atol > 0, 0.0, default) if is_value(atol) else (0.0 if atol else default)
    return value(0.0 if atol is None else atol), value(rtol)


def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The Moore-Penrose inverses of matrices. Singular values up to ``max(atol, rtol * greatest)`` count as zero."""
    if A.ndim < 2 or not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError(
            f"linalg.pinv({type_name(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of "
            "float, double, cfloat or cdouble types"
        )
    if hermitian:
        require_square("linalg.pinv", A)
    atol, rtol = _tolerances(A, atol, rtol if rcond is None else rcond)
    return primitives.PseudoInverse.bind(A, atol, rtol, hermitian=bool(hermitian))


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """How many singular values of each matrix are greater than ``max(atol, rtol * greatest)``, as int64."""
    require_matrices("torch.linalg.matrix_rank", A, "input")
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if tol is not None:
        atol, rtol = tol, 0.0
    if hermitian:
        require_square("linalg.eigh", A)
        values = HermitianEigenvalues.bind(A, upper=False).abs()
    else:
        values = SingularValues.bind(A)
    return _count_above(values, *_tolerances(A, atol, rtol))


def _count_above(values: Any, atol: Any, rtol: Any) -> Any:
    if values.shape[-1] == 0:
        return number_like(values, 0, shape=tuple(values.shape[:-1]), dtype=int64)
    least = atol.maximum(rtol * reductions.Amax.bind(values, dims=(values.ndim - 1,)))
    return (values > least.unsqueeze(-1)).sum(-1)


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X for which ``|A @ X - B|`` is least, of several the least; with residuals, rank, and singular values as LAPACK's
    ``driver`` gives them ("gelsy", "gels", "gelsd", "gelss")."""
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {type_name(A.dtype)} and "
            f"other's dtype {type_name(B.dtype)}"
        )
    require_floating(name, A)
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    driver = "gelsy" if driver is None else driver
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    is_vector = _is_vector(A, B)
    columns = B.unsqueeze(-1) if is_vector else B
    if A.shape[-2] != columns.shape[-2]:
        dim = -1 if is_vector else -2
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({dim})")
    A, columns = broadcast_batches(A, columns)
    rows, unknowns = A.shape[-2:]
    if rcond is None:
        rcond = float(np.finfo(A.dtype.numpy).eps) * max(rows, unknowns)
    solution = primitives.LeastSquares.bind(A, columns, rcond=float(rcond))
    values, rank = number_like(A, 0, shape=(0,), dtype=A.dtype.to_real()), number_like(A, 0, shape=(0,), dtype=int64)
    if driver != "gels":
        found = SingularValues.bind(views.Detach.bind(A))
        rank = _count_above(found, *_tolerances(A, None, rcond))
        values = found if driver in ("gelsd", "gelss") else values
    residuals = real_part(no_elements(solution))
    if rows > unknowns and (driver == "gels" or (driver != "gelsy" and _is_full(rank, unknowns))):
        residuals = (A @ solution - columns).abs().square().sum(-2)
    if is_vector:
        solution = views.Reshape.bind(solution, shape=tuple(solution.shape[:-1]))
    return LeastSquares(solution, residuals, rank, values)


def _is_full(rank: Any, unknowns: int) -> bool:
    if not hasattr(rank, "_value"):
        raise TypeError("the shape of lstsq's residuals depends on values with this driver; use driver='gels'")
    return bool((rank._value("linalg.lstsq() with this driver") == unknowns).all())
