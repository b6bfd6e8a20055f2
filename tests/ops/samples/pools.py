"""Samples of pools as functions."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import distinct, inf, integers, literal, nan, normal, sample, uniform

_SPECIAL = [[1.0, 1.0, nan, 2.0], [1.0, 0.0, nan, nan], [-inf, -inf, inf, 5.0], [-inf, -inf, inf, inf]]


def _with_indices(torch: Any, *arguments: Any, **options: Any) -> Any:
    """What PyTorch's functions of that name leave to the flag."""
    return torch.nn.functional.max_pool2d(*arguments, **options, return_indices=True)


_MAXIMA = (
    sample("max_pool2d", distinct(2, 2, 6, 5), 2),
    sample("max_pool2d", distinct(2, 6, 5), (3, 2), (1, 2), (1, 0), label="overlap"),
    sample("max_pool2d", distinct(2, 7, 7), 2, 2, 1, 2, True, label="dilation, ceil"),
    sample("max_pool2d", distinct(2, 6, 5), 2, return_indices=True, label="indices"),
    sample("max_pool2d", distinct(2, 1, 7, 7), 3, 2, 1, return_indices=True, label="indices, overlap"),
    sample("max_pool2d", literal([_SPECIAL]), 2, return_indices=True, smooth=False, label="nan"),
    sample("max_pool2d", literal([_SPECIAL]), 3, 1, 1, return_indices=True, smooth=False, label="nan, overlap"),
    sample("max_pool2d", integers(1, 4, 4, low=-9, high=9), 2, 1, label="int"),
    sample("max_pool2d", distinct(0, 2, 4, 4), 2, label="no samples"),
    sample("max_pool2d", distinct(2, 2, 4, 6), (2, 1), [], label="no stride"),
    sample("max_pool1d", distinct(2, 3, 7), 3, 2, 1),
    sample("max_pool1d", distinct(3, 7), 2, return_indices=True, label="indices"),
    sample("max_pool1d", distinct(2, 3, 9), 3, 2, 1, 2, True, True, label="dilation, ceil"),
    sample("max_pool3d", distinct(2, 2, 4, 5, 4), 2),
    sample("max_pool3d", distinct(1, 4, 5, 4), (2, 3, 2), 1, (1, 1, 0), return_indices=True, label="overlap"),
    sample("max_pool3d", distinct(1, 1, 5, 5, 5), 2, (2, 1, 2), 0, 2, True, True, label="dilation, ceil"),
    sample("max_pool1d_with_indices", distinct(2, 3, 7), 3, 2),
    sample("max_pool2d_with_indices", distinct(2, 3, 4, 4), 2, oracle=_with_indices),
    sample("max_pool3d_with_indices", distinct(2, 3, 4, 4), 2),
)


def _undone() -> Any:
    index = literal([[[1, 3, 5], [0, 2, 4]]], "int64")
    plane = literal([[[[0, 3], [9, 14]], [[5, 2], [8, 15]]]], "int64")
    volume = literal([[[[[0, 3]], [[17, 22]]]]], "int64")
    yield sample("max_unpool1d", normal(1, 2, 3), index, 2)
    yield sample("max_unpool1d", normal(1, 2, 3), index, 2, output_size=(7,), label="size")
    yield sample("max_unpool2d", normal(1, 2, 2, 2), plane, 2)
    yield sample("max_unpool2d", normal(1, 2, 2, 2), plane, (2, 2), 2, 0, (1, 2, 4, 5), label="size")
    yield sample("max_unpool2d", normal(1, 2, 2, 2), plane, 4, 2, 1, label="padding")
    yield sample("max_unpool3d", normal(1, 1, 2, 1, 2), volume, (2, 3, 2))
    yield sample("max_unpool3d", normal(1, 1, 2, 1, 2), volume, (2, 3, 2), output_size=(4, 4, 4), label="size")


