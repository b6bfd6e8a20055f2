"""Matrices made, taken apart, and measured: diagonals, Kronecker and cross products, combinations, distances.

Source: https://docs.pytorch.org/docs/stable/torch.html#other-operations
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from graphc.ir.types import int64
from graphc.ops import comparisons, gathers, sources, strided_views, views
from graphc.ops.composites import Composite
from graphc.ops.functions import arithmetic, reduction
from graphc.ops.functions.linear import matmul
from graphc.ops.functions.linear_algebra import cross as vector_product
from graphc.ops.functions.linear_algebra import vander as increasing_powers
from graphc.ops.functions.norms import matrix_norm
from graphc.ops.functions.norms import vector_norm as norm
from graphc.ops.functions.shaping import broadcast_to, flip, meshgrid, ravel, stack, transpose, unsqueeze
from graphc.ops.half_precision import rounded_once
from graphc.ops.norms import root_of, vector_norms
from graphc.ops.operands import cast, normalize_dim
from graphc.ops.pointwise import Add, Copy
from graphc.ops.promotion import result_type
from graphc.ops.sources import number_like
from graphc.ops.type_names import type_name
from graphc.sizes import stretches

__all__ = [
    "block_diag",
    "cartesian_prod",
    "cdist",
    "combinations",
    "cross",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "frobenius_norm",
    "kron",
    "norm_except_dim",
    "nuclear_norm",
    "renorm",
    "tril",
    "triu",
    "vander",
]
METHODS = ("cross", "diag", "diag_embed", "diagflat", "diagonal", "kron", "renorm", "trace", "tril", "triu")
IN_PLACE = ("renorm", "tril", "triu")
OUT_MAY_OVERLAP = True


# -- diagonals -----------------------------------------------------------------------------------------------------


def _diagonal_dims(rank: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = normalize_dim(dim1, rank), normalize_dim(dim2, rank)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return first, second


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The elements on a diagonal along two dims, as a last dim; a view. ``offset`` counts to the right."""
    first, second = _diagonal_dims(input.ndim, dim1, dim2)
    return strided_views.Diagonal.bind(input, offset=int(offset), dim1=first, dim2=second)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The last dim as the diagonal along two new dims of an otherwise zero tensor."""
    first, second = _diagonal_dims(input.ndim + 1, dim1, dim2)
    if not input.ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [-1, 0], but got {dim1})")
    size = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(size if dim in (first, second) else next(rest) for dim in range(input.ndim + 1))
    zeros = number_like(input, 0, shape=shape)
    return strided_views.DiagonalUpdate.bind(zeros, input, offset=int(offset), dim1=first, dim2=second)


def diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as the diagonal of a matrix, or a copy of the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal, 0, 1)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return Copy.bind(strided_views.Diagonal.bind(input, offset=int(diagonal), dim1=0, dim2=1))


def diagflat(input: Any, offset: int = 0) -> Any:
    """All elements as the diagonal of a matrix."""
    return diag_embed(ravel(input), offset, 0, 1)


def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix; of integers in int64."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    if input.dtype.category == "bool":
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    return reduction.sum(diagonal(input))


# -- norms under older names ---------------------------------------------------------------------------------------


def frobenius_norm(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The 2-norm of all elements, or of those along dims; of at most two dims."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    if len(dims) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead.")
    return norm(input, 2, dims or None, keepdim)


def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The sum of the singular values of a matrix, or of the matrices along two dims."""
    if dim is None and input.ndim != 2:
        raise RuntimeError(
            f"Expected a tensor with 2 dimensions, but got a tensor with {input.ndim} dimensions instead."
        )
    return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The norms of the slices along one dim, which alone keeps its extent; of all elements for the dim -1."""
    if dim == -1:
        return norm(v, pow)
    if dim not in (0, v.ndim - 1):
        return transpose(norm_except_dim(transpose(v, 0, dim), pow, 0), 0, dim)
    return norm(v, pow, tuple(each for each in range(v.ndim) if each != dim), True) if v.ndim > 1 else v.abs()


# -- triangles ---------------------------------------------------------------------------------------------------


class Triangle(Composite):
    """The elements on one side of a diagonal of matrices, zero elsewhere."""

    name, saves_inputs = "triangle", ()

    def decompose(self, x: Any, *, diagonal: int, lower: bool) -> Any:
        shape = tuple(x.shape)

        def along(dim: int) -> Any:
            return x.apply(sources.Iota.instance, (), {"shape": shape[-2:], "dim": dim, "dtype": int64})

        rows, columns = along(0), along(1)
        keep = comparisons.Le if lower else comparisons.Ge
        inside = keep.bind(columns, Add.bind(rows, number_like(rows, diagonal)) if diagonal else rows)
        return comparisons.Where.bind(broadcast_to(inside, shape), x, number_like(x, 0))

    def evaluate(self, x: np.ndarray, *, diagonal: int, lower: bool) -> np.ndarray:
        return np.tril(x, diagonal) if lower else np.triu(x, diagonal)

    def vjp(self, cotangent: Any, output: Any, x: Any, **attrs: Any) -> tuple[Any]:
        return (Triangle.bind(cotangent, **attrs),)


def _triangle(name: str, input: Any, diagonal: int, lower: bool) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return Triangle.bind(input, diagonal=diagonal, lower=lower)


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of matrices: zero above the diagonal (the ``diagonal``-th above the main one)."""
    return _triangle("tril", input, diagonal, True)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of matrices: zero below the diagonal (the ``diagonal``-th above the main one)."""
    return _triangle("triu", input, diagonal, False)


# -- products ------------------------------------------------------------------------------------------------------


def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: blocks of ``other``, each times an element of ``input``."""
    rank = max(input.ndim, other.ndim)
    one, two = ((1,) * (rank - value.ndim) + tuple(value.shape) for value in (input, other))
    left = views.Reshape.bind(input, shape=tuple(size for extent in one for size in (extent, 1)))
    right = views.Reshape.bind(other, shape=tuple(size for extent in two for size in (1, extent)))
    result = arithmetic.mul(left, right)
    return views.Reshape.bind(result, shape=tuple(a * b for a, b in zip(one, two, strict=True)))


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The vector products along ``dim`` (by default the first of extent 3); the other dims broadcast."""
    if dim is None:
        found = [place for place, extent in enumerate(input.shape) if extent == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        dim = found[0]
    return vector_product(input, other, dim=dim)


def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a matrix; numbers and vectors count as matrices of one row."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        from graphc.creation import empty

        return empty(1, 0)
    for position, tensor in enumerate(tensors):
        if tensor.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {position} has {tensor.ndim} dimensions"
            )
    dtype = result_type(*tensors)
    blocks = [
        views.Reshape.bind(cast(tensor, dtype), shape=(*(1,) * (2 - tensor.ndim), *tensor.shape)) for tensor in tensors
    ]
    width = sum(block.shape[1] for block in blocks)
    rows, start = [], 0
    for block in blocks:
        end = start + block.shape[1]
        rows.append(gathers.Pad.bind(block, low=(0, start), high=(0, width - end), value=sources.as_number(0, dtype)))
        start = end
    return rows[0] if len(rows) == 1 else gathers.Cat.bind(*rows, dim=0)


# -- combinations of elements --------------------------------------------------------------------------------------


def _require_vector(tensor: Any) -> None:
    if tensor.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor.shape)}")


def cartesian_prod(*tensors: Any) -> Any:
    """All choices of one element of each vector, as rows; a single vector itself."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    for tensor in tensors:
        _require_vector(tensor)
        if tensor.dtype != tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(grid) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of ``r`` elements of a vector, as rows, in the order of the elements."""
    _require_vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return number_like(input, 0, shape=(0,))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = list(choose(range(input.shape[0]), r))
    index = input.apply(
        sources.Constant.instance, (), {"literal": sources.Literal([p for row in places for p in row], int64)}
    )
    return views.Reshape.bind(gathers.IndexSelect.bind(input, index, dim=0), shape=(len(places), r))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The Vandermonde matrix of a vector: its powers as columns, the highest first unless ``increasing``."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    if count < 2:
        whole = x if x.dtype.is_floating_point or x.dtype.is_complex else cast(x, int64)
        return number_like(whole, 1, shape=(*x.shape, count))
    columns = increasing_powers(x, N=count)
    return columns if increasing else flip(columns, 1)


# -- distances -----------------------------------------------------------------------------------------------------

# From this many rows on PyTorch takes Euclidean distances from a matrix product.
_MANY_ROWS = 25
_BY_PRODUCT = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


@rounded_once
@stretches
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The p-norms of the differences of each row of ``x1 [..., P, M]`` and each of ``x2 [..., R, M]``: ``[..., P, R]``.

    Rows at distance 0 have the gradient 0. Raises RuntimeError, with PyTorch's words, for what does not fit.
    """
    if compute_mode not in _BY_PRODUCT:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, value in (("X1", x1), ("X2", x2)):
        if not value.dtype.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {type_name(value.dtype)}")
        if value.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {value.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype != x2.dtype:
        raise RuntimeError(f"expected scalar type {type_name(x1.dtype)} but found {type_name(x2.dtype)}")
    rows = x1.shape[-2], x2.shape[-2]
    if 0 in (*rows, x1.shape[-1]):
        return reduction.sum(unsqueeze(x1, -2) - unsqueeze(x2, -3), -1)  # no differences, or the sums of none
    by_product = _BY_PRODUCT[compute_mode]
    if p == 2 and (by_product or (by_product is None and max(rows) > _MANY_ROWS)):
        left, right = reduction.sum(x1 * x1, -1, keepdim=True), reduction.sum(x2 * x2, -1, keepdim=True)
        squares = left + transpose(right, -1, -2) - 2 * matmul(x1, transpose(x2, -1, -2))
        return root_of(arithmetic.clamp(squares, min=0), 2)
    differences = unsqueeze(x1, -2) - unsqueeze(x2, -3)
    return vector_norms(differences, float(p), (differences.ndim - 1,), False)


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Slices along ``dim`` whose p-norm is greater than ``maxnorm``, scaled down to it."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    place = normalize_dim(dim, input.ndim)
    norms = norm(input, p, [d for d in range(input.ndim) if d != place], keepdim=True)
    return input * arithmetic.where(norms > maxnorm, maxnorm / (norms + 1e-7), 1.0)
