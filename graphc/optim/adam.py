"""Adam and AdamW.

Sources: Kingma & Ba (2015); Loshchilov & Hutter (2019); Reddi et al. (2018) for ``amsgrad``;
https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.ops.functions.arithmetic import maximum
from graphc.optim.optimizer import Optimizer, ParameterGroup, require, step_counter, zero_state
from graphc.tensor import Tensor


class Adam(Optimizer):
    """Steps of a size that adapts to the first and second moments of each gradient element."""

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        require(lr >= 0.0, "learning rate", lr)
        require(eps >= 0.0, "epsilon value", eps)
        for position, beta in enumerate(betas):
            require(0.0 <= beta < 1.0, f"beta parameter at index {position}", beta)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        if "step" not in entry:
            entry["step"] = step_counter()
            entry["exp_avg"] = zero_state(parameter)
            entry["exp_avg_sq"] = zero_state(parameter)
        if group["amsgrad"] and "max_exp_avg_sq" not in entry:
            entry["max_exp_avg_sq"] = zero_state(parameter)

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, epsilon = self.number(group, "lr"), self.number(group, "eps")
        first, second = self.numbers(group, "betas")
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            decay = self.number(group, "weight_decay")
            if self.decoupled:
                parameter.mul_(1 - lr * decay)
            else:
                gradient = gradient + parameter * decay
        entry["step"].add_(1)
        steps = self.count(entry["step"])
        mean, square = entry["exp_avg"], entry["exp_avg_sq"]
        mean.copy_(mean + (gradient - mean) * (1 - first))
        square.copy_(square * second + gradient * gradient * (1 - second))
        if self.is_set(group, "amsgrad"):
            entry["max_exp_avg_sq"].copy_(maximum(entry["max_exp_avg_sq"], square))
            square = entry["max_exp_avg_sq"]
        step_size = lr / (1 - first**steps)
        root_of_correction = (1 - second**steps) ** 0.5
        parameter.sub_(mean / (square.sqrt() / root_of_correction + epsilon) * step_size)


class AdamW(Adam):
    """Adam with weight decay applied to the parameter itself, 0.01 by default."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
