"""Products of matrices and vectors: PyTorch's matmul in all its forms, and what is made of it.

All forms become the ``matmul`` primitive on equal batches. Where the right side is one matrix, the batch of the left
side is folded into its rows, so that there is one product rather than many.
Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
"""

from __future__ import annotations

from typing import Any

from graphc.ir.integers import product
from graphc.ops import arithmetic, contractions, views
from graphc.ops.functions.arithmetic import mul
from graphc.ops.functions.shaping import broadcast_to, expand, scalar_name, type_name
from graphc.ops.operands import broadcast_shapes
from graphc.ops.sources import number_like

__all__ = ["addmm", "bmm", "dot", "matmul", "mm", "mv", "outer"]


def _require_same_dtype(left: Any, right: Any) -> None:
    if left.dtype == right.dtype:
        return
    if left.ndim == 1 and right.ndim == 1:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{type_name(left.dtype)} and {type_name(right.dtype)}"
        )
    if left.ndim > 2 and right.ndim > 2:
        raise RuntimeError(f"expected scalar type {type_name(left.dtype)} but found {type_name(right.dtype)}")
    raise RuntimeError(
        f"expected m1 and m2 to have the same dtype, but got: {scalar_name(left.dtype)} != {scalar_name(right.dtype)}"
    )


def _require_numbers(left: Any) -> None:
    if left.dtype.category == "bool":
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")


def _product(left: Any, right: Any) -> Any:
    _require_same_dtype(left, right)
    _require_numbers(left)
    return contractions.Matmul.bind(left, right)


def _require_rank(value: Any, rank: int, message: str) -> None:
    if value.ndim != rank:
        raise RuntimeError(message)


def matmul(input: Any, other: Any) -> Any:
    """The product of vectors, matrices, or batches of matrices, whose batch dims broadcast.

    Raises RuntimeError, with PyTorch's words, for shapes or dtypes that do not fit.
    """
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
    return _product(left, right)


def _times_vector(input: Any, vector: Any) -> Any:
    if input.shape[-1] != vector.shape[0]:
        rows = product(input.shape[:-1])
        raise RuntimeError(
            f"size mismatch, got input ({rows}), mat ({rows}x{input.shape[-1]}), vec ({vector.shape[0]})"
        )
    result = _times_matrix(input, views.Reshape.bind(vector, shape=(*vector.shape, 1)))
    return views.Reshape.bind(result, shape=tuple(result.shape[:-1]))


def _times_matrix(input: Any, matrix: Any) -> Any:
    """A batch of any rank times one matrix."""
    leading, depth = tuple(input.shape[:-1]), input.shape[-1]
    rows = product(leading)
    if depth != matrix.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{depth} and {matrix.shape[0]}x{matrix.shape[1]})"
        )
    if input.ndim == 2:
        return _product(input, matrix)
    folded = _product(views.Reshape.bind(input, shape=(rows, depth)), matrix)
    return views.Reshape.bind(folded, shape=(*leading, matrix.shape[1]))


def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    _require_rank(input, 2, "self must be a matrix")
    _require_rank(mat2, 2, "mat2 must be a matrix")
    return _times_matrix(input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """The products of two equally long batches of matrices."""
    _require_rank(input, 3, "batch1 must be a 3D tensor")
    _require_rank(mat2, 3, "batch2 must be a 3D tensor")
    expected, given = [input.shape[0], input.shape[2]], [mat2.shape[0], mat2.shape[1]]
    if expected != given:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {expected} but got: {given}."
        )
    return _product(input, mat2)


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
    return views.Reshape.bind(_product(row, column), shape=())


def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of one vector and an element of another."""
    for name, value in (("self", input), ("vec2", vec2)):
        _require_rank(value, 1, f"outer: Expected 1-D argument {name}, but got {value.ndim}-D")
    column = views.Reshape.bind(input, shape=(*input.shape, 1))
    return mul(column, views.Reshape.bind(vec2, shape=(1, *vec2.shape)))


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``; the input broadcasts."""
    result = mm(mat1, mat2)
    if alpha != 1:
        result = arithmetic.Mul.bind(result, number_like(result, alpha))
    if beta == 0:
        return result
    term = expand(input, tuple(result.shape))
    if beta != 1:
        term = arithmetic.Mul.bind(term, number_like(term, beta))
    return arithmetic.Add.bind(term, result)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``: ``[..., in]``, ``[out, in]`` (or ``[in]``) and ``[out]`` give ``[..., out]``."""
    if weight.ndim == 1:
        result = matmul(input, weight)
    else:
        _require_rank(weight, 2, f"linear: expected a weight of 1 or 2 dims, got {list(weight.shape)}")
        result = matmul(input, views.Permute.bind(weight, dims=(1, 0)))
    if bias is None:
        return result
    return arithmetic.Add.bind(result, expand(bias, tuple(result.shape)))
