"""Products of matrices and vectors: PyTorch's matmul in all its forms, and what is made of it.

All forms become the ``matmul`` primitive on equal batches. Where the right side is one matrix, the batch of the left
side is folded into its rows, so that there is one product rather than many.
Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from graphc.ir.integers import product
from graphc.ir.types import bool_
from graphc.ops import arithmetic, contractions, views
from graphc.ops.composites import Composite
from graphc.ops.conjugation import conjugate
from graphc.ops.convolution_arrays import multiply_matrices
from graphc.ops.functions.arithmetic import mul
from graphc.ops.functions.shaping import broadcast_to, expand
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import broadcast_shapes, broadcasts_itself, cast
from graphc.ops.promotion import promote_types
from graphc.ops.quiet import IGNORE, restore, silence
from graphc.ops.type_names import scalar_name, type_name

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "dot",
    "dsmm",
    "ger",
    "inner",
    "matmul",
    "mm",
    "mv",
    "outer",
    "spmm",
    "vdot",
]
FUNCTIONS_ONLY = ("dsmm", "spmm")
IN_PLACE = ("addbmm", "addmm", "addmv", "addr", "baddbmm")
OUT_MAY_OVERLAP = True


def _require_same_dtype(left: Any, right: Any) -> None:
    if left.dtype == right.dtype:
        return
    names = [type_name(value.dtype) for value in (left, right)]
    if left.ndim == 1 and right.ndim == 1:
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {names[0]} and {names[1]}")
    if right.ndim == 1:
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {names[1]}, {names[0]}, and {names[1]}"
        )
    if right.ndim > 2:
        raise RuntimeError(f"expected scalar type {names[0]} but found {names[1]}")
    raise RuntimeError(
        f"expected m1 and m2 to have the same dtype, but got: {scalar_name(left.dtype)} != {scalar_name(right.dtype)}"
    )


def _product(left: Any, right: Any, kernel: str = "addmm_impl_cpu_") -> Any:
    _require_same_dtype(left, right)
    if left.dtype.category == "bool":
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
    return contractions.Matmul.bind(left, right)


def _require_rank(value: Any, rank: int, message: str) -> None:
    if value.ndim != rank:
        raise RuntimeError(message)


def _are_factors(left: Any, right: Any) -> bool:
    """Whether tensors are matrices, or equal batches of them, that can be multiplied."""
    x, y = left.shape, right.shape
    rank = len(x)
    return (
        1 < rank == len(y)
        and x[-1] == y[-2]
        and (rank == 2 or x[:-2] == y[:-2])
        and left.dtype is right.dtype is not bool_
    )


def matmul(input: Any, other: Any) -> Any:
    """The product of vectors, matrices, or batches of matrices, whose batch dims broadcast.

    Raises RuntimeError, with PyTorch's words, for shapes or dtypes that do not fit.
    """
    if broadcasts_itself(input) and _are_factors(input, other):
        return contractions.Matmul.bind(input, other)
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    if input.ndim == 1 and other.ndim == 1:
        return dot(input, other)
    if other.ndim == 1:
        return _times_vector(input, other)
    if input.ndim == 1:
        row = views.Reshape.bind(input, shape=(1, *input.shape))
        result = matmul(row, other)
        return views.Reshape.bind(result, shape=(*result.shape[:-2], result.shape[-1]))
    if other.ndim == 2:
        return _times_matrix(input, other)
    batch = broadcast_shapes(input.shape[:-2], other.shape[:-2])
    left = broadcast_to(input, (*batch, *input.shape[-2:]))
    right = broadcast_to(other, (*batch, *other.shape[-2:]))
    if left.shape[-1] != right.shape[-2]:
        count = product(batch)
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {left.shape[-1]}] but got: "
            f"[{count}, {right.shape[-2]}]."
        )
    return _product(left, right, "bmm")


def _times_vector(input: Any, vector: Any) -> Any:
    if input.shape[-1] != vector.shape[0]:
        rows = product(input.shape[:-1])
        raise RuntimeError(
            f"size mismatch, got input ({rows}), mat ({rows}x{input.shape[-1]}), vec ({vector.shape[0]})"
        )
    _require_same_dtype(input, vector)
    result = _times_matrix(input, views.Reshape.bind(vector, shape=(*vector.shape, 1)))
    return views.Reshape.bind(result, shape=tuple(result.shape[:-1]))


def _times_matrix(input: Any, matrix: Any) -> Any:
    """A batch of any rank times one matrix."""
    *leading, depth = input.shape
    height, width = matrix.shape
    rows = product(leading)
    if depth != height:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{depth} and {height}x{width})")
    if len(leading) == 1:
        return _product(input, matrix)
    folded = _product(views.Reshape.bind(input, shape=(rows, depth)), matrix)
    return views.Reshape.bind(folded, shape=(*leading, width))


def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    _require_rank(input, 2, "self must be a matrix")
    _require_rank(mat2, 2, "mat2 must be a matrix")
    return _times_matrix(input, mat2)


# PyTorch's names of the product with a sparse matrix, which takes dense ones too.
spmm = dsmm = mm


def bmm(input: Any, mat2: Any) -> Any:
    """The products of two equally long batches of matrices."""
    _require_rank(input, 3, "batch1 must be a 3D tensor")
    _require_rank(mat2, 3, "batch2 must be a 3D tensor")
    expected, given = [input.shape[0], input.shape[2]], [mat2.shape[0], mat2.shape[1]]
    if expected != given:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {expected} but got: {given}."
        )
    return _product(input, mat2, "bmm")


def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    return _times_vector(input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """The sum of the products of the elements of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    _require_same_dtype(input, tensor)
    if input.shape[0] != tensor.shape[0]:
        sizes = input.shape[0], tensor.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{sizes[0]}] and src [{sizes[1]}] to have the same number of "
            f"elements, but got {sizes[0]} and {sizes[1]} elements respectively"
        )
    row = views.Reshape.bind(input, shape=(1, *input.shape))
    column = views.Reshape.bind(tensor, shape=(*tensor.shape, 1))
    return views.Reshape.bind(_product(row, column, "dot"), shape=())


