"""`step.run(k, ...)`: as many calls, with the loop in C; what needs Python between steps is called step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn

Make = Callable[[], tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]]


def _trained(dropout: float = 0.0, **options: Any) -> Make:
    """A network with its state, and the state as tensors."""

    def make() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
        gc.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(dropout), nn.Linear(6, 3))
        optimizer = gc.optim.Adam(net.parameters(), lr=0.01, **options)

        def step(x: gc.Tensor, y: gc.Tensor) -> dict[str, gc.Tensor]:
            optimizer.zero_grad()
            scores = net(x)
            loss = F.cross_entropy(scores, y)
            loss.backward()
            optimizer.step()
            return {"loss": loss.detach(), "scores": scores.detach()}

        def state() -> list[gc.Tensor]:
            return [*net.state_dict().values(), *(parameter.grad for parameter in net.parameters())]

        return step, state

    return make


def _by_hand() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    """The update written by hand: gradients that stay and are set to zero in place."""
    w = gc.ones(4, requires_grad=True)

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        loss = ((x @ w - y) ** 2).sum()
        loss.backward()
        with gc.no_grad():
            w.sub_(0.001 * w.grad)
            w.grad.zero_()
        return loss.detach()

    return step, lambda: [w, w.grad]


def _accumulated() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    """Gradients that every step adds to."""
    w = gc.ones(4, requires_grad=True)

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        loss = ((x @ w - y) ** 2).sum()
        loss.backward()
        return loss.detach()

    return step, lambda: [w, w.grad]


def _by_value() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    total = gc.zeros(())

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        if x.sum() > 0:
            total.add_(x.mean())
        else:
            total.mul_(0.5)
        return total + y.float().mean()

    return step, lambda: [total]


def _stored() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    """State that every step rebinds, in an attribute and in a variable."""
    holder = nn.Module()
    holder.carried = gc.zeros(4)
    total = gc.zeros(())

    def step(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        nonlocal total
        holder.carried = 0.5 * holder.carried + x.sum(0)
        total = total + holder.carried.sum()
        return holder.carried + y.sum()

    return step, lambda: [holder.carried, total]


def _one_memory() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    """A part of what a step returns is what it wrote."""
    table = gc.zeros(3, 4)

    def step(x: gc.Tensor, y: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        table[1] += x[0]
        return table, (table * 2)[1]

    return step, lambda: [table]


def _written() -> tuple[Callable[..., Any], Callable[[], list[gc.Tensor]]]:
    def step(x: gc.Tensor, y: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        x.mul_(2)
        return x.sum(0), x[0]

    return step, lambda: []


PROGRAMS: dict[str, Make] = {
    "training": _trained(),
    "with dropout": _trained(dropout=0.5),
    "amsgrad": _trained(amsgrad=True),
    "written by hand": _by_hand,
    "accumulated gradients": _accumulated,
    "stored outside": _stored,
    "state returned": _one_memory,
    "ways by value": _by_value,
    "arguments that are written": _written,
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("warm", [False, True])
def test_many_steps_are_as_many_calls(name: str, warm: bool) -> None:
    """Results, state, gradients, the random stream, and arguments that are written, bit for bit; built or not."""

    def results_of(found: Any) -> list[gc.Tensor]:
        if isinstance(found, dict):
            return list(found.values())
        return [*found] if isinstance(found, tuple) else [found]

    def after(many: bool) -> list[gc.Tensor]:
        step, state = PROGRAMS[name]()
        gc.manual_seed(1)
        compiled = gc.compile(step)
        x, y = gc.randn(6, 5, 4), gc.randint(3, (6, 5))
        if warm:
            for _ in range(2):
                compiled(x[0].clone(), y[0])
        if many:
            found = compiled.run(6, x, y)
        else:
            # A later call may change what an earlier one returned.
            singles = [[result.clone() for result in results_of(compiled(x[i], y[i]))] for i in range(6)]
            found = tuple(gc.stack(column) for column in zip(*singles, strict=True))
        return [*results_of(found), *state(), x, gc.rand(3)]

    for ours, theirs in zip(after(many=True), after(many=False), strict=True):
        assert ours.shape == theirs.shape
        assert gc.equal(ours, theirs)


def test_the_loop_is_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once built, many steps are one call of the program, also with an argument that is the same in all of them."""
    step, _ = _trained()()
    compiled = gc.compile(step)
    x, y = gc.randn(5, 4), gc.randint(3, (8, 5))
    compiled(x, y[0])
    runs: list[int] = []
    from graphc.runtime.program import NativeProgram

    single = NativeProgram.run_again
    monkeypatch.setattr(NativeProgram, "run_again", lambda program: runs.append(1) or single(program))
    losses = compiled.run(8, x.expand(8, 5, 4), y)["loss"]
    assert losses.shape == (8,)
    assert not runs
    assert compiled.report().builds[0].calls >= 8


def test_an_error_leaves_what_the_steps_before_it_made() -> None:
    """As in a loop of calls: the step with the index out of range raises, those before it are done."""
    table, seen = gc.arange(4.0), gc.zeros(())

    @gc.compile
    def step(places: gc.Tensor) -> gc.Tensor:
        found = table[places]
        seen.add_(1)
        return found

    step(gc.tensor([0, 1]))
    with pytest.raises(IndexError, match="out of"):
        step.run(3, gc.tensor([[0, 1], [2, 3], [1, 9]]))
    assert seen.item() == 3


def test_bad_arguments_are_told() -> None:
    """The number of steps, the first extent, arguments that want gradients."""
    step = gc.compile(lambda x: x * 2)
    with pytest.raises(ValueError, match="1 or more; given: 0"):
        step.run(0, gc.ones(0, 2))
    with pytest.raises(ValueError, match=r"3 steps take .* given: \[2, 2\]"):
        step.run(3, gc.ones(2, 2))
    with pytest.raises(ValueError, match="can't want gradients"):
        step.run(2, gc.ones(2, 2, requires_grad=True))