_AVERAGES = (
    sample("avg_pool2d", normal(2, 2, 6, 5), 2),
    sample("avg_pool2d", normal(2, 6, 5), (3, 2), (2, 1), 1, label="padding"),
    sample("avg_pool2d", normal(2, 6, 5), 3, 2, 1, count_include_pad=False, label="padding not counted"),
    sample("avg_pool2d", normal(2, 6, 6), 3, 2, 1, True, label="ceil"),
    sample("avg_pool2d", normal(2, 6, 6), 3, 2, 1, True, False, label="ceil, padding not counted"),
    sample("avg_pool2d", normal(2, 6, 6), 2, divisor_override=3, label="divisor"),
    sample("avg_pool2d", integers(1, 4, 4, low=-9, high=9), 2, 1, 1, label="int"),
    sample("avg_pool1d", normal(2, 3, 7), 3, 2, 1),
    sample("avg_pool1d", normal(2, 8), 3, 2, 1, True, False, label="ceil, padding not counted"),
    sample("avg_pool3d", normal(2, 2, 4, 4, 5), 2),
    sample("avg_pool3d", normal(2, 4, 5, 4), (2, 3, 2), (1, 2, 1), (1, 1, 0), True, False, label="padding not counted"),
    sample("avg_pool3d", normal(1, 1, 4, 4, 4), 2, 1, 1, divisor_override=5, label="divisor"),
    sample("lp_pool1d", uniform(2, 3, 7, low=0.5, high=2.0), 2.0, 3),
    sample("lp_pool1d", uniform(3, 8, low=0.5, high=2.0), 3.0, 2, 3, True, label="ceil"),
    sample("lp_pool2d", normal(2, 2, 5, 6), 2.0, (2, 3)),
    sample("lp_pool2d", uniform(2, 5, 6, low=0.5, high=2.0), 1.5, 2, 1, label="stride"),
    sample("lp_pool3d", uniform(1, 2, 4, 4, 3, low=0.5, high=2.0), 2.0, 2),
)
_ADAPTIVE = (
    sample("adaptive_avg_pool2d", normal(2, 3, 6, 4), 1),
    sample("adaptive_avg_pool2d", normal(2, 3, 6, 4), (3, 2), label="even"),
    sample("adaptive_avg_pool2d", normal(3, 7, 5), (3, 4), label="uneven"),
    sample("adaptive_avg_pool2d", normal(2, 3, 5), (4, None), label="larger"),
    sample("adaptive_avg_pool2d", normal(2, 3, 5), (0, 2), label="nothing", differentiable=()),
    sample("adaptive_avg_pool1d", normal(2, 3, 7), 3),
    sample("adaptive_avg_pool1d", normal(3, 6), (2,), label="even"),
    sample("adaptive_avg_pool3d", normal(1, 2, 4, 5, 3), 1),
    sample("adaptive_avg_pool3d", normal(2, 4, 5, 3), (2, 3, None), label="uneven"),
    sample("adaptive_max_pool2d", distinct(2, 3, 6, 4), (3, 2)),
    sample("adaptive_max_pool2d", distinct(2, 3, 6, 4), (3, 2), True, label="even"),
    sample("adaptive_max_pool2d", distinct(3, 7, 5), (3, 4), return_indices=True, label="uneven"),
    sample("adaptive_max_pool2d", literal([_SPECIAL]), (3, 2), return_indices=True, smooth=False, label="nan"),
    sample("adaptive_max_pool1d", distinct(2, 3, 7), 3, True),
    sample("adaptive_max_pool1d", distinct(3, 6), 2, label="even"),
    sample("adaptive_max_pool3d", distinct(1, 2, 4, 5, 3), (2, 3, 2), return_indices=True),
    sample("adaptive_max_pool3d", distinct(2, 4, 4, 2), (2, 2, None), label="even"),
    sample("adaptive_max_pool1d_with_indices", distinct(2, 3, 7), 3),
    sample("adaptive_max_pool2d_with_indices", distinct(2, 3, 4, 4), 2),
    sample("adaptive_max_pool3d_with_indices", distinct(2, 3, 4, 4), 2),
)


def _fractional() -> Any:
    places = {"_random_samples": uniform(2, 3, 2, low=0.0, high=1.0)}
    volume = {"_random_samples": uniform(1, 2, 3, low=0.0, high=1.0)}
    yield sample("fractional_max_pool2d", distinct(2, 3, 7, 6), 2, (3, 4), **places)
    yield sample("fractional_max_pool2d", distinct(2, 3, 7, 6), (2, 3), None, (0.5, 0.5), True, label="ratio", **places)
    yield sample("fractional_max_pool2d", distinct(2, 3, 7, 6), 2, (1, 4), label="one row", **places)
    yield sample("fractional_max_pool2d", distinct(2, 3, 7, 6), 2, 3, random=True, differentiable=(), label="random")
    yield sample("fractional_max_pool3d", distinct(1, 2, 5, 6, 5), 2, (2, 3, 3), **volume)
    yield sample(
        "fractional_max_pool3d", distinct(2, 5, 6, 5), (1, 2, 2), 3, return_indices=True, label="one", **volume
    )
    yield sample("fractional_max_pool2d_with_indices", distinct(2, 3, 7, 6), 2, 3, **places)
    yield sample("fractional_max_pool3d_with_indices", distinct(1, 2, 5, 5, 6), 2, 3, **volume)


SAMPLES = (*_MAXIMA, *_undone(), *_AVERAGES, *_ADAPTIVE, *_fractional())
