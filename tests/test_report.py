"""What a compiled function tells of itself."""

from __future__ import annotations

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
