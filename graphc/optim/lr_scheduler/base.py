"""The base of all schedulers: it counts steps and sets the learning rates that a subclass computes.

Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphc.notices import warn
from graphc.optim.optimizer import Optimizer, refuse_capture
from graphc.tensor import Tensor

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler; with an epoch the closed form is used where there is one."
)
_ORDER = "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


class LRScheduler:
    """Sets the learning rate of every group of an optimizer. Subclasses define :meth:`get_lr`.

    A compiled step takes the rates as they are at each call, with no new build. ``step`` itself belongs outside: inside
    a compiled function it raises CaptureError.

    Args:
        optimizer: the optimizer.
        last_epoch: how many steps were taken before, to go on from; -1 begins, and takes the groups' rates as the
            initial ones.

    Raises TypeError for what is no optimizer, KeyError where a schedule to go on with has no ``initial_lr``.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = require_optimizer(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{number}] when resuming scheduler with "
                    "last_epoch >= 0.\nLoad the optimizer's state first, or begin with last_epoch=-1."
                )
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        optimizer._step_before_scheduling = vars(optimizer).get("step")
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the schedule's beginning."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Compute the rates of step ``last_epoch``, one for each group."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go to the next step of the schedule, or to step ``epoch``. To be called after ``optimizer.step()``."""
        refuse_capture("a learning-rate scheduler takes a step")
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_WARNING, UserWarning)
        self._update_lr(epoch)

    def _warn_of_order(self) -> None:
        if vars(self.optimizer).get("step") is not getattr(self.optimizer, "_step_before_scheduling", None):
            warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                "Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. See more details at "
                + _ORDER,
                UserWarning,
            )
        elif not self.optimizer._opt_called:
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you "
                "should call them in the opposite order: else the first value of the learning rate schedule is "
                "skipped. See more details at " + _ORDER,
                UserWarning,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._computing():
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            values = self.get_lr() if closed is None else closed()
        self._set(values)

    def _set(self, values: Sequence[Any]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_value(group, "lr", value)
        self._last_lr = self._rates()

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_outside_step(self) -> None:
        """Warn a user who calls :meth:`get_lr`, which computes the next rate and does not tell the last."""
        if not self._get_lr_called_within_step:
            warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
            )

    def _rates(self) -> list[Any]:
        """The groups' rates now."""
        return values_of(self.optimizer, "lr")

    def _scaled(self, factor: Any) -> list[Any]:
        """The groups' rates now, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The base under its old name, from which schedulers of older programs are derived."""


def require_optimizer(optimizer: Any) -> Optimizer:
    """Raise TypeError for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def copied(value: Any) -> Any:
    """A hyper-parameter that does not change with the one it came from."""
    return value.clone() if isinstance(value, Tensor) else value


def values_of(optimizer: Optimizer, key: str) -> list[Any]:
    """A hyper-parameter of every group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set a hyper-parameter; one that is a tensor is written in place."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value)
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group from one for all or a list. Raises ValueError for a list of another length."""
    if not isinstance(value, list | tuple):
        return [copied(value) for _ in optimizer.param_groups]
    if len(value) != len(optimizer.param_groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups "
            f"has {len(optimizer.param_groups)}."
        )
    return [copied(one) for one in value]


def state_of_function(function: Any) -> dict[str, Any] | None:
    """What to save of a callable: an object's attributes, nothing of a function."""
    return None if isinstance(function, types.FunctionType) else function.__dict__.copy()


def functions_of(optimizer: Optimizer, given: Callable[[int], float] | Sequence[Callable[[int], float]]) -> list[Any]:
    """A function for each group. Raises ValueError for another number of functions."""
    if not isinstance(given, list | tuple):
        return [given] * len(optimizer.param_groups)
    if len(given) != len(optimizer.param_groups):
        raise ValueError(f"Expected {len(optimizer.param_groups)} lr_lambdas, but got {len(given)}")
    return list(given)
