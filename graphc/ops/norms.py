"""Norms of vectors in public operators, with PyTorch's gradients where a norm or an element is zero.

Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
"""

from __future__ import annotations

import math
from typing import Any

from graphc.ops.comparisons import Where
from graphc.ops.sources import number_like


def chosen(condition: Any, value: Any, number: float) -> Any:
    """The value where a condition of its shape holds, else a number."""
    return Where.bind(condition, value, number_like(value, number))


def root_of(powers: Any, p: float) -> Any:
    """The p-th root of numbers that are not negative, with the gradient 0 (not inf) at 0."""
    zero = powers == 0
    safe = chosen(zero.logical_not(), powers, 1.0)
    return chosen(zero.logical_not(), safe.sqrt() if p == 2 else safe ** (1.0 / p), 0.0 if p > 0 else math.inf)


def vector_norms(x: Any, p: float, dims: tuple[int, ...], keepdim: bool) -> Any:
    """The p-norms along dims, for any p: ``sum(abs(x) ** p) ** (1 / p)``, the greatest or least modulus for inf and
    -inf, and how many elements are not zero for 0."""
    if p == 0:
        # Zeros count as themselves, so that there is a gradient: zero everywhere.
        some, sizes = x != 0, x.abs()
        counted = Where.bind(some, number_like(sizes, 1), sizes)
        return counted.sum(dims, keepdim) if dims else counted
    sizes = x.abs()
    if not dims:
        return sizes
    if math.isinf(p):
        return sizes.amax(dims, keepdim) if p > 0 else sizes.amin(dims, keepdim)
    if p == 1:
        return sizes.sum(dims, keepdim)
    if p == 2:
        squares = sizes * sizes if x.dtype.is_complex else x * x
        return root_of(squares.sum(dims, keepdim), 2)
    some = x != 0
    terms = chosen(some, chosen(some, sizes, 1.0) ** p, 0.0 if p > 0 else math.inf)
    return root_of(terms.sum(dims, keepdim), p)
