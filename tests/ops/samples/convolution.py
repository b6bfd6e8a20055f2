"""Samples of convolutions and pools as functions."""

from __future__ import annotations

from tests.ops.samples.table import distinct, inf, integers, literal, nan, normal, sample

_TOLERANCE = (2e-5, 1e-11)
_SPECIAL = [[1.0, 1.0, nan, 2.0], [1.0, 0.0, nan, nan], [-inf, -inf, inf, 5.0], [-inf, -inf, inf, inf]]

SAMPLES = (
    sample("conv2d", normal(2, 3, 5, 6), normal(4, 3, 3, 2), tolerance=_TOLERANCE),
    sample("conv2d", normal(2, 3, 5, 6), normal(4, 3, 3, 2), normal(4), padding=1, tolerance=_TOLERANCE, label="bias"),
    sample("conv2d", normal(3, 5, 6), normal(4, 3, 3, 2), normal(4), tolerance=_TOLERANCE, label="one sample"),
    sample(
        "conv2d",
        normal(2, 4, 6, 7),
        normal(6, 2, 3, 3),
        normal(6),
        (2, 1),
        (1, 2),
        groups=2,
        tolerance=_TOLERANCE,
        label="groups",
    ),
    sample(
        "conv2d", normal(2, 3, 7, 7), normal(3, 1, 3, 3), None, 1, 2, (2, 1), 3, tolerance=_TOLERANCE, label="depthwise"
    ),
    sample("conv2d", normal(1, 2, 5, 6), normal(3, 2, 2, 3), padding="same", tolerance=_TOLERANCE, label="same"),
    sample(
        "conv2d",
        normal(1, 2, 5, 6),
        normal(3, 2, 4, 2),
        padding="same",
        dilation=(1, 3),
        tolerance=_TOLERANCE,
        label="same, even",
    ),
    sample("conv2d", normal(1, 2, 5, 6), normal(3, 2, 2, 3), padding="valid", tolerance=_TOLERANCE, label="valid"),
    sample("conv2d", normal(0, 2, 5, 6), normal(3, 2, 2, 3), label="no samples"),
    sample("conv1d", normal(2, 3, 8), normal(4, 3, 3), normal(4), 2, 1, tolerance=_TOLERANCE),
    sample("conv1d", normal(2, 8), normal(2, 1, 4), padding="same", groups=2, tolerance=_TOLERANCE, label="same"),
    sample("max_pool2d", distinct(2, 2, 6, 5), 2),
    sample("max_pool2d", distinct(2, 6, 5), (3, 2), (1, 2), (1, 0), label="overlap"),
    sample("max_pool2d", distinct(2, 7, 7), 2, 2, 1, 2, True, label="dilation, ceil"),
    sample("max_pool2d", distinct(2, 6, 5), 2, return_indices=True, label="indices"),
    sample("max_pool2d", distinct(2, 1, 7, 7), 3, 2, 1, return_indices=True, label="indices, overlap"),
    sample("max_pool2d", literal([_SPECIAL]), 2, return_indices=True, smooth=False, label="nan"),
    sample("max_pool2d", literal([_SPECIAL]), 3, 1, 1, return_indices=True, smooth=False, label="nan, overlap"),
    sample("max_pool2d", integers(1, 4, 4, low=-9, high=9), 2, 1, label="int"),
    sample("max_pool1d", distinct(2, 3, 7), 3, 2, 1),
    sample("max_pool1d", distinct(3, 7), 2, return_indices=True, label="indices"),
    sample("avg_pool2d", normal(2, 2, 6, 5), 2),
    sample("avg_pool2d", normal(2, 6, 5), (3, 2), (2, 1), 1, label="padding"),
    sample("avg_pool2d", normal(2, 6, 5), 3, 2, 1, count_include_pad=False, label="padding not counted"),
    sample("avg_pool2d", normal(2, 6, 6), 3, 2, 1, True, label="ceil"),
    sample("avg_pool2d", normal(2, 6, 6), 3, 2, 1, True, False, label="ceil, padding not counted"),
    sample("avg_pool2d", normal(2, 6, 6), 2, divisor_override=3, label="divisor"),
    sample("avg_pool2d", integers(1, 4, 4, low=-9, high=9), 2, 1, 1, label="int"),
    sample("avg_pool1d", normal(2, 3, 7), 3, 2, 1),
    sample("adaptive_avg_pool2d", normal(2, 3, 6, 4), 1),
    sample("adaptive_avg_pool2d", normal(2, 3, 6, 4), (3, 2), label="even"),
    sample("adaptive_avg_pool2d", normal(3, 7, 5), (3, 4), label="uneven"),
    sample("adaptive_avg_pool2d", normal(2, 3, 5), (4, None), label="larger"),
    sample("adaptive_max_pool2d", distinct(2, 3, 6, 4), (3, 2)),
    sample("adaptive_max_pool2d", distinct(3, 7, 5), (3, 4), return_indices=True, label="uneven"),
    sample("adaptive_max_pool2d", literal([_SPECIAL]), (3, 2), return_indices=True, smooth=False, label="nan"),
)
