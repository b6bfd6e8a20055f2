"""What the gradient rules of linear algebra are written with: matrices as values, in public operators.

``cotangent`` and the rest are ``[..., m, n]`` tensors or graph symbols; batches are those of the operands.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension, product
from graphc.ir.types import TensorType
from graphc.ops import complex_numbers, strided_views, views
from graphc.ops.conjugation import conjugate
from graphc.ops.sources import number_like

Shape = tuple[Dimension, ...]


def transposed(x: Any) -> Any:
    """The transposes of matrices."""
    rank = len(x.shape)
    return views.Permute.bind(x, dims=(*range(rank - 2), rank - 1, rank - 2))


def real_part(x: Any) -> Any:
    """The real part; a real value itself."""
    return complex_numbers.parts(x)[0] if x.dtype.is_complex else x


def without_imaginary(x: Any) -> Any:
    """The value with its imaginary part replaced by zero: the cotangent of a real number that is kept as a complex."""
    return (x + conjugate(x)) / 2 if x.dtype.is_complex else x


def adjoint(x: Any) -> Any:
    """The conjugate transposes of matrices."""
    return conjugate(transposed(x))


def diagonal(x: Any) -> Any:
    """``[..., min(m, n)]``: the main diagonals of matrices."""
    rank = len(x.shape)
    return strided_views.Diagonal.bind(x, offset=0, dim1=rank - 2, dim2=rank - 1)


def with_diagonal(x: Any, values: Any) -> Any:
    """Matrices with other main diagonals."""
    rank = len(x.shape)
    return strided_views.DiagonalUpdate.bind(x, values, offset=0, dim1=rank - 2, dim2=rank - 1)


def diagonal_matrices(values: Any) -> Any:
    """``[..., n]`` as matrices that are zero beside the diagonal."""
    shape = (*values.shape, values.shape[-1])
    return with_diagonal(number_like(values, 0, shape=shape), values)


def identity_like(x: Any) -> Any:
    """Identity matrices of the shape of square matrices."""
    shape = tuple(x.shape)
    zeros = number_like(x, 0, shape=shape)
    return with_diagonal(zeros, number_like(x, 1, shape=shape[:-1]))


def zeros_like(x: Any) -> Any:
    """Zeros of a value's shape: an operand, not to be written to."""
    return number_like(x, 0, shape=tuple(x.shape))


def replaced(x: Any, values: Any) -> Any:
    """Other values in the place of x, with x in their history: its gradient is zero, not missing."""
    shape = tuple(x.shape)
    return views.SliceUpdate.bind(x, values, starts=(0,) * len(shape), stops=shape, steps=(1,) * len(shape))


def no_elements(x: Any) -> Any:
    """None of the elements of x, as a vector with x in its history."""
    flat = views.Reshape.bind(x, shape=(product(x.shape),))
    return views.Slice.bind(flat, starts=(0,), stops=(0,), steps=(1,))


def real_number_like(x: Any, value: float, shape: Shape) -> Any:
    """A real number at every place of a shape, as precise as a value."""
    return number_like(x, value, shape=shape, dtype=x.dtype.to_real())


def quotient(dividend: Any, divisor: Any) -> Any:
    """The quotient, with 0 for 0 / 0: what was zero already needs no division to be so."""
    both = (dividend == 0) & (divisor == 0)
    return dividend / divisor.masked_fill(both, 1)


def block(x: Any, rows: tuple[Dimension, Dimension], columns: tuple[Dimension, Dimension]) -> Any:
    """The rows and columns ``range(*rows)`` and ``range(*columns)`` of matrices."""
    shape = tuple(x.shape)
    batch = shape[:-2]
    return views.Slice.bind(
        x,
        starts=(*(0,) * len(batch), rows[0], columns[0]),
        stops=(*batch, rows[1], columns[1]),
        steps=(1,) * len(shape),
    )


def product_of_chain(matrices: list[Any]) -> Any:
    """The product in the order that needs the fewest multiplications of numbers (Cormen et al., chapter 14.2)."""
    sizes = [matrices[0].shape[0], *(matrix.shape[1] for matrix in matrices)]
    count = len(matrices)
    if not all(isinstance(size, int) for size in sizes):
        sizes = [1] * (count + 1)
    costs = [[0] * count for _ in range(count)]
    splits = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            costs[first][last], splits[first][last] = min(
                (
                    costs[first][split] + costs[split + 1][last] + sizes[first] * sizes[split + 1] * sizes[last + 1],
                    split,
                )
                for split in range(first, last)
            )

    def multiply(first: int, last: int) -> Any:
        if first == last:
            return matrices[first]
        split = splits[first][last]
        return multiply(first, split) @ multiply(split + 1, last)

    return multiply(0, count - 1)


# -- reflections ---------------------------------------------------------------------------------------------------


def reflection_vectors(A: Any) -> Any:
    """The vectors of reflections, as columns: below the diagonal A's, ones on it, zeros above."""
    return with_diagonal(A.tril(-1), number_like(A, 1, shape=tuple(diagonal(A).shape)))


def reflected(vectors: Any, tau: Any, place: int, x: Any, inverse: bool = False) -> Any:
    """The columns of x under the reflection ``I - tau v v.mH`` of one place; ``inverse``: under its adjoint."""
    vector = block(vectors, (0, vectors.shape[-2]), (place, place + 1))
    factor = tau[..., place].unsqueeze(-1).unsqueeze(-1)
    return x - (conjugate(factor) if inverse else factor) * (vector @ (adjoint(vector) @ x))


# -- several results in one array ----------------------------------------------------------------------------------


def columnwise(evaluate: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An evaluation whose matrices lie in memory column by column, as LAPACK writes them and PyTorch leaves them."""

    @functools.wraps(evaluate)
    def laid_out(*operands: Any, **attrs: Any) -> np.ndarray:
        columns = np.swapaxes(evaluate(*operands, **attrs), -1, -2)
        return np.swapaxes(np.ascontiguousarray(columns), -1, -2)

    return laid_out


def packed_type(x: TensorType, shapes: Sequence[Shape]) -> TensorType:
    """The type of results of the given shapes (without the batch of matrices ``x``) in one array."""
    return TensorType(x.dtype, (*x.shape[:-2], sum(product(shape) for shape in shapes)))


def pack(batch: tuple[int, ...], dtype: np.dtype, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Results ``[*batch, ...]`` side by side along one last dim, matrices column by column."""
    rank = len(batch) + 2
    parts = [np.swapaxes(part, -1, -2) if part.ndim == rank else part for part in parts]
    flat = [part.reshape(*batch, int(np.prod(part.shape[len(batch) :]))).astype(dtype, copy=False) for part in parts]
    return np.concatenate(flat, -1)


def unpack(packed: Any, shapes: Sequence[Shape]) -> list[Any]:
    """The results of the given shapes, as views of an array that ``pack`` made."""
    batch = tuple(packed.shape[:-1])
    found, start = [], 0
    for shape in shapes:
        stop = start + product(shape)
        part = views.Slice.bind(
            packed, starts=(*(0,) * len(batch), start), stops=(*batch, stop), steps=(1,) * (len(batch) + 1)
        )
        whole = views.Reshape.bind(part, shape=(*batch, *reversed(shape)))
        if len(shape) == 2:
            count = len(batch)
            whole = views.Permute.bind(whole, dims=(*range(count), count + 1, count))
        found.append(whole)
        start = stop
    return found
