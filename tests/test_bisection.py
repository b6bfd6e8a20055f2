"""A wrong rewrite is traced to its pass, node, and Python line, and a build with part of the passes is right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.bisection import Trial, Verdict, search
from graphc.capture.trace import capture
from graphc.codegen import inplace
from graphc.ir.applications import Ledger, applies, ledger_of, stage_of, using
from graphc.ir.interp import interpret
from graphc.ir.passes.pipeline import NEEDED, PIPELINE, optimize
from graphc.ir.primitive import PRIMITIVES

ROOT = Path(gc.__path__[0]).parent


def attempts(right: Callable[[], bool]) -> Callable[[int | None], Trial]:
    """Runs something in this process with so many applications."""

    def attempt(limit: int | None) -> Trial:
        made: list[str] = []
        with using(Ledger(limit, lambda number, words: made.append(words))):
            return Trial(not right(), "another value", tuple(made))

    return attempt


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes a square for its root."""
    kind = type(PRIMITIVES["mul"])
    right = kind.simplify

    def wrong(self, inputs, attrs, output_type):
        same = inputs[0].node is inputs[1].node
        return inputs[0] if same else right(self, inputs, attrs, output_type)

    monkeypatch.setattr(kind, "simplify", wrong)


def program(x: gc.Tensor) -> gc.Tensor:
    y = (x * 1.0 + 0.0).reshape(6).sin()
    y = y.reshape(2, 3) * 1.0
    z = (y * y).t()  # the rule below breaks this line
    return (z + 2 * x.t().exp()).sum(0)


def test_a_wrong_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a dozen rewrites the one that is wrong, with its pass, its node, and the line of this file."""
    plant(monkeypatch)
    x = gc.randn(2, 3)
    recording, returned = capture(program, (x,), {})
    inputs = {recording.graph.inputs[0].name: x.numpy()}

    def right() -> bool:
        (found,) = interpret(optimize(recording.graph).graph, inputs).outputs.values()
        return np.array_equal(found, returned.numpy())

    lines: list[str] = []
    verdict = search(attempts(right), lines.append)
    line = program.__code__.co_firstlineno + 3
    assert re.match(r"pass \d+, canonicalize: mul \(f32\[2,3\]\) at ", verdict.culprit)
    assert verdict.culprit.endswith(f"test_bisection.py:{line}")
    assert 1 < verdict.number < verdict.total
    assert lines[:2] == [f"all {verdict.total} applications: fails, another value", "0 applications: right"]


def test_a_wrong_stage_of_lowering_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result written over a value that is still read: the stage, and the line of the kernel that does it."""
    x = gc.randn(8, 8)

    def function(x: gc.Tensor) -> gc.Tensor:
        y = (x @ x).exp()
        y = (y @ x).flip(0) + 1.0
        return y @ x

    expected = function(x).numpy()
    monkeypatch.setattr(inplace, "is_safe", lambda kernel, read, write: True)

    def right() -> bool:
        compiled = gc.compile(function)
        compiled(x)
        return np.allclose(compiled(x).numpy(), expected, rtol=1e-4)

    verdict = search(attempts(right))
    assert verdict.culprit.startswith("write over a last use: the kernel of ")
    assert f"test_bisection.py:{function.__code__.co_firstlineno + 2}" in verdict.culprit
    assert 1 < verdict.number < verdict.total


def test_no_change_is_blamed_for_what_none_makes() -> None:
    """What does not fail, and what fails without any pass, has no culprit."""
    assert search(attempts(lambda: True)) == Verdict("", 0, 0, "it does not fail")
    verdict = search(attempts(lambda: not applies("a stage", "a thing") and False))
    assert verdict == Verdict("", 0, 1, "it fails without any pass too: another value")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8])
