"""Random training steps with every tensor on a GPU: eager, and compiled for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.capture.errors import CaptureError
from tests import step_runs
from tests.step_runs import Outcome, difference_of, outcomes
from tests.step_writing import write_step

EAGERLY, COMPILED = range(8), (0, 4)


class _OnGpu:
    """The library, whose tensors are made on the GPU."""

    def __getattr__(self, name: str) -> Any:
        return getattr(gc, name)

    def from_numpy(self, array: np.ndarray) -> gc.Tensor:
        return gc.from_numpy(array).cuda()


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a step there; its results and state must be there too."""
    read = step_runs.value_of

    def value_of(tensor: gc.Tensor) -> np.ndarray:
        assert tensor.is_cuda or not tensor.ndim, "a tensor of a step on a GPU is on the CPU"
        return read(tensor.cpu())

    def run(step: Any, compiled: dict[str, Any] | None = None) -> list[Outcome] | None:
        with monkeypatch.context() as patch, gc.device("cuda"):
            patch.setattr(step_runs, "gc", _OnGpu())
            patch.setattr(step_runs, "value_of", value_of)
            return outcomes(step, compiled)

    return run


def test_eager_steps_agree_with_the_cpu(on_gpu: Any) -> None:
    """What steps compute, keep, and draw is what they do on the CPU, and lies on the GPU."""
    compared = 0
    for seed in EAGERLY:
        step = write_step(seed)
        expected = outcomes(step)
        if expected is not None:
            assert not difference_of(step, on_gpu(step), expected), step.source
            compared += 1
    assert compared > len(EAGERLY) * 3 // 4


@pytest.mark.parametrize("seed", COMPILED)
def test_compiled_steps_agree_with_the_cpu(on_gpu: Any, seed: int) -> None:
    """The same, compiled, unless the step can't be captured."""
    step = write_step(seed)
    try:
        assert not difference_of(step, on_gpu(step, {}), outcomes(step)), step.source
    except CaptureError:
        pytest.fail(f"step {seed} can't be captured; choose another")
