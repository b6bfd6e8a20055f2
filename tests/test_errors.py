"""What goes wrong is said clearly: the operator, what it was given, the user's line, and what mends it."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import compiler, nn, optim
from graphc.ops.functions.registry import FUNCTIONS
from graphc.ops.operators import OPERATORS
from graphc.runtime import toolchain
from graphc.source_lines import shown_path

X = gc.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


def line_of(function: Callable[..., Any]) -> str:
    """File and line of a function that stands on one line, as messages show them."""
    return f"{shown_path(__file__)}:{function.__code__.co_firstlineno}"


# -- operators ------------------------------------------------------------------------------------------------------

# What is called, words of PyTorch's message, and the operator with what it was given.
MISTAKES = [
    (lambda x: x + gc.zeros(2, 4), "tensor a (3) must match the size of tensor b (4)", "add(f32[2,3], f32[2,4])"),
    (lambda x: 1 - x.maximum(gc.zeros(4)), "must match the size of tensor b (4)", "maximum(f32[2,3], f32[4])"),
    (lambda x: x @ gc.zeros(2, 4), "shapes cannot be multiplied (2x3 and 2x4)", "matmul(f32[2,3], f32[2,4])"),
    (lambda x: F.linear(x, gc.zeros(5, 4)), "cannot be multiplied (2x3 and 4x5)", "matmul(f32[2,3], f32[4,5])"),
    (lambda x: nn.Linear(4, 5)(x), "cannot be multiplied (2x3 and 4x5)", "matmul(f32[2,3], f32[4,5])"),
    (lambda x: nn.Conv2d(3, 4, 3)(x[None, None]), "to have 3 channels, but got 1", "conv2d(f32[1,1,2,3], f32[4,3,3,3]"),
    (lambda x: x.view(7), "shape '[7]' is invalid for input of size 6", "view(f32[2,3], 7)"),
    (lambda x: x.clone().add_(gc.zeros(4, 2, 3)), "match the broadcast shape [4, 2, 3]", "add(f32[2,3], f32[4,2,3])"),
    (lambda x: x.clone().__setitem__(0, gc.zeros(5)), "match the existing size (5)", "setitem(f32[2,3], 0, f32[5])"),
    (lambda x: gc.cat([x, gc.zeros(3)]), "same number of dimensions", "cat([f32[2,3], f32[3]])"),
    (lambda x: gc.stack([x, gc.zeros(1)]), "stack expects each tensor to be equal size", "stack([f32[2,3], f32[1]])"),
    (lambda x: F.layer_norm(x, (4,)), "normalized_shape=[4]", "layer_norm(f32[2,3], (4,))"),
    (lambda x: F.mse_loss(x, gc.zeros(5)), "must match the size of tensor b (5)", "sub(f32[2,3], f32[5])"),
    (lambda x: x.sum(dim=2), "Dimension out of range", "sum(f32[2,3], dim=2)"),
    (lambda x: x[5], "index 5 is out of bounds for dimension 0 with size 2", "getitem(f32[2,3], 5)"),
    (lambda x: x.sum().backward(), "does not require grad", "backward(f32[])"),
]  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "captured"])
@pytest.mark.parametrize(("mistake", "words", "given"), MISTAKES, ids=[given for _, _, given in MISTAKES])
def test_a_mistake_names_operator_shapes_and_line(
    mistake: Callable[[Any], Any], words: str, given: str, compiled: bool
) -> None:
    """PyTorch's words come first and alone; one note adds what was called with what, and where."""
    with pytest.raises((RuntimeError, IndexError)) as caught:
        (gc.compile(mistake) if compiled else mistake)(X)
    assert words in str(caught.value)
    (note,) = caught.value.__notes__
    assert note.startswith(f"in {given}")
    assert note.endswith(f" at {line_of(mistake)}")


