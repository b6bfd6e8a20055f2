"""L-BFGS within a compiled step: what :class:`graphc.optim.LBFGS` does, by loops that a program carries out.

Eager mode decides by Python numbers, and its history is a list. Here the decisions are conditions of loops that write
to memory (:mod:`graphc.control.effects`), and the history is a ring of rows. The closure is called at two places: once,
and in the loop over directions or over the trials of a line search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from graphc.autograd.modes import enable_grad
from graphc.control.effects import do_if, repeat_while
from graphc.creation import zeros
from graphc.ir.types import DType, float64, int64
from graphc.ops.functions.indexing import where
from graphc.ops.functions.shaping import cat
from graphc.recording import phase
from graphc.tensor import Tensor

Closure = Callable[[], Any]
NAME = "lbfgs_step"  # of the loops


def gathered(parameters: Sequence[Tensor]) -> Tensor:
    """A copy of all gradients as one vector, zeros where there is none."""
    parts = [
        zeros(parameter.numel(), dtype=parameter.dtype) if parameter.grad is None else parameter.grad.reshape(-1)
        for parameter in parameters
    ]
    return cat(parts) if len(parts) > 1 else parts[0].clone()


def move(parameters: Sequence[Tensor], direction: Tensor, step: Any) -> None:
    """Add ``step`` times the direction to the parameters; a number, or a tensor of the direction's dtype."""
    offset = 0
    for parameter in parameters:
        size = parameter.numel()
        part = direction[offset : offset + size].reshape(parameter.shape)
        parameter.add_(part * step if isinstance(step, Tensor) else part, alpha=1 if isinstance(step, Tensor) else step)
        offset += size


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of L-BFGS as tensors that a program writes: numbers without dimensions, vectors of all n parameters,
    and a ring of up to h changes, of which ``count`` are there, beginning at row ``start``."""

    n_iter: Tensor
    func_evals: Tensor
    start: Tensor
    count: Tensor
    previous_loss: Tensor
    step: Tensor
    scale: Tensor  # H_diag
    direction: Tensor
    previous_gradient: Tensor
    changes: Tensor  # [h, n]: old_dirs
    moves: Tensor  # [h, n]: old_stps
    inverses: Tensor  # [h]: ro
    weights: Tensor  # [h]: al

    @staticmethod
    def empty(size: int, history_size: int, dtype: DType) -> Memory:
        """That of an optimizer that has made no step."""
        vectors = [zeros(size, dtype=dtype) for _ in range(2)]
        rings = [zeros(history_size, size, dtype=dtype) for _ in range(2)]
        numbers = [zeros((), dtype=kind) for kind in (*(int64,) * 4, float64, dtype, dtype)]
        return Memory(*numbers, *vectors, *rings, *(zeros(history_size, dtype=dtype) for _ in range(2)))

    @property
    def version(self) -> int:
        """Changes with every step that a program makes."""
        return self.func_evals._storage.version

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors by name."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))

    def take(self, entry: dict[str, Any]) -> None:
        """Hold what eager mode has in a state."""
        for name in ("n_iter", "func_evals"):
            getattr(self, name)._array[()] = entry.get(name, 0)
        rows = entry.get("old_dirs", ())
        for ring, key in ((self.changes, "old_dirs"), (self.moves, "old_stps"), (self.inverses, "ro")):
            for place, row in enumerate(entry.get(key, ())):
                ring._array[place] = row._array
        for place, weight in enumerate(entry.get("al", ())):
            if weight is not None:
                self.weights._array[place] = weight._array
        self.start._array[()], self.count._array[()] = 0, len(rows)
        vectors = ((self.direction, "d"), (self.previous_gradient, "prev_flat_grad"))
        for tensor, key in (*vectors, (self.step, "t"), (self.scale, "H_diag"), (self.previous_loss, "prev_loss")):
            value = entry.get(key)
            if value is not None:
                tensor._array[...] = value._array if isinstance(value, Tensor) else value

    def entries(self) -> dict[str, Any]:
        """What eager mode would have in its state."""
        found: dict[str, Any] = {name: int(getattr(self, name)._array) for name in ("func_evals", "n_iter")}
        if not found["n_iter"]:
            return found
        rows = (int(self.start._array) + np.arange(int(self.count._array))) % len(self.inverses._array)

        def of(tensor: Tensor) -> Tensor:
            return Tensor.from_array(tensor._array.copy())

        for ring, key in ((self.changes, "old_dirs"), (self.moves, "old_stps"), (self.inverses, "ro")):
            found[key] = [Tensor.from_array(np.array(ring._array[row])) for row in rows]
        found |= {"d": of(self.direction), "t": of(self.step), "H_diag": of(self.scale)}
        found |= {"prev_flat_grad": of(self.previous_gradient), "prev_loss": float(self.previous_loss._array)}
        if found["n_iter"] > 1:
            known = [Tensor.from_array(np.array(self.weights._array[row])) for row in rows]
            found["al"] = known + [None] * (len(self.inverses._array) - len(rows))
        return found


@dataclass(frozen=True, slots=True)
class Limits:
    """The hyper-parameters of a step."""

    lr: Any
    max_iter: int
    max_eval: int
    tolerance_grad: float
    tolerance_change: float
    history_size: int
    search: bool


class Trial:
    """A step along the direction with what was found there: loss, gradient, and the slope of the loss."""

    def __init__(self, step: Tensor, loss: Tensor, gradient: Tensor, slope: Tensor):
        self.step, self.loss, self.gradient, self.slope = step, loss, gradient, slope

    def copy(self) -> Trial:
        """Another one in memory of its own."""
        return Trial(self.step.clone(), self.loss.clone(), self.gradient.clone(), self.slope.clone())

    def take(self, condition: Tensor, other: Trial) -> None:
        """Become another trial where a condition holds."""
        for name in ("step", "loss", "gradient", "slope"):
            mine = getattr(self, name)
            mine.copy_(where(condition, getattr(other, name), mine))


class RecordedStep:
    """One step of L-BFGS on memory that is a program's."""

    def __init__(self, memory: Memory, limits: Limits, parameters: Sequence[Tensor], closure: Closure):
        self.memory, self.limits, self.parameters, self.closure = memory, limits, parameters, closure

    def run(self) -> Any:
        """Follow up to ``max_iter`` directions; gives the loss before the first."""
        memory, limits = self.memory, self.limits
        first_loss = self._called()
        self.loss = _number_of(first_loss)
        self.gradient = gathered(self.parameters)
        self.evaluations = zeros((), dtype=int64) + 1
        self.iteration = zeros((), dtype=int64)
        memory.func_evals.add_(1)
        repeat_while(NAME, ~(self.gradient.abs().max() <= limits.tolerance_grad), self._follow, self.closure)
        return first_loss

    def _called(self) -> Any:
        with enable_grad(), phase("forward"):
            return self.closure()

    def _evaluate(self) -> None:
        """Loss and gradient where the parameters are."""
        self.loss.copy_(_number_of(self._called()))
        self.gradient.copy_(gathered(self.parameters))

    def _follow(self) -> Tensor:
        """One direction; whether there is to be another."""
        memory, limits, dtype = self.memory, self.limits, self.memory.direction.dtype
        self.iteration.add_(1)
        memory.n_iter.add_(1)
        first = memory.n_iter == 1
        self._turn(first)
        memory.previous_gradient.copy_(self.gradient)
        memory.previous_loss.copy_(self.loss)
        shortest = 1.0 / self.gradient.abs().sum()
        lr = limits.lr + zeros((), dtype=dtype)
        memory.step.copy_(where(first, where(shortest < 1.0, shortest, 1.0) * lr, lr))
        slope = self.gradient.dot(memory.direction)
        descends = ~(slope > -limits.tolerance_change)
        if limits.search:
            do_if(NAME, descends, lambda: Search(self, slope).run(), self.closure)
        else:
            do_if(NAME, descends, self._walk, self.closure)
        stops = (
            (self.iteration >= limits.max_iter)
            | (self.evaluations >= limits.max_eval)
            | (self.gradient.abs().max() <= limits.tolerance_grad)
            | ((memory.direction * memory.step).abs().max() <= limits.tolerance_change)
            | ((self.loss - memory.previous_loss).abs() < limits.tolerance_change)
        )
        return descends & ~stops

    def _walk(self) -> None:
        """Take the step. The last loss is left for the next step to compute."""
        move(self.parameters, self.memory.direction, self.memory.step)

        def look() -> None:
            self._evaluate()
            self.evaluations.add_(1)
            self.memory.func_evals.add_(1)

        do_if(NAME, self.iteration != self.limits.max_iter, look, self.closure)

    def _turn(self, first: Tensor) -> None:
        """Take the last change into the history, and apply its estimate of the inverse Hessian to the gradient."""
        memory, size = self.memory, self.limits.history_size
        change, moved = self.gradient - memory.previous_gradient, memory.direction * memory.step
        agreement = change.dot(moved)
        kept = (agreement > 1e-10) & ~first
        start, count = memory.start, where(first, 0, memory.count)
        full = count == size
        row = (start + count) % size
        for ring, new in ((memory.changes, change), (memory.moves, moved), (memory.inverses, 1.0 / agreement)):
            ring.index_copy_(0, row.reshape(1), where(kept, new, _row(ring, row)).unsqueeze(0))
        start.copy_(where(kept & full, (start + 1) % size, start))
        memory.count.copy_(where(kept & ~full, count + 1, count))
        scale = where(first, 1.0, memory.scale)
        memory.scale.copy_(where(kept, agreement / change.dot(change), scale))
        direction = memory.direction
        direction.copy_(-self.gradient)
        place = memory.count - 1

        def back() -> Tensor:
            row = (start + place) % size
            weight = _row(memory.moves, row).dot(direction) * _row(memory.inverses, row)
            memory.weights.index_copy_(0, row.reshape(1), weight.reshape(1))
            direction.sub_(_row(memory.changes, row) * weight)
            place.sub_(1)
            return place >= 0

        def forth() -> Tensor:
            row = (start + place) % size
            bend = _row(memory.changes, row).dot(direction) * _row(memory.inverses, row)
            direction.add_(_row(memory.moves, row) * (_row(memory.weights, row) - bend))
            place.add_(1)
            return place < memory.count

        repeat_while(NAME, place >= 0, back)
        direction.mul_(memory.scale)
        place.zero_()
        repeat_while(NAME, place < memory.count, forth)