def vdot(input: Any, other: Any) -> Any:
    """As :func:`dot`, with the complex conjugate of the first vector."""
    return dot(conjugate(input), other)


def inner(input: Any, other: Any) -> Any:
    """The sums of products along the last dims of both; of a number the plain product."""
    if input.ndim == 0 or other.ndim == 0:
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    if input.dtype != other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    depth = input.shape[-1]
    left = views.Reshape.bind(input, shape=(product(input.shape[:-1]), depth))
    right = views.Reshape.bind(other, shape=(product(other.shape[:-1]), depth))
    result = _product(left, views.Permute.bind(right, dims=(1, 0)))
    return views.Reshape.bind(result, shape=(*input.shape[:-1], *other.shape[:-1]))


def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of one vector and an element of another."""
    for name, value in (("self", input), ("vec2", vec2)):
        _require_rank(value, 1, f"outer: Expected 1-D argument {name}, but got {value.ndim}-D")
    column = views.Reshape.bind(input, shape=(*input.shape, 1))
    return mul(column, views.Reshape.bind(vec2, shape=(1, *vec2.shape)))


def ger(input: Any, vec2: Any) -> Any:
    """As :func:`outer`."""
    return outer(input, vec2)


# -- a product added to something --------------------------------------------------------------------------------


def _weighted(value: Any, weight: Any, name: str) -> Any:
    """A value times a number, which is a whole one for integers: for most functions it must be, and without a name for
    the error it is made one."""
    if weight == 1:
        return value
    if isinstance(weight, float) and not name and value.dtype.is_integer:
        weight = int(weight)
    if isinstance(weight, float) and not (value.dtype.is_floating_point or value.dtype.is_complex):
        raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    return mul(value, weight)


def _combined(input: Any, result: Any, beta: Any, alpha: Any, truncates: bool = False) -> Any:
    """``beta * input + alpha * result`` of one shape and dtype; with a beta of 0 the input is not read."""
    result = _weighted(result, alpha, "" if truncates else "alpha")
    if beta == 0:
        return result
    return arithmetic.Add.bind(_weighted(input, beta, "" if truncates else "beta"), result)


def _require_addable(input: Any, mat1: Any, mat2: Any) -> None:
    """Raises RuntimeError where an input and two matrices that ``addmm`` is to combine differ in dtype."""
    for name, value in (("self", input), ("mat1", mat1)):
        if value.dtype != mat2.dtype:
            raise RuntimeError(
                f"{name} and mat2 must have the same dtype, but got {type_name(value.dtype)} and "
                f"{type_name(mat2.dtype)}"
            )


@rounded_once
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``; the input broadcasts."""
    for name, value in (("mat1", mat1), ("mat2", mat2)):
        _require_rank(value, 2, f"{name} must be a matrix, got {value.ndim}-D tensor")
    term = expand(input, (mat1.shape[0], mat2.shape[1]))
    _require_addable(input, mat1, mat2)
    return _combined(term, _times_matrix(mat1, mat2), beta, alpha)


