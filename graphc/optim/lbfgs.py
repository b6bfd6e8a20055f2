"""L-BFGS: quasi-Newton steps from the last few changes of parameters and gradients.

Sources: Nocedal (1980); Nocedal & Wright (2006), algorithm 7.4;
https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphc.autograd.modes import enable_grad, no_grad
from graphc.ops.promotion import result_type
from graphc.optim.lbfgs_program import Limits, Memory, RecordedStep, gathered, move
from graphc.optim.line_search import Trial, strong_wolfe
from graphc.optim.optimizer import Optimizer, Same, require_learning_rate
from graphc.recording import paused, phase, state
from graphc.tensor import Tensor


class LBFGS(Optimizer):
    """Steps along an estimate of the Newton direction. ``step`` needs a closure, which it calls many times.

    All parameters are of one group; the state of the whole is kept with the first of them. Inside a compiled function
    the loops over directions and trials are the program's (:mod:`graphc.optim.lbfgs_program`), and so is the state,
    which ``state`` shows as eager mode would have it.

    Args:
        params: the parameters.
        lr: the length of a step in units of the direction; with a line search the first length to try.
        max_iter: how many directions to follow in a step.
        max_eval: how often at most to call the closure in a step; by default 1.25 times ``max_iter``.
        tolerance_grad: stop where no element of the gradient is larger.
        tolerance_change: stop where neither parameters nor loss change by more.
        history_size: how many changes to remember.
        line_search_fn: None, or ``"strong_wolfe"``.
    """

    scalar_state = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        require_learning_rate(lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # -- state: what eager mode has, and the memory of compiled steps where there are any --------------------------

    @property
    def state(self) -> Any:
        """What is remembered, by the first parameter, in PyTorch's layout."""
        memory = self._memory
        if memory is not None and state.recorder is None and memory.version != self._seen:
            self._state[self._params[0]].update(memory.entries())
            self._seen = memory.version
        return self._state

    @state.setter
    def state(self, value: Any) -> None:
        self._state, self._memory, self._seen = value, None, -1

    @property
    def bound_to(self) -> Any:
        """What a recorded step is bound to, as a capture compares it."""
        if self._memory is not None and self._params[0] not in self.state:
            self._memory = None
        hooks = (*self._step_pre_hooks.values(), *self._step_post_hooks.values())
        return Same((*self._params, self._memory, *hooks))

    def named_state(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        if self._memory is not None:
            yield from ((name, self._params[0], tensor) for name, tensor in self._memory.named())

    def _recorded_step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        search = self.constant(group, "line_search_fn")
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        limits = Limits(
            self.number(group, "lr"),
            *(self.constant(group, name) for name in ("max_iter", "max_eval", "tolerance_grad", "tolerance_change")),
            self.constant(group, "history_size"),
            search is not None,
        )
        with paused():
            entry = self.state[self._params[0]]
            memory = self._memory
            if memory is None or len(memory.inverses._array) != limits.history_size:
                dtype = result_type(*self._params)
                memory = Memory.empty(sum(each.numel() for each in self._params), limits.history_size, dtype)
                memory.take(entry)
                self._memory, self._seen = memory, memory.version
        state.recorder.guard(self, "bound_to", self.bound_to)
        with phase("update"):
            return RecordedStep(memory, limits, self._params, closure).run()

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Follow up to ``max_iter`` directions.

        Args:
            closure: computes the loss anew, with its gradients, and returns it.

        Returns:
            the loss before the first direction.
        """
        if state.recorder is not None:
            return self._recorded_step(closure)
        closure = enable_grad()(closure)
        group = self.param_groups[0]
        lr = self.number(group, "lr")
        search, tolerance = group["line_search_fn"], group["tolerance_change"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        parameters = group["params"]
        entry = self.state[parameters[0]]
        entry.setdefault("func_evals", 0)
        entry.setdefault("n_iter", 0)

        first_loss = closure()
        loss, gradient = float(first_loss), gathered(parameters)
        evaluations = 1
        entry["func_evals"] += 1
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first_loss
        direction, step = entry.get("d"), entry.get("t")
        previous_gradient, previous_loss = entry.get("prev_flat_grad"), entry.get("prev_loss")

        for iteration in range(1, group["max_iter"] + 1):
            entry["n_iter"] += 1
            direction = self._direction(entry, direction, step, gradient, previous_gradient, group["history_size"])
            previous_gradient, previous_loss = gradient.clone(), loss
            step = min(1.0, 1.0 / gradient.abs().sum()) * lr if entry["n_iter"] == 1 else lr
            slope = gradient.dot(direction)
            if slope > -tolerance:
                break
            made = 0
            if search is not None:
                trial, made = strong_wolfe(
                    _along(parameters, direction, closure),
                    Trial(0, loss, gradient, slope),
                    step,
                    direction.abs().max(),
                    tolerance,
                    group["max_eval"] - evaluations,
                )
                step, loss, gradient = trial.step, trial.loss, trial.gradient
                move(parameters, direction, float(step))
            else:
                move(parameters, direction, float(step))
                # The last loss of a step is left for the next one to compute.
                if iteration != group["max_iter"]:
                    loss, gradient, made = float(closure()), gathered(parameters), 1
            evaluations += made
            entry["func_evals"] += made
            if (
                evaluations >= group["max_eval"]
                or gradient.abs().max() <= group["tolerance_grad"]
                or (direction * step).abs().max() <= tolerance
                or abs(loss - previous_loss) < tolerance
            ):
                break

        entry["d"], entry["t"] = direction, step
        entry["prev_flat_grad"], entry["prev_loss"] = previous_gradient, previous_loss
        if self._memory is not None:
            self._memory.take(entry)
        return first_loss

    @staticmethod
    def _direction(
        entry: dict[str, Any], last: Tensor, step: Any, gradient: Tensor, previous: Tensor, history_size: int
    ) -> Tensor:
        """Take the last change into the history, and apply its estimate of the inverse Hessian to ``-gradient``."""
        if entry["n_iter"] == 1:
            entry["old_dirs"], entry["old_stps"], entry["ro"], entry["H_diag"] = [], [], [], 1
            return -gradient
        changes, moves, inverses = entry["old_dirs"], entry["old_stps"], entry["ro"]
        change, move = gradient - previous, last * step
        agreement = change.dot(move)
        if agreement > 1e-10:
            if len(changes) == history_size:
                for remembered in (changes, moves, inverses):
                    remembered.pop(0)
            changes.append(change)
            moves.append(move)
            inverses.append(1.0 / agreement)
            entry["H_diag"] = agreement / change.dot(change)
        weights = entry.setdefault("al", [None] * history_size)
        direction = -gradient
        for position in reversed(range(len(changes))):
            weights[position] = moves[position].dot(direction) * inverses[position]
            direction.add_(changes[position], alpha=-weights[position].item())
        direction = direction * entry["H_diag"]
        for position, (change, move) in enumerate(zip(changes, moves, strict=True)):
            weight = weights[position] - change.dot(direction) * inverses[position]
            direction.add_(move, alpha=weight.item())
        return direction


def _along(parameters: list[Tensor], direction: Tensor, closure: Callable[[], Any]) -> Callable[[Any], Trial]:
    """What the loss is at a step from here along the direction; the parameters stay where they are."""
    here = [parameter.clone() for parameter in parameters]

    def evaluate(step: Any) -> Trial:
        move(parameters, direction, float(step))
        loss, gradient = float(closure()), gathered(parameters)
        for parameter, value in zip(parameters, here, strict=True):
            parameter.copy_(value)
        return Trial(step, loss, gradient, gradient.dot(direction))

    return evaluate
