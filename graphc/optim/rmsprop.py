"""RMSprop, Adagrad, and Adadelta: steps divided by the size of past gradients.

Sources: Hinton's lecture 6e (2012) and Graves (2013) for ``centered``; Duchi et al. (2011); Zeiler (2012);
https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html, and there Adagrad and Adadelta
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.creation import full_like
from graphc.optim.optimizer import (
    Optimizer,
    ParameterGroup,
    make_state,
    require,
    require_learning_rate,
    require_one_implementation,
)
from graphc.tensor import Tensor


class ScaledOptimizer(Optimizer):
    """What the optimizers here share: the direction, and weight decay."""

    def direction(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor) -> Tensor:
        """The gradient to follow."""
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            gradient = gradient + parameter * self.number(group, "weight_decay")
        return gradient


class RMSprop(ScaledOptimizer):
    """Steps divided by the root of the running mean of squared gradients, or with ``centered`` of their variance.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        require_learning_rate(lr)
        require(eps >= 0.0, "epsilon value", eps)
        require(momentum >= 0.0, "momentum value", momentum)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        require(alpha >= 0.0, "alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "square_avg")
        if group["momentum"]:
            make_state(entry, parameter, "momentum_buffer")
        if group["centered"]:
            make_state(entry, parameter, "grad_avg")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, alpha = self.number(group, "lr"), self.number(group, "alpha")
        entry["step"].add_(1)
        gradient = self.direction(group, parameter, gradient)
        square = entry["square_avg"]
        square.copy_(square * alpha + gradient * gradient * (1 - alpha))
        if self.is_set(group, "centered"):
            mean = entry["grad_avg"]
            mean.copy_(mean + (gradient - mean) * (1 - alpha))
            square = square - mean * mean
        scaled = gradient / (square.sqrt() + self.number(group, "eps"))
        if self.is_set(group, "momentum"):
            buffer = entry["momentum_buffer"]
            buffer.copy_(buffer * self.number(group, "momentum") + scaled)
            scaled = buffer
        parameter.sub_(scaled * lr)


class Adagrad(ScaledOptimizer):
    """Steps divided by the root of the sum of all squared gradients.

    ``foreach``, ``differentiable``, and ``fused`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        require_learning_rate(lr)
        require(lr_decay >= 0.0, "lr_decay value", lr_decay)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        require(initial_accumulator_value >= 0.0, "initial_accumulator_value value", initial_accumulator_value)
        require(eps >= 0.0, "epsilon value", eps)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        require_one_implementation(fused, foreach, differentiable)
        # PyTorch's has its state from the beginning, and programs read it there.
        for group in self.param_groups:
            for parameter in group["params"]:
                self.prepare(group, parameter, self.state[parameter])

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter)
        if "sum" not in entry:
            entry["sum"] = full_like(parameter.detach(), self.defaults["initial_accumulator_value"])

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        entry["step"].add_(1)
        gradient = self.direction(group, parameter, gradient)
        total = entry["sum"]
        total.copy_(total + gradient * gradient)
        past = self.count(entry["step"]) - 1
        step_size = self.number(group, "lr") / (1 + past * self.number(group, "lr_decay"))
        parameter.sub_(gradient / (total.sqrt() + self.number(group, "eps")) * step_size)


class Adadelta(ScaledOptimizer):
    """Steps in proportion to the size of past steps over the size of past gradients.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        require_learning_rate(lr)
        require(0.0 <= rho <= 1.0, "rho value", rho)
        require(eps >= 0.0, "epsilon value", eps)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "square_avg", "acc_delta")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        rho, epsilon = self.number(group, "rho"), self.number(group, "eps")
        entry["step"].add_(1)
        gradient = self.direction(group, parameter, gradient)
        square, moved = entry["square_avg"], entry["acc_delta"]
        square.copy_(square * rho + gradient * gradient * (1 - rho))
        change = (moved + epsilon).sqrt() / (square + epsilon).sqrt() * gradient
        moved.copy_(moved * rho + change * change * (1 - rho))
        parameter.sub_(change * self.number(group, "lr"))
