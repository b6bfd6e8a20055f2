"""Stochastic gradient descent, plain and averaged.

Sources: Sutskever et al. (2013) for momentum; Polyak & Juditsky (1992) for averaging;
https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html, and there ASGD
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from graphc.creation import tensor
from graphc.ops.promotion import get_default_dtype
from graphc.optim.array_updates import Numbers, note_writes
from graphc.optim.optimizer import (
    Optimizer,
    ParameterGroup,
    make_state,
    require,
    require_learning_rate,
    require_one_implementation,
    zero_state,
)
from graphc.tensor import Tensor


class SGD(Optimizer):
    """``p -= lr * (grad + weight_decay * p)``, with momentum where that is not 0.

    ``foreach``, ``differentiable``, and ``fused`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        require_learning_rate(lr)
        require(momentum >= 0.0, "momentum value", momentum)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        # For each damped parameter 1 where its buffer holds a gradient, else 0: the first one enters undamped.
        self._begun: dict[Tensor, Tensor] = {}
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        require_one_implementation(fused, foreach, differentiable)

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        if group["momentum"]:
            first = entry.get("momentum_buffer") is None
            if first:
                entry["momentum_buffer"] = zero_state(parameter)
            if group["dampening"] and (first or parameter not in self._begun):
                self._begun[parameter] = tensor(0.0 if first else 1.0)

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            gradient = gradient + parameter * self.number(group, "weight_decay")
        if self.is_set(group, "momentum"):
            momentum, buffer = self.number(group, "momentum"), entry["momentum_buffer"]
            if self.is_set(group, "dampening"):
                begun = self._begun[parameter]
                weight = 1 - self.number(group, "dampening") * self.count(begun)
                buffer.copy_(buffer * momentum + gradient * weight)
                begun.fill_(1)
            else:
                buffer.copy_(buffer * momentum + gradient)
            gradient = gradient + buffer * momentum if self.is_set(group, "nesterov") else buffer
        parameter.sub_(gradient * self.number(group, "lr"))

    def update_arrays(
        self, group: ParameterGroup, parameter: Tensor, gradient: np.ndarray, entry: dict[str, Any], numbers: Numbers
    ) -> bool:
        get = partial(dict.__getitem__, group)
        momentum, decay = get("momentum"), get("weight_decay")
        if momentum and get("dampening"):
            return False
        array = parameter._array
        if get("maximize"):
            gradient = np.negative(gradient)
        if decay:
            gradient = gradient + array * numbers(self.number(group, "weight_decay"))
        if momentum:
            weight = numbers(self.number(group, "momentum"))
            buffer = entry["momentum_buffer"]
            mean = buffer._array
            np.multiply(mean, weight, mean)
            np.add(mean, gradient, mean)
            note_writes(buffer)
            gradient = gradient + mean * weight if get("nesterov") else mean
        np.subtract(array, gradient * numbers(self.number(group, "lr")), array)
        note_writes(parameter)
        return True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As :meth:`Optimizer.load_state_dict`."""
        super().load_state_dict(state_dict)
        self._begun.clear()


class ASGD(Optimizer):
    """Gradient descent with a falling step size, which also keeps the mean of the parameters in its state, as ``ax``.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    scalar_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        require_learning_rate(lr)
        require(weight_decay >= 0.0, "weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter)
        for name, value in (("eta", group["lr"]), ("mu", 1.0)):
            if name not in entry:
                entry[name] = tensor(float(value), dtype=get_default_dtype())
        make_state(entry, parameter, "ax")

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, decay = self.number(group, "lr"), self.number(group, "lambd")
        if self.is_set(group, "maximize"):
            gradient = -gradient
        entry["step"].add_(1)
        steps, step_size, weight = (self.count(entry[name]) for name in ("step", "eta", "mu"))
        if self.is_set(group, "weight_decay"):
            gradient = gradient + parameter * self.number(group, "weight_decay")
        parameter.copy_(parameter * (1 - decay * step_size) - gradient * step_size)
        mean = entry["ax"]
        mean.copy_(self.choose(weight == 1, parameter, mean + (parameter - mean) * weight))
        entry["eta"].fill_(lr / (1 + decay * lr * steps) ** self.number(group, "alpha"))
        averaged = steps - self.number(group, "t0")
        entry["mu"].fill_(1 / self.choose(averaged > 1, averaged, 1.0))
