"""Samples of sorting, selecting, and searching."""

from __future__ import annotations

from tests.ops.samples.table import (
    OpSample,
    booleans,
    distinct,
    inf,
    integers,
    literal,
    nan,
    normal,
    sample,
)

_TIES = literal([[1.0, 3.0, 3.0, 1.0, 2.0], [nan, 1.0, nan, -inf, 0.0], [0.0, -0.0, 0.0, inf, inf]])


def _sorts() -> list[OpSample]:
    found = []
    for name in ("sort", "argsort"):
        none = {"differentiable": ()} if name == "argsort" else {}
        found += [
            sample(name, distinct(3, 4), dim=dim, descending=descending, label=f"dim-{dim}-{descending}", **none)
            for dim in (0, -1)
            for descending in (False, True)
        ]
        found += [
            sample(name, _TIES, stable=True, label="ties", smooth=False, **none),
            sample(name, _TIES, stable=True, descending=True, label="ties-descending", smooth=False, **none),
            sample(name, distinct(2, 3, 4, layout="transposed"), dim=1, label="transposed", **none),
            sample(name, integers(3, 40, low=0, high=9), stable=True, dim=1, label="integers"),
            sample(name, booleans(7), stable=True, label="bool"),
            sample(name, normal(), label="scalar", **none),
            sample(name, normal(0, 3), dim=0, label="empty", **none),
        ]
    return found


def _selections() -> list[OpSample]:
    return [
        sample("msort", distinct(3, 4)),
        sample("topk", distinct(3, 7), 3),
        sample("topk", distinct(5, 3), 2, dim=0, largest=False, label="least"),
        sample("topk", distinct(2, 4, 3), 4, dim=1, label="all"),
        sample("topk", _TIES, 3, label="ties", smooth=False),
        sample("topk", integers(4, 30, low=0, high=5), 7, label="ties-longer"),
        sample("topk", integers(4, 300, low=0, high=50), 3, label="ties-few-of-many"),
        sample("topk", distinct(3, 4), 0, label="none"),
        sample("topk", normal(), 1, label="scalar"),
        sample("kthvalue", distinct(3, 7), 3),
        sample("kthvalue", distinct(5, 3), 2, dim=0, keepdim=True, label="keepdim"),
        sample("kthvalue", _TIES, 4, label="ties", smooth=False),
        sample("kthvalue", integers(4, 30, low=0, high=5), 7, label="integers"),
        sample("mode", integers(4, 12, low=0, high=4)),
        sample("mode", integers(4, 60, low=0, high=4), label="longer"),
        sample(
            "mode", literal([[1.0, 2.0, 2.0], [3.0, 1.0, 2.0]]), dim=-1, keepdim=True, label="keepdim", smooth=False
        ),
        sample("mode", integers(9, 3, low=0, high=4), dim=0, label="rows"),
    ]


_ROWS = literal([[1.0, 2.0, 2.0, 5.0], [-1.0, 0.0, 3.0, inf]])


def _searches() -> list[OpSample]:
    return [
        sample("searchsorted", _ROWS, literal([[2.0, 0.0, 9.0], [3.0, nan, inf]]), differentiable=()),
        sample(
            "searchsorted",
            _ROWS,
            literal([[2.0, 0.0, 9.0], [3.0, 1.0, inf]]),
            right=True,
            label="right",
            differentiable=(),
        ),
        sample("searchsorted", literal([1.0, 3.0]), normal(2, 3), side="right", label="side", differentiable=()),
        sample("searchsorted", literal([1, 3, 7], "int64"), 3, label="number"),
        sample("searchsorted", literal([1, 3, 7], "int64"), normal(4), label="promoted", differentiable=()),
        sample("searchsorted", literal([1, 3, 7], "int32"), integers(4, low=0, high=9), out_int32=True, label="int32"),
        sample(
            "searchsorted",
            literal([7, 1, 3], "int64"),
            integers(4, low=0, high=9),
            sorter=literal([1, 2, 0], "int64"),
            label="sorter",
        ),
        sample("searchsorted", normal(0), normal(3), label="empty", differentiable=()),
        sample("bucketize", normal(3, 4), literal([-1.0, 0.0, 0.5]), differentiable=()),
        sample("bucketize", literal([1, 2, 3, 4], "int64"), literal([1, 3], "int64"), right=True, label="right"),
        sample("isin", integers(3, 4, low=0, high=9), integers(3, low=0, high=9)),
        sample("isin", integers(3, 4, low=0, high=90), integers(5, 7, low=0, high=90), label="many"),
        sample("isin", literal([nan, 1.0, 2.0]), literal([nan, 2.0]), label="floats", differentiable=()),
        sample("isin", integers(6, low=0, high=3), 2, invert=True, label="invert"),
        sample("isin", 2, integers(6, low=0, high=3), label="number"),
    ]


def _distinct() -> list[OpSample]:
    matrix = literal([[1, 2], [0, 5], [1, 2], [0, 4]], "int64")
    runs = literal([1, 1, 2, 2, 2, 1, 3, 3], "int64")
    return [
        sample("unique", integers(3, 4, low=0, high=5), label="plain"),
        sample("unique", literal([2.0, nan, 1.0, nan, 2.0]), label="floats", differentiable=()),
        sample("unique", integers(3, 4, low=0, high=5), return_inverse=True, return_counts=True, label="all"),
        sample("unique", matrix, return_inverse=True, return_counts=True, dim=0, label="rows"),
        sample("unique", matrix, return_counts=True, dim=1, label="columns"),
        sample("unique", booleans(5), return_counts=True, label="bool"),
        sample("unique_consecutive", runs, label="plain"),
        sample("unique_consecutive", runs, return_inverse=True, return_counts=True, label="all"),
        sample(
            "unique_consecutive", literal([[1, 1], [1, 1], [2, 3]], "int64"), return_counts=True, dim=0, label="rows"
        ),
    ]


SAMPLES: tuple[OpSample, ...] = (*_sorts(), *_selections(), *_searches(), *_distinct())