@rounded_once
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat @ vec)``; the input broadcasts."""
    if mat.ndim != 2 or vec.ndim != 1 or input.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    rows, given = mat.shape[0], input.shape[0] if input.ndim else 1
    if mat.shape[1] != vec.shape[0] or given not in (rows, 1):
        raise RuntimeError(f"size mismatch, got input ({given}), mat ({rows}x{mat.shape[1]}), vec ({vec.shape[0]})")
    if not input.dtype == mat.dtype == vec.dtype:
        names = ", ".join(type_name(value.dtype) for value in (input, mat))
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {names}, and {type_name(vec.dtype)}")
    return _combined(expand(input, (rows,)), _times_vector(mat, vec), beta, alpha, truncates=True)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``; the input broadcasts and dtypes are promoted."""
    for name, value in (("vec1", vec1), ("vec2", vec2)):
        _require_rank(value, 1, f"addr: Expected 1-D argument {name}, but got {value.ndim}-D")
    dtype = promote_types(promote_types(input.dtype, vec1.dtype), vec2.dtype)
    term = expand(cast(input, dtype), (vec1.shape[0], vec2.shape[0]))
    products = outer(cast(vec1, dtype), cast(vec2, dtype))
    if dtype.category == "bool":
        products = products if alpha else products & False
        return products | term if beta else products
    return _combined(term, products, beta, alpha)


def _require_batches(batch1: Any, batch2: Any) -> None:
    _require_rank(batch1, 3, "batch1 must be a 3D tensor")
    _require_rank(batch2, 3, "batch2 must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}"
        )
    if batch1.shape[2] != batch2.shape[1]:
        (_, rows, depth), (_, other, columns) = batch1.shape, batch2.shape
        raise RuntimeError(f"Incompatible matrix sizes for bmm ({rows}x{depth} and {other}x{columns})")


@rounded_once
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (batch1 @ batch2).sum(0)``; the input broadcasts."""
    _require_batches(batch1, batch2)
    count, rows, depth = batch1.shape
    columns = batch2.shape[2]
    term = expand(input, (rows, columns))
    # The sum of products is one product over batch and depth together.
    left = views.Reshape.bind(views.Permute.bind(batch1, dims=(1, 0, 2)), shape=(rows, count * depth))
    right = views.Reshape.bind(batch2, shape=(count * depth, columns))
    return _combined(term, _product(left, right), beta, alpha, truncates=True)


@rounded_once
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (batch1 @ batch2)`` for each matrix of the batches; the input broadcasts."""
    _require_rank(batch1, 3, "batch1 must be a 3D tensor")
    _require_rank(batch2, 3, "batch2 must be a 3D tensor")
    term = expand(input, (batch1.shape[0], batch1.shape[1], batch2.shape[2]))
    if batch1.dtype == batch2.dtype != input.dtype:
        names = [scalar_name(value.dtype) for value in (input, batch1, batch2)]
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {names[0]}, batch1: {names[1]}, batch2: {names[2]}"
        )
    return _combined(term, bmm(batch1, batch2), beta, alpha, truncates=True)


