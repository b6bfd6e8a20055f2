"""DataParallel where there is one device."""

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


def test_several_devices_are_refused() -> None:
    """More than one device is an error that says what is there."""
    with pytest.raises(RuntimeError, match="expected at most one of device_ids"):
        gc.nn.DataParallel(gc.nn.Linear(1, 1), device_ids=[0, 1])
