"""Tools for distributions that programs write, as in ``torch.distributions.utils``."""

from __future__ import annotations

from graphc.creation import arange
from graphc.distributions.discrete import within_open_interval as clamp_probs
from graphc.distributions.distribution import broadcast_all
from graphc.distributions.distribution import lazy as lazy_property
from graphc.tensor import Tensor

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log-odds where there are two outcomes, else of logarithms along the last dim."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds of probabilities where there are two outcomes, else their logarithms; finite for 0 and 1 too."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below a diagonal of ``(..., n, n)``, row after row. Raises ValueError for no diagonal."""
    size = mat.shape[-1]
    if not -size <= diag < size:
        raise ValueError(f"diag ({diag}) provided is outside [{-size}, {size - 1}].")
    return mat[..., _lower(size, diag)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The ``(..., n, n)`` that has elements on and below a diagonal, row after row, and zeros above it.

    Raises ValueError for a number of elements that no size has.
    """
    count = vec.shape[-1]
    size = next((n for n in range(abs(diag) + 1, count + abs(diag) + 2) if _count(n, diag) == count), None)
    if size is None:
        raise ValueError(
            f"The size of last dimension is {count} which cannot be expressed as the lower triangular part of a "
            "square D x D matrix."
        )
    matrix = vec.new_zeros((*vec.shape[:-1], size, size))
    matrix[..., _lower(size, diag)] = vec
    return matrix


def _lower(size: int, diag: int) -> Tensor:
    places = arange(size)
    return places < places.view(-1, 1) + (diag + 1)


def _count(size: int, diag: int) -> int:
    return sum(min(max(row + diag + 1, 0), size) for row in range(size))
