"""A schedule that lowers the rate where a measure stops getting better.

Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
"""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

from graphc.notices import warn
from graphc.optim.lr_scheduler.base import EPOCH_WARNING, LRScheduler, require_optimizer, set_value
from graphc.optim.optimizer import Optimizer, refuse_capture


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` once a measure has not got better for more than ``patience`` steps.

    Args:
        optimizer: the optimizer.
        mode: "min" for a measure that should fall, "max" for one that should rise.
        factor: below 1.
        patience: how many steps without a better measure are allowed.
        threshold: by how much a measure must be better to count, as a share ("rel") or a difference ("abs").
        threshold_mode: "rel" or "abs".
        cooldown: how many steps to wait after a reduction.
        min_lr: the lowest rate, for all groups or one for each.
        eps: a change of the rate that is not larger is left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ):
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        self.factor = factor
        self.optimizer = require_optimizer(optimizer)
        groups = optimizer.param_groups
        if isinstance(min_lr, list | tuple):
            if len(min_lr) != len(groups):
                raise ValueError(f"expected {len(groups)} min_lrs, got {len(min_lr)}")
            self.default_min_lr, self.min_lrs = None, list(min_lr)
        else:
            self.default_min_lr, self.min_lrs = min_lr, [min_lr] * len(groups)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._rates()
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self._reset()

    def _reset(self) -> None:
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """Take in the measure of a step."""
        refuse_capture("a learning-rate scheduler takes a step")
        measure = float(metrics)
        if epoch is not None:
            warn(EPOCH_WARNING, UserWarning)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(measure, self.best):
            self.best = measure
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._rates()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}); make `min_lrs` as long as "
                    "`param_groups`."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, lowest)
            if before - after > self.eps:
                set_value(group, "lr", after)

    @property
    def in_cooldown(self) -> bool:
        """Whether a reduction was so short ago that measures do not count yet."""
        return self.cooldown_counter > 0

    def _is_better(self, measure: float, best: float) -> bool:
        falling = self.mode == "min"
        if self.threshold_mode == "rel":
            bar = best * (1.0 - self.threshold if falling else self.threshold + 1.0)
        else:
            bar = best - self.threshold if falling else best + self.threshold
        return measure < bar if falling else measure > bar

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state_dict(state_dict)
        self.mode_worse = math.inf if self.mode == "min" else -math.inf
