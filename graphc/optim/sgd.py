"""Stochastic gradient descent.

Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.ops.functions.arithmetic import where
from graphc.optim.optimizer import Optimizer, ParameterGroup, require, step_counter, zero_state
from graphc.tensor import Tensor


class SGD(Optimizer):
    """``p -= lr * (grad + weight_decay * p)``, with momentum (Sutskever et al., 2013) where that is not 0."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        require(lr >= 0.0, "learning rate", lr)
        require(momentum >= 0.0, "momentum value", momentum)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        if group["momentum"] and entry.get("momentum_buffer") is None:
            entry["momentum_buffer"] = zero_state(parameter)
            if group["dampening"]:
                entry["step"] = step_counter()

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            gradient = gradient + parameter * self.number(group, "weight_decay")
        if self.is_set(group, "momentum"):
            momentum, buffer = self.number(group, "momentum"), entry["momentum_buffer"]
            if self.is_set(group, "dampening"):
                # The first gradient enters undamped.
                steps = entry["step"]
                damped = buffer * momentum + gradient * (1 - self.number(group, "dampening"))
                buffer.copy_(where(steps == 0, gradient, damped))
                steps.add_(1)
            else:
                buffer.copy_(buffer * momentum + gradient)
            gradient = gradient + buffer * momentum if self.is_set(group, "nesterov") else buffer
        parameter.sub_(gradient * self.number(group, "lr"))
