"""Arguments of another kind than a function takes: PyTorch's classes of errors, and its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

CALLS: dict[str, Callable[[Any], Any]] = {
    "module of a list": lambda t: t.nn.Linear(2, 1)([[1.0, 2.0]]),
    "module of an array": lambda t: t.nn.Linear(2, 1)(np.ones((1, 2), np.float32)),
    "activation of a list": lambda t: t.nn.functional.relu([1.0]),
    "weight": lambda t: t.nn.functional.linear(t.ones(2), [1.0]),
    "cat of a tensor": lambda t: t.cat(t.ones(2, 3)),
    "cat of a list": lambda t: t.cat((t.ones(2), [1.0])),
    "cat of an array": lambda t: t.cat([t.ones(2), np.ones(2, np.float32)]),
    "cat of a generator": lambda t: t.cat(each for each in [t.ones(2)]),
    "stack of a tensor": lambda t: t.stack(t.ones(2, 3)),
    "stack of numbers": lambda t: t.stack([1, 2]),
    "hstack of a tensor": lambda t: t.hstack(t.ones(2)),
    "vstack of a list": lambda t: t.vstack((t.ones(2), [1.0])),
    "column_stack of a number": lambda t: t.column_stack(3),
    "block_diag of lists": lambda t: t.block_diag([1, 2]),
    "two dims": lambda t: t.cumsum(t.ones(2, 2), (0, 1)),
    "two dims by name": lambda t: t.cumsum(t.ones(2, 2), dim=(0, 1)),
    "two dims of softmax": lambda t: t.ones(2, 2).softmax(dim=(0, 1)),
    "no dim": lambda t: t.cumsum(t.ones(2, 2), dim=None),
    "no dims of logsumexp": lambda t: t.logsumexp(t.ones(2, 2), None),
    "no dim of unsqueeze": lambda t: t.unsqueeze(t.ones(2, 2), None),
    "no dim of gather": lambda t: t.gather(t.ones(2, 2), None, t.zeros(1, 1, dtype=t.int64)),
    "inverted floats": lambda t: ~t.ones(2),
    "classes below zero": lambda t: t.nn.functional.one_hot(t.tensor([-1])),
    "convolution of integers": lambda t: t.nn.Conv2d(1, 1, 3)(t.ones(1, 1, 4, 4, dtype=t.int64)),
    "convolution of doubles": lambda t: t.nn.Conv1d(1, 1, 3)(t.ones(1, 1, 4, dtype=t.float64)),
    "convolution without bias": lambda t: t.nn.Conv2d(1, 1, 3, bias=False)(t.ones(1, 1, 4, 4, dtype=t.int64)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_error_is_that_of_pytorch(name: str) -> None:
    """Both raise the same class, and say the same."""
    found = []
    for t in (gc, torch):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            CALLS[name](t)
        found.append((caught.type, str(caught.value)))
    ours, theirs = found
    assert ours == theirs


def test_an_optional_tensor_that_is_left_out_is_not_named() -> None:
    """None where a tensor may be left out is no wrong kind: the error is about what is wrong."""
    with pytest.raises(ValueError, match=r"Expected input batch_size \(2\) to match target batch_size \(3\)"):
        gc.nn.functional.cross_entropy(gc.ones(2, 3), gc.zeros(3, dtype=gc.int64), weight=None)
