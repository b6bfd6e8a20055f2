"""Adam and AdamW.

Sources: Kingma & Ba (2015); Loshchilov & Hutter (2019); Reddi et al. (2018) for ``amsgrad``;
https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphc.ops.functions.arithmetic import maximum
from graphc.optim.array_updates import Numbers, count, note_writes
from graphc.optim.optimizer import (
    Optimizer,
    ParameterGroup,
    make_state,
    require,
    require_betas,
    require_learning_rate,
    require_one_implementation,
    zero_state,
)
from graphc.tensor import Tensor


def require_adam(lr: Any, betas: Sequence[float], eps: float, weight_decay: float) -> None:
    """Raise ValueError, in PyTorch's words, for hyper-parameters of Adam and its kin that are out of their range."""
    require_learning_rate(lr)
    require(eps >= 0.0, "epsilon value", eps)
    require_betas(betas)
    require(weight_decay >= 0.0, "weight_decay value", weight_decay)


class MomentOptimizer(Optimizer):
    """What Adam and its kin share: weight decay, coupled or not, and running means of gradients and their squares."""

    def decayed(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor) -> Tensor:
        """The gradient to follow; decoupled weight decay is applied to the parameter itself."""
        if self.is_set(group, "maximize"):
            gradient = -gradient
        if self.is_set(group, "weight_decay"):
            decay = self.number(group, "weight_decay")
            if self.is_set(group, "decoupled_weight_decay"):
                parameter.mul_(1 - self.number(group, "lr") * decay)
            else:
                gradient = gradient + parameter * decay
        return gradient

    def moments(self, gradient: Tensor, entry: dict[str, Any], first: Any, second: Any) -> tuple[Any, Tensor, Tensor]:
        """Count the step and take in the gradient: the number of steps, the mean, and the mean square."""
        entry["step"].add_(1)
        mean, square = entry["exp_avg"], entry["exp_avg_sq"]
        mean.copy_(mean + (gradient - mean) * (1 - first))
        square.copy_(square * second + gradient * gradient * (1 - second))
        return self.count(entry["step"]), mean, square


class Adam(MomentOptimizer):
    """Steps of a size that adapts to the first and second moments of each gradient element.

    ``foreach``, ``capturable``, ``differentiable``, and ``fused`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        require_adam(lr, betas, eps, weight_decay)
        for name, value in (("lr", lr), *((f"betas[{place}]", beta) for place, beta in enumerate(betas))):
            if isinstance(value, Tensor):
                if foreach and not capturable:
                    raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
                if value.numel() != 1:
                    raise ValueError(f"Tensor {name} must be 1-element")
        if {isinstance(beta, Tensor) for beta in betas} != {True} and not all(isinstance(b, float) for b in betas):
            raise ValueError("betas must be either both floats or both Tensors")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )
        require_one_implementation(fused, foreach, differentiable)

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "exp_avg", "exp_avg_sq")
        if group["amsgrad"] and "max_exp_avg_sq" not in entry:
            entry["max_exp_avg_sq"] = zero_state(parameter)

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, epsilon = self.number(group, "lr"), self.number(group, "eps")
        first, second = self.numbers(group, "betas")
        gradient = self.decayed(group, parameter, gradient)
        steps, mean, square = self.moments(gradient, entry, first, second)
        if self.is_set(group, "amsgrad"):
            entry["max_exp_avg_sq"].copy_(maximum(entry["max_exp_avg_sq"], square))
            square = entry["max_exp_avg_sq"]
        step_size = lr / (1 - first**steps)
        root_of_correction = (1 - second**steps) ** 0.5
        parameter.sub_(mean / (square.sqrt() / root_of_correction + epsilon) * step_size)

    def update_arrays(
        self, group: ParameterGroup, parameter: Tensor, gradient: np.ndarray, entry: dict[str, Any], numbers: Numbers
    ) -> bool:
        lr, decay = self.number(group, "lr"), self.number(group, "weight_decay")
        first, second = self.numbers(group, "betas")
        array = parameter._array
        if dict.__getitem__(group, "maximize"):
            gradient = np.negative(gradient)
        if decay:
            if dict.__getitem__(group, "decoupled_weight_decay"):
                np.multiply(array, numbers(1 - lr * decay), array)
                note_writes(parameter)
            else:
                gradient = gradient + array * numbers(decay)
        steps, mean, square = count(entry["step"]), entry["exp_avg"]._array, entry["exp_avg_sq"]._array
        change = np.empty_like(array)
        np.subtract(gradient, mean, change)
        np.multiply(change, numbers(1 - first), change)
        np.add(mean, change, mean)
        np.multiply(square, numbers(second), square)
        np.multiply(gradient, gradient, change)
        np.multiply(change, numbers(1 - second), change)
        np.add(square, change, square)
        note_writes(entry["exp_avg"], entry["exp_avg_sq"])
        if dict.__getitem__(group, "amsgrad"):
            greatest = entry["max_exp_avg_sq"]._array
            square = np.maximum(greatest, square, out=greatest)
            note_writes(entry["max_exp_avg_sq"])
        np.sqrt(square, change)
        np.divide(change, numbers((1 - second**steps) ** 0.5), change)
        np.add(change, numbers(dict.__getitem__(group, "eps")), change)
        np.divide(mean, change, change)
        np.multiply(change, numbers(lr / (1 - first**steps)), change)
        np.subtract(array, change, array)
        note_writes(parameter)
        return True


class AdamW(Adam):
    """Adam with weight decay applied to the parameter itself, 0.01 by default.

    ``foreach``, ``capturable``, ``differentiable``, and ``fused`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As :meth:`Optimizer.load_state_dict`; weight decay stays decoupled, whatever Adam's file says."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
