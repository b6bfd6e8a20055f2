"""The op sample table: each family module beside this one has a tuple ``SAMPLES``; ``ALL_SAMPLES`` joins them."""

from tests.ops.samples.collect import ALL_SAMPLES
from tests.ops.samples.table import (
    Array,
    OpSample,
    booleans,
    complex_normal,
    distinct,
    flat_arrays,
    inf,
    integers,
    literal,
    map_arrays,
    nan,
    normal,
    primitive_sample,
    sample,
    uniform,
)

__all__ = [
    "ALL_SAMPLES",
    "Array",
    "OpSample",
    "booleans",
    "complex_normal",
    "distinct",
    "flat_arrays",
    "inf",
    "integers",
    "literal",
    "map_arrays",
    "nan",
    "normal",
    "primitive_sample",
    "sample",
    "uniform",
]