def test_the_line_is_that_of_the_users_module() -> None:
    """Not the library's line, nor the line that called the net, but the one in the user's forward."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 4), nn.Linear(5, 2)

        def forward(self, x: gc.Tensor) -> gc.Tensor:
            x = self.first(x)
            return self.second(x)

    with pytest.raises(RuntimeError) as caught:
        Net()(X)
    (note,) = caught.value.__notes__
    assert note.endswith(f":{Net.forward.__code__.co_firstlineno + 2}")


def test_every_public_operator_explains_its_errors() -> None:
    """None was imported past the one place that sees to it."""
    for name, function in FUNCTIONS.items():
        for room in (gc, F):
            handed_on = getattr(room, name, function)
            if handed_on.__module__ == function.__module__:
                assert hasattr(handed_on, "explains_errors"), (room.__name__, name)
    for name in OPERATORS:
        assert hasattr(getattr(gc.Tensor, name), "explains_errors"), name


def test_a_graph_without_tensors_explains_errors_too() -> None:
    """Symbols of a graph that is built by hand have no values, and the same words."""
    from graphc.ir.graph import Builder
    from graphc.ir.types import TensorType

    builder = Builder("sum")
    x = builder.input("x", TensorType(gc.float32, (2, 3)))
    with pytest.raises(RuntimeError, match="must match") as caught:
        x + builder.input("y", TensorType(gc.float32, (2, 4)))
    assert "in add(f32[2,3], f32[2,4]) at " in caught.value.__notes__[0]


def test_what_an_operator_does_not_know_is_left_to_python() -> None:
    """An operand of a strange type is Python's TypeError, so that its own operators get their turn."""

    class Strange:
        def __radd__(self, other: Any) -> str:
            return "strange"

    assert X + Strange() == "strange"
    with pytest.raises(TypeError, match="unsupported operand"):
        X + "text"


# -- what a compiled function refuses --------------------------------------------------------------------------------

REFUSED = {
    "manual_seed": lambda x: gc.manual_seed(0),
    "float()": lambda x: x * float(x.sum()),
    "float() needs": lambda x: math.sqrt(x.abs().sum().item()),
    "tolist()": lambda x: x.tolist(),
    "numpy()": lambda x: np.tanh(x),
    "deepcopy()": lambda x: copy.deepcopy(x),
    "pickling": lambda x: pickle.dumps(x),
    "Tensor.data": lambda x: setattr(x, "data", gc.zeros(3)),
}


@pytest.mark.parametrize(("words", "function"), REFUSED.items(), ids=REFUSED)
def test_what_a_program_can_not_hold_is_refused_with_its_line(words: str, function: Callable[[Any], Any]) -> None:
    """The message starts with the user's line and names what was called; state is as it was before the call."""
    count = gc.zeros(2)

    def step(x: gc.Tensor) -> Any:
        count.add_(1)
        return function(x)

    with pytest.raises(gc.CaptureError) as caught:
        gc.compile(step)(X.clone())
    assert str(caught.value).startswith(f"{line_of(function)}: ")
    assert words in str(caught.value)
    assert not hasattr(caught.value, "__notes__")
    np.testing.assert_array_equal(count.numpy(), [0, 0])


def test_a_mask_that_keeps_the_shape_compiles() -> None:
    """Only what has a shape that depends on values is refused."""

    def function(x: gc.Tensor) -> gc.Tensor:
        x = x.clone()
        x[x < 0] = 7.0
        return x.masked_fill(x > 4, 0.5)

    compiled = gc.compile(function)
    compiled(X)
    np.testing.assert_array_equal(compiled(X).numpy(), function(X).numpy())


# -- indices out of range in compiled code ---------------------------------------------------------------------------

# A function of a (4, 3) table and an index; a good index; bad ones.
LOOKUPS = {
    "embedding": (lambda x, i: F.embedding(i, x), [0, 3], [[4, 0], [0, -1]]),
    "getitem": (lambda x, i: x[i], [0, -4], [[4, 0], [0, -5]]),
    "getitem of two": (lambda x, i: x[i, i - 2], [2, 3], [[2, 5], [-7, 2]]),
    "index_select": (lambda x, i: x.index_select(1, i), [0, 2], [[3, 0], [0, -1]]),
    "gather": (lambda x, i: x.gather(0, i[:, None]), [0, 3], [[4, 0], [0, -1]]),
    "scatter_add": (lambda x, i: x.scatter_add(0, i[:, None], x[:2, :1]), [0, 3], [[0, 4], [-1, 0]]),
    "index_add": (lambda x, i: x.index_add(0, i, x[:2]), [0, 3], [[0, 4], [-1, 0]]),
    "cross_entropy": (lambda x, i: F.cross_entropy(x[:2], i), [0, 2], [[3, 0], [0, -1]]),
    "nll_loss": (lambda x, i: F.nll_loss(x[:2], i), [0, 2], [[3, 0], [0, -1]]),
}


