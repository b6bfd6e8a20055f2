"""Softmax over many classes of very different frequencies.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from graphc import functional as F
from graphc.creation import zeros
from graphc.ir.types import DType
from graphc.nn.module import Module
from graphc.nn.modules.containers import ModuleList, Sequential
from graphc.nn.modules.linear import Linear
from graphc.ops.functions.indexing import where
from graphc.ops.functions.loss_reduction import known_array
from graphc.ops.functions.shaping import cat
from graphc.tensor import Tensor


class _ASMoutput(NamedTuple):
    """The log-probabilities of the targets (N), and the loss ()."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Adaptive softmax (Grave et al., 2017): classes in clusters at the ``cutoffs``, from frequent to rare, each
    cluster with a projection ``div_value`` times narrower than the one before.

    Input (N, in_features) or (in_features), target (N) or () of class numbers. Raises ValueError for cutoffs that are
    not increasing, RuntimeError for shapes that do not agree and targets that are no class.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        increasing = all(low < high for low, high in pairwise(cutoffs))
        if not increasing or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1 or any(int(c) != c for c in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for cluster, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (cluster + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, device=device, dtype=dtype),
                    Linear(width, high - low, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new first values."""
        self.head.reset_parameters()
        for projection in self.tail:
            for layer in projection:
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        batched = self._is_batched(input_, target_)
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        self._require_classes(target)
        column = target
        within = []
        for cluster, low in enumerate(self.cutoffs[:-1]):
            inside = (target >= low) & (target < self.cutoffs[cluster + 1])
            column = where(inside, self.shortlist_size + cluster, column)
            within.append(self._within(cluster, input, where(inside, target - low, 0), inside))
        head = F.log_softmax(self.head(input), dim=1)
        result = head.gather(1, column.unsqueeze(1)).squeeze(1)
        for part in within:
            result = result if part is None else result + part
        loss = (-result).mean()
        return _ASMoutput(result if batched else result.squeeze(0), loss)

    def _within(self, cluster: int, input: Tensor, place: Tensor, inside: Tensor) -> Tensor | None:
        """The log-probabilities of places in a cluster, and zeros for the rows that are not in it: (N). None where
        no row is."""
        chosen = known_array(inside)
        if chosen is None:
            # Shapes may not depend on elements: every row goes through the cluster.
            scores = F.log_softmax(self.tail[cluster](input), dim=1)
            return where(inside, scores.gather(1, place.unsqueeze(1)).squeeze(1), 0.0)
        if not chosen.any():
            return None
        rows = inside.nonzero().squeeze(1)
        scores = F.log_softmax(self.tail[cluster](input.index_select(0, rows)), dim=1)
        found = scores.gather(1, place.index_select(0, rows).unsqueeze(1)).squeeze(1)
        return zeros(place.shape, dtype=found.dtype).index_copy(0, rows, found)

    def _is_batched(self, input: Tensor, target: Tensor) -> bool:
        """Whether there is a dimension of samples. Raises RuntimeError where the shapes do not agree."""
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.dim() == 1 and input.shape[0] != target.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(
                f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found inputs with size "
                f"{input.size()}"
            )
        return target.dim() == 1

    def _require_classes(self, target: Tensor) -> None:
        classes = known_array(target)
        if classes is not None and classes.size and not (classes.min() >= 0 and classes.max() < self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{classes.min()}, "
                f"{classes.max()}] were found. "
            )

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) and (N, head_size) to (N, n_classes)."""
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for cluster, projection in enumerate(self.tail):
            own = head[:, self.shortlist_size + cluster].unsqueeze(1)
            parts.append(F.log_softmax(projection(input), dim=1) + own)
        return cat(parts, dim=1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class, by the head alone where it is sure of a frequent one: (N, in_features) to (N)."""
        head = self.head(input)
        first = head.argmax(dim=1)
        return where(first < self.shortlist_size, first, self._get_full_log_prob(input, head).argmax(dim=1))
