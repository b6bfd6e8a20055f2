"""Samples of pointwise functions."""

from tests.ops.samples.table import OpSample, normal, sample

SAMPLES: tuple[OpSample, ...] = (
    sample("add", normal(3, 4), normal(3, 4)),
    sample("add", normal(3, 4), normal(4), label="broadcast"),
)