class Search:
    """The line search of :func:`graphc.optim.line_search.strong_wolfe`, each trial one run of a loop.

    At first it goes further and further, from ``previous`` to ``trial``, until a good step lies between the two; then
    it narrows the interval between ``ends``, of which number ``low`` has the lower loss.
    """

    decrease, curvature = 1e-4, 0.9

    def __init__(self, step: RecordedStep, slope: Tensor):
        self.step, memory = step, step.memory
        dtype = memory.direction.dtype
        self.here = [parameter.clone() for parameter in step.parameters]
        self.origin = Trial(zeros((), dtype=dtype), step.loss.to(dtype, copy=True), step.gradient.clone(), slope)
        self.trial, self.previous = self.origin.copy(), self.origin.copy()
        self.trial.step.copy_(memory.step)
        self.ends = (self.origin.copy(), self.origin.copy())
        self.low, self.made = zeros((), dtype=int64), zeros((), dtype=int64) - 1
        self.narrows, self.near_an_end, self.found = (~(slope == slope) for _ in range(3))
        for flag in (self.narrows, self.near_an_end, self.found):
            flag.zero_()
        self.limit = step.limits.max_eval - step.evaluations
        self.extent = memory.direction.abs().max()

    def run(self) -> None:
        """Leave the parameters at the best step, and its loss and gradient."""
        step, memory = self.step, self.step.memory
        repeat_while(NAME, step.iteration >= 0, self._try, step.closure)
        best = self.ends[0].copy()
        best.take(self.low == 1, self.ends[1])
        best.take(self.found, self.trial)
        memory.step.copy_(best.step)
        step.loss.copy_(best.loss)
        step.gradient.copy_(best.gradient)
        move(step.parameters, memory.direction, memory.step)
        step.evaluations.add_(self.made + 1)
        memory.func_evals.add_(self.made + 1)

    def _try(self) -> Tensor:
        """One trial; whether there is to be another."""
        step, trial, ends = self.step, self.trial, self.ends
        move(step.parameters, step.memory.direction, trial.step)
        step._evaluate()
        for parameter, value in zip(step.parameters, self.here, strict=True):
            parameter.copy_(value)
        trial.loss.copy_(step.loss)
        trial.gradient.copy_(step.gradient)
        trial.slope.copy_(step.gradient.dot(step.memory.direction))
        self.made.add_(1)
        falls = trial.loss <= self.origin.loss + self.decrease * trial.step * self.origin.slope
        flat = trial.slope.abs() <= -self.curvature * self.origin.slope
        narrowed = self.narrows.clone()
        self._shorten(narrowed, falls, flat)
        going = self._lengthen(~narrowed, falls, flat)
        narrow = ends[1].step - ends[0].step
        going = going | (
            self.narrows & ~self.found & (self.made < self.limit) & ~(narrow.abs() * self.extent < self._tolerance)
        )
        self._choose(going)
        return going

    @property
    def _tolerance(self) -> float:
        return self.step.limits.tolerance_change

    def _lengthen(self, now: Tensor, falls: Tensor, flat: Tensor) -> Tensor:
        """Go on to a longer step, or begin to narrow; whether to go on."""
        trial, previous, ends = self.trial, self.previous, self.ends
        allowed = self.made < self.limit
        above = ~falls | ((self.made > 1) & (trial.loss >= previous.loss))
        self.found.copy_(where(now, allowed & ~above & flat, self.found))
        longer = now & allowed & ~above & ~flat & ~(trial.slope >= 0)
        narrows = now & ~self.found & ~longer
        ends[0].take(narrows & allowed, previous)
        ends[0].take(narrows & ~allowed, self.origin)
        ends[1].take(narrows, trial)
        self.low.copy_(where(narrows, (~(ends[0].loss <= ends[1].loss)).to(int64), self.low))
        self.narrows.copy_(self.narrows | narrows)
        return longer

    def _shorten(self, now: Tensor, falls: Tensor, flat: Tensor) -> None:
        """Take the trial as an end of the interval."""
        trial, ends, low = self.trial, self.ends, self.low
        best = ends[0].copy()
        best.take(low == 1, ends[1])
        worse = now & (~falls | (trial.loss >= best.loss))
        better = now & ~worse & ~flat
        self.found.copy_(where(now, ~worse & flat, self.found))
        other = where(low == 1, ends[0].step, ends[1].step)
        beyond = better & (trial.slope * (other - best.step) >= 0)
        for place, end in enumerate(ends):
            is_low = low == place
            end.take(~is_low & beyond, best)
            end.take((~is_low & worse) | (is_low & better), trial)
        low.copy_(where(worse, (~(ends[0].loss <= ends[1].loss)).to(int64), low))

    def _choose(self, going: Tensor) -> None:
        """The next step to try."""
        trial, previous, ends = self.trial, self.previous, self.ends
        bounds = trial.step + 0.01 * (trial.step - previous.step), trial.step * 10
        longer = _cubic_minimizer(previous, trial, bounds)
        shorter = _cubic_minimizer(*ends, None)
        left, right = _ordered(ends[0].step, ends[1].step)
        margin = 0.1 * (right - left)
        close = where(right - shorter < shorter - left, right - shorter, shorter - left) < margin
        away = close & (self.near_an_end | (shorter >= right) | (shorter <= left))
        inside = where((shorter - right).abs() < (shorter - left).abs(), right - margin, left + margin)
        narrows = going & self.narrows
        self.near_an_end.copy_(where(narrows, close & ~away, self.near_an_end))
        widens = going & ~self.narrows
        previous.take(widens, trial)
        trial.step.copy_(where(widens, longer, where(narrows, where(away, inside, shorter), trial.step)))


