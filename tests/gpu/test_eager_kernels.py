"""Eager operations on a GPU: what comes again is a kernel's, the same as numpy's, and nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.compiled import eager_kernels
from graphc.compiled.eager_kernels import EagerKernels
from graphc.device_memory import use
from graphc.runtime.gpus import gpu


@pytest.fixture(autouse=True)
def kernels(devices: int, monkeypatch: pytest.MonkeyPatch) -> EagerKernels:
    """Kernels from the second time on, and none from other tests."""
    monkeypatch.setenv("GRAPHC_CUDA_EAGER", "1")
    made = EagerKernels()
    monkeypatch.setitem(vars(use), "kernels", made)
    return made


def built(kernels: EagerKernels) -> int:
    return sum(isinstance(kernel, eager_kernels._Kernel) for kernel in kernels._known.values())


OPERATIONS: list[tuple[int, Callable[..., Any]]] = [
    (1, lambda x, y: x + y),
    (1, lambda x, y: x.t() * 3),
    (1, lambda x, y: x[:, 1:3] - y[0, 1:3]),
    (1, lambda x, y: x @ y.t()),
    (1, lambda x, y: F.softmax(x, -1)),
    (1, lambda x, y: x.sum(0)),
    (1, lambda x, y: x.t().contiguous()),
    (1, lambda x, y: x.t().reshape(-1)),
    (1, lambda x, y: gc.cat([x, y], 1)),
    (1, lambda x, y: x.half()),
    (1, lambda x, y: x > 0.5),
    (1, lambda x, y: F.conv2d(x.reshape(1, 1, 5, 7), y[:3, :3].reshape(1, 1, 3, 3).clone())),
    (1, lambda x, y: x.argmax(1)),
]


@pytest.mark.parametrize(("count", "operation"), OPERATIONS, ids=range(len(OPERATIONS)))
def test_operations_that_come_again(kernels: EagerKernels, count: int, operation: Callable[..., Any]) -> None:
    """The second time a kernel computes what numpy did, laid out alike, and it is not waited for."""
    x, y = gc.randn(5, 7), gc.randn(5, 7)
    expected = operation(x, y)
    here, there = x.cuda(), y.cuda()
    first = operation(here, there)
    assert built(kernels) >= count
    gc.cuda.synchronize()
    second = operation(here, there)
    assert gpu(0).pending
    for found in (first, second):
        assert (found.stride(), found.dtype, found.device.type) == (expected.stride(), expected.dtype, "cuda")
        array, other = found.cpu().numpy(), expected.numpy()
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


def test_pointwise_functions_are_one_for_all_sizes(kernels: EagerKernels) -> None:
    """Of operands that lie alike, in place too; those that do not are another."""
    for shape in ((3, 4), (7,), (2, 3, 5), (1000,), (1, 1)):
        x = gc.full(shape, 2.0, device="cuda")
        y = x * 3
        y.mul_(x)
        y.sub_(1)
        assert (y == 11).all()
    assert [key[1].name for key in kernels._known].count("mul") == 2  # by a number, and by another
    (x * gc.ones(1, 1, device="cuda").expand(4, 1)).sum()
    assert [key[1].name for key in kernels._known].count("mul") == 3


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_training_loop(kernels: EagerKernels, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, backward, and update of an eager program: what the CPU leaves; from the second step on all are kernels,
    and the loop waits for nothing."""
    results, waits = [], []
    for device in ("cpu", "cuda"):
        gc.manual_seed(5)
        net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).to(device)
        optimizer = getattr(optim, name)(net.parameters(), lr=0.1, weight_decay=0.01)
        x, y = gc.randn(8, 4).to(device), gc.randn(8, 2).to(device)
        for turns in (2, 2):
            with monkeypatch.context() as patched:
                if built(kernels):
                    before = built(kernels)
                    patched.setattr(type(gpu(0)), "synchronize", lambda self: waits.append(self))
                for _ in range(turns):
                    optimizer.zero_grad()
                    F.mse_loss(net(x), y).backward()
                    optimizer.step()
        results.append([parameter.cpu().detach().numpy() for parameter in net.parameters()])
    assert built(kernels) == before > 8
    assert not waits
    for found, expected in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_gets_no_kernel_is_numpys(kernels: EagerKernels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complex numbers, operations that come in ever other shapes, an operation whose kernel can't be built, all if that
    is wanted."""
    z = gc.randn(3, device="cuda").to(gc.complex64)
    for _ in range(3):
        (z * z).abs()
    assert built(kernels) == 0
    monkeypatch.setattr(eager_kernels, "MOST_SHAPES", 2)
    for extent in range(2, 7):
        for _ in range(2):
            assert gc.ones(extent, 3, device="cuda").sum(1).tolist() == [3] * extent
    assert built(kernels) == 2

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(eager_kernels, "load_cuda", refuse)
    for _ in range(3):
        assert gc.ones(3, device="cuda").exp().sum().item() == pytest.approx(3 * np.e)
    monkeypatch.setenv("GRAPHC_CUDA_EAGER", "numpy")
    known = len(kernels._known)
    for _ in range(3):
        gc.ones(3, device="cuda").sin()
    assert len(kernels._known) == known