def test_part_of_the_applications_make_a_right_program(share: float) -> None:
    """Wherever the limit falls, a training step with halves, random numbers, and memory to share does what eager
    mode does: otherwise a search would blame what is right."""

    def run(compile: bool) -> list[np.ndarray]:
        gc.manual_seed(3)
        net = gc.nn.Sequential(gc.nn.Linear(6, 8), gc.nn.ReLU(), gc.nn.Dropout(0.3), gc.nn.Linear(8, 3))
        optimizer = gc.optim.Adam(net.parameters(), lr=0.01, eps=1e-3)

        def step(x: gc.Tensor) -> gc.Tensor:
            optimizer.zero_grad()
            half = net(x).half()
            loss = (half.softmax(1) * half.flip(1)).float().square().sum() + net(x).logsumexp(1).mean()
            loss.backward()
            optimizer.step()
            return loss

        called = gc.compile(step) if compile else step
        losses = [called(gc.randn(5, 6)) for _ in range(3)]
        return [tensor.detach().numpy() for tensor in (*losses, *net.parameters())]

    with using(Ledger()) as all_of_them:
        run(True)
    with using(Ledger(int(share * all_of_them.count))) as some:
        found = run(True)
    assert some.count == some.limit
    for one, other in zip(found, run(False), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_part_of_the_applications_make_right_loops(share: float) -> None:
    """The same of loops and choices in the C program, and of launches that repeat."""

    def function(x: gc.Tensor, w: gc.Tensor) -> tuple[gc.Tensor, ...]:
        last, rows = gc.scan(lambda h, row: ((h @ w + row * 1.0).tanh(), h * row), x[0] * 0, x)
        chosen = gc.cond(x.sum() > 0, lambda v: v.sin() + 0, lambda v: v * 2, (last,))
        _, halved = gc.while_loop(
            lambda n, v: n < 3, lambda n, v: (n + 1, v / 2), (gc.tensor(0), chosen), max_iterations=5
        )
        for _ in range(8):
            halved = (halved @ w).tanh()
        loss = halved.square().sum() + rows.sum()
        return loss, *gc.autograd.grad(loss, (x, w))

    x, w = gc.randn(5, 4).requires_grad_(), gc.randn(4, 4).requires_grad_()
    with using(Ledger()) as all_of_them:
        gc.compile(function)(x, w)
    compiled = gc.compile(function)
    with using(Ledger(int(share * all_of_them.count))) as some:
        compiled(x, w)
    assert some.count == some.limit
    for one, other in zip(compiled(x, w), function(x, w), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_needed_passes_are_never_left_out() -> None:
    """They ask nobody; all others can be held back, and the graph then stays as it is."""
    recording, _ = capture(lambda x: (x * 1.0).half() + 1, (gc.randn(3),), {})
    with using(Ledger(0)) as ledger:
        done = optimize(recording.graph)
    assert [record.name for record in done.records] == [run.__name__ for run, _ in PIPELINE if run in NEEDED]
    assert ledger.count == 0
    assert not any(operand.type.dtype.is_half for node in done.graph if not node.op.moves for operand in node.inputs)


def test_stages_and_subjects_are_told() -> None:
    """Applications are numbered across stages; what names no stage and stands in none is not one."""
    told: list[tuple[int, str]] = []
    with using(Ledger(2, lambda number, words: told.append((number, words)))):
        assert applies(subject="unnamed")
        with stage_of("outer"):
            assert applies(subject="first")
            assert applies("inner", "second")
            assert not applies(subject="third")
    assert told == [(1, "outer: first"), (2, "inner: second")]
    assert applies("outer", "after the block")


def test_the_environment_variable_is_a_number() -> None:
    """Anything else is refused by what was given; empty is none."""
    assert ledger_of("") is None
    assert ledger_of("12").limit == 12
    with pytest.raises(ValueError, match=r"GRAPHC_BISECT='-1': expected how many applications"):
        ledger_of("-1")


SCRIPT = """\
import sys
import graphc as gc
from graphc.ir.primitive import PRIMITIVES

kind = type(PRIMITIVES["mul"])
right = kind.simplify
def wrong(self, inputs, attrs, output_type):
    same = inputs[0].node is inputs[1].node
    return inputs[0] if same else right(self, inputs, attrs, output_type)
if sys.argv[1:] == ["plant"]:
    kind.simplify = wrong

@gc.compile
def function(x):
    y = (x * 1.0).sin()
    return y * y
x = gc.arange(3.0)
function(x), function(x)
"""


def bisect(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "graphc", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_names_the_line_of_a_script(tmp_path: Path) -> None:
    """A script without assertions of its own: its calls are checked; and GRAPHC_BISECT gives what the command says."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    ended = bisect("bisect", "--time-limit", "60", str(path), "plant")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"is at fault, pass \d+, canonicalize: mul \(f32\[3\]\) at ", ended.stdout)
    assert f"{path.name}:16\n" in ended.stdout
    assert "CheckError" in ended.stdout
    number = ended.stdout.split()[1]
    one = bisect("run", str(path), "plant", GRAPHC_BISECT=number, GRAPHC_CHECK="1")
    assert one.returncode == 1
    assert re.search(rf"GRAPHC_BISECT={number}: pass \d+, canonicalize: mul", one.stderr)
    assert bisect("run", str(path), "plant", GRAPHC_BISECT=str(int(number) - 1), GRAPHC_CHECK="1").returncode == 0


def test_the_command_says_where_nothing_is_wrong(tmp_path: Path) -> None:
    """Status 1 and a line; a missing script and a wrong limit are wrong usage."""
    path = tmp_path / "script.py"
    path.write_text("print(1)")
    ended = bisect("bisect", str(path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("graphc bisect: it does not fail\n")
    path.write_text("raise ValueError('own')")
    assert "it fails without any pass too: ValueError: own" in bisect("bisect", str(path)).stderr
    assert bisect("bisect", "no.py").returncode == 2
    assert bisect("bisect", "--time-limit", "0", str(path)).returncode == 2
    assert "GRAPHC_BISECT='x'" in bisect("run", str(path), GRAPHC_BISECT="x").stderr
