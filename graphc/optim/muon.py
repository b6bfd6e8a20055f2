"""Muon.

Sources: Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/; Liu et al. (2025), arXiv 2502.16982;
https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from graphc.optim.optimizer import Optimizer, ParameterGroup, zero_state
from graphc.tensor import Tensor

_MOST_ITERATIONS = 100


class Muon(Optimizer):
    """Steps along the momentum made orthogonal by Newton-Schulz iterations, for matrices.

    Args:
        params: the parameters, or groups of them: matrices only.
        lr: the step size.
        weight_decay: how much of each parameter is taken away at every step, times ``lr``.
        momentum: the weight of what the momentum was.
        nesterov: step along the momentum that the next step would have.
        ns_coefficients: the three coefficients of the iteration's quintic polynomial.
        eps: what the norm is at least that the momentum is divided by.
        ns_steps: how many iterations, fewer than 100.
        adjust_lr_fn: how the step size follows the matrix's shape: "original" (also None) or "match_rms_adamw".

    Raises ValueError for a number out of its range, and for a parameter that is no matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {parameter.size()}"
                    )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        if parameter.dtype.is_complex:
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= _MOST_ITERATIONS:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        if "momentum_buffer" not in entry:
            entry["momentum_buffer"] = zero_state(parameter)

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        lr, momentum = self.number(group, "lr"), self.number(group, "momentum")
        buffer = entry["momentum_buffer"]
        buffer.copy_(buffer + (gradient - buffer) * (1 - momentum))
        direction = gradient + (buffer - gradient) * momentum if self.is_set(group, "nesterov") else buffer
        coefficients = self.numbers(group, "ns_coefficients")
        iterations = self.constant(group, "ns_steps")
        update = _orthogonal(direction, coefficients, iterations, self.number(group, "eps"))
        parameter.mul_(1 - lr * self.number(group, "weight_decay"))
        step_size = lr * _ratio(self.constant(group, "adjust_lr_fn"), *parameter.shape)
        parameter.sub_(update.to(parameter.dtype) * step_size)


def _ratio(rule: str | None, rows: int, columns: int) -> float:
    """What the learning rate is multiplied by for a matrix of this shape."""
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


def _orthogonal(matrix: Tensor, coefficients: tuple[Any, ...], iterations: int, epsilon: Any) -> Tensor:
    """A matrix with the same singular vectors and singular values near 1, in bfloat16."""
    first, second, third = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    result = matrix.bfloat16()
    if tall:
        result = result.mT
    # Singular values of at most 1, for which the iteration converges.
    result = result / result.norm().clamp(min=epsilon)
    for _ in range(iterations):
        gram = result @ result.mT
        polynomial = gram.addmm(gram, gram, beta=second, alpha=third)
        result = result.addmm(polynomial, result, beta=first)
    return result.mT if tall else result
