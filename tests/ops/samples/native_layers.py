"""Samples of layers by the order of arguments that PyTorch's kernels have."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import OpSample, literal, normal, sample, uniform


def _layer(name: str, *inputs: Any, **options: Any) -> OpSample:
    return sample(
        f"torch.{name}", *inputs, **{"tolerance": (1e-4, 1e-10), **options},
        oracle=lambda torch, *arguments: getattr(torch, name)(*arguments),
    )  # fmt: skip


_CHANNELS = (normal(3), normal(3))
_RUNNING = (normal(3), uniform(3, low=0.5, high=2.0))
_IMAGE = normal(2, 3, 4, 2)
_BAGS = (normal(5, 3), literal([1, 4, 0, 2, 2], "int64"), literal([0, 2], "int64"))

SAMPLES = (
    _layer("batch_norm", _IMAGE, *_CHANNELS, *_RUNNING, False, 0.1, 1e-5, False, differentiable=(0, 1, 2)),
    _layer("batch_norm", _IMAGE, None, None, None, None, True, 0.1, 1e-5, False, label="training"),
    _layer("instance_norm", _IMAGE, *_CHANNELS, None, None, True, 0.1, 1e-5, False),
    _layer("native_batch_norm", _IMAGE, *_CHANNELS, *_RUNNING, False, 0.1, 1e-5, differentiable=()),
    _layer("native_batch_norm", _IMAGE, *_CHANNELS, None, None, True, 0.1, 1e-5, label="training", differentiable=()),
    _layer("native_layer_norm", normal(2, 4, 5), (4, 5), normal(4, 5), normal(4, 5), 1e-5, differentiable=()),
    _layer("native_group_norm", normal(2, 4, 3, 2), None, None, 2, 4, 6, 2, 1e-5, differentiable=()),
    _layer("convolution", normal(2, 4, 5, 6), normal(6, 2, 3, 3), normal(6), (2, 1), (1, 0), (1, 1), False, (0, 0), 2),
    _layer("convolution", normal(1, 2, 5), normal(2, 3, 3), None, (2,), (1,), (1,), True, (1,), 1, label="transposed"),
    _layer("embedding_bag", *_BAGS, differentiable=(0,)),
    _layer("embedding_bag", *_BAGS, False, 1, differentiable=(0,), label="mean"),
    _layer("ctc_loss", normal(5, 2, 4), literal([[1, 2], [3, 1]], "int64"), (5, 4), (2, 1), 0, 2, differentiable=()),
)
