"""Scatters that combine by a product or an extreme. How many elements fall on a place depends on the index, so that no
loop nest over the base tells them; a host computes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import External, Indexed, register
from graphc.ir.types import TensorType
from graphc.ops import gathers, scatters
from graphc.ops.pointwise import Cast
from graphc.ops.quiet import quiet
from graphc.ops.sources import number_like

_COMBINE = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _identity(reduce: str, dtype: np.dtype) -> Any:
    """What a place starts from that the base is not part of."""
    if reduce == "prod":
        return dtype.type(1)
    if dtype.kind == "f":
        return dtype.type(-np.inf if reduce == "amax" else np.inf)
    if dtype.kind == "b":
        return reduce == "amin"
    limits = np.iinfo(dtype)
    return limits.min if reduce == "amax" else limits.max


@register
class ScatterReduce(Indexed, External):
    """Elements of the source combined into the base where the index says, along ``dim``. PyTorch's ``scatter_reduce``
    for "prod", "amax" and "amin". ``include_self``: what the base has at such a place is combined, too."""

    name = "scatter_reduce"
    saves_output = True

    def infer(
        self, base: TensorType, index: TensorType, source: TensorType, *, dim: int, reduce: str, include_self: bool
    ) -> TensorType:
        gathers.require_index_type(self.name, index)
        if reduce not in _COMBINE or base.dtype != source.dtype or index.shape != source.shape:
            raise ValueError(f"scatter_reduce into {base} of {source} with index {index} by {reduce}")
        return base

    @quiet
    def evaluate(
        self, base: np.ndarray, index: np.ndarray, source: np.ndarray, *, dim: int, reduce: str, include_self: bool
    ) -> np.ndarray:
        gathers.require_inside(self, index, base.shape[dim], dim=dim)
        places = list(np.indices(index.shape, sparse=True))
        places[dim] = index
        result = base.copy()
        if not include_self:
            result[tuple(places)] = _identity(reduce, base.dtype)
        _COMBINE[reduce].at(result, tuple(places), source)
        return result

    def checked_indices(self, types: Any, **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((1, types[0].shape[attrs["dim"]]),)

    def index_error(self, index: int, bound: int, *, dim: int, **attrs: Any) -> Exception:
        return RuntimeError(gathers.out_of_bounds(index, bound, dim))

    def vjp(
        self,
        cotangent: Any,
        output: Any,
        base: Any,
        index: Any,
        source: Any,
        *,
        dim: int,
        reduce: str,
        include_self: bool,
    ) -> tuple[Any, ...]:
        rule = self._of_product if reduce == "prod" else self._of_extreme
        of_base, of_source = rule(cotangent, output, base, index, source, dim, reduce, include_self)
        if not include_self:
            nothing = number_like(cotangent, 0, shape=tuple(index.shape))
            of_base = scatters.ScatterPut.bind(of_base, index, nothing, dim=dim)
        return of_base, None, of_source

    def _of_extreme(
        self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, dim: int, reduce: str, include_self: bool
    ) -> tuple[Any, Any]:
        # Elements that tie share the cotangent evenly.
        chosen = Cast.bind(source == gathers.GatherAlong.bind(output, index, dim=dim), dtype=cotangent.dtype)
        own = Cast.bind(base == output, dtype=cotangent.dtype)
        count = own
        if not include_self:
            count = scatters.ScatterPut.bind(own, index, number_like(own, 0, shape=tuple(index.shape)), dim=dim)
        share = cotangent / scatters.ScatterAdd.bind(count, index, chosen, dim=dim)
        return own * share, chosen * gathers.GatherAlong.bind(share, index, dim=dim)

    def _of_product(
        self, cotangent: Any, output: Any, base: Any, index: Any, source: Any, dim: int, reduce: str, include_self: bool
    ) -> tuple[Any, Any]:
        attrs = {"dim": dim, "reduce": reduce, "include_self": include_self}

        def gathered(value: Any) -> Any:
            return gathers.GatherAlong.bind(value, index, dim=dim)

        without_zeros = base.masked_fill(base == 0, 1)
        of_base = cotangent * ScatterReduce.bind(without_zeros, index, source, **attrs) / without_zeros
        # Where one factor alone is zero, its derivative is the product of the others; of more zeros it is zero.
        zero = source == 0
        zeros = number_like(cotangent, 0, shape=tuple(base.shape))
        count = gathered(scatters.ScatterAdd.bind(zeros, index, Cast.bind(zero, dtype=cotangent.dtype), dim=dim))
        single = zero & (count == 1)
        others = ScatterReduce.bind(base, index, source.masked_fill(single, 1), **attrs)
        quotient = gathered(cotangent * output) / source.masked_fill(zero, 1)
        return of_base, gathered(cotangent * others).where(single, quotient)