def _is_one_product(input: Any, weight: Any, bias: Any) -> bool:
    """Whether tensors are such that all of ``linear`` is a product of matrices and a sum: nothing is to be refused."""
    x, w, dtype = input.shape, weight.shape, weight.dtype
    if len(w) != 2 or len(x) < 2 or x[-1] != w[1] or input.dtype is not dtype or dtype is bool_:
        return False
    return bias is None or (bias.dtype is dtype and bias.shape == (w[0],))


class Linear(Composite):
    """``[..., in]`` times the transpose of ``[out, in]``, and ``[out]`` added."""

    name = "linear"
    saves_for: ClassVar[dict[int, tuple[int, ...]]] = {0: (1,), 1: (0,), 2: ()}

    def decompose(self, x: Any, weight: Any, bias: Any = None) -> Any:
        result = _times_matrix(x, views.Permute.bind(weight, dims=(1, 0)))
        if bias is None:
            return result
        return arithmetic.Add.bind(result, bias if broadcasts_itself(result) else expand(bias, tuple(result.shape)))

    def evaluate(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        token = silence(IGNORE)
        try:
            rows = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
            result = multiply_matrices(rows, weight.T)
            if bias is not None:
                np.add(result, bias, result)
        finally:
            restore(token)
        return result if x.ndim == 2 else result.reshape(*x.shape[:-1], weight.shape[0])

    def vjp(self, cotangent: Any, output: Any, x: Any, weight: Any, bias: Any = None) -> tuple[Any, ...]:
        shape = tuple(x.shape)

        def rows(value: Any) -> Any:
            extents = value.shape
            return value if len(extents) == 2 else views.Reshape.bind(value, shape=(product(shape[:-1]), extents[-1]))

        def of_input() -> Any:
            found = contractions.Matmul.bind(rows(cotangent), weight)
            return found if len(shape) == 2 else views.Reshape.bind(found, shape=shape)

        def of_weight() -> Any:
            found = contractions.Matmul.bind(views.Permute.bind(rows(x), dims=(1, 0)), rows(cotangent))
            return views.Permute.bind(found, dims=(1, 0))

        # The bias was stretched: its cotangent is summed to its shape.
        return (of_input, of_weight, cotangent)[: 2 if bias is None else 3]


@rounded_once
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``: ``[..., in]``, ``[out, in]`` (or ``[in]``) and ``[out]`` give ``[..., out]``."""
    if broadcasts_itself(input) and _is_one_product(input, weight, bias):
        return Linear.bind(input, weight) if bias is None else Linear.bind(input, weight, bias)
    if weight.ndim == 1:
        result = matmul(input, weight)
    else:
        _require_rank(weight, 2, f"linear: expected a weight of 1 or 2 dims, got {list(weight.shape)}")
        # PyTorch adds the bias within the product where it can, and promotes no dtypes there.
        if bias is not None and not (input.ndim > 2 and input.is_eager and not input.is_contiguous()):
            _require_addable(bias, input, weight)
        result = matmul(input, views.Permute.bind(weight, dims=(1, 0)))
    if bias is None:
        return result
    fits = broadcasts_itself(result) and bias.shape == result.shape[-1:]
    return arithmetic.Add.bind(result, bias if fits else expand(bias, tuple(result.shape)))
