"""Pools: PyTorch's sizes and errors, and which formulation the gradient takes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from graphc.autograd.gradients import grad
from graphc.ir.graph import Builder
from graphc.ir.integers import variable
from graphc.ir.types import TensorType, float32
from graphc.ops.functions.adaptive_pooling import adaptive_avg_pool2d, adaptive_max_pool2d
from graphc.ops.functions.pooling import avg_pool2d, max_pool2d
from graphc.ops.pooling import MaxPool, pooled_extent
from graphc.tensor import Tensor


def zeros(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor.from_array(np.zeros(shape, dtype))


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_sizes_are_pytorchs(ceil_mode: bool) -> None:
    """For all small geometries the number of windows equals PyTorch's."""
    torch = pytest.importorskip("torch")
    for extent, kernel, stride, dilation in itertools.product(range(1, 9), (1, 2, 3), (1, 2, 3), (1, 2)):
        for padding in range((dilation * (kernel - 1) + 1) // 2 + 1):
            found = pooled_extent(extent, kernel, stride, padding, dilation, ceil_mode)
            try:
                expected = torch.nn.functional.max_pool1d(
                    torch.zeros(1, 1, extent), kernel, stride, padding, dilation, ceil_mode
                ).shape[-1]
            except RuntimeError:
                assert found < 1 or 2 * padding > kernel
            else:
                assert found == expected, (extent, kernel, stride, padding, dilation)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: max_pool2d(zeros(1, 1, 4, 4), 2, padding=2), RuntimeError, "pad should be at most half of effective"),
        (
            lambda: max_pool2d(zeros(1, 1, 4, 4), 5),
            RuntimeError,
            r"Given input size: \(1x4x4\). Calculated output size: \(1x0x0\). Output size is too small",
        ),
        (lambda: max_pool2d(zeros(1, 4), 5), RuntimeError, "non-empty 3D or 4D"),
        (lambda: max_pool2d(zeros(1, 1, 4, 4), 2, 0), RuntimeError, "stride should not be zero"),
        (lambda: max_pool2d(zeros(1, 0, 4, 4), 2), RuntimeError, "optional 0 dim batch size for input"),
        (lambda: max_pool2d(zeros(1, 1, 4, 4, dtype="bool"), 2), NotImplementedError, "not implemented for 'Bool'"),
        (lambda: avg_pool2d(zeros(1, 1, 4, 4), 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (lambda: adaptive_avg_pool2d(zeros(1, 4), 2), RuntimeError, "Expected 3D or 4D tensor, but got"),
        (lambda: adaptive_max_pool2d(zeros(1, 1, 0, 4), 2), RuntimeError, "non-zero size for non-batch dimensions"),
        (
            lambda: adaptive_avg_pool2d(zeros(1, 1, 4, 4, dtype="int64"), 2),
            NotImplementedError,
            "not implemented for 'Long'",
        ),
    ],
)
def test_errors_are_pytorchs(call: Any, kind: type[Exception], words: str) -> None:
    """Class and first words are PyTorch's."""
    with pytest.raises(kind, match=words):
        call()


def primitives_of_the_gradient(**geometry: Any) -> set[str]:
    """The primitives that the rule of max_pool2d makes for a batch of symbolic size."""
    builder = Builder()
    x = builder.input("x", TensorType(float32, (variable("N", 1), 3, 7, 7)))
    result = MaxPool.bind(x, **geometry)
    cotangent = builder.input("cotangent", result.node.type)
    (found,) = MaxPool.instance.vjp(cotangent, result, x, **geometry)
    assert found.shape == x.shape
    return {node.op.name for node in builder.nodes}


def test_windows_side_by_side_look_their_gradient_up() -> None:
    """Where an element is in at most one window, its gradient is looked up; elsewhere it is summed over windows."""
    tiles = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
    for ceil_mode in (False, True):
        assert "max_pool_spread" in primitives_of_the_gradient(**tiles, ceil_mode=ceil_mode)
    for change in ({"padding": (1, 1)}, {"stride": (3, 3), "dilation": (2, 1)}):
        assert "max_pool_spread" in primitives_of_the_gradient(**(tiles | change), ceil_mode=False)
    for change in ({"stride": (1, 2)}, {"dilation": (2, 1)}):
        assert "max_pool_gradient" in primitives_of_the_gradient(**(tiles | change), ceil_mode=False)


def test_the_gradient_goes_to_the_first_maximum_alone() -> None:
    """Of equal maxima the first in the window gets all of the cotangent; an element of two windows gets both."""
    x = zeros(1, 2, 4).requires_grad_()
    (side_by_side,) = grad([max_pool2d(x, 2).sum()], [x])
    assert side_by_side.tolist() == [[[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]
    peak = Tensor.from_array(np.array([[[0.0, 5.0, 0.0]]], np.float32)).requires_grad_()
    (shared,) = grad([max_pool2d(peak, (1, 2), 1).sum()], [peak])
    assert shared.tolist() == [[[0.0, 2.0, 0.0]]]


def test_a_window_of_nothing_but_minus_infinity_has_its_maximum_in_the_input() -> None:
    """The padding never wins, so that no index lies outside of the image."""
    x = Tensor.from_array(np.full((1, 3, 3), -np.inf, np.float32))
    values, indices = max_pool2d(x, 2, 1, 1, return_indices=True)
    assert np.all(values.numpy() == -np.inf)
    assert indices.numpy()[0, 0, 0] == 0
    assert np.all((indices.numpy() >= 0) & (indices.numpy() < 9))


def test_type_rule_says_what_was_given() -> None:
    """A geometry that does not fit names the operand and the geometry."""
    geometry = {"kernel_size": (5, 5), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    with pytest.raises(ValueError, match=r"max_pool of f32\[2,4,4\].*at least 1 by 1"):
        MaxPool.instance.infer(TensorType(float32, (2, 4, 4)), **geometry)
