"""Norms of vectors and matrices, and condition numbers, with the names of PyTorch's ``linalg``.

Source: https://docs.pytorch.org/docs/stable/linalg.html#matrix-properties
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphc.ir.integers import product
from graphc.ir.types import DType
from graphc.ops import reductions
from graphc.ops.factorizations import SingularValues
from graphc.ops.functions.shaping import movedim
from graphc.ops.half_precision import rounded_once
from graphc.ops.linear_algebra import Inverse, ZeroPivot
from graphc.ops.norms import vector_norms
from graphc.ops.operands import cast, keep_dims, normalize_dim, normalize_dims
from graphc.ops.promotion import promote_types
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name

NAMESPACE = "linalg"
__all__: list[str] = []
METHODS = ()
OUT_MAY_OVERLAP = True

Dim = int | Sequence[int] | None


def _prepared(name: str, x: Any, dtype: DType | None) -> Any:
    """The input in the dtype asked for, which must be able to hold it."""
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {type_name(x.dtype)}")
    if dtype is None:
        return x
    given, wanted = type_name(x.dtype), type_name(dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {wanted}")
    if dtype.is_complex != x.dtype.is_complex:
        kind = "complex" if x.dtype.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {wanted}")
    if promote_types(x.dtype, dtype) != dtype:
        raise RuntimeError(
            f"{name}: the dtype of the input ({given}) should be convertible without narrowing to the specified dtype "
            f"({wanted})"
        )
    return cast(x, dtype)


def _number(ord: float) -> str:
    return f"{ord:g}"


@rounded_once
def vector_norm(x: Any, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The norm of the elements along ``dim`` (all by default) as one vector, for any number ``ord``.

    The gradient is 0 where the norm is. Raises RuntimeError for integers, and where an empty vector has no norm.
    """
    if isinstance(ord, str):
        raise TypeError("linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str")
    x = _prepared("linalg.vector_norm", x, dtype)
    dims = normalize_dims(dim, x.ndim)
    if ord < 0 or ord == math.inf:
        for place in dims:
            if x.shape[place] == 0:
                where = (
                    f"on the dimension {place}because this dimension is empty and"
                    if dim is not None
                    else ("on an empty tensor because")
                )
                raise RuntimeError(
                    f"linalg.vector_norm cannot compute the {_number(ord)} norm {where} the operation does not have an "
                    "identity"
                )
    return vector_norms(x, float(ord), dims, keepdim)


def _require_matrix(name: str, x: Any, letter: str = " A") -> None:
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor{letter} must have at least 2 dimensions.")


def matrix_norm(
    A: Any,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Any:
    """The norm of matrices along two dims: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    name = "linalg.matrix_norm"
    _require_matrix(name, A)
    if not isinstance(dim, Sequence):
        raise TypeError(f"linalg_matrix_norm(): argument 'dim' must be tuple of ints, not {type(dim).__name__}")
    A = _prepared(name, A, dtype)
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    rows, columns = (normalize_dim(each, A.ndim) for each in dim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    shape = tuple(A.shape)
    if ord == "fro":
        return vector_norms(A, 2.0, tuple(sorted((rows, columns))), keepdim)
    if ord == "nuc" or ord in (2, -2):
        values = SingularValues.bind(movedim(A, (rows, columns), (-2, -1)))
        last = values.ndim - 1
        reduce = {"nuc": reductions.Sum, 2: reductions.Amax, -2: reductions.Amin}[ord]
        result = reduce.bind(values, dims=(last,))
    elif isinstance(ord, str) or abs(ord) not in (1, math.inf):
        raise RuntimeError(f"{name}: Order {ord if isinstance(ord, str) else _number(ord)} not supported.")
    else:
        summed, compared = (columns, rows) if abs(ord) == math.inf else (rows, columns)
        sums = reductions.Sum.bind(A.abs(), dims=(summed,))
        reduce = reductions.Amax if ord > 0 else reductions.Amin
        result = reduce.bind(sums, dims=(compared - (compared > summed),))
    return keep_dims(result, shape, tuple(sorted((rows, columns)))) if keepdim else result


@rounded_once
def norm(
    A: Any, ord: float | str | None = None, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Any:
    """A vector norm along one dim, a matrix norm along two; without ``ord`` the 2-norm of all elements."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    dims = [dim] if isinstance(dim, int) else dim
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if dims is None and not isinstance(ord, str) and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if dims is None and isinstance(ord, str) and A.ndim > 2:
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    of_vectors = len(dims) == 1 if dims is not None else A.ndim == 1
    if of_vectors and not isinstance(ord, str):
        return vector_norm(A, ord, dims, keepdim, dtype=dtype)
    if dims is not None and len(dims) == 1:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dims[0]}")
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)


def cond(A: Any, p: float | str | None = None) -> Any:
    """The condition numbers of matrices in a norm: by the singular values for None, 2 and -2, else by the inverse."""
    _require_matrix("linalg.cond", A, "")
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if not isinstance(p, str) and p is not None and abs(p) not in (1, 2, math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {_number(p)}")
    if product(A.shape[-2:]) == 0:
        return number_like(_prepared("linalg.cond", A, None), 0, shape=tuple(A.shape[:-2]))
    if p in (None, 2, -2):
        values = SingularValues.bind(_prepared("linalg.svd", A, None))
        greatest, least = values[..., 0], values[..., -1]
        return least / greatest if p == -2 else greatest / least
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond(ord={p if isinstance(p, str) else _number(p)}): A must be batches of square matrices, but "
            f"they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )
    inverse = Inverse.bind(_prepared("linalg.cond", A, None), check="")
    result = matrix_norm(A, p) * matrix_norm(inverse, p)
    return result.masked_fill(ZeroPivot.bind(A) != 0, math.inf)
