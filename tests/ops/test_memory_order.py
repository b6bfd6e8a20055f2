"""Results lie in memory as PyTorch's do: channels last where the operand or the weight is, by rows where it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

PICTURE = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
WEIGHT = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)

# Each of a picture, channels last, and a namespace.
OF_PICTURES: dict[str, Callable[[Any, Any], Any]] = {
    "conv2d": lambda t, x: t.nn.functional.conv2d(x, t.from_numpy(WEIGHT)),
    "conv2d, padded and strided": lambda t, x: t.nn.functional.conv2d(x, t.from_numpy(WEIGHT), padding=1, stride=2),
    "conv2d of 1x1": lambda t, x: t.nn.functional.conv2d(x, t.ones(4, 3, 1, 1)),
    "conv_transpose2d": lambda t, x: t.nn.functional.conv_transpose2d(x, t.ones(3, 4, 3, 3)),
    "batch_norm": lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
    "group_norm": lambda t, x: t.nn.functional.group_norm(x, 3),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (8, 8)),
    "relu": lambda t, x: t.nn.functional.relu(x),
    "silu": lambda t, x: t.nn.functional.silu(x),
    "softmax": lambda t, x: x.softmax(1),
    "log_softmax": lambda t, x: x.log_softmax(1),
    "dropout": lambda t, x: t.nn.functional.dropout(x, 0.5),
    "max_pool2d": lambda t, x: t.nn.functional.max_pool2d(x, 2),
    "avg_pool2d": lambda t, x: t.nn.functional.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 2),
    "interpolate": lambda t, x: t.nn.functional.interpolate(x, scale_factor=2),
    "interpolate, bilinear": lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
    "pad": lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1)),
    "pad by reflection": lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "cat": lambda t, x: t.cat([x, x], 1),
    "flip": lambda t, x: x.flip(3),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 0.0),
    "pointwise": lambda t, x: (x * 2 + x).exp(),
    "a network": lambda t, x: t.nn.Sequential(
        t.nn.Conv2d(3, 4, 3), t.nn.BatchNorm2d(4), t.nn.ReLU(), t.nn.MaxPool2d(2)
    )(x),
}
# Of a matrix by columns.
OF_TRANSPOSES: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": lambda t, x: x.softmax(0),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, x.shape[-1:]),
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "logsigmoid": lambda t, x: t.nn.functional.logsigmoid(x),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 0.0),
    "sort": lambda t, x: x.sort(0)[0],
    "argsort": lambda t, x: x.argsort(0),
    "flip": lambda t, x: x.flip(0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", OF_PICTURES)
def test_channels_last_is_kept(case: str) -> None:
    """The strides are PyTorch's, and the values those of the picture that is not channels last."""
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(PICTURE).contiguous(memory_format=torch.channels_last)
    expected = OF_PICTURES[case](torch, x)
    y = gc.from_numpy(PICTURE).contiguous(memory_format=gc.channels_last)
    found = OF_PICTURES[case](gc, y)
    assert found.stride() == tuple(expected.stride())
    if case not in ("dropout", "a network"):
        plain = OF_PICTURES[case](gc, gc.from_numpy(PICTURE))
        np.testing.assert_allclose(found.numpy(), plain.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", OF_TRANSPOSES)
def test_matrices_by_columns(case: str) -> None:
    """The strides are PyTorch's."""
    torch = pytest.importorskip("torch")
    array = PICTURE[0, 0, :5]
    expected = OF_TRANSPOSES[case](torch, torch.from_numpy(array.copy()).T)
    assert OF_TRANSPOSES[case](gc, gc.from_numpy(array.copy()).T).stride() == tuple(expected.stride())


def test_weights_that_are_channels_last_make_results_so() -> None:
    """A network that is moved to channels last gives such results, whatever it is given, and such gradients."""
    net = gc.nn.Conv2d(3, 4, 3).to(memory_format=gc.channels_last)
    x = gc.from_numpy(PICTURE).requires_grad_()
    result = net(x)
    assert result.is_contiguous(memory_format=gc.channels_last)
    assert gc.nn.functional.conv2d(x, net.weight.detach().contiguous()).is_contiguous()
    result.sum().backward()
    assert net.weight.grad.is_contiguous(memory_format=gc.channels_last)
    assert x.grad.is_contiguous()


def test_compiled_results_lie_so_too() -> None:
    """At the first call and at later ones."""
    net = gc.nn.Sequential(gc.nn.Conv2d(3, 4, 3), gc.nn.ReLU())
    x = gc.from_numpy(PICTURE).contiguous(memory_format=gc.channels_last)
    compiled = gc.compile(lambda x: net(x).detach())
    for _ in range(2):
        found = compiled(x)
        assert found.is_contiguous(memory_format=gc.channels_last)
        np.testing.assert_allclose(found.numpy(), net(x).detach().numpy(), rtol=1e-5, atol=1e-5)
