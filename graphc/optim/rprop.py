"""Resilient backpropagation.

Sources: Riedmiller & Braun (1993); https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.creation import full_like
from graphc.ops.functions.indexing import where
from graphc.optim.optimizer import Optimizer, ParameterGroup, make_state, require_learning_rate
from graphc.tensor import Tensor


class Rprop(Optimizer):
    """Steps by the signs of the gradients alone: each element's step grows while its sign stays, and shrinks when it
    turns. ``lr`` is the size of the first step.

    ``foreach``, ``capturable``, and ``differentiable`` are accepted and change nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        require_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        make_state(entry, parameter, "prev")
        if "step_size" not in entry:
            entry["step_size"] = full_like(parameter.detach(), float(group["lr"]))

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        shrinkage, growth = self.numbers(group, "etas")
        smallest, largest = self.numbers(group, "step_sizes")
        if self.is_set(group, "maximize"):
            gradient = -gradient
        entry["step"].add_(1)
        previous, size = entry["prev"], entry["step_size"]
        agreement = gradient * previous
        resized = where(agreement > 0, size * growth, where(agreement < 0, size * shrinkage, size))
        size.copy_(resized.clamp(smallest, largest))
        # An element whose sign turned rests for one step.
        gradient = where(agreement < 0, 0.0, gradient)
        parameter.sub_(gradient.sign() * size)
        previous.copy_(gradient)
