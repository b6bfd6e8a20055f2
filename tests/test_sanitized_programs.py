"""Whole training steps as C under AddressSanitizer and UndefinedBehaviorSanitizer, in processes of their own.

The sanitized run starts from the state that a compiled step finds, and must leave what the compiled step leaves.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from graphc.capture.recorded import FromArgument, FromOutside
from graphc.randomness.generator import default_generator
from tests.codegen.sanitize import run_sanitized

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc and its sanitizers")

Made = tuple[Callable[..., Any], tuple[gc.Tensor, ...]]


def training(net: nn.Module, optimizer: Any, loss: Callable[..., Any], *arguments: gc.Tensor) -> Made:
    def step(x, y):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        return value

    return step, arguments


def classes(count: int, of: int) -> gc.Tensor:
    return gc.from_numpy(np.arange(count) * 7 % of)


def perceptron() -> Made:
    """Odd sizes, so that vector loops have remainders."""
    net = nn.Sequential(nn.Linear(37, 53), nn.ReLU(), nn.Dropout(0.3), nn.Linear(53, 11), nn.GELU(), nn.Linear(11, 7))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return training(net, optimizer, F.cross_entropy, gc.randn(13, 37), classes(13, 7))


def lenet() -> Made:
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return training(net, optimizer, F.cross_entropy, gc.randn(5, 1, 28, 28), classes(5, 10))


class Transformer(nn.Module):
    """One block: embedding, causal attention, layer norm, perceptron."""

    def __init__(self, vocabulary: int = 19, width: int = 24, heads: int = 3, context: int = 9):
        super().__init__()
        self.heads, self.context = heads, context
        self.characters, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        # A bias of the keys cancels in the softmax: its gradient is noise, which AdamW would bring to full size.
        self.split, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x):
        x = self.characters(x) + self.places(gc.arange(self.context))
        parts = self.split(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (part.view(*x.shape[:2], self.heads, -1).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        x = x + self.merge(attended.reshape(x.shape))
        x = x + self.perceptron(self.norm2(x))
        return self.head(x).flatten(0, 1)


def transformer() -> Made:
    net = Transformer()
    optimizer = optim.AdamW(net.parameters(), lr=1e-3)
    x, y = (gc.from_numpy(np.arange(36).reshape(4, 9) * factor % 19) for factor in (5, 3))
    return training(net, optimizer, lambda scores, y: F.cross_entropy(scores, y.flatten()), x, y)


def normalized() -> Made:
    """Batch norm with its running statistics, stride, dilation, groups, average pooling."""
    net = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, dilation=2, padding=2, bias=False),
        nn.BatchNorm2d(5),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )
    optimizer = optim.Adam(net.parameters(), lr=1e-2, amsgrad=True)
    return training(net, optimizer, F.mse_loss, gc.randn(3, 4, 11, 13), gc.randn(3, 3))


def ranked() -> Made:
    """Sorting and selecting on short and long rows, scans from both ends, scatters by an extreme, integers drawn."""
    net = nn.Sequential(nn.Linear(9, 70), nn.Tanh())
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def loss(scores: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        ordered, places = scores.sort(1, descending=True)
        gains = (y.gather(1, places) * ordered.logcumsumexp(1).flip(1)).cumsum(1)
        best = (
            scores.topk(3, 0)[0].cumprod(0).sum() + scores.flatten().topk(5)[0].sum() + scores.kthvalue(2, 1)[0].sum()
        )
        middle = scores.median(1)[0].sum() + scores.mode(0)[0].sum() + scores.flatten().median()
        drawn = gc.randint(0, 5, (11, 70))
        bins = gc.zeros(5, 70).scatter_reduce(0, drawn, scores, "amax", include_self=False)
        found = gc.searchsorted(ordered.detach().flip(1).contiguous(), y) + gc.randperm(70)
        return gains.mean() + best + middle + bins.prod(0).sum() + (found * scores).mean()

    return training(net, optimizer, loss, gc.randn(11, 9), gc.rand(11, 70))


@pytest.mark.parametrize(
    ("make", "threads"), [(perceptron, 1), (lenet, 3), (transformer, 2), (normalized, 3), (ranked, 2)]
)
def test_step_is_clean(make: Callable[[], Made], threads: int, tmp_path: Path) -> None:
    """No access out of bounds, no undefined behaviour, no warning; and the same numbers as the loaded program's."""
    gc.manual_seed(3)
    step, arguments = make()
    compiled = gc.compile(step)
    compiled(*arguments)
    recording, program = compiled.stages.recording, compiled.stages.compiled
    arrays: list[np.ndarray] = []
    for node, binding in zip(recording.graph.inputs, recording.bindings, strict=True):
        if isinstance(binding, FromArgument):
            array = arguments[binding.position].detach().numpy()
        elif isinstance(binding, FromOutside):
            array = binding.tensor.detach().numpy()
        else:
            array = np.array(binding.scalar.current(), node.type.dtype.numpy)
        arrays.append(np.array(array, order="C", ndmin=1, copy=True))
    arrays += [
        np.empty(output.node.type.shape or (1,), output.node.type.dtype.numpy) for output in recording.graph.outputs
    ]
    if program.draws_random:
        arrays.append(default_generator.buffer.copy())
    assert run_sanitized(program, arrays, tmp_path, threads=threads)[0] == 0
    loss = compiled(*arguments)
    position = len(recording.graph.inputs)
    np.testing.assert_allclose(arrays[position].reshape(()), loss.item(), rtol=1e-5)
    for array, node, binding in zip(arrays, recording.graph.inputs, recording.bindings, strict=False):
        if isinstance(binding, FromOutside):
            now = binding.tensor.detach().numpy()
            np.testing.assert_allclose(array.reshape(now.shape), now, rtol=1e-4, atol=1e-6, err_msg=node.name)
