"""Adamax, NAdam, and RAdam.

Sources: Kingma & Ba (2015), section 7; Dozat (2016); Liu et al. (2020);
https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html, and there NAdam and RAdam
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.creation import tensor
from graphc.ops.functions.arithmetic import maximum
from graphc.ops.promotion import get_default_dtype
from graphc.optim.adam import MomentOptimizer, require_adam
from graphc.optim.optimizer import (
    Optimizer,
    ParameterGroup,
    make_state,
    require,
)
from graphc.tensor import Tensor


class Adamax(Optimizer):
    """Adam with the infinity norm of the gradients, decayed, in place of the second moment.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        require_adam(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "exp_avg", "exp_inf")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        first, second = self.numbers(group, "betas")
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            gradient = gradient + parameter * self.number(group, "weight_decay")
        entry["step"].add_(1)
        mean, norm = entry["exp_avg"], entry["exp_inf"]
        mean.copy_(mean + (gradient - mean) * (1 - first))
        norm.copy_(maximum(norm * second, gradient.abs() + self.number(group, "eps")))
        step_size = self.number(group, "lr") / (1 - first ** self.count(entry["step"]))
        parameter.sub_(mean / norm * step_size)


class NAdam(MomentOptimizer):
    """Adam with Nesterov momentum, whose weight grows along a schedule.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    scalar_state = ("step", "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        require_adam(lr, betas, eps, weight_decay)
        require(momentum_decay >= 0.0, "momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter)
        if "mu_product" not in entry:
            entry["mu_product"] = tensor(1.0, dtype=get_default_dtype())
        make_state(entry, parameter, "exp_avg", "exp_avg_sq")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, decay = self.number(group, "lr"), self.number(group, "momentum_decay")
        first, second = self.numbers(group, "betas")
        gradient = self.decayed(group, parameter, gradient)
        steps, mean, square = self.moments(gradient, entry, first, second)
        momentum, next_momentum = (first * (1 - 0.5 * 0.96 ** (count * decay)) for count in (steps, steps + 1))
        entry["mu_product"].mul_(momentum)
        product = self.count(entry["mu_product"])
        root = (square / (1 - second**steps)).sqrt() + self.number(group, "eps")
        parameter.sub_(gradient / root * (lr * (1 - momentum) / (1 - product)))
        parameter.sub_(mean / root * (lr * next_momentum / (1 - product * next_momentum)))


class RAdam(MomentOptimizer):
    """Adam whose step size is rectified for the variance of its second moment; plain momentum while that is unbounded.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        require_adam(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "exp_avg", "exp_avg_sq")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        first, second = self.numbers(group, "betas")
        gradient = self.decayed(group, parameter, gradient)
        steps, mean, square = self.moments(gradient, entry, first, second)
        correction = 1 - second**steps
        # How many gradients the second moment amounts to, now and in the end.
        longest = 2 / (1 - second) - 1
        length = longest - 2 * steps * second**steps / correction
        rectified = length > 5
        # Where the step is not rectified neither part of the quotient is used, and the divisor may be 0.
        dividend = self.choose(rectified, (length - 4) * (length - 2) * longest * correction, 1.0)
        divisor = self.choose(rectified, (longest - 4) * (longest - 2) * length, 1.0)
        adapted = (dividend / divisor) ** 0.5 / (square.sqrt() + self.number(group, "eps"))
        step_size = self.number(group, "lr") / (1 - first**steps)
        parameter.sub_(mean * step_size * self.choose(rectified, adapted, 1.0))
