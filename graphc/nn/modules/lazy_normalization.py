"""Normalisations that learn how many features there are from their first input.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyBatchNorm2d.html
"""

from __future__ import annotations

from typing import Any

from graphc.creation import tensor
from graphc.ir.types import int64
from graphc.nn import init
from graphc.nn.modules.lazy import Lazy
from graphc.nn.modules.normalization import BatchNorm1d, BatchNorm2d
from graphc.nn.parameter import UninitializedBuffer, UninitializedParameter
from graphc.tensor import Tensor


class _LazyNorm(Lazy):
    """A normalisation whose ``num_features`` are those of its first input."""

    _inputs = _outputs = "num_features"
    _switches = ("affine", "track_running_stats", "bias")

    def _make_uninitialized(self, given: dict[str, Any], kind: dict[str, Any]) -> None:
        self.affine = given["affine"]
        self.track_running_stats = given["track_running_stats"]
        if self.affine:
            self.weight = UninitializedParameter(**kind)
            if given["bias"]:
                self.bias = UninitializedParameter(**kind)
        if self.track_running_stats:
            self.running_mean = UninitializedBuffer(**kind)
            self.running_var = UninitializedBuffer(**kind)
            self.num_batches_tracked = tensor(0, dtype=int64, device=kind["device"])

    def reset_parameters(self) -> None:
        """Fill with ones and zeros, where there is something to fill."""
        if self.has_uninitialized_params() or not self.num_features:
            return
        for member, value in ((self.weight, 1.0), (self.bias, 0.0), (self.running_mean, 0.0), (self.running_var, 1.0)):
            if member is not None:
                init.constant_(member, value)

    def initialize_parameters(self, input: Tensor) -> None:
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for member in (self.weight, self.bias, self.running_mean, self.running_var):
            if member is not None:
                member.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A :class:`BatchNorm1d` whose ``num_features`` are those of its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A :class:`BatchNorm2d` whose ``num_features`` are those of its first input."""

    cls_to_become = BatchNorm2d
