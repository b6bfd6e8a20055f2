"""Scatters that combine by a product or an extreme: PyTorch's ``scatter_reduce`` for "prod", "amax" and "amin"."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.primitive import register
from graphc.ir.types import DType, TensorType
from graphc.ops import gathers
from graphc.ops.comparisons import Eq
from graphc.ops.pointwise import Cast
from graphc.ops.scatters import ScatterAdd, ScatterAlong, ScatterPut
from graphc.ops.sources import number_like


def scatter_reduced(base: Any, index: Any, source: Any, *, dim: int, reduce: str, include_self: bool) -> Any:
    """The base with elements of the source combined by "prod", "amax" or "amin" where the index says, along ``dim``.

    Without ``include_self`` what the base has at such places is left out.
    """
    primitive = _REDUCTIONS[reduce]
    if not include_self:
        neutral = number_like(base, primitive.instance.neutral(base.dtype), shape=tuple(index.shape))
        base = ScatterPut.bind(base, index, neutral, dim=dim)
    return primitive.bind(base, index, source, dim=dim, include_self=include_self)


class _ScatterReduction(ScatterAlong):
    """``include_self`` tells whether the base holds elements to combine with at the places of the index, or neutral
    numbers, which have no part in the gradient."""

    saves_output = True

    def infer(
        self, base: TensorType, index: TensorType, source: TensorType, *, dim: int, include_self: bool
    ) -> TensorType:
        return super().infer(base, index, source, dim=dim)

    def evaluate(
        self, base: np.ndarray, index: np.ndarray, source: np.ndarray, *, dim: int, include_self: bool
    ) -> np.ndarray:
        return super().evaluate(base, index, source, dim=dim)

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return super().index_error(index, bound, dim=dim)

    def neutral(self, dtype: DType) -> Any:
        """The number with which a combination leaves the other as it is."""
        raise NotImplementedError


@register
class ScatterProduct(_ScatterReduction):
    """Multiply by elements of the source where the index says."""

    name = "scatter_prod"
    combiner = "prod"

    def neutral(self, dtype: DType) -> Any:
        return 1

    def vjp(
        self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int, include_self: bool
    ) -> tuple[Any, ...]:
        def product(base: Any, source: Any) -> Any:
            return ScatterProduct.bind(base, index, source, dim=dim, include_self=include_self)

        def gathered(value: Any) -> Any:
            return gathers.GatherAlong.bind(value, index, dim=dim)

        def of_source() -> Any:
            # Where one factor alone is zero, its derivative is the product of the others; of more zeros it is zero.
            zero = source == 0
            zeros = number_like(cotangent, 0, shape=tuple(base.shape))
            count = gathered(ScatterAdd.bind(zeros, index, Cast.bind(zero, dtype=cotangent.dtype), dim=dim))
            single = zero & (count == 1)
            others = product(base, source.masked_fill(single, 1))
            quotient = gathered(cotangent * output) / source.masked_fill(zero, 1)
            return gathered(cotangent * others).where(single, quotient)

        without_zeros = base.masked_fill(base == 0, 1)
        return cotangent * product(without_zeros, source) / without_zeros, None, of_source


class _ScatterExtreme(_ScatterReduction):
    def neutral(self, dtype: DType) -> Any:
        greatest = self.combiner == "min"
        if dtype.is_floating_point:
            return float("inf" if greatest else "-inf")
        if dtype.category == "bool":
            return greatest
        limits = np.iinfo(dtype.numpy)
        return int(limits.max if greatest else limits.min)

    def vjp(
        self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, *, dim: int, include_self: bool
    ) -> tuple[Any, ...]:
        # Elements that tie share the cotangent evenly.
        chosen = Cast.bind(Eq.bind(source, gathers.GatherAlong.bind(output, index, dim=dim)), dtype=cotangent.dtype)
        own = Cast.bind(Eq.bind(base, output), dtype=cotangent.dtype)
        if not include_self:
            own = ScatterPut.bind(own, index, number_like(own, 0, shape=tuple(index.shape)), dim=dim)
        share = cotangent / ScatterAdd.bind(own, index, chosen, dim=dim)
        return own * share, None, chosen * gathers.GatherAlong.bind(share, index, dim=dim)


@register
class ScatterMaximum(_ScatterExtreme):
    """Keep the greatest of what the base has and elements of the source where the index says. NaN wins."""

    name = "scatter_amax"
    combiner = "max"


@register
class ScatterMinimum(_ScatterExtreme):
    """Keep the least of what the base has and elements of the source where the index says. NaN wins."""

    name = "scatter_amin"
    combiner = "min"


_REDUCTIONS: dict[str, type[_ScatterReduction]] = {
    "prod": ScatterProduct,
    "amax": ScatterMaximum,
    "amin": ScatterMinimum,
}
