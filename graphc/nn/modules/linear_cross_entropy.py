"""A linear layer and the cross entropy of what it gives, as one loss.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LinearCrossEntropyLoss.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from graphc import functional as F
from graphc.ir.types import DType
from graphc.nn.modules.basic_loss import _WeightedLoss
from graphc.nn.modules.linear import Linear
from graphc.tensor import Tensor

_POLICIES = ("auto", "accurate", "balanced", "compact")
_WIDTHS = ("float16", "bfloat16", "float32", "float64")


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch may compute the loss piece by piece. Here the compiler decides that, so that they change nothing.

    Raises ValueError for what PyTorch does not take.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, parted, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (parted and not (factor.isdigit() and int(factor))):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        rows = self.batch_chunk_size
        if rows is not None and not (isinstance(rows, int) and rows > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {rows!r}")
        if self.acc_dtype is not None and getattr(self.acc_dtype, "name", None) not in _WIDTHS:
            listed = ", ".join(f"torch.{name}" for name in _WIDTHS)
            raise ValueError(
                f"acc_dtype must be one of {{None, {listed}}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the "
                "op pick automatically."
            )


class LinearCrossEntropyLoss(_WeightedLoss):
    """The cross entropy of a linear layer's results: input (N, ..., in_features) or (in_features), target of class
    numbers or probabilities. ``weight`` is (num_classes).

    Raises RuntimeError for a weight of another shape, and for a smoothing outside [0, 1].
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ):
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1.0:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        outputs = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, outputs, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*shape, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}"
        )
