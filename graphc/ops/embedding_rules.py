"""What embeddings need beside gathers: gradients weighed by how often a row is asked for, and checks of bags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Attributes, Gather, register
from graphc.ir.scalars import Index, Operand, Scalar
from graphc.ir.types import TensorType
from graphc.ops import arithmetic
from graphc.ops.gathers import Check, require_index_type, require_inside


@register
class ScaleGradient(Gather):
    """The first operand as it is; its cotangent is multiplied by the second operand, which has its shape."""

    name = "scale_gradient"
    saves_inputs = (1,)
    cost = 0.0

    def infer(self, x: TensorType, factor: TensorType) -> TensorType:
        if factor != x:
            raise ValueError(f"scale_gradient of {x} was given factors {factor}; expected {x}")
        return x

    def evaluate(self, x: np.ndarray, factor: np.ndarray) -> np.ndarray:
        return x

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return operands[0](*index)

    def vjp(self, cotangent: Any, output: Any, x: Any, factor: Any) -> tuple[Any, ...]:
        return arithmetic.Mul.bind(cotangent, factor), None

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        return inputs[0]  # gradients have been taken before


@register
class CheckOffsets(Check):
    """Where bags begin, as it is. Raises RuntimeError, in PyTorch's words, unless ``0 <= i < extent``.

    With an extent of 1 these are the beginnings of first bags; else the extent is one more than there are elements.
    """

    name = "check_offsets"

    def infer(self, offsets: TensorType, *, extent: Dimension) -> TensorType:
        require_index_type(self.name, offsets)
        return offsets

    def evaluate(self, offsets: np.ndarray, *, extent: int) -> np.ndarray:
        require_inside(self, offsets, extent)
        return offsets

    def index_error(self, index: int, bound: int, **attrs: Any) -> Exception:
        if bound == 1:
            return RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {index}"
            )
        return RuntimeError(
            f"offsets[-1] can not be greater than input's length {bound - 1} but got offsets[-1] of {index}"
        )