def _cubic_minimizer(first: Trial, second: Trial, bounds: tuple[Tensor, Tensor] | None) -> Tensor:
    """As :func:`graphc.optim.line_search.cubic_minimizer`."""
    swapped = ~(first.step <= second.step)
    left, right = _ordered(first.step, second.step)
    left_slope, right_slope = where(swapped, second.slope, first.slope), where(swapped, first.slope, second.slope)
    low, high = (left, right) if bounds is None else bounds
    bend = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.step - second.step)
    square = bend**2 - first.slope * second.slope
    root = where(square >= 0, square, 0.0).sqrt()
    share = (right_slope + root - bend) / (right_slope - left_slope + 2 * root)
    step = right - (right - left) * share
    step = where(low > step, low, step)
    return where(square >= 0, where(high < step, high, step), (low + high) / 2.0)


def _ordered(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    swapped = ~(one <= other)
    return where(swapped, other, one), where(swapped, one, other)


def _row(ring: Tensor, row: Tensor) -> Tensor:
    return ring.index_select(0, row.reshape(1)).squeeze(0)


def _number_of(loss: Any) -> Tensor:
    """A loss in double precision and memory of its own."""
    if not isinstance(loss, Tensor):
        return zeros((), dtype=float64) + loss
    return loss.detach().reshape(()).to(float64, copy=True)


__all__ = ["Limits", "Memory", "RecordedStep", "gathered", "move"]
