"""DataParallel where there is no GPU."""

from __future__ import annotations

from typing import Any

import pytest

import graphc as gc
from tests.nn.twins import assert_same_state, compare, normal, twins

torch = pytest.importorskip("torch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="compared with PyTorch where it has no GPU")
def test_the_module_does_all_of_it() -> None:
    """Names, text, results, and gradients are those of PyTorch's DataParallel without a GPU."""

    def make(t: Any) -> Any:
        return t.nn.DataParallel(t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh()))

    ours, theirs = compare(make, [normal(4, 3)])
    assert ours.device_ids == theirs.device_ids
    assert isinstance(ours.module, gc.nn.Sequential)
    assert_same_state(*twins(make), ulps=0)
    x = gc.tensor(normal(4, 3))
    assert gc.nn.parallel.data_parallel(ours, x).tolist() == ours(x).tolist()


@pytest.mark.skipif(torch.cuda.is_available(), reason="compared with PyTorch where it has no GPU")
@pytest.mark.parametrize("device_ids", [[0], [0, 1], ["cuda:0"], []])
def test_devices_that_are_not_there_are_passed_over(device_ids: list[Any]) -> None:
    """Whatever GPUs are named, without one the module runs where it is, and no device is kept."""

    def make(t: Any) -> Any:
        return t.nn.DataParallel(t.nn.Linear(3, 2), device_ids=device_ids, output_device=0)

    ours, theirs = compare(make, [normal(4, 3)])
    assert ours.device_ids == theirs.device_ids == []
    assert set(vars(ours)) - set(vars(ours.module)) == {"device_ids"}
    x = gc.tensor(normal(4, 3))
    assert gc.nn.parallel.data_parallel(ours.module, x, device_ids).tolist() == ours(x).tolist()
