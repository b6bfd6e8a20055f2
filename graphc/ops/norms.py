"""Norms of vectors in public operators, with PyTorch's gradients where a norm or an element is zero.

Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ops.comparisons import Where
from graphc.ops.composites import Composite
from graphc.ops.quiet import quiet
from graphc.ops.reductions import Sum, kept_sum, restored
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
    if p == 2 and dims:
        return EuclideanNorm.bind(x, x, dims=dims, keepdim=keepdim)
    sizes = x.abs()
    if not dims:
        return sizes
    if math.isinf(p):
        return sizes.amax(dims, keepdim) if p > 0 else sizes.amin(dims, keepdim)
    if p == 1:
        return sizes.sum(dims, keepdim)
    some = x != 0
    terms = chosen(some, chosen(some, sizes, 1.0) ** p, 0.0 if p > 0 else math.inf)
    return root_of(terms.sum(dims, keepdim), p)


class EuclideanNorm(Composite):
    """The 2-norms along dims. The operand is given twice, as to the product of it and itself."""

    name, saves_inputs = "euclidean_norm", (0,)

    def decompose(self, x: Any, again: Any, *, dims: tuple[int, ...], keepdim: bool) -> Any:
        sizes = x.abs() if x.dtype.is_complex else x
        return root_of((sizes * sizes).sum(dims, keepdim), 2)

    @quiet
    def evaluate(self, x: np.ndarray, again: np.ndarray, *, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
        squares = x * x
        return np.sqrt(kept_sum(squares, dims) if keepdim else Sum.instance.evaluate(squares, dims=dims))

    def vjp(self, cotangent: Any, output: Any, x: Any, again: Any, **attrs: Any) -> tuple[Any, ...]:
        half = EuclideanNormGradient.bind(cotangent, x, **attrs)
        return half, half


class EuclideanNormGradient(Composite):
    """The cotangent of each of the two operands of :class:`EuclideanNorm`: 0 where the norm is."""

    name, differentiable = "euclidean_norm_gradient", False

    def decompose(self, cotangent: Any, x: Any, *, dims: tuple[int, ...], keepdim: bool) -> Any:
        root = root_of((x * x).sum(dims, True), 2)
        zero = root == 0
        along = restored(cotangent, x.shape, dims) if not keepdim else cotangent
        return along * x * chosen(zero.logical_not(), 0.5 / chosen(zero.logical_not(), root, 1.0), 0.0)

    @quiet
    def evaluate(self, cotangent: np.ndarray, x: np.ndarray, *, dims: tuple[int, ...], keepdim: bool) -> np.ndarray:
        kind = x.dtype.type
        root = np.sqrt(kept_sum(x * x, dims))
        share = cotangent.reshape(root.shape) / (kind(2) * root)
        return np.where(root == 0, kind(0), share) * x
