"""Distances between vectors.

Source: https://docs.pytorch.org/docs/stable/nn.html#distance-functions
"""

from __future__ import annotations

from graphc import functional as F
from graphc.nn.module import Module
from graphc.tensor import Tensor


class PairwiseDistance(Module):
    """The p-norm of differences: (N, D) and (N, D) to (N), or (N, 1) with ``keepdim``; also without N."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``dim``; shapes that broadcast, to their shape without ``dim``."""

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
