"""SparseAdam: Adam that leaves alone the rows without a gradient.

Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.ops.functions.arithmetic import sqrt
from graphc.ops.functions.indexing import where
from graphc.optim.adam import require_adam
from graphc.optim.optimizer import Optimizer, ParameterGroup, make_state
from graphc.tensor import Tensor


class SparseAdam(Optimizer):
    """Adam for embeddings of which a step names few rows: the others, and their moments, stay as they are.

    Gradients are dense here, so that a row takes part where its gradient is not zero.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ):
        require_adam(lr, betas, eps, 0)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "exp_avg", "exp_avg_sq")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        first, second = self.numbers(group, "betas")
        named = gradient != 0
        if gradient.ndim > 1:
            named = named.flatten(1).any(1).reshape(-1, *(1,) * (gradient.ndim - 1))
        if self.is_set(group, "maximize"):
            gradient = -gradient
        entry["step"].add_(1)
        count = self.count(entry["step"])
        mean, square = entry["exp_avg"], entry["exp_avg_sq"]
        mean.copy_(where(named, mean + (gradient - mean) * (1 - first), mean))
        square.copy_(where(named, square + (gradient * gradient - square) * (1 - second), square))
        step_size = self.number(group, "lr") * (1 - second**count) ** 0.5 / (1 - first**count)
        change = mean / (sqrt(square) + self.number(group, "eps")) * step_size
        parameter.sub_(where(named, change, 0.0))
