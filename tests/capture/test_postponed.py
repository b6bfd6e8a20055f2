"""First calls that leave values to the program: what they return, write, and draw is what eager mode does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.capture import first_run, postponed
from graphc.capture.errors import CaptureError
from graphc.ops.arithmetic import Mul
from graphc.runtime.errors import CompileError, CompilerNotFound
from tests.step_runs import step_difference
from tests.step_writing import write_step

ROWS = 256  # so many rows of as many float32 are worth waiting for


def operand(seed: int = 0) -> gc.Tensor:
    """float32[ROWS, ROWS]"""
    return gc.from_numpy(np.random.default_rng(seed).standard_normal((ROWS, ROWS), np.float32))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the products that numpy has computed."""
    shapes: list[tuple[int, ...]] = []
    evaluate = Mul.evaluate

    def noted(self: Mul, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        shapes.append(x.shape)
        return evaluate(self, x, y)

    monkeypatch.setattr(Mul, "evaluate", noted)
    return shapes


def test_values_that_nothing_reads_are_computed_by_the_program(evaluated: list[tuple[int, ...]]) -> None:
    """numpy computes nothing of a step on large tensors, and result, gradient, and state are those of eager mode."""

    def run(wrap: Callable) -> list[np.ndarray]:
        x, w, average = operand(), operand(1).requires_grad_(), operand(2)

        def step(x: gc.Tensor) -> gc.Tensor:
            w.grad = None
            hidden = x * w
            loss = (hidden.tanh() * hidden).mean()
            loss.backward()
            average.mul_(0.5).add_(hidden.detach())
            return loss.detach()

        loss = wrap(step)(x)
        return [loss.numpy(), w.grad.numpy(), average.numpy()]

    found = run(gc.compile)
    assert not evaluated
    for one, other in zip(found, run(lambda step: step), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-8)


def test_small_tensors_are_computed_as_they_come() -> None:
    """The first call on small tensors gives eager's bits."""
    x = operand()[:4, :4].clone()

    def step(x: gc.Tensor) -> gc.Tensor:
        return x.exp().softmax(1) / 3

    assert gc.compile(step)(x).numpy().tobytes() == step(x).numpy().tobytes()


def test_a_value_that_is_read_is_computed_then(evaluated: list[tuple[int, ...]]) -> None:
    """Code may decide by a large tensor's sum: what was recorded up to there is carried out, writes included."""
    counter = gc.zeros(())

    def step(x: gc.Tensor) -> gc.Tensor:
        counter.add_(1)
        y = x * x
        x.mul_(2)
        return y * 2 if (y.sum() > 0).item() else y

    x, compiled = operand(), gc.compile(step)
    expected = x.numpy() ** 2 * 2
    np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-6)
    assert (ROWS, ROWS) in evaluated
    np.testing.assert_allclose(x.numpy(), operand().numpy() * 2)
    np.testing.assert_allclose(compiled(x).numpy(), expected * 4, rtol=1e-6)
    assert counter.item() == 2


def test_what_is_kept_elsewhere_has_its_values() -> None:
    """A tensor that the function puts where the compiler does not look is computed too."""

    def step(x: gc.Tensor, number: int) -> gc.Tensor:
        y = x * 3
        vars(gc).setdefault("_kept_by_test", []).append(y)
        return y + number

    x = operand()
    try:
        gc.compile(step)(x, 1)
        (kept,) = gc._kept_by_test
        np.testing.assert_array_equal(kept.numpy(), x.numpy() * 3)
    finally:
        del gc._kept_by_test


def test_a_returned_history_can_be_swept() -> None:
    """A result that wants a gradient brings what its tape reads."""
    x, w = operand(), operand(1).requires_grad_()
    gc.compile(lambda x: (x * w).tanh())(x).sum().backward()
    (expected,) = gc.autograd.grad((x * w).tanh().sum(), w)
    np.testing.assert_allclose(w.grad.numpy(), expected.numpy(), rtol=1e-5, atol=2e-6)


def test_an_error_of_the_function_leaves_what_was_done_before_it() -> None:
    """As in eager mode, state written before the error has its new value."""
    x, state = operand(), operand(1)

    def step(x: gc.Tensor) -> None:
        state.add_(x * 2)
        raise ZeroDivisionError("in the function")

    before = state.numpy().copy()
    with pytest.raises(ZeroDivisionError):
        gc.compile(step)(x)
    np.testing.assert_array_equal(state.numpy(), before + x.numpy() * 2)


