"""A compiled training step plans no more memory than the same step takes in PyTorch's eager mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from benchmarks.memory import planned_bytes, torch_bytes
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Compile
from graphc.capture.trace import capture
from graphc.codegen.memory import MemoryPlan
from graphc.compiled.stages import build


class Planned(Exception):
    """The plan of a step, which is not run."""


def plan_of(name: str) -> MemoryPlan:
    """The plan of a workload's step; no C compiler is run."""

    def compile(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            recording, _ = capture(function, arguments, {})
            raise Planned(build(recording).compiled.plan)

        return step

    step = WORKLOADS[name].build(gc, Compile(compile))
    with pytest.raises(Planned) as planned:
        step()
    return planned.value.args[0]


@pytest.mark.parametrize("name", ["mlp64", "mlp1024", "lenet1", "lenet64", "resnet20", "gpt"])
def test_plans_stay_under_the_peak_of_pytorchs_eager_mode(name: str) -> None:
    """The arena with results and gradients, against all that PyTorch's allocator held at once."""
    assert planned_bytes(plan_of(name)) <= torch_bytes(WORKLOADS[name])
