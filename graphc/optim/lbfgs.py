"""L-BFGS: quasi-Newton steps from the last few changes of parameters and gradients.

Sources: Nocedal (1980); Nocedal & Wright (2006), algorithm 7.4;
https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphc.autograd.modes import enable_grad, no_grad
from graphc.creation import zeros
from graphc.ops.functions.shaping import cat
from graphc.optim.line_search import Trial, strong_wolfe
from graphc.optim.optimizer import Optimizer, require_learning_rate
from graphc.tensor import Tensor


class LBFGS(Optimizer):
    """Steps along an estimate of the Newton direction. ``step`` needs a closure, which it calls many times.

    How often depends on the values that it returns, so a step runs eagerly only: inside a compiled function it raises
    CaptureError. All parameters are of one group; the state of the whole is kept with the first of them.

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

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Follow up to ``max_iter`` directions.

        Args:
            closure: computes the loss anew, with its gradients, and returns it.

        Returns:
            the loss before the first direction.
        """
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
        loss, gradient = float(first_loss), _gathered(parameters)
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
                _move(parameters, direction, step)
            else:
                _move(parameters, direction, step)
                # The last loss of a step is left for the next one to compute.
                if iteration != group["max_iter"]:
                    loss, gradient, made = float(closure()), _gathered(parameters), 1
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


def _gathered(parameters: list[Tensor]) -> Tensor:
    """A copy of all gradients as one vector, zeros where there is none."""
    parts = [
        zeros(parameter.numel(), dtype=parameter.dtype) if parameter.grad is None else parameter.grad.reshape(-1)
        for parameter in parameters
    ]
    return cat(parts) if len(parts) > 1 else parts[0].clone()


def _move(parameters: list[Tensor], direction: Tensor, step: Any) -> None:
    """Add ``step`` times the direction to the parameters."""
    step, offset = float(step), 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.add_(direction[offset : offset + size].reshape(parameter.shape), alpha=step)
        offset += size


def _along(parameters: list[Tensor], direction: Tensor, closure: Callable[[], Any]) -> Callable[[Any], Trial]:
    """What the loss is at a step from here along the direction; the parameters stay where they are."""
    here = [parameter.clone() for parameter in parameters]

    def evaluate(step: Any) -> Trial:
        _move(parameters, direction, step)
        loss, gradient = float(closure()), _gathered(parameters)
        for parameter, value in zip(parameters, here, strict=True):
            parameter.copy_(value)
        return Trial(step, loss, gradient, gradient.dot(direction))

    return evaluate