@pytest.mark.parametrize(("function", "good", "several"), LOOKUPS.values(), ids=LOOKUPS)
def test_an_index_out_of_range_is_eagers_error_and_changes_nothing(
    function: Callable[[Any, Any], Any], good: list[int], several: list[list[int]]
) -> None:
    """Class and words are eager's, the line is told, and what the step writes is untouched; then it runs again."""
    table, count = gc.arange(12.0).view(4, 3), gc.zeros(2)

    @gc.compile
    def step(index: gc.Tensor) -> gc.Tensor:
        count.add_(1)
        return function(table, index)

    step(gc.tensor(good))
    for bad in several:
        with pytest.raises((IndexError, RuntimeError)) as eager:
            function(table, gc.tensor(bad))
        with pytest.raises((IndexError, RuntimeError)) as compiled:
            step(gc.tensor(bad))
        assert compiled.type is eager.type
        assert str(eager.value) in str(compiled.value)
        told = "\n".join([str(compiled.value), *getattr(compiled.value, "__notes__", [])])
        assert line_of(function) in told
        np.testing.assert_array_equal(count.numpy(), [1, 1])
    np.testing.assert_allclose(step(gc.tensor(good)).numpy(), function(table, gc.tensor(good)).numpy(), rtol=1e-6)
    np.testing.assert_array_equal(count.numpy(), [2, 2])


# -- compilers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, nothing known about compilers, and nothing warned of yet."""
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "_found", {})
    monkeypatch.setattr(compiler, "_warned", set())


def make_step() -> tuple[Callable[[Any], Any], nn.Linear]:
    """A training step, and the layer that it trains."""
    gc.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    def step(x: gc.Tensor) -> gc.Tensor:
        optimizer.zero_grad()
        loss = (layer(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, layer


def test_without_a_compiler_everything_runs_after_one_warning(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning names the command that installs one, comes once for all functions, and results are eager's."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ziglang", None)
    eager, layer = make_step()
    expected = [eager(X).item() for _ in range(3)]
    step, twin = make_step()
    compiled = gc.compile(step)
    another = gc.compile(lambda x: x * 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = [compiled(X).item() for _ in range(3)]
        np.testing.assert_array_equal(another(X).numpy(), 2 * X.numpy())
    assert losses == expected
    np.testing.assert_array_equal(twin.weight.detach().numpy(), layer.weight.detach().numpy())
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert warning.filename == __file__
    assert "pip install ziglang" in str(warning.message)
    assert "eager" in str(warning.message)
    # What does not need a compiler is there all the same.
    assert "graphc_run" in compiled.source


def test_a_compiler_that_refuses_the_program(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CompileError with the compiler's words; with fallback=True a warning with them, and eager's results."""
    real = toolchain.find_toolchain().command[0]
    script = tmp_path / "moody-cc"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *probe*) exec {real} "$@";; esac\necho "error: not today" >&2\nexit 3\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    step, layer = make_step()
    before = layer.weight.detach().clone()
    with pytest.raises(gc.CompileError, match="not today") as caught:
        gc.compile(step)(X)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), before.numpy())
    assert layer.weight.grad is None
    assert caught.value.status == 3
    assert caught.value.command[0] == str(script)
    expected = [make_step()[0](X).item() for _ in range(1)]
    compiled = gc.compile(make_step()[0], fallback=True)
    with pytest.warns(RuntimeWarning, match="keeps running eagerly") as warned:
        losses = [compiled(X).item()]
    assert "not today" in str(warned[0].message)
    assert f"test_errors.py:{make_step()[0].__code__.co_firstlineno}" in str(warned[0].message)
    assert warned[0].filename == __file__
    assert losses == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(X)
        compiled(X[:2])
    report = compiled.report()
    assert "not today" in report.eager
    assert (sum(report.eager_calls.values()), report.captures, report.builds) == (2, 1, ())
    assert "runs eagerly from now on" in str(report)