@pytest.mark.parametrize("error", [CaptureError, KeyboardInterrupt, CompileError])
def test_what_fails_leaves_everything_as_it_was(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """State and gradients, where a step is refused, interrupted, or can't be built."""
    x, w, state = operand(), operand(1).requires_grad_(), operand(2)

    def step(x: gc.Tensor) -> None:
        state.add_(x * 2)
        (x * w).sum().backward()
        if error is CaptureError:
            state.numpy()
        if error is KeyboardInterrupt:
            raise KeyboardInterrupt

    def fail(*arguments: Any, **keywords: Any) -> None:
        raise CompileError("no")

    if error is CompileError:
        monkeypatch.setattr("graphc.codegen.executable.build_library", fail)
    before = state.numpy().copy()
    with pytest.raises(error):
        gc.compile(step)(x)
    np.testing.assert_array_equal(state.numpy(), before)
    assert w.grad is None


def test_an_index_out_of_range_is_refused_as_in_eager_mode() -> None:
    """At the operation, in its words, and after the writes before it."""
    table, state = operand(), operand(1)

    def step(index: gc.Tensor) -> gc.Tensor:
        state.mul_(2)
        return F.embedding(index, table * 2)

    before = state.numpy().copy()
    with pytest.raises(IndexError, match="index out of range in self"):
        gc.compile(step)(gc.tensor([1, ROWS]))
    np.testing.assert_array_equal(state.numpy(), before * 2)


def test_random_numbers_are_drawn_once() -> None:
    """The generator's stream is where eager mode leaves it, and the numbers are the same."""

    def step(x: gc.Tensor) -> gc.Tensor:
        return F.dropout(x * 2, 0.5) + gc.rand(ROWS, ROWS)

    found = []
    for wrap in (gc.compile, lambda step: step):
        gc.manual_seed(3)
        function = wrap(step)
        found.append([function(operand()).numpy(), function(operand()).numpy(), gc.rand(3).numpy()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_gradients_lie_as_eager_ones() -> None:
    """The gradient of a weight whose cotangent comes transposed is dense by rows, at the first call too."""
    layer = nn.Linear(ROWS, ROWS)
    optimizer = optim.SGD(layer.parameters(), 0.1, momentum=0.9)

    def step(x: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    gc.compile(step)(operand())
    assert layer.weight.grad.is_contiguous()
    assert layer.weight.grad.abs().sum() > 0


@pytest.fixture
def everything_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small it is, and memory that waits holds rubbish."""
    monkeypatch.setattr(postponed, "WORTH_WAITING_BYTES", 0)
    place = postponed.Postponed._placed

    def rubbish(self: postponed.Postponed, room: np.ndarray) -> np.ndarray:
        room = place(self, room)
        room.fill(np.nan if room.dtype.kind == "f" else True if room.dtype.kind == "b" else 77)
        return room

    monkeypatch.setattr(postponed.Postponed, "_placed", rubbish)


@pytest.mark.parametrize("by_program", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 5, 8])
@pytest.mark.usefixtures("everything_waits")
def test_random_steps_agree(seed: int, by_program: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a step does, both ways of getting at what was put off give what eager mode gives."""
    if not by_program:
        monkeypatch.setattr(first_run, "_results_are_all", lambda recorder: False)
    assert step_difference(write_step(seed)) == ""


@pytest.mark.usefixtures("everything_waits")
def test_memory_that_a_step_reads_is_not_written_before() -> None:
    """A small number is known and written at once in eager mode: here the write waits for those that read it before."""
    count, average = gc.zeros(()), gc.zeros(3)

    def step(x: gc.Tensor) -> gc.Tensor:
        for _ in range(3):
            count.add_(1)
            average.add_(x / count)
        return average.clone()

    x = gc.tensor([1.0, 2.0, 3.0])
    np.testing.assert_allclose(gc.compile(step)(x).numpy(), x.numpy() * (1 + 1 / 2 + 1 / 3), rtol=1e-6)
    assert count.item() == 3


def test_without_a_compiler_the_step_is_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program can be made, the first call has computed everything by itself."""

    def absent(*arguments: Any, **keywords: Any) -> None:
        raise CompilerNotFound("none here")

    monkeypatch.setattr("graphc.codegen.executable.build_library", absent)
    x, state = operand(), operand(1)

    def step(x: gc.Tensor) -> gc.Tensor:
        state.add_(x)
        return (state * 2).sum(0)

    expected = state.numpy() + x.numpy()
    with pytest.warns(RuntimeWarning, match="none here"):
        found = gc.compile(step)(x)
    np.testing.assert_array_equal(state.numpy(), expected)
    np.testing.assert_allclose(found.numpy(), (expected * 2).sum(0), rtol=1e-4, atol=1e-3)
