"""Samples of values made in the likeness of others, and of random numbers."""

from __future__ import annotations

from graphc.ir.types import float32, float64, int64
from graphc.ops.sources import Literal
from tests.ops.samples.table import OpSample, integers, normal, primitive_sample, sample

SAMPLES: tuple[OpSample, ...] = (
    sample("full_like", normal(2, 3), 2.5, differentiable=()),
    sample("full_like", integers(2, 3, low=0, high=3), 7, label="integers"),
    sample("zeros_like", normal(2, 3), differentiable=()),
    sample("ones_like", normal(2, 3, dtype="float64"), differentiable=()),
    sample("empty_like", normal(2, 3), differentiable=(), random=True),
    sample("rand_like", normal(2, 3), differentiable=(), random=True),
    sample("randn_like", normal(2, 3), differentiable=(), random=True),
    primitive_sample("full", value=2.5, shape=(2, 3), dtype=float32),
    primitive_sample("iota", shape=(2, 3), dim=1, dtype=int64),
    primitive_sample("iota", shape=(4,), dim=0, dtype=float32, label="float"),
    primitive_sample("constant", literal=Literal([[1.0, 2.0], [3.0, 4.0]], float32)),
    primitive_sample("constant", literal=Literal(5, int64), label="scalar"),
    primitive_sample("random_uniform", shape=(2, 3), dtype=float32, random=True),
    primitive_sample("random_normal", shape=(4, 5), dtype=float64, random=True),
    primitive_sample("random_bernoulli", probability=0.3, shape=(4, 5), dtype=float32, random=True),
    primitive_sample("random_bits", bits=40, shape=(4, 5), dtype=int64, random=True),
    primitive_sample("random_serial_normal", mean=1.0, std=2.0, shape=(4, 5), random=True),
    primitive_sample("random_log_normal", mean=1.0, std=2.0, shape=(4, 5), random=True),
    primitive_sample("random_permutation", shape=(9,), dtype=int64, random=True),
)
