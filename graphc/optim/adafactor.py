"""Adafactor.

Sources: Shazeer & Stern (2018); https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.ops.number_limits import finfo
from graphc.optim.optimizer import Optimizer, ParameterGroup, make_state, step_counter
from graphc.tensor import Tensor


class Adafactor(Optimizer):
    """Steps scaled by a second moment that is kept, for matrices, as the product of a column and a row.

    Args:
        params: the parameters, or groups of them.
        lr: the largest relative step.
        beta2_decay: the exponent, at most 0, by which the weight of the newest gradient falls with the step's number.
        eps: what the second moment is at least (None: the dtype's resolution), and what the scale of a parameter is at
            least.
        d: the largest root mean square of an update, at least 1.
        weight_decay: how much of each parameter is taken away at every step, times ``lr``.
        foreach: accepted, and changes nothing.
        maximize: go up instead of down.

    Raises ValueError for a number out of its range; RuntimeError, at the first step, for complex parameters.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for fine, rule, value in (
            (lr >= 0.0, "Learning rate should be >= 0", lr),
            (beta2_decay <= 0.0, "beta2_decay should be <= 0", beta2_decay),
            (eps[0] is None or eps[0] >= 0.0, "epsilon1 should be >= 0", eps[0]),
            (eps[1] >= 0.0, "epsilon2 should be >= 0", eps[1]),
            (d >= 1.0, "Clipping threshold d should be >= 1", d),
            (weight_decay >= 0.0, "weight_decay should be >= 0", weight_decay),
        ):
            if not fine:
                raise ValueError(f"{rule} but is: {value}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def prepare(self, group: ParameterGroup, parameter: Tensor, entry: dict[str, Any]) -> None:
        if parameter.dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        if parameter.ndim < 2:
            make_state(entry, parameter, "variance")
        elif "step" not in entry:
            *rest, rows, columns = parameter.shape
            entry["step"] = step_counter()
            entry["row_var"] = parameter.detach().new_zeros([*rest, rows, 1])
            entry["col_var"] = parameter.detach().new_zeros([*rest, 1, columns])

    def update(self, group: ParameterGroup, parameter: Tensor, gradient: Tensor, entry: dict[str, Any]) -> None:
        if self.is_set(group, "maximize"):
            gradient = -gradient
        least_variance, least_scale = self.numbers(group, "eps")
        if least_variance is None:
            least_variance = finfo(parameter.dtype).eps
        entry["step"].add_(1)
        steps, lr = self.count(entry["step"]), self.number(group, "lr")
        newest = steps ** self.number(group, "beta2_decay")
        bound = 1 / steps**0.5
        relative = self.choose(lr < bound, lr, bound)
        scale = self.count(parameter.norm(2)) / parameter.numel() ** 0.5
        if self.is_set(group, "weight_decay"):
            parameter.mul_(1 - lr * self.number(group, "weight_decay"))
        variance = self._variance(gradient, entry, newest, least_variance)
        update = variance.clamp(min=least_variance * least_variance).rsqrt() * gradient
        excess = self.count(update.norm(2)) / (update.numel() ** 0.5 * self.number(group, "d"))
        step_size = self.choose(scale > least_scale, scale, least_scale) * relative
        parameter.sub_(update * (step_size / self.choose(excess > 1.0, excess, 1.0)))

    @staticmethod
    def _variance(gradient: Tensor, entry: dict[str, Any], newest: Any, least: Any) -> Tensor:
        """Take in a gradient, and give the second moment of its elements."""
        if gradient.ndim < 2:
            variance = entry["variance"]
            variance.copy_(variance + (gradient * gradient - variance) * newest)
            return variance
        rows, columns = entry["row_var"], entry["col_var"]
        for factor, dim in ((rows, -1), (columns, -2)):
            mean = gradient.norm(2, dim=dim, keepdim=True).square() / gradient.shape[dim]
            factor.copy_(factor + (mean - factor) * newest)
        return rows @ columns / rows.mean(-2, keepdim=True).clamp(min=least)
