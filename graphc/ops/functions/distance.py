"""Distances, similarities, and bilinear forms of vectors.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#distance-functions
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import product
from graphc.ops.functions.arithmetic import clamp_min
from graphc.ops.functions.linear import matmul
from graphc.ops.functions.reduction import norm, sum
from graphc.ops.functions.shaping import broadcast_to, unsqueeze
from graphc.ops.gathers import IndexSelect
from graphc.ops.half_precision import rounded_once
from graphc.ops.operands import broadcast_shapes, cast, normalize_dim
from graphc.ops.promotion import promote_types
from graphc.ops.sources import literal_like
from graphc.ops.type_names import type_name
from graphc.ops.views import Detach, Permute, Reshape

__all__ = ["bilinear", "cosine_similarity", "pairwise_distance", "pdist"]
METHODS = ()

Value = Any


@rounded_once
def cosine_similarity(x1: Value, x2: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    """The cosine of the angle between vectors along ``dim``; norms are at least eps. The inputs broadcast."""
    dtype = promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {type_name(dtype)}")
    shape = broadcast_shapes(x1.shape, x2.shape)
    axis = normalize_dim(dim, len(shape))
    first, second = (broadcast_to(cast(x, dtype), shape) for x in (x1, x2))

    def length(x: Value) -> Value:
        size = norm(x, 2, axis, keepdim=True)
        # As in PyTorch the gradient passes as if the norm were not limited.
        return size + (clamp_min(Detach.bind(size), eps) - Detach.bind(size))

    return sum((first / length(first)) * (second / length(second)), axis)


@rounded_once
def pairwise_distance(x1: Value, x2: Value, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Value:
    """The p-norm of x1 - x2 + eps along the last dimension. The inputs broadcast."""
    return norm(x1 - x2 + eps, p, max(x1.ndim, x2.ndim) - 1, keepdim)


@rounded_once
def pdist(input: Value, p: float = 2) -> Value:
    """The p-norms of the differences of all pairs of rows of a matrix, [n (n - 1) / 2]: (0, 1), (0, 2), and so on."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(input.shape[0], 1)
    left, right = (IndexSelect.bind(input, literal_like(input, rows), dim=0) for rows in (first, second))
    return norm(left - right, p, 1)


@rounded_once
def bilinear(input1: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    """``input1 @ weight[k] @ input2 + bias[k]`` for each k.

    Shapes: inputs ``[..., i]`` and ``[..., j]``, a weight ``[k, i, j]`` and a bias ``[k]`` give ``[..., k]``.

    Raises RuntimeError, with PyTorch's words, for shapes that do not fit.
    """
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for dim in range(input1.ndim - 1):
        if input1.shape[dim] != input2.shape[dim]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {input1.shape[dim]} and "
                f"{input2.shape[dim]}"
            )
    outputs, *sizes = weight.shape
    for place, (input, size) in enumerate(zip((input1, input2), sizes, strict=True), 1):
        if input.shape[-1] != size:
            raise RuntimeError(
                f"bilinear(): input{place} size does not match weight size: got {input.shape[-1]} but expected {size}"
            )
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {outputs}"
        )
    leading = tuple(input1.shape[:-1])
    rows = product(leading)
    # One product with all of the weight, then one of vectors for each row and output.
    left = Reshape.bind(input1, shape=(rows, sizes[0]))
    spread = Reshape.bind(Permute.bind(weight, dims=(1, 0, 2)), shape=(sizes[0], outputs * sizes[1]))
    middle = Reshape.bind(matmul(left, spread), shape=(rows, outputs, sizes[1]))
    result = matmul(middle, unsqueeze(Reshape.bind(input2, shape=(rows, sizes[1])), 2))
    result = Reshape.bind(result, shape=(*leading, outputs))
    return result if bias is None else result + bias
