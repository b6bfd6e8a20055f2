"""Samples of indexing and of the functions that read or write at computed places."""

from __future__ import annotations

from typing import Any

from tests.ops.samples.table import booleans, integers, literal, normal, sample


def _item(torch: Any, x: Any, index: Any) -> Any:
    return x[tuple(index) if isinstance(index, list) else index]


def _embedding(torch: Any, index: Any, weight: Any, **keywords: Any) -> Any:
    return torch.nn.functional.embedding(index, weight, **keywords)


_ROWS = literal([4, -1, 0, 4], "int64")

SAMPLES = (
    sample("getitem", normal(4, 3), 1, oracle=_item),
    sample("getitem", normal(4, 3), (-1, 2), oracle=_item, label="ints"),
    sample("getitem", normal(6, 5), (slice(1, None, 2), slice(-3, -1)), oracle=_item, label="slices"),
    sample("getitem", normal(6, 5), slice(4, 2), oracle=_item, label="empty slice"),
    sample("getitem", normal(2, 3, 4), (..., 0), oracle=_item, label="ellipsis"),
    sample("getitem", normal(2, 3), (None, slice(None), None, 1), oracle=_item, label="none"),
    sample("getitem", normal(), (None, ...), oracle=_item, label="rank 0"),
    sample("getitem", normal(2, 3), True, oracle=_item, label="true"),
    sample("getitem", normal(2, 3), False, oracle=_item, label="false"),
    sample("getitem", normal(5, 3), (_ROWS,), oracle=_item, label="tensor"),
    sample("getitem", normal(5, 3), [0, 2, -1], oracle=lambda torch, x, index: x[index], label="list"),
    sample("getitem", normal(5, 3), (literal([[0, 1], [4, 4]], "int64"),), oracle=_item, label="matrix"),
    sample("getitem", normal(5, 3), (literal(2, "int64"),), oracle=_item, label="scalar tensor"),
    sample("getitem", normal(2, 5, 3), (slice(None), _ROWS), oracle=_item, label="second dim"),
    sample("getitem", normal(2, 5, 3), (1, _ROWS, slice(0, 2)), oracle=_item, label="mixture"),
    sample("getitem", normal(5, 3), (_ROWS, literal([0, 1, -1, 2], "int64")), oracle=_item, label="two tensors"),
    sample("getitem", normal(5, 2, 3), (_ROWS, slice(None), literal([[0], [2]], "int64")), oracle=_item, label="apart"),
    sample("getitem", normal(2, 5, 3), (slice(None), _ROWS, literal([1], "int64")), oracle=_item, label="broadcast"),
    sample(
        "getitem",
        normal(5, 4, 3),
        (literal(1, "int64"), slice(None), literal([2, 0], "int64")),
        oracle=_item,
        label="scalar tensor and tensor",
    ),
    sample("getitem", normal(3, 4), (integers(0, low=0, high=1),), oracle=_item, label="no rows"),
    sample("getitem", normal(3, 4), (literal([[1, 0, 0, 1]] * 3, "bool"),), oracle=_item, label="mask"),
    sample("getitem", normal(3, 4), (literal([True, False, True], "bool"),), oracle=_item, label="mask of rows"),
    sample(
        "getitem",
        normal(2, 3, 4),
        (slice(None), literal([True, False, True], "bool"), 1),
        oracle=_item,
        label="mask within",
    ),
    sample("getitem", integers(5, 3, low=0, high=9), (_ROWS,), oracle=_item, label="int"),
    sample("gather", normal(4, 3), 0, integers(2, 3, low=0, high=4)),
    sample("gather", normal(4, 3), -1, integers(4, 5, low=0, high=3), label="negative dim"),
    sample("gather", normal(), 0, literal([0, 0], "int64"), label="rank 0"),
    sample("take_along_dim", normal(4, 3), literal([[3], [-1], [4], [0]], "int64"), 1),
    sample("take_along_dim", normal(4, 3), literal([[0, -5, 2]], "int64"), 0, label="broadcast"),
    sample("take_along_dim", normal(2, 3), literal([5, 0], "int64"), label="flat"),
    sample("index_select", normal(4, 3), 0, literal([3, 0, 3], "int64")),
    sample("index_select", normal(4, 3), -1, literal([2], "int32"), label="int32"),
    sample("index_select", normal(4, 3), 0, literal(1, "int64"), label="scalar"),
    sample("embedding", integers(2, 3, low=0, high=5), normal(5, 4), oracle=_embedding),
    sample("embedding", integers(3, low=0, high=5, dtype="int32"), normal(5, 4), oracle=_embedding, label="int32"),
    # Its finite differences see the row that gets no gradient.
    sample(
        "embedding",
        literal([[0, 2], [4, 2]], "int64"),
        normal(5, 4),
        padding_idx=-3,
        oracle=_embedding,
        smooth=False,
        label="padding",
    ),
    sample("scatter_add", normal(4, 3), 0, literal([[0, 0, 3], [1, 0, 3]], "int64"), normal(2, 3)),
    sample(
        "scatter_add", normal(4, 3), 1, literal([[0], [2]], "int64"), normal(3, 3), differentiable=(0,), label="part"
    ),
    sample("scatter", normal(4, 3), 0, literal([[0, 1, 3], [1, 0, 2]], "int64"), normal(2, 3)),
    sample("scatter", normal(4, 3), 1, literal([[0], [2]], "int64"), value=2.5, label="number"),
    sample("index_add", normal(4, 3), 0, literal([3, 0, 3], "int64"), normal(3, 3)),
    sample("index_add", normal(4, 3), 1, literal([2, 0], "int64"), normal(4, 2), alpha=-1.5, label="alpha"),
    sample("index_copy", normal(4, 3), 0, literal([3, 0], "int64"), normal(2, 3)),
    sample("one_hot", integers(2, 3, low=0, high=4), 4),
    sample("one_hot", integers(5, low=0, high=4), label="counted"),
    sample("where", literal([True, False, True], "bool"), normal(3), normal(2, 1)),
    sample("where", booleans(3), 1.0, integers(3, low=0, high=9), label="number"),
    sample("where", literal([[True, False], [True, True]], "bool"), label="places"),
    sample("masked_fill", normal(2, 3), booleans(3), -1.0),
    sample("masked_fill", normal(3, 1), booleans(2), literal(2.0), label="tensor"),
    sample("masked_fill", integers(3, low=0, high=9), booleans(3), 1.5, label="int"),
    sample("masked_select", normal(2, 3), literal([True, False, True], "bool")),
)
