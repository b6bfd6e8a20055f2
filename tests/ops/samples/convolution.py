"""Samples of convolutions and transposed convolutions as functions."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import integers, normal, sample

_CLOSE = {"tolerance": (2e-5, 1e-11)}
# Sums of few numbers that nearly cancel.
_LOOSE = {"tolerance": (1e-4, 1e-11)}


def _named(label: str, name: str, *arguments: Any, **options: Any) -> Any:
    return sample(name, *arguments, label=label, **(_CLOSE | options))


SAMPLES = (
    _named("", "conv2d", normal(2, 3, 5, 6), normal(4, 3, 3, 2)),
    _named("bias", "conv2d", normal(2, 3, 5, 6), normal(4, 3, 3, 2), normal(4), padding=1),
    _named("one sample", "conv2d", normal(3, 5, 6), normal(4, 3, 3, 2), normal(4)),
    _named("groups", "conv2d", normal(2, 4, 6, 7), normal(6, 2, 3, 3), normal(6), (2, 1), (1, 2), groups=2, **_LOOSE),
    _named("depthwise", "conv2d", normal(2, 3, 7, 7), normal(3, 1, 3, 3), None, 1, 2, (2, 1), 3),
    _named("same", "conv2d", normal(1, 2, 5, 6), normal(3, 2, 2, 3), padding="same"),
    _named("same, even", "conv2d", normal(1, 2, 5, 6), normal(3, 2, 4, 2), padding="same", dilation=(1, 3)),
    _named("valid", "conv2d", normal(1, 2, 5, 6), normal(3, 2, 2, 3), padding="valid"),
    _named("no samples", "conv2d", normal(0, 2, 5, 6), normal(3, 2, 2, 3)),
    _named("channels last", "conv2d", normal(2, 5, 6, 3, layout="transposed"), normal(4, 5, 3, 2)),
    _named("int", "conv2d", integers(1, 2, 4, 4, low=-5, high=5), integers(3, 2, 3, 3, low=-5, high=5)),
    _named("", "conv1d", normal(2, 3, 8), normal(4, 3, 3), normal(4), 2, 1),
    _named("one sample", "conv1d", normal(3, 8), normal(4, 3, 3), normal(4), dilation=2),
    _named("same", "conv1d", normal(2, 8), normal(2, 1, 4), padding="same", groups=2),
    _named("", "conv3d", normal(2, 2, 4, 5, 3), normal(3, 2, 2, 3, 2), normal(3), 1, (1, 1, 0)),
    _named("groups", "conv3d", normal(1, 4, 4, 4, 5), normal(4, 2, 2, 2, 3), None, (1, 2, 2), 1, (2, 1, 1), 2),
    _named("one sample, same", "conv3d", normal(2, 3, 4, 3), normal(2, 2, 3, 2, 3), padding="same"),
    _named("", "conv_tbc", normal(6, 2, 3), normal(3, 3, 4), normal(4), 1),
    _named("", "conv_transpose1d", normal(2, 3, 5), normal(3, 4, 3), normal(4), 2, 1, 1),
    _named("one sample", "conv_transpose1d", normal(3, 5), normal(3, 2, 2), None, dilation=3),
    _named("groups", "conv_transpose1d", normal(2, 4, 5), normal(4, 3, 3), normal(6), 3, 0, 2, 2),
    _named("", "conv_transpose2d", normal(2, 3, 4, 5), normal(3, 4, 3, 2)),
    _named("bias", "conv_transpose2d", normal(2, 3, 4, 3), normal(3, 2, 3, 3), normal(2), (2, 3), 1, (1, 2)),
    _named("groups", "conv_transpose2d", normal(2, 4, 3, 4), normal(4, 2, 3, 3), normal(4), 2, (0, 1), 0, 2, 2),
    _named("rim of a dilation", "conv_transpose2d", normal(1, 2, 3, 4), normal(2, 3, 2, 2), None, 1, 0, 1, 1, 2),
    _named("one sample", "conv_transpose2d", normal(2, 3, 4), normal(2, 3, 2, 2), stride=2),
    _named("", "conv_transpose3d", normal(1, 2, 3, 2, 3), normal(2, 3, 2, 3, 2), normal(3), 2, 1, (1, 0, 1)),
    _named("groups", "conv_transpose3d", normal(1, 4, 2, 3, 2), normal(4, 1, 2, 2, 2), None, 1, 0, 0, 2, (1, 2, 1)),
)
