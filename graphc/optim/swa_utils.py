"""Averages of a model over the steps of its training: equal weights (SWA), or exponentially falling ones (EMA).

Sources: Izmailov et al. (2018), arXiv 1803.05407; https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from graphc.autograd.modes import no_grad
from graphc.creation import tensor
from graphc.ir.types import int64
from graphc.nn.module import Module
from graphc.nn.modules.batchnorm import _BatchNorm
from graphc.optim.lr_scheduler.base import LRScheduler, per_group
from graphc.optim.optimizer import Optimizer
from graphc.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """A function that moves averages a share of ``1 - decay`` towards the current values, in place.

    Raises ValueError for a decay outside [0, 1].
    """
    average = get_ema_avg_fn(decay)

    @no_grad()
    def ema_update(averages: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        for mean, value in zip(averages, current, strict=True):
            if mean.is_floating_point() or mean.is_complex():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(average(mean, value, count))

    return ema_update


def get_swa_multi_avg_fn() -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """A function that takes the current values into averages of ``count`` values before, in place."""

    @no_grad()
    def swa_update(averages: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        for mean, value in zip(averages, current, strict=True):
            if mean.is_floating_point() or mean.is_complex():
                mean.lerp_(value, 1 / (float(count) + 1))
            else:
                mean.add_((value - mean) // (int(count) + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """A function that gives an average moved a share of ``1 - decay`` towards the current value.

    Raises ValueError for a decay outside [0, 1].
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @no_grad()
    def ema_update(average: Tensor, current: Tensor, count: Any) -> Tensor:
        return decay * average + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """A function that gives the average of ``count`` values before and the current one."""

    @no_grad()
    def swa_update(average: Tensor, current: Tensor, count: Any) -> Tensor:
        return average + (current - average) / (count + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model that holds averages of its parameters.

    Args:
        model: the model; it is copied.
        device: where the copy goes.
        avg_fn: gives the new average of (average, current value, number of values before).
        multi_avg_fn: writes the new averages of (averages, current values, number of values before). Not both; with
            neither, all values weigh the same.
        use_buffers: average the buffers too, instead of taking over the current ones.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[Sequence[Tensor], Sequence[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of the model into the averages; the first time they are copied."""
        averages, current = _values(self.module, self.use_buffers), _values(model, self.use_buffers)
        if self.n_averaged == 0:
            for average, value in zip(averages, current, strict=False):
                average.copy_(value)
        elif self.avg_fn is None:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, current, self.n_averaged)
        else:
            for average, value in zip(averages, current, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        if not self.use_buffers:
            for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.detach().copy_(theirs.detach())
        self.n_averaged += 1


def _values(model: Module, with_buffers: bool) -> list[Tensor]:
    found = itertools.chain(model.parameters(), model.buffers() if with_buffers else ())
    return [value.detach() for value in found]


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of a model's batch normalisations anew, in one pass over a loader's batches.

    Args:
        loader: gives tensors, or lists and tuples that begin with one.
        model: the model.
        device: where the batches go.
    """
    layers = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not layers:
        return
    was_training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    for batch in loader:
        given = batch[0] if isinstance(batch, list | tuple) else batch
        model(given if device is None else given.to(device))
    for layer, momentum in layers.items():
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """To a fixed rate in ``anneal_epochs`` steps, and on with it.

    Args:
        optimizer: the optimizer.
        swa_lr: the rate, or one for each group.
        anneal_epochs: how many steps it takes.
        anneal_strategy: "cos" or "linear".
        last_epoch: see :class:`LRScheduler`.

    Raises ValueError for another strategy, and for a number of steps that is none.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        for rate, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way to the fixed rate is gone after a step."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part

    def get_lr(self) -> list[Any]:
        """Each group's rate, between the one that it set out from and the fixed one."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            # The rate is what the schedulers before this one have made of it, so its beginning is reckoned back.
            begin = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + begin * (1 - now))
        return rates
