"""Sums of float32 in float64: the statistics of batch normalisation, whose running values are to be PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.primitive import register
from graphc.ir.scalars import Call, Index, Operand, Scalar
from graphc.ir.types import DType, TensorType, float64
from graphc.ops.pointwise import Cast
from graphc.ops.pointwise_family import FLOATING
from graphc.ops.reductions import DimensionReduction, Dims, restored


@register
class WideSum(DimensionReduction):
    """The sum in float64; 0 of nothing."""

    name, combiner, accepts, result, saves_inputs = "wide_sum", "sum", FLOATING, float64, ()
    reduce = staticmethod(lambda x, axis: np.add.reduce(x, axis, np.float64))

    def element(
        self,
        index: Index,
        reduced: Index,
        operands: Sequence[Operand],
        types: Sequence[TensorType],
        output: TensorType,
        **attrs: Any,
    ) -> Scalar:
        value = super().element(index, reduced, operands, types, output, **attrs)
        return value if types[0].dtype == float64 else Call("cast", (value,), float64)

    def keeps_single(self, dtype: DType) -> bool:
        return False

    def vjp(self, cotangent: Any, output: Any, x: Any, *, dims: Dims) -> tuple[Any, ...]:
        # The few numbers change their dtype, not the many.
        return (restored(Cast.bind(cotangent, dtype=x.dtype), x.shape, dims),)
