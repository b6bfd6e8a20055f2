"""Composites: what eager mode computes in one go is what it is composed of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc.ops import composites
from graphc.ops.functions import normalization, reduction

TARGET = gc.tensor([[0, 2], [1, -1], [2, 0], [-1, 1]])
WEIGHT, BIAS = (gc.linspace(low, 2.0, 3).requires_grad_() for low in (0.5, -1.0))


def batch_norm(x: gc.Tensor) -> gc.Tensor:
    mean, variance = gc.zeros(3), gc.ones(3)
    result = F.batch_norm(x, mean, variance, WEIGHT, BIAS, training=True)
    return result + F.batch_norm(x, mean, variance, training=False)


def classes(x: gc.Tensor, **options: Any) -> gc.Tensor:
    return F.cross_entropy(x, TARGET, ignore_index=-1, **options)


# Functions of a tensor [4, 3, 2].
CALLS: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "softmax": lambda x: F.softmax(x, 1),
    "softmax of the last dim": lambda x: F.softmax(x, -1),
    "softmax of a number": lambda x: F.softmax(x.sum(), 0),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "cross_entropy": classes,
    "cross_entropy, sum": lambda x: classes(x, reduction="sum"),
    "cross_entropy, none": lambda x: classes(x, reduction="none"),
    "cross_entropy of one": lambda x: F.cross_entropy(x[0, :, 0], gc.tensor(2)),
    "layer_norm": lambda x: F.layer_norm(x.transpose(1, 2), (3,), WEIGHT, BIAS),
    "layer_norm beside its operand": lambda x: x + F.layer_norm(x, (3, 2)),
    "group_norm": lambda x: F.group_norm(x, 1, WEIGHT, BIAS),
    "batch_norm": batch_norm,
    "batch_norm beside its operand": lambda x: x * 2 + batch_norm(x),
    "var": lambda x: x.var(1),
    "var, kept": lambda x: x * x.var((0, 2), keepdim=True, correction=0),
    "std": lambda x: x.std(),
    "norm": lambda x: x.norm(),
    "norm of rows with a zero": lambda x: (x * gc.tensor([1.0, 0.0]))[..., 1:].norm(dim=2) + x.norm(dim=2),
    "norm beside its operand": lambda x: x / x.norm(dim=1, keepdim=True),
    "max": lambda x: x.max(1).values ** 2,
    "min of the last dim": lambda x: x.min(2).values ** 2,
    "sum": lambda x: x.sum((0, 2), keepdim=True) * x.mean(1, keepdim=True),
    "linear": lambda x: F.linear(x.transpose(1, 2), gc.stack([WEIGHT, BIAS]), gc.cat([WEIGHT[:1], BIAS[:1]])),
    "linear of rows": lambda x: (
        F.linear(x[:, :, 0], gc.outer(BIAS, WEIGHT)).t() @ F.linear(x[:, :, 1], x[0].t(), x[0, 0])
    ),
    "rows": lambda x: x[gc.tensor([2, 0, 2])] * x[:, gc.tensor([[1, 1, 0], [0, 2, 2]])][:3, 0],
    "relu": lambda x: F.relu(x * (x > -0.5)) * x,
    "gelu": F.gelu,
    "gelu beside its operand": lambda x: x * F.gelu(x) + x,
    "tril": lambda x: x.tril() ** 2,
    "triu": lambda x: x.transpose(0, 1).triu(1) ** 2,
    "stack": lambda x: gc.stack([x, x * 2, x], 1) ** 2,
    "stack of others": lambda x: gc.stack([WEIGHT, BIAS, WEIGHT]) @ x,
    "broadcast": lambda x: x * x[0] + x[:, :1],
}


def derivatives(call: Callable[[gc.Tensor], gc.Tensor]) -> tuple[list[np.ndarray], np.ndarray]:
    """The value and the gradients; the second gradient along one direction."""
    gc.manual_seed(3)
    x = gc.randn(4, 3, 2, requires_grad=True)
    result = call(x)
    cotangent = gc.randn(result.shape)
    leaves = [x, WEIGHT, BIAS]
    gradients = gc.autograd.grad(result, leaves, cotangent, retain_graph=True, allow_unused=True)
    (again,) = gc.autograd.grad(result, [x], cotangent, create_graph=True)
    second = gc.autograd.grad((again * gc.randn(x.shape)).sum(), [x], allow_unused=True, materialize_grads=True)
    first = [result.detach(), *(gradient for gradient in gradients if gradient is not None)]
    return [tensor.numpy() for tensor in first], second[0].numpy()


@pytest.mark.parametrize("name", CALLS)
def test_in_one_go_as_in_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients are those of the composition to the bit; second gradients agree."""
    whole, second_of_whole = derivatives(CALLS[name])
    for module in (composites, normalization, reduction):
        monkeypatch.setattr(module, "runs_whole", lambda value: False)
    parts, second_of_parts = derivatives(CALLS[name])
    assert len(whole) == len(parts)
    for mine, expected in zip(whole, parts, strict=True):
        assert mine.dtype == expected.dtype
        np.testing.assert_array_equal(mine, expected)
    np.testing.assert_allclose(second_of_whole, second_of_parts, rtol=1e-3, atol=1e-5)


def test_running_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch normalization updates its running statistics alike in one go and in parts."""

    def updated() -> list[np.ndarray]:
        gc.manual_seed(5)
        statistics = gc.randn(3), gc.rand(3)
        F.batch_norm(gc.randn(4, 3, 2), *statistics, WEIGHT, BIAS, training=True, momentum=0.3)
        return [tensor.numpy() for tensor in statistics]

    whole = updated()
    for module in (composites, normalization):
        monkeypatch.setattr(module, "runs_whole", lambda value: False)
    for mine, expected in zip(whole, updated(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_graphs_hold_the_parts() -> None:
    """A recorded softmax is its composition: the composite is in no graph."""
    program = gc.compile(lambda x: F.softmax(x, 1))
    program(gc.randn(2, 3))
    names = {node.op.name for node in program.stages.recording.graph.nodes}
    assert "softmax" not in names
    assert {"amax", "exp", "sum", "div"} <= names


def test_targets_are_checked() -> None:
    """A class that is none is an error in one go too."""
    with pytest.raises(IndexError, match=r"Target 7 is out of bounds\."):
        F.cross_entropy(gc.randn(2, 3), gc.tensor([0, 7]))


def test_many_rectified_elements() -> None:
    """Of many elements the gradient of a rectifier is that of few to the bit, with zeros of either sign and NaN."""
    gc.manual_seed(2)
    special = gc.tensor([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1.0])
    x = gc.cat([special.repeat_interleave(6), gc.randn(5000)])
    cotangent = gc.cat([special.repeat(6), gc.randn(5000)])

    def gradient(values: gc.Tensor, cotangents: gc.Tensor) -> np.ndarray:
        leaf = values.clone().requires_grad_()
        F.relu(leaf).backward(cotangents)
        return leaf.grad.numpy()

    few = [gradient(x[at : at + 8], cotangent[at : at + 8]) for at in range(0, 5036, 8)]
    np.testing.assert_array_equal(gradient(x, cotangent).view(np.int32), np.concatenate(few).view(np.int32))
