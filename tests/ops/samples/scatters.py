"""Samples of the scatter primitives, bound directly. Where places are written twice, only sums have a gradient."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import integers, literal, normal, primitive_sample


def _of(name: str) -> Any:
    def oracle(torch: Any, base: Any, index: Any, source: Any, *, dim: int) -> Any:
        return getattr(torch, name)(base, dim, index, source)

    return oracle


SAMPLES = (
    *(
        sample
        for name in ("scatter_add", "scatter")
        for sample in (
            primitive_sample(
                name,
                normal(4, 3),
                literal([[0, 3, 1], [2, 0, 3]], "int64"),
                normal(2, 3),
                dim=0,
                oracle=_of(name),
            ),
            primitive_sample(
                name,
                normal(3, 5),
                literal([[4, 0, 2], [1, 3, 0]], "int64"),
                normal(2, 3, layout="transposed"),
                dim=1,
                oracle=_of(name),
                label="part of a dim",
            ),
            primitive_sample(
                name, normal(3), integers(0, low=0, high=3), normal(0), dim=0, oracle=_of(name), label="empty"
            ),
            primitive_sample(
                name,
                integers(4, low=0, high=9),
                literal([3, 0], "int64"),
                integers(2, low=0, high=9),
                dim=0,
                oracle=_of(name),
                label="int",
            ),
        )
    ),
    primitive_sample(
        "scatter_add",
        normal(3),
        literal([1, 1, 2, 1, 1], "int64"),
        normal(5),
        dim=0,
        oracle=_of("scatter_add"),
        label="repeats",
    ),
    primitive_sample(
        "scatter",
        normal(3),
        literal([1, 1, 2], "int64"),
        literal([1.0, 2.0, 3.0]),
        dim=0,
        oracle=_of("scatter"),
        differentiable=(),
        label="repeats",
    ),
    *(
        sample
        for name in ("index_add", "index_copy")
        for sample in (
            primitive_sample(name, normal(5, 3), literal([4, 0], "int64"), normal(2, 3), dim=0, oracle=_of(name)),
            primitive_sample(
                name,
                normal(2, 4, 3),
                literal([2, 0, 3], "int64"),
                normal(2, 3, 3, layout="strided"),
                dim=1,
                oracle=_of(name),
                label="middle",
            ),
            primitive_sample(
                name, normal(5, 2), integers(0, low=0, high=5), normal(0, 2), dim=0, oracle=_of(name), label="empty"
            ),
            primitive_sample(
                name,
                integers(4, low=0, high=9),
                literal([3, 0], "int64"),
                integers(2, low=0, high=9),
                dim=0,
                oracle=_of(name),
                label="int",
            ),
        )
    ),
    primitive_sample(
        "index_add",
        normal(3, 2),
        literal([1, 1, 2, 1], "int64"),
        normal(4, 2),
        dim=0,
        oracle=_of("index_add"),
        label="repeats",
    ),
)
