"""The bits of elements as elements of another dtype: the same memory.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import External, register
from graphc.ir.types import DType, TensorType, dtype_of
from graphc.ops.type_names import type_name


@register
class BitView(External):
    """The memory read as another dtype: where its elements are smaller, the last dimension has more of them."""

    name = "bit_view"
    aliases, moves, saves_inputs, differentiable = True, True, (), False
    cost = 0.0

    def infer(self, x: TensorType, *, dtype: DType) -> TensorType:
        return TensorType(dtype, _shape(x.shape, x.dtype, dtype))

    def evaluate(self, x: np.ndarray, *, dtype: DType) -> np.ndarray:
        source = dtype_of(x.dtype)
        _shape(x.shape, source, dtype)
        if source.itemsize != dtype.itemsize:
            ratio = max(dtype.itemsize // source.itemsize, 1)
            for dim, stride in enumerate(x.strides):
                steps, last = stride // source.itemsize, dim == x.ndim - 1
                if x.shape[dim] > 1 and (steps != 1 if last else steps % ratio):
                    expected = "1" if last else f"divisible by {ratio}"
                    where = -1 if last else dim
                    raise RuntimeError(
                        f"self.stride({where}) must be {expected} to view {_pair(source, dtype)}, but got {steps}"
                    )
        return x.view(dtype.numpy)

    def write_back(self, base: Any, update: Any, *, dtype: DType) -> Any:
        return BitView.bind(update, dtype=base.dtype)


def _pair(source: DType, dtype: DType) -> str:
    return f"{type_name(source)} as {type_name(dtype)} (different element sizes)"


def _shape(shape: tuple[Dimension, ...], source: DType, dtype: DType) -> tuple[Dimension, ...]:
    """The shape in elements of another size. Raises RuntimeError, with PyTorch's words, where they do not come out."""
    own, other = source.itemsize, dtype.itemsize
    if own == other:
        return tuple(shape)
    if not shape:
        raise RuntimeError(f"self.dim() cannot be 0 to view {_pair(source, dtype)}")
    *outer, last = shape
    if own > other:
        return (*outer, last * (own // other))
    if last % (other // own) != 0:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {other // own} to view {_pair(source, dtype)}, but got {last}"
        )
    return (*outer, last // (other // own))
