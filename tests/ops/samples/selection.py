"""Samples of the functions that select and replace: by flat places, by masks, by views, with combined values."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import booleans, distinct, integers, literal, normal, sample


def _put(torch: Any, x: Any, *arguments: Any, **keywords: Any) -> Any:
    return x.put(*arguments, **keywords)


SAMPLES = (
    sample("take", normal(3, 4), literal([[0, -1], [5, 5]], "int64")),
    sample("take", normal(3, 4, layout="transposed"), literal([3, 7], "int64"), label="transposed"),
    sample("put", normal(3, 4), literal([0, -1, 5], "int64"), normal(3), oracle=_put),
    sample("put", normal(3, 4), literal([5, 5, 2], "int64"), normal(3), accumulate=True, oracle=_put, label="added"),
    sample("index_fill", normal(4, 3), 0, literal([3, -4], "int64"), -1.5),
    sample("index_fill", normal(4, 3), 1, literal([2, 0, 2], "int64"), normal(), label="tensor"),
    sample("index_fill", integers(4, low=0, high=9), 0, literal([1], "int64"), 2, label="int"),
    sample("index_put", normal(4, 3), (literal([0, -1], "int64"), literal([2, 1], "int64")), normal(2)),
    sample("index_put", normal(4, 3), (literal([3, 0, 3], "int64"),), normal(3, 3), accumulate=True, label="added"),
    sample("index_put", normal(4, 3), (literal(2, "int64"),), normal(3), label="one place"),
    sample(
        "index_put",
        normal(2, 3),
        (literal([[True, False, True], [False, False, True]], "bool"),),
        normal(3),
        label="mask",
    ),
    sample("index_reduce", distinct(4, 3), 0, literal([3, 0, 3], "int64"), distinct(3, 3, layout="transposed"), "amax"),
    sample("index_reduce", normal(4, 3), 1, literal([2, 0], "int64"), normal(4, 2), "mean", label="mean"),
    sample(
        "index_reduce",
        normal(4, 3),
        1,
        literal([2, 2], "int64"),
        normal(4, 2),
        "prod",
        include_self=False,
        label="without self",
    ),
    sample("scatter_reduce", normal(4, 3), 0, literal([[0, 1, 3], [0, 0, 2]], "int64"), normal(2, 3), "sum"),
    sample("scatter_reduce", normal(4, 3), 1, literal([[2, 2]], "int64"), normal(1, 2), "mean", label="mean"),
    sample("scatter_reduce", normal(4), 0, literal([1, 1, 3], "int64"), normal(3), "prod", label="prod"),
    sample(
        "scatter_reduce",
        normal(4),
        0,
        literal([1, 1, 3], "int64"),
        distinct(3),
        "amin",
        include_self=False,
        label="least",
    ),
    sample(
        "scatter_reduce",
        normal(3, 4),
        0,
        literal([[1, 1, 0, 0], [1, 0, 0, 1]], "int64"),
        distinct(2, 4),
        "amax",
        label="greatest",
    ),
    sample("masked_scatter", normal(2, 3), literal([[True, False, True], [False, True, False]], "bool"), normal(2, 2)),
    sample("masked_scatter", normal(2, 3), literal([True, False, True], "bool"), normal(5), label="broadcast"),
    sample("nonzero", literal([[0.0, 2.0], [3.0, 0.0]]), differentiable=()),
    sample("nonzero", booleans(5), as_tuple=True, label="tuple"),
    sample("argwhere", literal([[0, 2], [3, 0]], "int64")),
    sample("nonzero_static", literal([[0, 2], [3, 0]], "int64"), size=3),
    sample("nonzero_static", booleans(6), size=1, label="cut"),
    sample("select_scatter", normal(3, 4), normal(3), 1, -1),
    sample("slice_scatter", normal(6, 2), normal(2, 2), 0, 1, 5, 2),
    sample("slice_scatter", normal(2, 3), normal(2, 3), label="whole"),
    sample("diagonal_scatter", normal(3, 4), normal(3), 1),
)
