"""Samples of normalizations."""

from __future__ import annotations

from tests.ops.samples.table import OpSample, normal, sample, uniform

_MEAN, _VARIANCE = normal(3), uniform(3, low=0.5, high=2.0)
_WEIGHT, _BIAS = normal(3), normal(3)
# The second derivative of a normalization cancels to little: its absolute error is that of its parts.
_LOOSE = (2e-5, 1e-10)

SAMPLES: tuple[OpSample, ...] = (
    sample("layer_norm", normal(4, 5), (5,), tolerance=_LOOSE),
    sample("layer_norm", normal(2, 4, 5), (4, 5), normal(4, 5), normal(4, 5), label="two-dims", tolerance=_LOOSE),
    sample("layer_norm", normal(4, 5), (5,), normal(5), normal(5), 1e-3, label="affine", tolerance=_LOOSE),
    sample("rms_norm", normal(4, 5), (5,), normal(5), tolerance=_LOOSE),
    sample("group_norm", normal(2, 6, 3), 3, normal(6), normal(6), tolerance=_LOOSE),
    sample("batch_norm", normal(4, 3), None, None, training=True, label="training", tolerance=_LOOSE),
    sample(
        "batch_norm", normal(4, 3, 2, 2), None, None, _WEIGHT, _BIAS, training=True, label="images", tolerance=_LOOSE
    ),
    sample(
        "batch_norm",
        normal(4, 3, 2, 2),
        _MEAN,
        _VARIANCE,
        _WEIGHT,
        _BIAS,
        label="evaluation",
        differentiable=(0, 3, 4),
        tolerance=_LOOSE,
    ),
    sample("normalize", normal(4, 5), tolerance=_LOOSE),
    sample("normalize", normal(4, 5), p=1.0, dim=0, label="p-1", tolerance=_LOOSE),
)
