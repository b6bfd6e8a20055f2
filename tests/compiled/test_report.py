"""What a compiled function tells of itself."""

from __future__ import annotations

from functools import partial

import pytest

import graphc as gc
from graphc import nn


def test_every_build_says_why_it_happened() -> None:
    """First call, other arguments, a changed flag, and another way through the code are told apart."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    @gc.compile
    def forward(x: gc.Tensor) -> gc.Tensor:
        y = net(x)
        if y.sum() > 1e9:
            return y * 0
        return y

    x = gc.ones(2, 3)
    forward(x)
    forward(x)
    forward(x)
    forward(gc.ones(4, 3))
    net.eval()
    forward(x)
    forward(x * 1e30 * net[0].weight.sum().sign())
    report = forward.report()
    reasons = [build.reason for build in report.builds]
    assert reasons[0] == "first call"
    assert report.builds[0].calls == 2
    assert any("f32[4,3]" in reason for reason in reasons)
    assert any("training" in reason for reason in reasons)
    assert all(any("training ==" in guard for guard in build.guards) for build in report.builds)
    assert all(build.path in ((False,), (True,)) for build in report.builds)
    text = str(report)
    assert "test_report.py" in text
    assert "rests on" in text


def test_launches_have_bytes_operations_and_times() -> None:
    """The matrix product's numbers are those of its shapes; timing changes no state."""
    weight = gc.ones(32, 16)

    @gc.compile
    def step(x: gc.Tensor) -> gc.Tensor:
        weight.add_(1)
        return x @ weight

    step(gc.ones(8, 32))
    report = step.report(times=True)
    (product,) = (launch for launch in report.builds[0].launches if "matmul" in launch.operations)
    assert product.nbytes == 4 * (8 * 32 + 32 * 16 + 8 * 16)
    assert product.work >= 2 * 8 * 32 * 16
    assert all(launch.seconds is not None and launch.seconds >= 0 for launch in report.builds[0].launches)
    assert sum(launch.seconds for launch in report.builds[0].launches) > 0
    assert weight.tolist() == [[2.0] * 16] * 32


def test_captures_hits_and_calls_that_ran_eagerly_are_counted() -> None:
    """A refused capture counts as one; calls beyond max_paths are told with the line that decides."""

    @partial(gc.compile, max_paths=2)
    def forward(x: gc.Tensor) -> gc.Tensor:
        if x.dim() == 2:
            raise_in_capture(x)
        return x * int(x.sum())

    def raise_in_capture(x: gc.Tensor) -> None:
        x.numpy()

    with pytest.raises(gc.CaptureError):
        forward(gc.ones(1, 1))
    with pytest.warns(RuntimeWarning, match="max_paths"):
        found = [forward(gc.full((1,), value)).item() for value in (1.0, 2.0, 1.0, 1.0, 3.0, 4.0)]
    assert found == [1, 4, 1, 1, 9, 16]
    report = forward.report()
    assert (report.captures, len(report.builds), report.calls, report.eager) == (3, 2, 2, "")
    ((reason, count),) = report.eager_calls.items()
    assert "test_report.py" in reason
    assert count == 2
    assert "2 calls ran eagerly: max_paths = 2" in str(report)


def test_builds_that_are_let_go_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are kept."""
    monkeypatch.setattr("graphc.compiler.MOST_BUILDS", 2)
    forward = gc.compile(lambda x: x + 1, dynamic=False)
    for extent in range(1, 5):
        forward(gc.ones(extent))
    report = forward.report()
    assert (len(report.builds), report.let_go, report.captures) == (2, 2, 4)


def test_programs_that_differentiate_from_outside_are_told() -> None:
    """Each with its results and inputs, its kernels, and times; a derivative of it too."""
    weight = gc.ones(8, 4, requires_grad=True)
    forward = gc.compile(lambda x: (x @ weight).tanh())
    x = gc.randn(3, 8, requires_grad=True)
    forward(x).sum().backward()
    assert forward.report().builds[0].backward == ()  # the first call ran eagerly
    result = forward(x)
    (slope,) = gc.autograd.grad(result.sum(), x, create_graph=True)
    (slope**2).sum().backward()
    report = forward.report(times=True)
    backward = report.builds[0].backward
    assert len(backward) >= 2
    assert all(program.launches and program.arena_bytes >= 0 for program in backward)
    assert all(launch.seconds is not None for program in backward for launch in program.launches)
    assert any("for" in program.name and "x" in program.name for program in backward)
    assert backward[0].name in str(report)


def test_equal_launches_share_a_kernel_and_the_compiler_cache_is_told() -> None:
    """Three equal layers are one kernel that is launched three times; the same program built anew is in the cache."""

    def forward(x: gc.Tensor) -> gc.Tensor:
        for _ in range(3):
            x = (x @ x).softmax(1)
        return x

    for expected in (None, True):
        compiled = gc.compile(forward)
        compiled(gc.ones(6, 6))
        (build,) = compiled.report().builds
        assert expected is None or build.cached is expected
        assert build.program.kernels < len(build.launches)
        assert sum(launch.work for launch in build.launches) >= 3 * 2 * 6**3


def test_what_made_up_arguments_cannot_run_is_told() -> None:
    """A guard that made-up values miss ends the timed run; other failures are not hidden."""

    @gc.compile
    def forward(x: gc.Tensor) -> gc.Tensor:
        return x + 1 if x.min() > 100 else x

    forward(gc.full((4,), 200.0))
    (build,) = forward.report(times=True).builds
    assert "GuardMissed" in build.program.untimed
    assert all(launch.seconds is None for launch in build.launches)
    assert "no times: with made-up arguments it ends with" in str(forward.report(times=True))


def test_an_error_within_the_report_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no end of the program itself is raised."""
    forward = gc.compile(lambda x: x + 1)
    forward(gc.ones(2))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr("graphc.codegen.executable.Executable.attempt", broken)
    with pytest.raises(ZeroDivisionError):
        forward.report(times=True)


def test_a_refused_call_out_leaves_everything_as_it_was() -> None:
    """fullgraph=True refuses after the function ran once: its writes are taken back."""
    state = gc.zeros(3)

    @partial(gc.compile, fullgraph=True)
    def step(x: gc.Tensor) -> gc.Tensor:
        state.add_(1)
        return gc.linalg.inv(x)

    with pytest.raises(gc.CaptureError, match="no kernel computes"):
        step(gc.eye(2))
    assert state.tolist() == [0, 0, 0]
