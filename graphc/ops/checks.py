"""Checks of values that name a class: what is given passes through, unless one of them lies outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.integers import Dimension
from graphc.ir.primitive import Attributes, Gather, register
from graphc.ir.scalars import Index, Operand, Scalar
from graphc.ir.types import TensorType
from graphc.ops.gathers import require_inside


@register
class CheckTarget(Gather):
    """Class indices as they are. Raises IndexError, with the words of PyTorch's losses, unless ``0 <= i < extent``."""

    name = "check_target"
    differentiable = False
    cost = 0.0

    def infer(self, target: TensorType, *, extent: Dimension) -> TensorType:
        if target.dtype.category != "int":
            raise TypeError(f"class indices are integers, got {target}")
        return target

    def evaluate(self, target: np.ndarray, *, extent: int) -> np.ndarray:
        require_inside(self, target, extent)
        return target

    def index_error(self, index: int, bound: int, **attrs: Any) -> Exception:
        return IndexError(f"Target {index} is out of bounds.")

    def element(
        self, index: Index, operands: Sequence[Operand], types: Sequence[TensorType], output: TensorType, **attrs: Any
    ) -> Scalar:
        return operands[0](*index)

    def checked_indices(self, types: Sequence[TensorType], **attrs: Any) -> tuple[tuple[int, Dimension], ...]:
        return ((0, attrs["extent"]),)

    def simplify(self, inputs: Sequence[Any], attrs: Attributes, output_type: TensorType) -> Any | None:
        (target,) = inputs
        repeated = target.node.op is CheckTarget.instance and target.node.attrs["extent"] == attrs["extent"]
        return target if repeated else None
